//! Everything that goes wrong gets a clear answer and leaves a record that says where, on whose
//! side and why.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::landfall::Landfall;
use harness::origin::{Origin, closed_port};
use harness::pattern::Noise;
use harness::test_ca::TestCa;
use harness::tool::{self, SHORT};
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";

/// A case with a server that answers every request with `ok`.
async fn served() -> (Case, Origin) {
    let mut case = Case::new();
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), answer_ok).await;
    case.place(HOST, ADDRESS, origin.socket());
    (case, origin)
}

async fn answer_ok(mut stream: TlsStream<TcpStream>) {
    while read_head(&mut stream).await.ends_with("\r\n\r\n") {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        if stream.write_all(answer).await.is_err() {
            return;
        }
        stream.flush().await.unwrap();
    }
}

/// Whether the proxy still does its work for others.
async fn still_serves(landfall: &Landfall, case: &Case) {
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    stream.write_all(b"GET /after HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
}

/// Sends bytes to the proxy's port and returns all that it answers.
async fn talk(landfall: &Landfall, bytes: &[u8]) -> String {
    let mut stream = Device::distrusting(landfall.proxy()).dial().await;
    // The proxy may have closed before all was sent.
    stream.write_all(bytes).await.ok();
    stream.shutdown().await.ok();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SHORT, stream.read_to_end(&mut answer));
    read.await.expect("no end of the answer").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[track_caller]
fn has(flow: &Value, key: &str, expected: &str) {
    let found = flow[key].as_str().unwrap_or_default();
    assert!(found.contains(expected), "{key} should have `{expected}`: {flow:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_distrusts_the_authority_leaves_a_full_record() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    let device = Device::distrusting(landfall.proxy());
    device.try_tls(HOST, &["h2", "http/1.1"]).await.expect_err("it trusts nobody");
    assert!(landfall.stop().status.success());

    let flow = case.flow("treatment:failed");
    has(&flow, "why", "client distrusts");
    has(&flow, "why", "unknown_ca");
    has(&flow, "host", HOST);
    has(&flow, "address", ADDRESS);
    has(&flow, "country", "CN");
    has(&flow, "operator", "Alibaba");
    assert_eq!(flow["asn"], 37963);
    let id = flow["id"].as_str().unwrap();
    let shown = case.cli(&["flow", "show", id, "-o", "json"]).expect_success().text();
    // JA4: TCP, TLS 1.3, a server name, first protocol h2.
    let ja4 = shown.split('"').find(|word| word.starts_with("t13d") && word.contains("h2_"));
    assert!(ja4.is_some(), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_that_distrusts_the_authority_leaves_a_record_too() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    let mut curl = tool::command("curl");
    curl.args(["-sS", "--proxy", &landfall.proxy_url()])
        .arg("--cacert")
        .arg(case.path("upstream-ca.pem"));
    let output = tool::run(curl.arg(format!("https://{HOST}/")), SHORT);
    assert_eq!(output.status.code(), Some(60), "{}", output.error_text());
    assert!(landfall.stop().status.success());
    has(&case.flow("treatment:failed"), "why", "client distrusts");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_does_not_verify_is_refused_and_says_so() {
    let (mut case, _origin) = served().await;
    let other = TestCa::new();
    let origin = Origin::tls(other.server(&["other.example"], &["http/1.1"]), answer_ok).await;
    case.place("other.example", "119.29.29.29", origin.socket());
    let wrong = case.ca().server(&["right.example"], &["http/1.1"]);
    let wrong = Origin::tls(wrong, answer_ok).await;
    case.place("wrong.example", "202.64.0.1", wrong.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    device.try_tls("other.example", &[]).await.expect_err("an unknown issuer");
    device.try_tls("wrong.example", &[]).await.expect_err("another name");
    still_serves(&landfall, &case).await;
    assert!(landfall.stop().status.success());
    has(&case.flow("host:other.example"), "why", "certificate did not verify");
    has(&case.flow("host:wrong.example"), "why", "certificate did not verify");
    has(&case.flow("host:other.example"), "operator", "Tencent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_does_not_verify_passes_when_told_to_record() {
    let (mut case, _origin) = served().await;
    let other = TestCa::new();
    let origin = Origin::tls(other.server(&["other.example"], &["http/1.1"]), answer_ok).await;
    case.place("other.example", "119.29.29.29", origin.socket());
    case.flag("--upstream-verify");
    case.flag("record");
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls("other.example", &["http/1.1"]).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    drop(stream);
    assert!(landfall.stop().status.success());
    assert_eq!(case.flow("host:other.example")["treatment"], "intercepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_to_nowhere() {
    let (mut case, _origin) = served().await;
    case.place("refused.example", "223.5.5.5", closed_port().await);
    let landfall = case.start();
    let device = Device::distrusting(landfall.proxy());
    let (refused, _) = device.connect("refused.example:443").await;
    assert!(refused.starts_with("HTTP/1.1 502"), "{refused}");
    let (unknown, _) = device.connect("does-not-exist.invalid:443").await;
    assert!(
        unknown.starts_with("HTTP/1.1 502") || unknown.starts_with("HTTP/1.1 504"),
        "{unknown}"
    );
    still_serves(&landfall, &case).await;
    assert!(landfall.stop().status.success());
    let flow = case.flow("host:refused.example");
    assert_eq!(flow["treatment"], "failed");
    has(&flow, "why", "refused the connection");
    has(&flow, "address", "223.5.5.5");
    assert_eq!(case.flow("host:does-not-exist.invalid")["treatment"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_to_itself_and_to_loopback() {
    let (mut case, origin) = served().await;
    case.name("inside.example", &[], "127.0.0.1");
    let landfall = case.start();
    let device = Device::distrusting(landfall.proxy());
    let itself = landfall.proxy().to_string();
    let loopback = origin.socket().to_string();
    let named = format!("inside.example:{}", origin.socket().port());
    let mapped = format!("[::ffff:127.0.0.1]:{}", origin.socket().port());
    let metadata = "169.254.169.254:80".to_owned();
    for target in [&itself, &loopback, &named, &mapped, &metadata] {
        let (answer, _) = device.connect(target).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{target}: {answer}");
    }
    still_serves(&landfall, &case).await;
    assert!(landfall.stop().status.success());
    let blocked = case.flows("treatment:blocked");
    assert_eq!(blocked.len(), 5, "{blocked:#?}");
    for flow in &blocked {
        has(flow, "why", "destination is");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_to_the_proxy_itself() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    let mut noise = Noise::new(3);
    let mut messages: Vec<Vec<u8>> = (1..20).map(|n| noise.bytes(n * n * 50)).collect();
    messages.extend([
        b"\r\n\r\n".to_vec(),
        b"GET".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"CONNECT\r\n\r\n".to_vec(),
        b"CONNECT a b c HTTP/1.1\r\n\r\n".to_vec(),
        b"CONNECT user@host:443 HTTP/1.1\r\n\r\n".to_vec(),
        b"CONNECT host:99999 HTTP/1.1\r\n\r\n".to_vec(),
        b"CONNECT [::1 HTTP/1.1\r\n\r\n".to_vec(),
        b"GET http:// HTTP/1.1\r\n\r\n".to_vec(),
        b"GET http://a\0b/ HTTP/1.1\r\n\r\n".to_vec(),
        [b"GET http://".to_vec(), vec![b'a'; 70_000], b"/ HTTP/1.1\r\n\r\n".to_vec()].concat(),
    ]);
    for message in &messages {
        let answer = talk(&landfall, message).await;
        let clear = answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5");
        assert!(clear, "{:?} -> {answer}", String::from_utf8_lossy(message));
    }
    still_serves(&landfall, &case).await;
    assert!(landfall.stop().status.success());
    let failed = case.flows("not treatment:intercepted");
    assert!(failed.len() >= messages.len(), "{} of {} recorded", failed.len(), messages.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_client_hello() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    let device = Device::distrusting(landfall.proxy());
    let (head, mut stream) = device.connect(&format!("{HOST}:443")).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    // A record of 512 bytes with a ClientHello of 508, and no more than its beginning.
    stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 1, 2, 3]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(SHORT, stream.read_to_end(&mut rest)).await.expect("an end").ok();
    still_serves(&landfall, &case).await;
    assert!(landfall.stop().status.success());
    let flow = case.flow("treatment:failed");
    has(&flow, "host", HOST);
    has(&flow, "why", "ClientHello");
}

/// On the active path there is a limit, and the answer names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_header_lines_to_the_proxy() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    let lines = "X-Line: value\r\n".repeat(100_000);
    let request = format!("GET http://{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n");
    let answer = talk(&landfall, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer =
        talk(&landfall, format!("CONNECT {HOST}:443 HTTP/1.1\r\n{lines}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    still_serves(&landfall, &case).await;
    assert!(landfall.stop().status.success());
    assert_eq!(case.flows("not treatment:intercepted").len(), 2);
}

/// Within the tap there is no limit: the lines pass, only their decoding ends, on the record.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_header_lines_through_the_tap() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    let lines = "X-Line: value\r\n".repeat(100_000);
    let request = format!("GET /many HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    drop(stream);
    assert!(landfall.stop().status.success());
    assert!(!case.flows(&format!("host:{HOST}")).is_empty());
}

/// A host of the passthrough list is on record like every other, only not decrypted.
#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_passed_through_are_recorded() {
    let (mut case, _origin) = served().await;
    case.flag("--passthrough");
    case.flag("*.example");
    let landfall = case.start();
    // It trusts the server's own authority, and sees its certificate.
    let device = Device::trusting(landfall.proxy(), &case.path("upstream-ca.pem"));
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    stream.write_all(b"GET /secret HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    drop(stream);
    assert!(landfall.stop().status.success());
    let flow = case.flow("treatment:passthrough");
    has(&flow, "host", HOST);
    has(&flow, "why", "*.example");
    has(&flow, "country", "CN");
    assert!(flow["response_bytes"].as_u64().unwrap() > 0, "{flow:#}");
}

/// Neither TLS nor HTTP, and the server speaks first: relayed without a stall, and recorded.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_first_is_relayed() {
    let mut case = Case::new();
    let origin = Origin::plain(|mut stream| async move {
        stream.write_all(b"220 mail.example ready\r\n").await.unwrap();
        let mut line = [0; 6];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"QUIT\r\n");
        stream.write_all(b"221 bye\r\n").await.unwrap();
    })
    .await;
    case.place("mail.example", ADDRESS, origin.socket());
    let landfall = case.start();
    let (head, mut stream) = Device::distrusting(landfall.proxy()).connect("mail.example:25").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut greeting = [0; 24];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut greeting));
    read.await.expect("the greeting is held back").unwrap();
    stream.write_all(b"QUIT\r\n").await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "221 bye\r\n");
    drop(stream);
    assert!(landfall.stop().status.success());
    let flow = case.flow("host:mail.example");
    assert_eq!(flow["treatment"], "plaintext");
    has(&flow, "why", "server spoke first");
}

/// A client outside of the ranges that are served, or a device that goes silent, harms nobody.
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_harm_nobody() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    let device = Device::distrusting(landfall.proxy());
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(device.dial().await);
        silent.push(device.connect(&format!("{HOST}:443")).await.1);
    }
    still_serves(&landfall, &case).await;
    drop(silent);
    assert!(landfall.stop().status.success());
    assert!(case.flows("").len() > 100);
}

/// Nothing failed when the operator says that it is enough: what was open keeps its treatment.
#[tokio::test(flavor = "multi_thread")]
async fn conversations_that_the_end_of_the_run_cuts_have_not_failed() {
    let (mut case, origin) = served().await;
    case.place("passed.example", "8.136.0.2", origin.socket());
    case.place("silent.example", "8.136.0.3", origin.socket());
    let echo = Origin::plain(|mut stream| async move {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.read_exact(&mut bytes).await.ok();
    })
    .await;
    case.place("opaque.example", "8.136.0.4", echo.socket());
    case.setting("passthrough = [\"passed.example\"]");
    case.setting("limits.shutdown-grace = \"200ms\"");
    let landfall = case.start();
    let mut intercepted =
        Device::trusting(landfall.proxy(), &case.authority()).tls(HOST, &["http/1.1"]).await;
    let request = b"GET /open HTTP/1.1\r\nHost: origin.example\r\n\r\n";
    intercepted.write_all(request).await.unwrap();
    intercepted.read_exact(&mut [0; 40]).await.unwrap();
    let device = Device::trusting(landfall.proxy(), &case.path("upstream-ca.pem"));
    let (_, mut passed) = device.connect("passed.example:443").await;
    passed.write_all(&hello_for("passed.example")).await.unwrap();
    passed.read_exact(&mut [0; 5]).await.unwrap();
    let (_, mut opaque) = device.connect("opaque.example:7").await;
    opaque.write_all(b"\x01\x02\x03\x04").await.unwrap();
    opaque.read_exact(&mut [0; 4]).await.unwrap();
    let (_, silent) = device.connect("silent.example:443").await;
    let unasked = device.dial().await;
    // Whatever is served came after it.
    talk(&landfall, b"GET / HTTP/1.1\r\nHost: landfall.internal\r\nConnection: close\r\n\r\n")
        .await;

    assert!(landfall.stop().status.success());
    // The exchange was complete, its connection was not.
    for (filter, treatment, why) in [
        ("host:origin.example connection-outcome:shutdown", "intercepted", ""),
        ("host:passed.example outcome:shutdown", "passthrough", "the passthrough rule"),
        ("host:opaque.example outcome:shutdown", "plaintext", "neither TLS nor HTTP"),
        ("host:silent.example outcome:shutdown", "plaintext", "no byte was sent"),
    ] {
        let flow = case.flow(filter);
        has(&flow, "treatment", treatment);
        has(&flow, "why", why);
    }
    let failed = case.flow("treatment:failed");
    has(&failed, "why", "landfall ended the run before this was done (reading the request)");
    drop((silent, unasked));
}

/// A ClientHello, as a client's library makes it.
fn hello_for(name: &str) -> Vec<u8> {
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}
