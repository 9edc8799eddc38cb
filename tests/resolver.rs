//! Which resolver a run asks, and what it asks by itself: DNS over TLS and HTTPS, said so in the
//! record and never replaced by the clear; names that are watched while nobody asks for them.

use harness::case::Case;
use harness::device::read_head;
use harness::nameserver::NameServer;
use harness::origin::Origin;
use harness::test_ca::TestCa;
use harness::tool::{self, SHORT};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::task::block_in_place;

/// Answers every request with two bytes.
async fn origin() -> Origin {
    Origin::plain(|mut stream| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        stream.write_all(answer).await.ok();
    })
    .await
}

/// The status that a device gets for `http://host/`.
fn get(proxy: &str, host: &str) -> String {
    let mut curl = tool::command("curl");
    curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--proxy", proxy]);
    curl.arg(format!("http://{host}/"));
    block_in_place(|| tool::run(&mut curl, SHORT)).expect_success().text()
}

fn shown(case: &Case, host: &str) -> Value {
    let mut rows = case.rows(&["dest", "show", host]);
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

/// The one flow, and the first look-up of its connection.
fn flow_and_lookup(case: &Case) -> (Value, Value) {
    let flow = case.flows("").pop().unwrap();
    let shown = case.rows(&["flow", "show", flow["id"].as_str().unwrap()]);
    let lookup = shown[0]["connection"]["lookups"][0].clone();
    (flow, lookup)
}

/// A run that asks this server alone, for a name of which it knows an address.
async fn check_encrypted(case: &mut Case, names: &NameServer, by: &str) {
    const HOST: &str = "www.example";
    let origin = origin().await;
    case.setting(&names.setting());
    case.dial("119.29.29.29", origin.socket());
    names.answer(HOST, &["edge.example"], &["119.29.29.29"]);
    let landfall = case.start();
    assert_eq!(get(&landfall.proxy_url(), HOST), "200");
    assert_ne!(get(&landfall.proxy_url(), "gone.example"), "200");
    block_in_place(|| landfall.stop());

    let expected = serde_json::json!({
        "address": names.socket().to_string(), "by": by, "name": "dns.example"
    });
    let row = shown(case, HOST);
    assert_eq!(row["name_history"]["stretches"][0]["resolver"], expected, "{row:#}");
    let gone = shown(case, "gone.example");
    let stretch = &gone["name_history"]["stretches"][0];
    assert_eq!((&stretch["outcome"], &stretch["resolver"]), (&"no-such-name".into(), &expected));
    let flow = case.flow(&format!("host:{HOST}"));
    let id = flow["id"].as_str().unwrap();
    let lookup = &case.rows(&["flow", "show", id])[0]["connection"]["lookups"][0];
    assert_eq!(lookup["resolver"], expected);
    assert_eq!(lookup["chain"], serde_json::json!([HOST, "edge.example"]));
    let socket = names.socket();
    let page = case.cli(&["flow", "show", id, "-o", "table"]).expect_success().text();
    let says = format!("dns.example at {socket} ({by}), asked by the proxy");
    assert!(page.contains(&says), "{page}");
    let page = case.cli(&["dest", "show", HOST, "-o", "table"]).expect_success().text();
    assert!(page.contains(&format!("by dns.example at {socket} over {by}")), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_over_tls_is_asked_and_recorded() {
    let mut case = Case::new();
    let names = NameServer::over_tls(case.ca()).await;
    check_encrypted(&mut case, &names, "tls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_over_https_is_asked_and_recorded() {
    let mut case = Case::new();
    let names = NameServer::over_https(case.ca()).await;
    check_encrypted(&mut case, &names, "https").await;
}

/// The certificate is another's; the same server would answer in the clear as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_that_cannot_be_verified_is_not_asked_in_the_clear_instead() {
    let mut case = Case::new();
    let names = NameServer::over_tls(&TestCa::named("Somebody else")).await;
    case.setting(&names.setting());
    names.answer("www.example", &[], &["119.29.29.29"]);
    let landfall = case.start();
    assert_eq!(get(&landfall.proxy_url(), "www.example"), "502");
    block_in_place(|| landfall.stop());
    let (flow, lookup) = flow_and_lookup(&case);
    assert_eq!((&flow["treatment"], &lookup["outcome"]), (&"failed".into(), &"unreachable".into()));
    assert_eq!(lookup["resolver"], serde_json::json!({"by": "unknown"}));
    let detail = lookup["detail"].as_str().unwrap();
    let expected = format!("{}: the server's certificate is refused: ", names.url());
    assert!(detail.starts_with(&expected), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_server_is_refused_with_what_to_write() {
    for (server, hint) in [
        ("https://dns.example/dns-query", "https://192.0.2.53/dns-query#dns.example"),
        ("quic://192.0.2.53", "write tls:// or https://"),
        ("192.0.2.53#dns.example", "write tls:// before it"),
    ] {
        let mut case = Case::new();
        case.setting(&format!("resolver = {{ servers = [{server:?}] }}"));
        let output = case.cli(&["lookup", "192.0.2.1"]);
        assert_eq!(output.status.code(), Some(2));
        let told = output.error_text();
        assert!(told.contains("hint: ") && told.contains(hint), "{told}");
    }
}

/// Waits until the last answer of the name's history is this address.
fn wait_for(case: &Case, host: &str, address: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        // What was recorded last may not be found yet.
        let output = case.cli(&["dest", "show", host, "-o", "jsonl"]);
        let row: Value = serde_json::from_str(&output.text()).unwrap_or_default();
        let answered = row["name_history"]["stretches"].as_array().and_then(|all| all.last());
        if answered.is_some_and(|last| last["addresses"] == serde_json::json!([address])) {
            return;
        }
        assert!(Instant::now() < deadline, "{row:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_name_whose_location_changes_is_told_and_nobody_is_said_to_have_asked() {
    const HOST: &str = "moving.example";
    let (origin, names) = (origin().await, NameServer::start().await);
    let mut case = Case::new();
    let servers = names.url();
    case.setting(&format!("resolver = {{ servers = [{servers:?}], watch = true }}"));
    case.setting("limits = { watch-interval = \"100ms\" }");
    case.setting("block = [\"AS45102\"]");
    case.dial("119.29.29.29", origin.socket());
    names.answer(HOST, &["sg.edge.example"], &["119.29.29.29"]);
    names.answer("blocked.example", &[], &["223.5.5.5"]);
    let landfall = case.start();
    assert_eq!(get(&landfall.proxy_url(), HOST), "200");
    assert_ne!(get(&landfall.proxy_url(), "blocked.example"), "200");
    block_in_place(|| wait_for(&case, HOST, "119.29.29.29"));
    names.answer(HOST, &["cn.edge.example"], &["8.136.0.1"]);
    block_in_place(|| wait_for(&case, HOST, "8.136.0.1"));
    block_in_place(|| landfall.stop());

    let row = shown(&case, HOST);
    let history = &row["name_history"];
    assert_eq!(history["lookups"], 1, "{history:#}");
    assert!(history["watched"].as_u64().unwrap() >= 2, "{history:#}");
    let stretches = history["stretches"].as_array().unwrap();
    let countries: Vec<_> = stretches.iter().map(|s| s["countries"][0].as_str()).collect();
    assert_eq!(countries.first(), Some(&Some("SG")), "{history:#}");
    assert_eq!(countries.last(), Some(&Some("CN")), "{history:#}");
    let last = stretches.last().unwrap();
    assert_eq!(last["lookups"], 0, "{last:#}");
    assert_eq!(last["changes"][0]["added"], serde_json::json!(["8.136.0.1"]));
    let verdicts = row["assessment"]["sentences"].to_string();
    assert!(verdicts.contains("the location changed, by databases: SG until "), "{verdicts}");

    // What the device did is what it was: one connection, to the first address.

    assert_eq!(row["addresses"], serde_json::json!(["119.29.29.29"]), "{row:#}");
    assert_eq!(row["cnames"], serde_json::json!(["sg.edge.example"]), "{row:#}");
    assert_eq!(case.flows("").len(), 2);
    let blocked = shown(&case, "blocked.example");
    assert_eq!(blocked["name_history"].get("watched"), None);
    let session = &case.rows(&["session", "show"])[0];
    assert_eq!((&session["names_looked_up"], &session["names_unresolved"]), (&2.into(), &0.into()));
    let nowhere = "has:asked not(has:upstream)";
    let hosts = case.rows(&["dest", "list", nowhere]);
    assert_eq!((hosts.len(), &hosts[0]["host"]), (1, &"blocked.example".into()));
    let page = case.cli(&["dest", "show", HOST, "-o", "table"]).expect_success().text();
    for says in [
        "more that no device caused",
        "Where moving.example was, by databases",
        "of the watch alone",
    ] {
        assert!(page.contains(says), "{says}: {page}");
    }
    let session = case.data().join("sessions").join(session["name"].as_str().unwrap());
    let log = std::fs::read_to_string(session.join("log/records.jsonl")).unwrap();
    assert!(log.contains("\"for\":\"watch\""));
}
