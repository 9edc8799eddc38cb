//! Apps that do not trust the authority: the first connection fails and says so, the next one works
//! and is still on record, unless the user wants it otherwise.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::landfall::Landfall;
use harness::origin::Origin;
use harness::tool::{self, SHORT};
use serde_json::Value;
use std::path::Path;
use tokio::io::AsyncWriteExt;

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";

async fn served() -> (Case, Origin) {
    let mut case = Case::new();
    let config = case.ca().server(&[HOST, "other.example"], &["http/1.1"]);
    let origin = Origin::tls(config, |mut stream| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        stream.write_all(answer).await.ok();
        stream.shutdown().await.ok();
    })
    .await;
    case.place(HOST, ADDRESS, origin.socket());
    case.place("other.example", "8.136.0.2", origin.socket());
    (case, origin)
}

/// What curl gets, as a device that trusts the certificates of this file alone.
fn curl(landfall: &Landfall, authority: &Path, url: &str) -> bool {
    let mut curl = tool::command("curl");
    curl.args(["-sS", "--max-time", "30", "--http1.1", "--proxy", &landfall.proxy_url()]);
    curl.arg("--cacert").arg(authority).arg(url);
    let output = tool::run(&mut curl, SHORT);
    output.status.success() && output.text() == "ok"
}

/// The flows of two connections of a curl that trusts the server's own root and not ours.
async fn twice(flags: &[&str], works: [bool; 2]) -> (Case, Vec<Value>) {
    let (mut case, origin) = served().await;
    flags.iter().for_each(|flag| case.flag(flag));
    let landfall = case.start();
    let own = case.path("upstream-ca.pem");
    let url = format!("https://{HOST}/secret");
    let worked =
        tokio::task::block_in_place(|| [curl(&landfall, &own, &url), curl(&landfall, &own, &url)]);
    assert_eq!(worked, works, "{flags:?}");
    assert!(landfall.stop().status.success());
    drop(origin);
    let flows = case.flows("");
    (case, flows)
}

#[track_caller]
fn has(flow: &Value, key: &str, part: &str) {
    assert!(flow[key].as_str().is_some_and(|text| text.contains(part)), "{key} {part}: {flow:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_connection_works_and_is_on_record() {
    let (case, flows) = twice(&[], [false, true]).await;
    let [failed, passed] = flows.as_slice() else { panic!("{flows:#?}") };
    assert_eq!(
        (&failed["treatment"], &passed["treatment"]),
        (&"failed".into(), &"passthrough".into())
    );
    for flow in [failed, passed] {
        assert_eq!(flow["distrust"], "authority-not-trusted", "{flow:#}");
        has(flow, "host", HOST);
        has(flow, "ja4", "t13d");
        has(flow, "country", "CN");
    }
    has(failed, "why", "client distrusts our certificate (alert unknown_ca)");
    has(passed, "why", "refused our certificate on c1");
    assert!(passed["response_bytes"].as_u64().unwrap() > 0);
    assert_eq!(case.flows("distrust:authority-not-trusted").len(), 2);
    assert_eq!(case.flows("distrust:pinned").len(), 0);
    let page = case.cli(&["flow", "show", "c2", "-o", "table"]).expect_success().text();
    assert!(page.contains("authority not trusted") && page.contains("known then"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_goes_on_failing() {
    let (_case, flows) = twice(&["--on-distrust", "keep"], [false, false]).await;
    assert!(flows.iter().all(|flow| flow["treatment"] == "failed"), "{flows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn block_refuses_the_second_connection() {
    let (_case, flows) = twice(&["--on-distrust", "block"], [false, false]).await;
    let treatments: Vec<_> = flows.iter().map(|flow| flow["treatment"].as_str().unwrap()).collect();
    assert_eq!(treatments, ["failed", "blocked"]);
    has(&flows[1], "why", "--on-distrust");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_pins_is_told_from_a_missing_authority() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    let (own, ours) = (case.path("upstream-ca.pem"), case.authority());
    tokio::task::block_in_place(|| {
        assert!(curl(&landfall, &ours, "https://other.example/"));
        assert!(!curl(&landfall, &own, &format!("https://{HOST}/")));
    });
    assert!(landfall.stop().status.success());
    let flow = case.flow("distrust:pinned");
    has(&flow, "why", "pinned or app-private trust");
}

/// Rules about what the databases say of an address.
#[tokio::test(flavor = "multi_thread")]
async fn a_country_is_blocked_with_an_exception() {
    let (mut case, _origin) = served().await;
    case.setting("block = [\"country:CN\"]\nintercept = [\"other.example\"]");
    let landfall = case.start();
    let device = Device::distrusting(landfall.proxy());
    let (head, _) = device.connect(&format!("{HOST}:443")).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let (head, _) = device.connect("other.example:443").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(landfall.stop().status.success());
    let flow = case.flow("treatment:blocked");
    has(&flow, "why", "the block rule country:CN matches");
}
