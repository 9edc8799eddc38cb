//! gRPC messages, server-sent events and HTTP/2 in the clear through the proxy: each body relayed as
//! it is, each message told of, and all of it derived again from what was kept.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::h2;
use harness::landfall::Landfall;
use harness::origin::Origin;
use harness::tool::{self, SHORT};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";

/// `compressed`, as gzip stores it.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x0a\x00\xf5\xffcompressed\
                      \x1e\x4b\x56\x97\x0a\0\0\0";

/// A message with its prefix.
fn grpc(flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[flags], length.as_slice(), payload].concat()
}

/// What the client calls with, and what it is answered.
fn call() -> Vec<u8> {
    [grpc(0, b"hello"), grpc(0, b""), grpc(1, GZIP)].concat()
}

fn answer() -> Vec<u8> {
    [grpc(0, b"\xff binary"), grpc(0, b"cut")].concat()
}

/// Answers a call once it is there whole, in frames that do not end where messages do; the last
/// message is not sent whole.
async fn serve_grpc(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    stream.read_exact(&mut vec![0; h2::PREFACE.len()]).await.unwrap();
    stream.write_all(&h2::settings(&[])).await.unwrap();
    let mut got = Vec::new();
    while got.len() < call().len() {
        let frame = h2::read_frame(&mut stream).await.unwrap();
        if frame.kind == h2::DATA {
            got.extend(frame.payload);
        }
    }
    assert_eq!(got, call());
    let head = h2::block(&[(":status", "200"), ("content-type", "application/grpc+proto")]);
    let trailers = h2::block(&[("grpc-status", "0")]);
    let answer = answer();
    let (first, second) = answer[..answer.len() - 1].split_at(3);
    let frames = [
        h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &head),
        h2::frame(h2::DATA, 0, 1, first),
        h2::frame(h2::DATA, 0, 1, second),
        h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 1, &trailers),
    ];
    stream.write_all(&frames.concat()).await.unwrap();
    // The client ends the connection.
    while h2::read_frame(&mut stream).await.is_some() {}
}

/// A message in a line: direction, type, content, and what is unusual about it.
fn line(message: &Value) -> String {
    let mut line = format!("{} {}", message["direction"], message["type"]);
    for key in ["text", "base64", "compressed", "event_id", "retry_ms", "end", "defect", "problem"]
    {
        match message.get(key) {
            None => {}
            Some(end) if key == "end" && end == "complete" => {}
            Some(value) => line += &format!(" {key}={value}"),
        }
    }
    line.replace('"', "")
}

#[track_caller]
fn check(case: &Case, flow: &Value, expected: &[&str]) {
    let messages = case.rows(&["flow", "messages", flow["id"].as_str().unwrap()]);
    let lines: Vec<String> = messages.iter().map(line).collect();
    assert_eq!(lines, expected);
    assert_eq!(flow["messages"], expected.len(), "{flow:#}");
}

#[tokio::test]
async fn grpc_messages_are_told_of_whatever_the_frames() {
    let mut case = Case::new();
    let origin = Origin::tls(case.ca().server(&[HOST], &["h2"]), serve_grpc).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["h2"]).await;
    let head = h2::block(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/package.Service/Method"),
        (":authority", HOST),
        ("content-type", "application/grpc"),
        ("grpc-encoding", "gzip"),
        ("te", "trailers"),
    ]);
    let call = call();
    let (first, second) = call.split_at(7);
    let frames = [
        h2::PREFACE,
        &h2::settings(&[]),
        &h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &head),
        &h2::frame(h2::DATA, 0, 1, first),
        &h2::frame(h2::DATA, h2::END_STREAM, 1, second),
    ];
    stream.write_all(&frames.concat()).await.unwrap();
    let mut got: Vec<u8> = Vec::new();
    loop {
        let frame = h2::read_frame(&mut stream).await.unwrap();
        if frame.kind == h2::DATA {
            got.extend(&frame.payload);
        }
        if frame.kind != h2::SETTINGS && frame.flags & h2::END_STREAM != 0 {
            break;
        }
    }
    assert_eq!(got, answer()[..answer().len() - 1]);
    stream.shutdown().await.unwrap();
    drop(stream);
    assert!(landfall.stop().status.success());

    let flow = case.flow("method:POST");
    check(
        &case,
        &flow,
        &[
            "up message text=hello",
            "up message text=",
            "up message text=compressed compressed=true",
            "down message base64=/yBiaW5hcnk=",
            "down message text=cu end=truncated",
        ],
    );
    case.expect_observed_again();
}

