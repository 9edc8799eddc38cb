//! Real clients through the proxy to real servers: none of them is ours, none of them notices.

use harness::browser;
use harness::case::Case;
use harness::device::Device;
use harness::forwarder::Forwarder;
use harness::landfall::Landfall;
use harness::pattern::{self, Noise};
use harness::server::{self, Server};
use harness::tool::{self, SHORT};
use std::process::{Command, Stdio};
use std::time::Duration;

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";

fn documents(case: &Case) -> std::path::PathBuf {
    let directory = case.path("documents");
    std::fs::create_dir_all(&directory).unwrap();
    let page = "<!doctype html><title>page</title><body>not yet<script src=/app.js></script>";
    std::fs::write(directory.join("index.html"), page).unwrap();
    let script = "document.body.textContent = 'seen by ' + (6 * 7);";
    std::fs::write(directory.join("app.js"), script).unwrap();
    std::fs::write(directory.join("large"), Noise::new(5).bytes(3_000_000)).unwrap();
    directory
}

fn curl(case: &Case, landfall: &Landfall) -> Command {
    let mut curl = tool::command("curl");
    curl.args(["--silent", "--show-error", "--fail", "--proxy", &landfall.proxy_url()]);
    curl.arg("--cacert").arg(case.authority());
    curl
}

#[test]
fn curl_with_http1() {
    let mut case = Case::new();
    let server = Server::http1(&case, &[HOST, "localhost"]);
    case.place(HOST, ADDRESS, server.socket());
    let landfall = case.start();
    let mut get = curl(&case, &landfall);
    // Twice on one connection.
    let output =
        tool::run(get.args(["https://origin.example/one", "https://origin.example/two"]), SHORT);
    assert_eq!(output.expect_success().text(), "hello /onehello /two");
    let upload = case.path("upload");
    let body = Noise::new(1).bytes(200_000);
    std::fs::write(&upload, &body).unwrap();
    let mut post = curl(&case, &landfall);
    post.arg("--data-binary")
        .arg(format!("@{}", upload.display()))
        .arg("https://origin.example/echo");
    let output = tool::run(&mut post, SHORT).expect_success();
    assert_eq!(pattern::sum(&output.stdout), pattern::sum(&body));
    assert!(landfall.stop().status.success());

    let flows = case.flows(&format!("host:{HOST} treatment:intercepted"));
    let seen: Vec<_> = flows
        .iter()
        .map(|f| (f["method"].as_str(), f["path"].as_str(), f["status"].as_u64()))
        .collect();
    let expected = [("GET", "/one"), ("GET", "/two"), ("POST", "/echo")];
    assert_eq!(seen, expected.map(|(method, path)| (Some(method), Some(path), Some(200))));
    for flow in &flows {
        assert_eq!(flow["address"], ADDRESS, "{flow:#}");
        assert_eq!(flow["country"], "CN", "{flow:#}");
    }
}

#[test]
fn curl_with_http2() {
    let mut case = Case::new();
    let server = Server::http2(&case, &[HOST, "localhost"], &documents(&case));
    case.place(HOST, ADDRESS, server.socket());
    let landfall = case.start();
    let mut get = curl(&case, &landfall);
    get.args([
        "--http2",
        "--write-out",
        "%{stderr}%{http_version}",
        "https://origin.example/large",
    ]);
    let output = tool::run(&mut get, SHORT).expect_success();
    assert_eq!(pattern::sum(&output.stdout), pattern::sum(&Noise::new(5).bytes(3_000_000)));
    assert_eq!(output.error_text(), "2");
    assert!(landfall.stop().status.success());
    let flow = case.flow("path:/large");
    assert_eq!(flow["response_bytes"], 3_000_000);
    assert!(flow["protocol"].as_str().unwrap().contains('2'), "{flow:#}");
    let id = flow["id"].as_str().unwrap();
    let body = case.cli(&["flow", "body", id]).expect_success().stdout;
    assert_eq!(pattern::sum(&body), pattern::sum(&output.stdout));
}

/// A plain `http://` URL: the active path.
#[test]
fn curl_without_tls() {
    let mut case = Case::new();
    let documents = documents(&case);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut python = tool::python();
    python.args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"]).arg(documents);
    python.arg(free.port().to_string()).stderr(Stdio::null()).stdout(Stdio::null());
    let server = Server::of(python.spawn().unwrap(), free);
    case.place("plain.example", "168.95.1.1", server.socket());
    let landfall = case.start();
    let mut get = curl(&case, &landfall);
    get.args(["--retry", "20", "--retry-delay", "1", "http://plain.example/app.js"]);
    let output = tool::run(&mut get, SHORT).expect_success();
    assert!(output.text().starts_with("document.body"));
    assert!(landfall.stop().status.success());
    let flow = case.flow("path:/app.js status:200");
    assert_eq!(flow["treatment"], "plaintext");
    assert_eq!(flow["country"], "TW");
}

