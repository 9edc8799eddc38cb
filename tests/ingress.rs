//! The ways in, with clients that are not ours: curl in every way that it knows a proxy, and
//! Python's sockets for datagrams. What comes through is byte for byte what was served, and the
//! record says how it came.

use harness::case::Case;
use harness::device::read_head;
use harness::landfall::Landfall;
use harness::origin::{Origin, echo_datagrams};
use harness::pattern::Noise;
use harness::server;
use harness::tool::{self, Output, SHORT};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";
const PLAIN_HOST: &str = "plain.example";
const PLAIN_ADDRESS: &str = "8.136.0.2";
const URL: &str = "https://origin.example/";
const PLAIN_URL: &str = "http://plain.example/";

/// What the servers send: more than any buffer on the way.
fn body() -> Vec<u8> {
    Noise::new(3).bytes(1_000_000)
}

/// A case with a TLS server and a plain one.
async fn served() -> (Case, [Origin; 2]) {
    let mut case = Case::new();
    let tls = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), answer).await;
    let plain = Origin::plain(answer).await;
    case.place(HOST, ADDRESS, tls.socket());
    case.place(PLAIN_HOST, PLAIN_ADDRESS, plain.socket());
    (case, [tls, plain])
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    while read_head(&mut stream).await.ends_with("\r\n\r\n") {
        let body = body();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

fn curl(case: &Case) -> Command {
    let mut curl = tool::command("curl");
    curl.args(["--silent", "--show-error", "--fail"]);
    let authority = case.authority();
    curl.arg("--cacert").arg(&authority).arg("--proxy-cacert").arg(&authority);
    curl
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || tool::run(&mut command, SHORT)).await.unwrap()
}

/// Fetches with these options of curl and checks every byte.
async fn fetched(case: &Case, options: &[&str], url: &str) {
    let mut curl = curl(case);
    curl.args(options).arg(url);
    let output = run(curl).await.expect_success();
    assert!(output.stdout == body(), "{options:?} {url}: {} bytes", output.stdout.len());
}

/// Fetches what is refused and returns curl's words.
async fn refused(case: &Case, options: &[&str], url: &str) -> String {
    let mut curl = curl(case);
    curl.args(options).arg(url);
    let output = run(curl).await;
    assert!(!output.status.success(), "{options:?} {url}");
    output.error_text()
}