/// Answers with events, in chunks that end anywhere; the last event has no end.
async fn serve_events(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    read_head(&mut stream).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in EVENTS.as_bytes().chunks(5) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await.unwrap();
        stream.write_all(&[chunk, b"\r\n"].concat()).await.unwrap();
        stream.flush().await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    stream.shutdown().await.ok();
}

const EVENTS: &str = ": a comment\n\nevent: tick\nid: 7\ndata: one\n\n\
                      retry: 5\r\ndata: two\r\ndata:  more\r\n\r\ndata: never";

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_are_told_of_whatever_the_chunks() {
    let mut case = Case::new();
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), serve_events).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let url = format!("https://{HOST}/events");
    assert_eq!(curl(&case, &landfall, &["--no-buffer", &url]), EVENTS);
    assert!(landfall.stop().status.success());

    let flow = case.flow("status:200");
    check(
        &case,
        &flow,
        &[
            "down tick text=one event_id=7",
            "down message text=two\\n more retry_ms=5",
            "down message text=never end=truncated",
        ],
    );
    case.expect_observed_again();
}

/// HTTP/2 in the clear: from the preface on, or after `Upgrade: h2c` (RFC 7540 section 3.2). Answers
/// with the number of the stream.
async fn serve_h2c(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let head = read_head(&mut stream).await;
    let is_upgraded = !head.starts_with("PRI ");
    if is_upgraded {
        assert!(head.to_ascii_lowercase().contains("\r\nupgrade: h2c\r\n"), "{head}");
        let switch =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
        stream.write_all(switch).await.unwrap();
        stream.read_exact(&mut vec![0; h2::PREFACE.len()]).await.unwrap();
    } else {
        stream.read_exact(&mut [0; 6]).await.unwrap();
    }
    stream.write_all(&h2::settings(&[])).await.unwrap();
    let answer = |id: u32| {
        let head = h2::block(&[(":status", "200"), ("content-type", "text/plain")]);
        let head = h2::frame(h2::HEADERS, h2::END_HEADERS, id, &head);
        [head, h2::frame(h2::DATA, h2::END_STREAM, id, format!("stream {id}\n").as_bytes())]
            .concat()
    };
    if is_upgraded {
        stream.write_all(&answer(1)).await.unwrap();
    }
    while let Some(frame) = h2::read_frame(&mut stream).await {
        let reply = match frame.kind {
            h2::HEADERS => answer(frame.stream),
            h2::SETTINGS if frame.flags & h2::ACK == 0 => h2::frame(h2::SETTINGS, h2::ACK, 0, &[]),
            _ => continue,
        };
        if stream.write_all(&reply).await.is_err() {
            return;
        }
    }
}

fn curl(case: &Case, landfall: &Landfall, arguments: &[&str]) -> String {
    let mut curl = tool::command("curl");
    curl.args(["--silent", "--show-error", "--proxytunnel", "--proxy", &landfall.proxy_url()]);
    curl.arg("--cacert").arg(case.authority()).args(arguments);
    tool::run(&mut curl, SHORT).expect_success().text()
}

/// Asks for the paths with one curl.
async fn ask_h2c(how: &str, paths: &[&str]) -> (String, Case) {
    let mut case = Case::new();
    let origin = Origin::plain(serve_h2c).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let urls: Vec<String> = paths.iter().map(|path| format!("http://{HOST}{path}")).collect();
    let arguments: Vec<&str> =
        std::iter::once(how).chain(urls.iter().map(String::as_str)).collect();
    let answers = curl(&case, &landfall, &arguments);
    assert!(landfall.stop().status.success());
    case.expect_observed_again();
    (answers, case)
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_in_the_clear_is_observed() {
    // One request: curl 7.88 fails when it uses such a connection again, without a proxy as well.
    let (answers, case) = ask_h2c("--http2-prior-knowledge", &["/only"]).await;
    assert_eq!(answers, "stream 1\n");
    let flow = case.flow("path:/only");
    assert_eq!((&flow["protocol"], &flow["status"]), (&"h2".into(), &200.into()), "{flow:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_to_http2_in_the_clear_is_followed() {
    let (answers, case) = ask_h2c("--http2", &["/first", "/second"]).await;
    assert_eq!(answers, "stream 1\nstream 3\n");
    let first = case.flow("path:/first");
    assert_eq!((&first["status"], &first["outcome"]), (&200.into(), &"complete".into()));
    let id = first["id"].as_str().unwrap();
    assert_eq!(case.rows(&["flow", "show", id])[0]["exchange"]["close"]["upgrade"], "http2");
    assert_eq!(case.cli(&["flow", "body", id]).expect_success().text(), "stream 1\n");
    let second = case.flow("path:/second");
    assert_eq!((&second["protocol"], &second["status"]), (&"h2".into(), &200.into()));
}
