//! TLS that is passed through: how far the device came with the real server, by what other people's
//! programs send, and no further.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::landfall::Landfall;
use harness::origin::Origin;
use harness::tool::{self, SHORT};
use rustls::ClientConnection;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::block_in_place;

const HOST: &str = "origin.example";

async fn passed_through() -> (Case, Origin, Landfall) {
    let mut case = Case::new();
    let config = case.ca().server(&[HOST], &["http/1.1"]);
    let origin = Origin::tls(config, |mut stream| async move {
        if !read_head(&mut stream).await.is_empty() {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            stream.write_all(answer).await.ok();
        }
        stream.shutdown().await.ok();
        stream.read_to_end(&mut Vec::new()).await.ok();
    })
    .await;
    case.place(HOST, "8.136.0.1", origin.socket());
    case.setting(&format!("passthrough = [{HOST:?}]"));
    let landfall = case.start();
    (case, origin, landfall)
}

/// The contact level and the records that it rests on, after one connection of this program.
#[track_caller]
fn contact(case: &Case, landfall: Landfall, command: &mut Command) -> (String, Vec<String>) {
    block_in_place(|| tool::run(command, SHORT));
    assert!(landfall.stop().status.success());
    let row = &case.rows(&["dest", "show", HOST])[0];
    assert_eq!(row["treatment"], serde_json::json!({"passthrough": 1}), "{row:#}");
    let sentence = row["assessment"]["sentences"].as_array().unwrap().iter();
    let rests_on = sentence.clone().find(|said| said["about"] == "contact").unwrap();
    let log = case.data().join("sessions").read_dir().unwrap().next().unwrap().unwrap();
    let log = std::fs::read_to_string(log.path().join("log/records.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kind = |seq: &serde_json::Value| {
        let line = &lines[usize::try_from(seq.as_u64().unwrap()).unwrap()];
        let shows = line["body"]["shows"].as_str().unwrap_or_default();
        format!("{} {shows}", line["kind"].as_str().unwrap()).trim_end().to_owned()
    };
    let records = rests_on["records"].as_array().unwrap().iter().map(kind).collect();
    (row["contact"].as_str().unwrap().to_owned(), records)
}

fn curl(case: &Case, landfall: &Landfall, options: &[&str]) -> Command {
    let mut curl = tool::command("curl");
    curl.args(["-sS", "--max-time", "30", "--proxy", &landfall.proxy_url()]).args(options);
    curl.arg("--cacert").arg(case.path("upstream-ca.pem")).arg(format!("https://{HOST}/secret"));
    curl
}

#[track_caller]
fn shows_data(case: &Case, (level, records): (String, Vec<String>)) {
    assert_eq!(level, "C4", "{records:?}");
    assert!(records.contains(&"tls.relayed data-sent".to_owned()), "{records:?}");
    let page = case.cli(&["flow", "show", "c1", "-o", "table"]).expect_success().text();
    assert!(page.contains("application data sent, by its record headers"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_bytes_sent_in_tls12() {
    let (case, _origin, landfall) = passed_through().await;
    let mut curl = curl(&case, &landfall, &["--tls-max", "1.2"]);
    shows_data(&case, contact(&case, landfall, &mut curl));
}

/// Like the stacks of phones it offers no authentication after the handshake. curl does: whether its
/// request shows then depends on whether the server's tickets come before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_bytes_sent_in_tls13() {
    let (case, _origin, landfall) = passed_through().await;
    let device = Device::trusting(landfall.proxy(), &case.path("upstream-ca.pem"));
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    stream.shutdown().await.ok();
    shows_data(&case, contact(&case, landfall, &mut tool::command("true")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_without_a_request_is_completed_and_no_more() {
    let (case, _origin, landfall) = passed_through().await;
    let proxy = landfall.proxy().to_string();
    let mut openssl = tool::command("openssl");
    openssl.args(["s_client", "-proxy", &proxy, "-connect", &format!("{HOST}:443"), "-tls1_3"]);
    openssl.args(["-servername", HOST]).stdin(Stdio::null());
    let (level, records) = contact(&case, landfall, &mut openssl);
    assert_eq!((level.as_str(), &records[..]), ("C3", &["tls.relayed completed".to_owned()][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_refuses_the_servers_certificate_has_asked_for_a_connection() {
    for version in [["--tls-max", "1.2"], ["--tlsv1.3", "--http1.1"]] {
        let (case, _origin, landfall) = passed_through().await;
        let mut refusing = tool::command("curl");
        refusing.args(["-sS", "--max-time", "30", "--proxy", &landfall.proxy_url()]).args(version);
        refusing.arg(format!("https://{HOST}/secret"));
        let (level, records) = contact(&case, landfall, &mut refusing);
        assert_eq!(level, "C2", "{version:?}: {records:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_look_like_data_before_a_handshake_show_nothing() {
    let (case, _origin, landfall) = passed_through().await;
    let device = Device::distrusting(landfall.proxy());
    let (head, mut stream) = device.connect(&format!("{HOST}:443")).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let roots = rustls::RootCertStore::empty();
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(config), HOST.try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    stream.write_all(&hello).await.unwrap();
    for length in [53_u16, 400, 400] {
        let record = [&[23, 3, 3], &length.to_be_bytes()[..], &vec![7; length.into()]].concat();
        stream.write_all(&record).await.unwrap();
    }
    // The server has no use for them, and says so.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    let (level, _records) = contact(&case, landfall, &mut tool::command("true"));
    assert_eq!(level, "C2");
}