#[tokio::test(flavor = "multi_thread")]
async fn nghttp_with_priorities() {
    let mut case = Case::new();
    let server = Server::http2(&case, &[HOST, "localhost"], &documents(&case));
    case.place("localhost", ADDRESS, server.socket());
    let landfall = case.start();
    let device = Device::distrusting(landfall.proxy());
    let forwarder = Forwarder::start(&device, "localhost:443").await;
    let url = format!("https://localhost:{}", forwarder.socket().port());
    let mut nghttp = tool::command("nghttp");
    // It asks for what the page needs as well, and sends priorities.
    nghttp.args(["--no-verify-peer", "--null-out", "--get-assets", "--stat"]);
    let output = tool::run(nghttp.arg(format!("{url}/index.html")), SHORT).expect_success();
    assert!(output.text().contains("/app.js"), "{}", output.text());
    assert!(landfall.stop().status.success());
    assert_eq!(case.flows("path:/app.js status:200").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn h2load_with_many_streams() {
    let mut case = Case::new();
    let server = Server::http2(&case, &[HOST, "localhost"], &documents(&case));
    case.place(HOST, ADDRESS, server.socket());
    let landfall = case.start();
    let device = Device::distrusting(landfall.proxy());
    let forwarder = Forwarder::start(&device, "origin.example:443").await;
    let mut h2load = tool::command("h2load");
    h2load.args(["-n", "1000", "-c", "5", "-m", "50", "--connect-to"]);
    h2load.arg(forwarder.socket().to_string()).arg("https://origin.example/app.js");
    let output = tool::run(&mut h2load, SHORT).expect_success();
    assert!(output.text().contains("1000 succeeded, 0 failed"), "{}", output.text());
    assert!(landfall.stop().status.success());
    assert_eq!(case.flows("path:/app.js status:200").len(), 1_000);
}

fn python_client(script: &str, case: &Case, landfall: &Landfall) {
    let mut python = tool::python();
    python.arg(server::script(script));
    python.arg(landfall.proxy_url()).arg(case.authority()).arg(format!("https://{HOST}"));
    assert_eq!(tool::run(&mut python, SHORT).expect_success().text(), "ok\n");
}

#[test]
fn python_requests() {
    let mut case = Case::new();
    let server = Server::http1(&case, &[HOST, "localhost"]);
    case.place(HOST, ADDRESS, server.socket());
    let landfall = case.start();
    python_client("with_requests.py", &case, &landfall);
    assert!(landfall.stop().status.success());
    let echoed = case.flows("path:/echo status:200");
    assert_eq!(echoed.len(), 3);
    assert!(echoed.iter().all(|flow| flow["request_bytes"] == 76_800), "{echoed:#?}");
}

#[test]
fn python_httpx_with_http2() {
    let mut case = Case::new();
    let server = Server::http2(&case, &[HOST, "localhost"], &documents(&case));
    case.place(HOST, ADDRESS, server.socket());
    let landfall = case.start();
    python_client("with_httpx.py", &case, &landfall);
    assert!(landfall.stop().status.success());
    let flows = case.flows("method:POST status:200");
    assert_eq!(flows.len(), 100);
    for flow in &flows {
        let number: u64 =
            flow["path"].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
        assert_eq!(flow["request_bytes"], 1_000 * number, "{flow:#}");
        assert_eq!(flow["response_bytes"], 1_000 * number, "{flow:#}");
    }
}

/// The authority is trusted as a user's own: Chromium's verifier accepts our leaf without being
/// told to look away.
#[test]
fn chromium_loads_a_page_and_runs_its_script() {
    let mut case = Case::new();
    let server = Server::http2(&case, &[HOST, "localhost"], &documents(&case));
    case.place(HOST, ADDRESS, server.socket());
    let landfall = case.start();
    let chromium = tool::command("chromium");
    let mut chromium = browser::headless(chromium, &case.path("home"), &case.authority());
    chromium.arg(format!("--proxy-server={}", landfall.proxy()));
    chromium.arg("https://origin.example/index.html");
    let output = tool::run(&mut chromium, Duration::from_secs(120));
    assert!(output.text().contains("seen by 42"), "{}\n{}", output.text(), output.error_text());
    assert!(landfall.stop().status.success());
    for path in ["/index.html", "/app.js"] {
        let flow = case.flow(&format!("host:{HOST} path:{path}"));
        assert_eq!(flow["status"], 200, "{flow:#}");
        assert!(flow["protocol"].as_str().unwrap().contains('2'), "{flow:#}");
    }
}
