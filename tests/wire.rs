//! `--wire full`: the TLS bytes of both legs are kept as they passed, and another program decrypts
//! them with the session's key log to the same request. The frames are read by what docs/FORMAT.md
//! says of them, and by nothing of Landfall's.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::origin::Origin;
use harness::tool::{self, SHORT};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HOST: &str = "origin.example";

/// Codes of the frame header.
const UPSTREAM: u8 = 2;
const CLIENT_TLS: u8 = 3;
const UP: u8 = 0;

/// A frame of a leg: its direction and its bytes.
type Frame = (u8, Vec<u8>);

/// The frames of one leg of connection 1, in order.
fn frames(session: &Path, leg: u8) -> Vec<Frame> {
    let store = std::fs::read(session.join("streams/000001.frames")).unwrap();
    let mut rest = store.as_slice();
    let mut frames = Vec::new();
    while !rest.is_empty() {
        assert_eq!(&rest[..4], b"LFf0");
        let length = u32::from_be_bytes(rest[4..8].try_into().unwrap()) as usize;
        let connection = u64::from_be_bytes(rest[16..24].try_into().unwrap());
        if (connection, rest[40]) == (1, leg) {
            frames.push((rest[41], rest[48..48 + length].to_vec()));
        }
        rest = &rest[48 + length..];
    }
    frames
}

/// The bytes of one direction.
fn joined(frames: &[Frame], direction: u8) -> Vec<u8> {
    frames.iter().filter(|frame| frame.0 == direction).flat_map(|frame| frame.1.clone()).collect()
}

/// Writes a capture in which these frames are the segments of one TCP connection to port 443.
fn capture(case: &Case, name: &str, frames: &[Frame]) -> PathBuf {
    let mut dump = String::new();
    for (direction, bytes) in frames {
        for segment in bytes.chunks(8 << 10) {
            dump.push_str(if *direction == UP { "O\n" } else { "I\n" });
            for (line, bytes) in segment.chunks(16).enumerate() {
                write!(dump, "{:06x}", line * 16).unwrap();
                for byte in bytes {
                    write!(dump, " {byte:02x}").unwrap();
                }
                dump.push('\n');
            }
        }
    }
    let (text, pcap) = (case.path(&format!("{name}.txt")), case.path(&format!("{name}.pcap")));
    std::fs::write(&text, dump).unwrap();
    let mut text2pcap = tool::command("text2pcap");
    text2pcap.args(["-q", "-D", "-T", "40000,443"]).arg(text).arg(&pcap);
    tool::run(&mut text2pcap, SHORT).expect_success();
    pcap
}

/// What tshark reads in a capture with the session's secrets.
fn decrypted(session: &Path, pcap: &Path, fields: &[&str]) -> String {
    let mut tshark = tool::command("tshark");
    let secrets = format!("tls.keylog_file:{}", session.join("secrets/keylog.txt").display());
    tshark.args(["-o", &secrets, "-Y", "http", "-T", "fields", "-r"]).arg(pcap);
    for field in fields {
        tshark.args(["-e", field]);
    }
    tool::run(&mut tshark, SHORT).expect_success().text()
}

fn session(case: &Case) -> PathBuf {
    std::fs::read_dir(case.path("data/sessions")).unwrap().next().unwrap().unwrap().path()
}

