//! WebSockets through the proxy: other people's client and server, and frames that no library would
//! send, each byte relayed as it is and each message told of.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::h2;
use harness::origin::Origin;
use harness::server::{self, Server};
use harness::tool::{self, SHORT};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";

/// A message in a line, without its payload.
fn line(message: &Value) -> String {
    let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
    let mut line = format!("{} {} {}", text("direction"), text("type"), message["size"]);
    for key in ["close_code", "defect"] {
        if let Some(value) = message.get(key) {
            line += &format!(" {}", value.to_string().trim_matches('"'));
        }
    }
    line
}

#[track_caller]
fn messages(case: &Case, filter: &str) -> Vec<Value> {
    let flow = case.flow(filter);
    let messages = case.rows(&["flow", "messages", flow["id"].as_str().unwrap()]);
    assert_eq!(flow["messages"], messages.len(), "{flow:#}");
    case.expect_observed_again();
    messages
}

fn speaks_with(compression: &str) {
    let mut case = Case::new();
    let server = Server::websocket(&case, &[HOST]);
    case.place(HOST, ADDRESS, server.socket());
    let landfall = case.start();
    let mut client = tool::python();
    client
        .arg(server::script("websocket_client.py"))
        .arg(landfall.proxy_url())
        .arg(case.authority());
    client.arg(format!("wss://{HOST}/chat")).arg(compression);
    assert_eq!(tool::run(&mut client, SHORT).expect_success().text(), "ok\n");
    assert!(landfall.stop().status.success());

    let messages = messages(&case, "status:101");
    let compressed = messages.iter().filter(|m| m.get("compressed").is_some()).count();
    assert_eq!(compressed > 0, compression != "none");
    for direction in ["up", "down"] {
        let data: Vec<&Value> = messages
            .iter()
            .filter(|m| {
                m["direction"] == direction
                    && ["text", "binary"].contains(&m["type"].as_str().unwrap())
            })
            .collect();
        let mut data = data.into_iter();
        for length in [0, 125, 126, 127, 65_535, 65_536, 200_000_usize] {
            let text = data.next().unwrap();
            assert_eq!(text["text"].as_str().unwrap(), "x".repeat(length), "{direction} {length}");
            let binary = data.next().unwrap();
            assert_eq!(binary["size"], length, "{direction}");
            assert_eq!(binary["type"], "binary");
        }
        let rest: Vec<&str> = data.map(|message| message["text"].as_str().unwrap()).collect();
        let words = "the same words, the same words";
        assert_eq!(rest, [words, words, words, "fragmented \u{4e2d}"], "{direction}");
    }
    let controls: Vec<String> = messages
        .iter()
        .filter(|m| m["opcode"].as_u64() > Some(2))
        .map(|m| format!("{} {}", line(m), m["text"].as_str().unwrap()))
        .collect();
    assert_eq!(
        controls,
        [
            "up ping 13 are you there",
            "down pong 13 are you there",
            "up close 9 4001 done \u{e9}",
            "down close 9 4001 done \u{e9}",
        ]
    );
    assert!(messages.iter().all(|m| m.get("defect").is_none() && m.get("problem").is_none()));

    let har = case.path("all.har");
    let name = har.to_string_lossy().into_owned();
    case.cli(&["export", "--format", "har", "-o", &name]).expect_success();
    let har: Value = serde_json::from_slice(&std::fs::read(har).unwrap()).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["_resourceType"] == "websocket").unwrap();
    let in_har = entry["_webSocketMessages"].as_array().unwrap();
    assert_eq!(in_har.len(), messages.len() - 4);
    assert_eq!((&in_har[2]["type"], &in_har[2]["opcode"]), (&"send".into(), &2.into()));
    assert_eq!(in_har.last().unwrap()["data"], "fragmented \u{4e2d}");
}

#[test]
fn python_without_compression() {
    speaks_with("none");
}

#[test]
fn python_with_compression_that_refers_back() {
    speaks_with("takeover");
}

#[test]
fn python_with_compression_that_does_not() {
    speaks_with("no-takeover");
}

/// A frame of less than 126 bytes, masked by zeros where it is a client's.
fn frame(masked: bool, first: u8, payload: &[u8]) -> Vec<u8> {
    let mask: &[u8] = if masked { &[0; 4] } else { &[] };
    let length = payload.len() as u8 | if masked { 0x80 } else { 0 };
    [&[first, length], mask, payload].concat()
}

/// What a peer says that knows no rules.
fn rude(masked: bool) -> Vec<u8> {
    [
        frame(masked, 0x81, b"\xff"),
        frame(!masked, 0x82, b"mask"),
        frame(masked, 0x83, b"reserved"),
        frame(masked, 0x80, b"nothing"),
        frame(masked, 0x01, b"in"),
        frame(masked, 0x09, b"ping"),
        frame(masked, 0x81, b"new"),
        frame(masked, 0x88, &1006_u16.to_be_bytes()),
        frame(masked, 0x8a, b"after"),
    ]
    .concat()
}

fn rude_lines(direction: &str, mask: &str) -> Vec<String> {
    [
        "text 1 invalid-utf8".to_owned(),
        format!("binary 4 {mask}"),
        "reserved 8 reserved-opcode".to_owned(),
        "continuation 7 nothing-to-continue".to_owned(),
        "ping 4 fragmented-control".to_owned(),
        "text 2 interrupted".to_owned(),
        "text 3".to_owned(),
        "close 2 1006 close-code".to_owned(),
        "pong 5 after-close".to_owned(),
    ]
    .map(|line| format!("{direction} {line}"))
    .to_vec()
}