#[track_caller]
fn opening(case: &Case, flow: &Value) -> Value {
    let rows = case.rows(&["flow", "show", flow["id"].as_str().unwrap()]);
    rows[0]["connection"]["open"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_through_every_kind_of_proxy() {
    let (case, _origins) = served().await;
    let landfall = case.start();
    let at = landfall.proxy().to_string();
    let tls = format!("https://localhost:{}", landfall.proxy().port());
    let tls_by_address = format!("https://{at}");
    let socks = format!("socks5h://weather:secret@{at}");
    let address = format!("{HOST}:443:{ADDRESS}");
    for url in [URL, PLAIN_URL] {
        fetched(&case, &["--proxy", &landfall.proxy_url(), "--proxy-user", "web:pw"], url).await;
        fetched(&case, &["--socks5-hostname", &at], url).await;
        fetched(&case, &["--proxy", &socks, "--socks5-basic"], url).await;
        fetched(&case, &["--proxy", &tls], url).await;
        fetched(&case, &["--proxy", &tls_by_address, "--proxy-user", "outer:pw"], url).await;
    }
    fetched(&case, &["--socks5", &at, "--resolve", &address], URL).await;
    assert!(landfall.stop().status.success());

    assert_eq!(case.flows("status:200").len(), 11);
    assert_eq!(case.flows("treatment:intercepted has:exchange").len(), 6);
    assert_eq!(case.flows("app:weather").len(), 2);
    assert_eq!(case.flows("app:web or app:out*").len(), 4);
    let flow = case.flow("app:weather host:origin.example");
    assert_eq!(opening(&case, &flow)["ingress"], "socks5");
    let flow = case.flow("app:outer host:origin.example");
    let opened = opening(&case, &flow);
    assert_eq!((&opened["over_tls"], &opened["ingress"]), (&true.into(), &"connect".into()));
    let by_address = case.flow("host:8.136.0.1");
    assert_eq!(opening(&case, &by_address)["ingress"], "socks5");
    let listed = case.cli(&["flow", "list", "app:weather", "--fields", "app,host", "-o", "csv"]);
    assert!(listed.text().contains("weather,origin.example"), "{}", listed.text());
    let id = flow["id"].as_str().unwrap().to_owned();
    let page = case.cli(&["flow", "show", &id, "-o", "table"]).text();
    assert!(page.contains("outer") && page.contains("over TLS to the proxy"), "{page}");
    nowhere(&case, b"secret");
    nowhere(&case, b"d2VhdGhlcjpzZWNyZXQ=");
}

/// No file below the data directory holds the bytes.
#[track_caller]
fn nowhere(case: &Case, secret: &[u8]) {
    fn files(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    files(&case.data().join("sessions"), &mut found);
    assert!(!found.is_empty());
    for path in found {
        let bytes = std::fs::read(&path).unwrap();
        let holds = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!holds, "{} holds {:?}", path.display(), String::from_utf8_lossy(secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_demanded_of_every_way_in_and_recorded_of_none() {
    let (mut case, _origins) = served().await;
    let users = case.path("users");
    std::fs::write(&users, "# test\nweather:sunny-secret\n").unwrap();
    case.flag("--credentials");
    case.flag(&users.to_string_lossy());
    case.setting("proxy.credentials = [{ user = \"maps\", password = \"other-secret\" }]");
    let landfall = case.start();
    let at = landfall.proxy().to_string();
    let (http, tls) = (landfall.proxy_url(), format!("https://{at}"));
    for user in ["weather:sunny-secret", "maps:other-secret"] {
        let socks = format!("socks5h://{user}@{at}");
        fetched(&case, &["--proxy", &http, "--proxy-user", user], URL).await;
        fetched(&case, &["--proxy", &http, "--proxy-user", user], PLAIN_URL).await;
        fetched(&case, &["--proxy", &tls, "--proxy-user", user], URL).await;
        fetched(&case, &["--proxy", &socks], URL).await;
    }
    let said = refused(&case, &["--proxy", &http], URL).await;
    assert!(said.contains("407"), "{said}");
    let wrong = ["--proxy", &http, "--proxy-user", "weather:wrong-secret"];
    assert!(refused(&case, &wrong, PLAIN_URL).await.contains("407"));
    let wrong = format!("socks5h://weather:wrong-secret@{at}");
    let said = refused(&case, &["--proxy", &wrong], URL).await;
    assert!(said.contains("rejected"), "{said}");
    refused(&case, &["--socks5-hostname", &at], URL).await;
    let ended = landfall.stop();
    assert!(ended.status.success());

    assert_eq!(case.flows("status:200").len(), 8);
    let blocked = case.flows("treatment:blocked why:password");
    assert_eq!(blocked.len(), 4);
    // A SOCKS5 client names the host after its password alone.
    assert_eq!(blocked.iter().filter(|flow| flow["host"].is_string()).count(), 2, "{blocked:#?}");
    assert_eq!(case.flows("treatment:blocked why:\"none was given\"").len(), 2);
    assert_eq!(case.flows("treatment:blocked app:weather why:\"proxy's users\"").len(), 2);
    nowhere(&case, b"-secret");
    assert!(!ended.stderr.contains("-secret") && !ended.stdout.contains("-secret"));
    // wrong-secret and sunny-secret in base64 with their user.
    nowhere(&case, b"d2VhdGhlcjp3cm9uZy1zZWNyZXQ");
    nowhere(&case, b"d2VhdGhlcjpzdW5ueS1zZWNyZXQ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarder_says_whose_connection_it_is() {
    let (mut case, _origins) = served().await;
    case.flag("--proxy-protocol-from");
    case.flag("127.0.0.0/8");
    let landfall: Landfall = case.start();
    let http = landfall.proxy_url();
    // Without a tunnel curl sends the header to the proxy, and names its own end.
    fetched(&case, &["--haproxy-protocol", "--proxy", &http], PLAIN_URL).await;
    let said = refused(&case, &["--proxy", &http], PLAIN_URL).await;
    assert!(said.contains("400"), "{said}");
    let mut python = tool::python();
    python
        .arg(server::script("proxy_protocol.py"))
        .arg(landfall.proxy().to_string())
        .arg(PLAIN_HOST);
    let by_hand = run(python).await.expect_success();
    assert!(by_hand.stdout == body(), "{}", by_hand.error_text());
    assert!(landfall.stop().status.success());

    let flow = case.flow("device:192.168.7.8 status:200");
    let opened = opening(&case, &flow);
    assert!(opened["forwarded_by"].as_str().unwrap().starts_with("127.0.0.1:"), "{opened}");
    let flow = case.flow("device:127.0.0.1 status:200");
    assert!(opening(&case, &flow)["forwarded_by"].is_string());
    assert_eq!(case.flows("why:*forwarder*").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_of_a_socks_client_keep_their_boundaries_and_their_bytes() {
    let (mut case, _origins) = served().await;
    case.place("dns.example", "8.136.0.3", echo_datagrams().await);
    let landfall = case.start();
    let mut python = tool::python();
    python
        .arg(server::script("socks_datagrams.py"))
        .arg(landfall.proxy().to_string())
        .arg("dns.example");
    let output = run(python).await.expect_success();
    assert_eq!(output.text().trim(), "100 datagrams came back");
    assert!(landfall.stop().status.success());

    let flow = case.flow("host:dns.example");
    for (key, expected) in [
        ("treatment", "plaintext"),
        ("protocol", "udp"),
        ("address", "8.136.0.3"),
        ("app", "resolver"),
        ("operator", "Alibaba"),
    ] {
        assert!(flow[key].as_str().unwrap_or_default().starts_with(expected), "{key}: {flow:#}");
    }
    assert_eq!(opening(&case, &flow)["ingress"], "socks-udp");
    let sent: u64 = (0..100).map(|number| number * 37 + 1).sum();
    assert_eq!((&flow["request_bytes"], &flow["response_bytes"]), (&sent.into(), &sent.into()));
    let blocked = case.flow("host:127.0.0.1 treatment:blocked");
    assert_eq!(opening(&case, &blocked)["ingress"], "socks-udp");
    let association = case.flow("why:association");
    let rows = case.rows(&["flow", "show", association["id"].as_str().unwrap()]);
    assert_eq!(rows[0]["connection"]["datagrams_dropped"]["fragmented"], 1, "{:#}", rows[0]);
}
