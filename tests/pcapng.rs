//! `landfall export --format pcapng`: a capture that Wireshark's reader opens, decrypts with the secrets in it,
//! and finds the recorded requests in, each on its connection.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::h2;
use harness::landfall::Landfall;
use harness::origin::{Origin, echo_datagrams};
use harness::server::{self, Server};
use harness::tool::{self, SHORT};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const HTTP1: &str = "one.example";
const HTTP2: &str = "two.example";
const CLEAR: &str = "clear.example";

/// More than a packet holds.
const LONG: usize = 600_000;

/// HTTP/1.1: answers what it is sent, until the client ends the connection.
async fn serve_http1(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    loop {
        let head = read_head(&mut stream).await;
        if head.is_empty() {
            return;
        }
        if head.starts_with("POST ") {
            stream.read_exact(&mut [0; 6]).await.unwrap();
        }
        let (status, body) = match head.split(' ').nth(1) {
            Some("/missing") => ("404 Not Found", vec![b'x'; 10]),
            Some("/long") => ("200 OK", vec![b'x'; LONG]),
            _ => ("200 OK", b"hello".to_vec()),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
    }
}

/// HTTP/2: answers each request with some data.
async fn serve_http2(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    stream.read_exact(&mut vec![0; h2::PREFACE.len()]).await.unwrap();
    stream.write_all(&h2::settings(&[])).await.unwrap();
    while let Some(frame) = h2::read_frame(&mut stream).await {
        let reply = match frame.kind {
            h2::HEADERS => {
                let head = h2::block(&[(":status", "203"), ("content-type", "text/plain")]);
                let head = h2::frame(h2::HEADERS, h2::END_HEADERS, frame.stream, &head);
                let data = h2::frame(h2::DATA, h2::END_STREAM, frame.stream, &[b'y'; 16_000]);
                [head, data].concat()
            }
            h2::SETTINGS if frame.flags & h2::ACK == 0 => h2::frame(h2::SETTINGS, h2::ACK, 0, &[]),
            _ => continue,
        };
        if stream.write_all(&reply).await.is_err() {
            return;
        }
    }
}

fn curl(case: &Case, landfall: &Landfall, arguments: &[&str]) {
    let mut curl = tool::command("curl");
    curl.args(["--silent", "--show-error", "--proxytunnel", "--proxy", &landfall.proxy_url()]);
    curl.arg("--cacert").arg(case.authority()).args(arguments);
    tool::run(&mut curl, SHORT).expect_success();
}

/// Requests over HTTP/1.1 and HTTP/2 inside TLS, and one in the clear.
async fn record(case: &mut Case, version: &'static rustls::SupportedProtocolVersion) {
    let config = |name, alpn| case.ca().server_of(&[name], &[alpn], &[version]);
    let one = Origin::tls(config(HTTP1, "http/1.1"), serve_http1).await;
    let two = Origin::tls(config(HTTP2, "h2"), serve_http2).await;
    let clear = Origin::plain(serve_http1).await;
    case.place(HTTP1, "8.136.0.1", one.socket());
    case.place(HTTP2, "8.136.0.2", two.socket());
    case.place(CLEAR, "8.136.0.3", clear.socket());
    let landfall = case.start();
    let posted = ["--data", "secret", "https://one.example/posted?a=b"];
    curl(case, &landfall, &posted);
    curl(
        case,
        &landfall,
        &["https://one.example/missing", "https://one.example/long", "-o", "/dev/null"],
    );
    curl(case, &landfall, &["--http2", "https://two.example/first", "https://two.example/second"]);
    curl(case, &landfall, &["http://clear.example/"]);
    assert!(landfall.stop().status.success());
}

fn export(case: &Case, name: &str) -> PathBuf {
    let path = case.path(name);
    case.cli(&["export", "--format", "pcapng", "-o", path.to_str().unwrap()]).expect_success();
    path
}

/// What tshark reads of the packets that a filter leaves: a line for each, its fields apart by tabs.
#[track_caller]
fn read(pcap: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut tshark = tool::command("tshark");
    for layer in ["ip", "tcp", "udp"] {
        tshark.args(["-o", &format!("{layer}.check_checksum:TRUE")]);
    }
    tshark.args(["-Y", filter, "-T", "fields", "-r"]).arg(pcap);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let text = tool::run(&mut tshark, SHORT).expect_success().text();
    text.lines().map(str::to_owned).collect()
}

/// Requests as `METHOD host path`, and statuses, sorted, of the packets that a filter leaves.
fn shown(pcap: &Path, filter: &str) -> (Vec<String>, Vec<String>) {
    let (mut requests, mut statuses) = (Vec::new(), Vec::new());
    for (layer, names) in [
        ("http", ["http.request.method", "http.host", "http.request.uri", "http.response.code"]),
        (
            "http2",
            [
                "http2.headers.method",
                "http2.headers.authority",
                "http2.headers.path",
                "http2.headers.status",
            ],
        ),
    ] {
        for line in read(pcap, &format!("{layer} and {filter}"), &names) {
            // Several of one packet stand in one field.
            let columns: Vec<Vec<&str>> = line
                .split('\t')
                .map(|field| field.split(',').filter(|text| !text.is_empty()).collect())
                .collect();
            for ((method, host), path) in columns[0].iter().zip(&columns[1]).zip(&columns[2]) {
                requests.push(format!("{method} {host} {path}"));
            }
            statuses.extend(columns[3].iter().map(|&status| status.to_owned()));
        }
    }
    requests.sort();
    statuses.sort();
    (requests, statuses)
}

/// The same of the listing of the flows.
fn listed(case: &Case, filter: &str) -> (Vec<String>, Vec<String>) {
    let flows = case.flows(filter);
    let text = |flow: &serde_json::Value, key: &str| flow[key].as_str().unwrap().to_owned();
    let mut requests: Vec<_> = flows
        .iter()
        .map(|flow| ["method", "host", "path"].map(|key| text(flow, key)).join(" "))
        .collect();
    let mut statuses: Vec<_> = flows.iter().map(|flow| flow["status"].to_string()).collect();
    requests.sort();
    statuses.sort();
    (requests, statuses)
}

/// Nothing in a capture is malformed, and every check sum is right.
#[track_caller]
fn expect_sound(pcap: &Path) {
    assert_eq!(read(pcap, "_ws.malformed", &["frame.number"]), [""; 0]);
    let wrong = "ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0";
    assert_eq!(read(pcap, wrong, &["frame.number"]), [""; 0]);
    let out_of_order =
        "tcp.analysis.lost_segment or tcp.analysis.retransmission or tcp.analysis.out_of_order";
    assert_eq!(read(pcap, out_of_order, &["frame.number"]), [""; 0]);
    let not_cited = r#"not frame.comment matches "^connection=c[0-9]+ record=[0-9]+""#;
    assert_eq!(read(pcap, not_cited, &["frame.number"]), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_tls_kept_both_legs_are_decrypted_to_the_recorded_requests() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut case = Case::new();
        case.flag("--wire=full");
        record(&mut case, version).await;
        let pcap = export(&case, "full.pcapng");
        expect_sound(&pcap);
        let inside = listed(&case, "treatment:intercepted");
        assert_eq!(inside.0.len(), 5, "{inside:?}");
        // Landfall's own socket is not recorded; the device's is.
        assert_eq!(shown(&pcap, "tls and ip.addr == 192.0.2.0/24"), inside);
        assert_eq!(shown(&pcap, "tls and ip.addr == 127.0.0.1"), inside);
        assert_eq!(shown(&pcap, "not tls"), listed(&case, "treatment:plaintext"));
        let packets = read(&pcap, "frame.interface_id == 1", &["frame.number"]);
        assert_eq!(packets, [""; 0], "plaintext beside the TLS that holds it");
        let lengths = read(&pcap, "http.content_length == 600000", &["http.file_data"]);
        // As text or in hexadecimal, by tshark's version.
        assert!(
            lengths.len() == 2 && lengths.iter().all(|body| body.len() >= LONG),
            "{}",
            lengths.len()
        );
        let device = case.flow("path:/long")["device"].as_str().unwrap().to_owned();
        let sources = read(&pcap, "http.request.uri == \"/long\"", &["ip.src"]);
        assert!(
            sources.iter().any(|source| device.starts_with(source.as_str())),
            "{sources:?} {device}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_the_plaintext_is_exported_and_says_so() {
    let mut case = Case::new();
    record(&mut case, &rustls::version::TLS13).await;
    let pcap = export(&case, "plaintext.pcapng");
    expect_sound(&pcap);
    let exported = "frame.interface_id == 1";
    assert_eq!(shown(&pcap, exported), listed(&case, "treatment:intercepted"));
    assert_eq!(shown(&pcap, "frame.interface_id == 0"), listed(&case, "treatment:plaintext"));
    let unsaid = format!("{exported} and not frame.comment contains \"exported by Landfall\"");
    assert_eq!(read(&pcap, &unsaid, &["frame.number"]), [""; 0]);
    // The handshakes with the upstreams, which are kept, are there to be checked.
    let certificates = read(&pcap, "tls.handshake.type == 11", &["tls.handshake.certificate"]);
    assert!(!certificates.is_empty());

    let again = export(&case, "again.pcapng");
    assert!(
        std::fs::read(&pcap).unwrap() == std::fs::read(again).unwrap(),
        "made again, it differs"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passed_through_connection_is_in_it_as_it_came() {
    let mut case = Case::new();
    case.flag("--passthrough=one.example");
    let origin = Origin::tls(case.ca().server(&[HTTP1], &["http/1.1"]), serve_http1).await;
    case.place(HTTP1, "8.136.0.1", origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.path("upstream-ca.pem"));
    let mut stream = device.tls(HTTP1, &["http/1.1"]).await;
    stream.shutdown().await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.ok();
    drop(stream);
    assert!(landfall.stop().status.success());
    let pcap = export(&case, "passthrough.pcapng");
    expect_sound(&pcap);
    let names =
        read(&pcap, "tls.handshake.type == 1", &["tls.handshake.extensions_server_name", "ip.dst"]);
    assert_eq!(names, [format!("{HTTP1}\t8.136.0.1")]);
    let ends = read(&pcap, "tcp.flags.fin == 1", &["ip.src"]);
    assert_eq!(ends.len(), 2, "{ends:?}");
}

/// Fragmented messages among them, and some of 200,000 bytes.
#[tokio::test(flavor = "multi_thread")]
async fn websocket_messages_are_read_one_by_one() {
    for wire in ["handshake", "full"] {
        let mut case = Case::new();
        case.flag(&format!("--wire={wire}"));
        let server = Server::websocket(&case, &[HTTP1]);
        case.place(HTTP1, "8.136.0.1", server.socket());
        let landfall = case.start();
        let mut client = tool::python();
        client.arg(server::script("websocket_client.py")).arg(landfall.proxy_url());
        client.arg(case.authority()).arg(format!("wss://{HTTP1}/chat")).arg("none");
        let spoken = tokio::task::spawn_blocking(move || tool::run(&mut client, SHORT));
        spoken.await.unwrap().expect_success();
        assert!(landfall.stop().status.success());
        let pcap = export(&case, "websocket.pcapng");
        expect_sound(&pcap);
        let flow = case.flow("status:101");
        let messages = case.rows(&["flow", "messages", flow["id"].as_str().unwrap()]);
        let fragments: u64 =
            messages.iter().map(|message| message["fragments"].as_u64().unwrap_or(1)).sum();
        let frames: usize = read(&pcap, "websocket", &["websocket.opcode"])
            .iter()
            .map(|line| line.split(',').count())
            .sum();
        let legs = if wire == "full" { 2 } else { 1 };
        assert_eq!(frames as u64, legs * fragments, "{wire}");
    }
}

/// A body in chunks, longer than a packet can be.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_that_no_packet_holds_is_not_malformed() {
    let mut case = Case::new();
    let config = case.ca().server(&[HTTP1], &["http/1.1"]);
    let origin = Origin::tls(config, |mut stream| async move {
        read_head(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        for _ in 0..100 {
            stream.write_all(b"1770\r\n").await.unwrap();
            stream.write_all(&[[b'x'; 6000].as_slice(), b"\r\n"].concat()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        stream.shutdown().await.ok();
    })
    .await;
    case.place(HTTP1, "8.136.0.1", origin.socket());
    let landfall = case.start();
    curl(&case, &landfall, &["https://one.example/chunks"]);
    assert!(landfall.stop().status.success());
    let pcap = export(&case, "chunks.pcapng");
    expect_sound(&pcap);
    assert_eq!(shown(&pcap, "frame.interface_id == 1"), listed(&case, "treatment:intercepted"));
    let rest = read(&pcap, "frame.interface_id == 1 and not http", &["data.len"]);
    assert_eq!(rest.len(), 3, "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_are_datagrams_in_it() {
    let mut case = Case::new();
    case.place("dns.example", "8.136.0.3", echo_datagrams().await);
    let landfall = case.start();
    let mut python = tool::python();
    python.arg(server::script("socks_datagrams.py"));
    python.arg(landfall.proxy().to_string()).arg("dns.example");
    let sent = tokio::task::spawn_blocking(move || tool::run(&mut python, SHORT));
    sent.await.unwrap().expect_success();
    assert!(landfall.stop().status.success());
    let pcap = export(&case, "datagrams.pcapng");
    let wrong = "ip.checksum.status == 0 or udp.checksum.status == 0";
    assert_eq!(read(&pcap, wrong, &["frame.number"]), [""; 0]);
    for end in ["ip.src", "ip.dst"] {
        let lengths = read(&pcap, &format!("udp and {end} == 8.136.0.3"), &["udp.length"]);
        let expected: Vec<String> =
            (0..100).map(|number| (8 + number * 37 + 1).to_string()).collect();
        assert_eq!(lengths, expected, "{end}");
    }
}