#[track_caller]
fn check_rude(messages: &[Value]) {
    for (direction, mask) in [("up", "unmasked"), ("down", "masked")] {
        let lines: Vec<String> =
            messages.iter().filter(|message| message["direction"] == direction).map(line).collect();
        assert_eq!(lines, rude_lines(direction, mask));
    }
}

#[tokio::test]
async fn what_breaks_the_rules_is_relayed_as_it_is() {
    let mut case = Case::new();
    let config = case.ca().server(&[HOST], &["http/1.1"]);
    let origin = Origin::tls(config, |mut stream| async move {
        read_head(&mut stream).await;
        let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut got = vec![0; rude(true).len()];
        stream.read_exact(&mut got).await.unwrap();
        assert_eq!(got, rude(true));
        stream.write_all(&rude(false)).await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    let head = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.contains("101"));
    stream.write_all(&rude(true)).await.unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, rude(false));
    stream.shutdown().await.unwrap();
    drop(stream);
    assert!(landfall.stop().status.success());

    check_rude(&messages(&case, "status:101"));
    let flow = case.flow("status:101");
    assert_eq!(flow["request_bytes"], rude(true).len());
    assert_eq!(flow["response_bytes"], rude(false).len());
    let id = flow["id"].as_str().unwrap().to_owned();
    for (part, bytes) in [("request", rude(true)), ("response", rude(false))] {
        let body = case.cli(&["flow", "body", &id, "--part", part]).expect_success();
        assert_eq!(body.stdout, bytes);
    }
}

#[tokio::test]
async fn a_websocket_on_an_http2_stream() {
    let mut case = Case::new();
    let config = case.ca().server(&[HOST], &["h2"]);
    let origin = Origin::tls(config, |mut stream| async move {
        let mut preface = vec![0; h2::PREFACE.len()];
        stream.read_exact(&mut preface).await.unwrap();
        stream.write_all(&h2::settings(&[(8, 1)])).await.unwrap();
        let mut got = Vec::new();
        while got.len() < rude(true).len() {
            let frame = h2::read_frame(&mut stream).await.unwrap();
            match frame.kind {
                h2::HEADERS => {
                    let block = h2::block(&[(":status", "200")]);
                    let head = h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &block);
                    stream.write_all(&head).await.unwrap();
                }
                h2::DATA => got.extend(frame.payload),
                _ => {}
            }
        }
        assert_eq!(got, rude(true));
        let rude = rude(false);
        let (first, second) = rude.split_at(7);
        stream.write_all(&h2::frame(h2::DATA, 0, 1, first)).await.unwrap();
        stream.write_all(&h2::frame(h2::DATA, h2::END_STREAM, 1, second)).await.unwrap();
        // The client ends the connection.
        while h2::read_frame(&mut stream).await.is_some() {}
    })
    .await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["h2"]).await;
    let head = h2::block(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", HOST),
    ]);
    let opening = [
        h2::PREFACE,
        &h2::settings(&[(3, 100), (4, 65_535)]),
        &h2::window_update(0, 1000),
        &h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &head),
    ]
    .concat();
    stream.write_all(&opening).await.unwrap();
    let mut got = Vec::new();
    while got.len() < rude(false).len() {
        let frame = h2::read_frame(&mut stream).await.unwrap();
        match frame.kind {
            h2::HEADERS => {
                let data = h2::frame(h2::DATA, h2::END_STREAM, 1, &rude(true));
                stream.write_all(&data).await.unwrap();
            }
            h2::DATA => got.extend(frame.payload),
            _ => {}
        }
    }
    assert_eq!(got, rude(false));
    stream.shutdown().await.unwrap();
    drop(stream);
    assert!(landfall.stop().status.success());

    check_rude(&messages(&case, "method:CONNECT status:200"));
    let id = case.flow("method:CONNECT status:200")["id"].as_str().unwrap().to_owned();
    let detail = &case.rows(&["flow", "show", &id])[0]["exchange"];
    assert_eq!(detail["close"]["upgrade"], "websocket");
    assert_eq!(detail["request"]["protocol"], "websocket");
    assert_eq!(detail["request"]["h2_fingerprint"], "3:100;4:65535|1000|0|m,s,p,a");
}

/// A server that answers with a chunked body whose coding breaks.
async fn broken_origin(case: &Case) -> Origin {
    let config = case.ca().server(&[HOST], &["http/1.1"]);
    Origin::tls(config, |mut stream| async move {
        read_head(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
        stream.write_all(head).await.unwrap();
        // The client has that before the rest is sent, so that it comes on its own.
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        stream.write_all(b"broken\r\n").await.unwrap();
        stream.shutdown().await.ok();
    })
    .await
}

async fn ask_broken(flags: &[&str]) -> (Vec<u8>, String) {
    let mut case = Case::new();
    let origin = broken_origin(&case).await;
    case.place(HOST, ADDRESS, origin.socket());
    flags.iter().for_each(|flag| case.flag(flag));
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    let head = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    read_head(&mut stream).await;
    let mut got = vec![0; 7];
    stream.read_exact(&mut got).await.unwrap();
    stream.write_all(b"\r").await.unwrap();
    stream.read_to_end(&mut got).await.ok();
    drop(stream);
    landfall.stop();
    let id = case.flow("method:GET")["id"].as_str().unwrap().to_owned();
    let connection = &case.rows(&["flow", "show", &id])[0]["connection"];
    (got, connection["close"]["outcome"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn malformed_bytes_are_relayed_unless_told_otherwise() {
    let (got, _) = ask_broken(&[]).await;
    assert_eq!(String::from_utf8_lossy(&got), "2\r\nok\r\nbroken\r\n");
    let (got, outcome) = ask_broken(&["--on-malformed", "close"]).await;
    assert_eq!(
        (String::from_utf8_lossy(&got).as_ref(), outcome.as_str()),
        ("2\r\nok\r\n", "malformed")
    );
}
