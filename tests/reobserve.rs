//! What real traffic left behind gives the same exchanges again; a log that was changed by hand
//! does not.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::forwarder::Forwarder;
use harness::landfall::Landfall;
use harness::origin::Origin;
use harness::pattern::Noise;
use harness::server::Server;
use harness::tool::{self, Output, SHORT};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";
const PLAIN: &str = "plain.example";
const PLAIN_ADDRESS: &str = "168.95.1.1";

/// Answers by path: with 1xx before it, in chunks with a trailer, as an event stream until the
/// close, or with something that is no HTTP.
async fn answer(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) {
    loop {
        let head = read_head(&mut stream).await;
        let Some(path) = head.split(' ').nth(1) else { return };
        let (answer, goes_on): (&[u8], bool) = match path {
            "/hints" => (
                b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\
                  Content-Length: 2\r\n\r\nok",
                true,
            ),
            "/chunked" => (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n\
                  4;x=y\r\nbody\r\n0\r\nT: 1\r\n\r\n",
                true,
            ),
            "/events" => (
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n\
                  data: one\n\ndata: two\n\n",
                false,
            ),
            "/garbage" => (b"\0\x01\x02 this is no HTTP\r\n\r\n and goes on", false),
            _ => (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", true),
        };
        // In two writes, so that they may arrive as two reads.
        let (first, second) = answer.split_at(answer.len() / 2);
        for part in [first, second] {
            if stream.write_all(part).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
        if !goes_on {
            stream.shutdown().await.ok();
            return;
        }
    }
}

fn curl(case: &Case, landfall: &Landfall, arguments: &[&str]) -> Output {
    let mut curl = tool::command("curl");
    curl.args(["--silent", "--show-error", "--proxy", &landfall.proxy_url()]);
    curl.arg("--cacert").arg(case.authority()).args(arguments);
    tool::run(&mut curl, SHORT)
}

/// A session of HTTP/1 in TLS and in the clear, from curl and from a client that pipelines.
async fn record_http1(case: &mut Case) {
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), answer).await;
    let plain = Origin::plain(answer).await;
    case.place(HOST, ADDRESS, origin.socket());
    case.place(PLAIN, PLAIN_ADDRESS, plain.socket());
    let landfall = case.start();
    for host in ["https://origin.example", "http://plain.example"] {
        let [hints, chunked, other, events, garbage] =
            ["hints", "chunked", "other", "events", "garbage"].map(|p| format!("{host}/{p}"));
        curl(case, &landfall, &[&hints, &chunked, "--data", "a=b", &other]).expect_success();
        let shown = curl(case, &landfall, &["--no-buffer", &events]).expect_success();
        assert_eq!(shown.text(), "data: one\n\ndata: two\n\n");
        assert!(!curl(case, &landfall, &[&garbage]).status.success());
    }
    curl(case, &landfall, &["http://landfall.internal/"]).expect_success();

    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let pipelined = ["/hints", "/chunked", "/other", "/events"].map(request).concat();
    stream.write_all(pipelined.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    assert!(landfall.stop().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_is_observed_again() {
    let mut case = Case::new();
    record_http1(&mut case).await;
    let output = case.cli(&["session", "reobserve", "-o", "jsonl"]);
    assert_eq!((output.status.code(), output.text().as_str()), (Some(0), ""));
    let summary = output.error_text();
    // Five of curl for each host, one for our pages, four pipelined.
    assert!(summary.starts_with("15 exchanges of "), "{summary}");
    assert!(summary.ends_with(": identical\n"), "{summary}");
    let log = log(&case);
    for kind in ["lost-sync", "stream.end"] {
        assert!(log.contains(&format!("\"kind\":\"{kind}\"")), "no {kind} in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_with_many_streams_is_observed_again() {
    let mut case = Case::new();
    let documents = case.path("documents");
    std::fs::create_dir_all(&documents).unwrap();
    std::fs::write(documents.join("small"), "small").unwrap();
    std::fs::write(documents.join("large"), Noise::new(5).bytes(300_000)).unwrap();
    let server = Server::http2(&case, &[HOST, "localhost"], &documents);
    case.place(HOST, ADDRESS, server.socket());
    let landfall = case.start();
    let device = Device::distrusting(landfall.proxy());
    let forwarder = Forwarder::start(&device, "origin.example:443").await;
    let mut h2load = tool::command("h2load");
    h2load.args(["-n", "1000", "-c", "4", "-m", "50", "--connect-to"]);
    h2load.arg(forwarder.socket().to_string());
    h2load.args(["https://origin.example/small", "https://origin.example/large"]);
    tool::run(&mut h2load, SHORT).expect_success();
    assert!(landfall.stop().status.success());
    let output = case.cli(&["session", "reobserve"]);
    assert_eq!(output.text(), "");
    assert!(output.error_text().ends_with("1000 exchanges of 4 connections: identical\n"));
    // What is asked twice is answered in the same way.
    let again = case.cli(&["session", "reobserve"]);
    assert_eq!((output.stdout, output.stderr), (again.stdout, again.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_changed_is_found_out() {
    let mut case = Case::new();
    record_http1(&mut case).await;
    let path = case.path("data/sessions");
    let session = std::fs::read_dir(path).unwrap().next().unwrap().unwrap().path();
    let log = session.join("log/records.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    let line = text.lines().find(|line| line.contains("\"kind\":\"exchange.response\"")).unwrap();
    let exchange = serde_json::from_str::<Value>(line).unwrap()["body"]["exchange"].clone();
    let changed = line.replacen("\"status\":103", "\"status\":102", 1);
    assert_ne!(line, changed);
    std::fs::write(&log, text.replacen(line, &changed, 1)).unwrap();

    let output = case.cli(&["session", "reobserve", "-o", "jsonl"]);
    assert_eq!(output.status.code(), Some(3), "{}", output.error_text());
    let row: Value = serde_json::from_str(&output.text()).unwrap();
    let expected = serde_json::json!({
        "flow": exchange,
        "record": "exchange.response",
        "field": "status",
        "recorded": "102",
        "derived": "103",
    });
    assert_eq!(row, expected);
    assert!(output.error_text().ends_with(": 1 differs\n"), "{}", output.error_text());
}

/// The log of the case's one session.
fn log(case: &Case) -> String {
    let session = std::fs::read_dir(case.path("data/sessions")).unwrap().next().unwrap().unwrap();
    std::fs::read_to_string(session.path().join("log/records.jsonl")).unwrap()
}