/// One request with a body through Landfall, which is stopped then.
async fn record(case: &mut Case, versions: &[&'static rustls::SupportedProtocolVersion]) {
    let config = case.ca().server_of(&[HOST], &["http/1.1"], versions);
    let origin = Origin::tls(config, |mut stream| async move {
        read_head(&mut stream).await;
        stream.read_exact(&mut [0; 6]).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&[b'x'; 100_000]).await.unwrap();
        stream.shutdown().await.ok();
        stream.read_to_end(&mut Vec::new()).await.ok();
    })
    .await;
    case.place(HOST, "8.136.0.1", origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    let request =
        "POST /wanted HTTP/1.1\r\nHost: origin.example\r\nContent-Length: 6\r\n\r\nsecret";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(&[b'x'; 1000]));
    stream.shutdown().await.ok();
    drop(stream);
    assert!(landfall.stop().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_legs_are_decrypted_by_another_program() {
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let mut case = Case::new();
        case.flag("--wire=full");
        // Less than one TLS record: the legs wait for the recorder all the time.
        case.setting("limits.waiting-ciphertext-bytes = \"4KiB\"");
        record(&mut case, versions).await;
        case.expect_observed_again();
        let session = session(&case);
        for (leg, word) in [(CLIENT_TLS, "client"), (UPSTREAM, "upstream")] {
            let frames = frames(&session, leg);
            let pcap = capture(&case, word, &frames);
            let requests = decrypted(&session, &pcap, &["http.request.method", "http.request.uri"]);
            assert!(requests.starts_with("POST\t/wanted\n"), "{word}: {requests:?}");
            let bodies = decrypted(&session, &pcap, &["http.response.code", "http.file_data"]);
            let body = bodies.lines().last().unwrap();
            let length =
                body.strip_prefix("200\t").unwrap_or_else(|| panic!("{word}: {body:.80}")).len();
            // As text or in hexadecimal, by tshark's version.
            assert!(length == 100_000 || length == 200_000, "{word}: {length}");
            // The same bytes by the command, direction by direction.
            for (part, direction) in [("request", UP), ("response", 1)] {
                let id = case.flow("")["id"].as_str().unwrap().to_owned();
                let wire = case.cli(&["flow", "wire", &id, "--leg", word, "--part", part]);
                assert!(
                    wire.expect_success().stdout == joined(&frames, direction),
                    "{word} {part}"
                );
            }
        }
        told(&case, &session);
    }
}

/// What is kept is counted where people and programs look.
fn told(case: &Case, session: &Path) {
    let kept: usize = [CLIENT_TLS, UPSTREAM]
        .map(|leg| frames(session, leg).iter().map(|frame| frame.1.len()).sum())
        .iter()
        .sum();
    let row = case.rows(&["session", "show"]).remove(0);
    assert_eq!(row["tls_bytes_kept"], kept, "{row:#}");
    let id = case.flow("")["id"].as_str().unwrap().to_owned();
    let page = case.cli(&["flow", "show", &id, "-o", "table"]).expect_success().text();
    let line = page.lines().find(|line| line.contains("TLS bytes kept")).unwrap();
    assert!(line.contains("device") && line.contains("upstream"), "{line}");
    assert!(!line.contains("cut"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_the_upstream_s_handshake_alone_is_kept() {
    let mut case = Case::new();
    record(&mut case, &[&rustls::version::TLS13]).await;
    let session = session(&case);
    assert!(frames(&session, CLIENT_TLS).is_empty());
    let handshake = frames(&session, UPSTREAM);
    let bytes: usize = handshake.iter().map(|frame| frame.1.len()).sum();
    assert!((1_000..10_000).contains(&bytes), "{bytes}");
    let id = case.flow("")["id"].as_str().unwrap().to_owned();
    let refused = case.cli(&["flow", "wire", &id, "--leg", "client"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.error_text().contains("--wire full"), "{refused:?}");
    let refused = case.cli(&["flow", "body", "c1"]);
    assert!(refused.error_text().contains("hint: name one of them: c1.1\n"), "{refused:?}");
    let page = case.cli(&["flow", "show", &id, "-o", "table"]).expect_success().text();
    assert!(page.contains("handshake of the upstream's leg"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passed_through_connection_is_kept_once_and_a_limit_cuts_visibly() {
    let mut case = Case::new();
    case.flag("--wire=full");
    case.flag("--passthrough=origin.example");
    let origin = Origin::tls(case.ca().server(&[HOST], &[]), |mut stream| async move {
        stream.read_to_end(&mut Vec::new()).await.ok();
        stream.shutdown().await.ok();
    })
    .await;
    case.place(HOST, "8.136.0.1", origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.path("upstream-ca.pem"));
    let mut stream = device.tls(HOST, &[]).await;
    stream.shutdown().await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.ok();
    drop(stream);
    assert!(landfall.stop().status.success());
    let session_of_it = session(&case);
    assert!(frames(&session_of_it, CLIENT_TLS).is_empty());
    assert!(frames(&session_of_it, UPSTREAM).is_empty());
    let relayed = frames(&session_of_it, 0);
    assert!(!relayed.is_empty());
    for (part, direction) in [("request", UP), ("response", 1)] {
        let body = case.cli(&["flow", "body", "c1", "--part", part]).expect_success();
        assert!(body.stdout == joined(&relayed, direction), "{part}");
    }
    let refused = case.cli(&["flow", "wire", "c1"]);
    assert!(refused.error_text().contains("`landfall flow body c1 --part request`"), "{refused:?}");

    let mut case = Case::new();
    case.flag("--wire=full");
    case.setting("limits.recorded-connection-bytes = \"50KiB\"");
    record(&mut case, &[&rustls::version::TLS13]).await;
    let kept = |leg| frames(&session(&case), leg).iter().map(|frame| frame.1.len()).sum::<usize>();
    assert!(kept(CLIENT_TLS) + kept(UPSTREAM) + kept(0) <= 50 << 10);
    let flow: Value = case.flow("");
    let page = case
        .cli(&["flow", "show", flow["id"].as_str().unwrap(), "-o", "table"])
        .expect_success()
        .text();
    let line = page.lines().find(|line| line.contains("TLS bytes kept")).unwrap();
    assert!(line.contains("cut"), "{line}");
}
