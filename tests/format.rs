//! The session format as `docs/FORMAT.md` has it, read by a program that knows nothing else
//! (the `verify.py` of every bundle), and what of a session stands in its log as commitments alone.

use harness::case::Case;
use harness::device::read_head;
use harness::origin::Origin;
use harness::tool::{self, Output, SHORT};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HOST: &str = "app.example";
/// Of three chunks and a part of one.
static BODY: LazyLock<String> = LazyLock::new(|| "0123456".repeat(500));

/// A session with two requests, a reviewed destination, and its directory.
async fn recorded() -> (Case, PathBuf) {
    let mut case = Case::new();
    let origin = Origin::plain(|mut stream| async move {
        while !read_head(&mut stream).await.is_empty() {
            let head =
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: id=4711\r\n\r\n";
            let body = BODY
                .as_bytes()
                .chunks(1_500)
                .map(|part| [format!("{:x};x\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
            let body = body.collect::<Vec<_>>().concat();
            let answer = [head.as_bytes(), &body, b"0\r\nServer-Timing: t\r\n\r\n"].concat();
            stream.write_all(&answer).await.ok();
        }
    })
    .await;
    case.place(HOST, "8.136.0.1", origin.socket());
    case.setting("device = \"Phone of M\"");
    case.setting("limits = { checkpoint-time = \"100ms\" }");
    let landfall = case.start();
    let mut stream = TcpStream::connect(landfall.proxy()).await.unwrap();
    for path in ["/account?user=mara", "/\u{e9}"] {
        let request = format!(
            "GET http://{HOST}{path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer t0ps3cret\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"Server-Timing: t\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
    }
    drop(stream);
    let session = std::fs::read_dir(case.path("data/sessions")).unwrap().next().unwrap().unwrap();
    let session = session.path();
    while std::fs::read_to_string(session.join("log/checkpoint")).is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(landfall.stop().status.success());
    let words = ["review", "set", HOST, "--verdict", "concern", "--reason", "seen by me"];
    case.cli(&[&words[..], &["--reviewer", "Mara R"]].concat()).expect_success();
    (case, session)
}

fn read(session: &Path) -> Output {
    let mut python = tool::python();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/evidence/src/bundle/verify.py");
    tool::run(python.arg(script).arg(session).arg("--json"), SHORT)
}

fn found(session: &Path) -> Value {
    let read = read(session).expect_success().text();
    serde_json::from_str::<Value>(&read).unwrap()["found"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_reads_and_checks_a_session_by_its_documentation() {
    let (_case, session) = recorded().await;
    let found = found(&session);
    assert_eq!(found["targets"], serde_json::json!(["/account?user=mara", "/\u{e9}"]), "{found:#}");
    assert_eq!(found["records"], found["signed"], "{found:#}");
    assert!(found["sealed"].as_u64().unwrap() > 10, "{found:#}");
    assert_eq!(found["bodies"], 2, "{found:#}");
    assert!(found["checkpoints"].as_u64().unwrap() > 1, "signed while it ran: {found:#}");
    assert_eq!((&found["reviews"], &found["sealed_reviews"]), (&2.into(), &2.into()), "{found:#}");
}

/// Makes a key with OpenSSH and names it in the configuration.
fn own_key(case: &mut Case, passphrase: &str) {
    let key = case.path("id_ed25519");
    let mut keygen = tool::command("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", passphrase, "-f"]).arg(&key);
    tool::run(&mut keygen, SHORT).expect_success();
    case.setting(&format!("evidence = {{ key = {key:?} }}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_s_own_key_signs_in_place_of_ours() {
    let mut case = Case::new();
    own_key(&mut case, "");
    let landfall = case.start();
    assert!(landfall.stop().status.success());
    assert!(!case.data().join("keys/checkpoint.key").exists(), "no other key is made");
    let session = std::fs::read_dir(case.path("data/sessions")).unwrap().next().unwrap().unwrap();
    let found = found(&session.path());
    assert_eq!(found["records"], found["signed"], "{found:#}");
    let log = std::fs::read_to_string(session.path().join("log/records.jsonl")).unwrap();
    let open: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    // The base64 of the kind, which is 19 bytes, and of the key does not fall together.
    let public = std::fs::read_to_string(case.path("id_ed25519.pub")).unwrap();
    let mut base64 = tool::command("base64");
    std::fs::write(case.path("public"), public.split(' ').nth(1).unwrap()).unwrap();
    base64.arg("-d").arg(case.path("public"));
    let public = tool::run(&mut base64, SHORT).expect_success().stdout;
    std::fs::write(case.path("raw"), &public[public.len() - 32..]).unwrap();
    let mut base64 = tool::command("base64");
    let raw = tool::run(base64.arg("-w0").arg(case.path("raw")), SHORT).expect_success().text();
    assert_eq!(open["body"]["key"], raw.trim_end());
}

#[test]
fn a_key_with_a_passphrase_is_refused_with_what_to_do() {
    let mut case = Case::new();
    own_key(&mut case, "a phrase");
    let refused = case.cli(&["run"]);
    assert_eq!(refused.status.code(), Some(1), "{}", refused.error_text());
    let error = refused.error_text();
    assert!(error.contains("the key has a passphrase"), "{error}");
    assert!(error.contains("hint: name one without a passphrase"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_of_an_opening_is_noticed() {
    let (case, session) = recorded().await;
    for (file, from, to) in [
        ("log/openings.jsonl", "user=mara", "user=nora"),
        ("log/openings.jsonl", "t0ps3cret", "t0ps3cre7"),
        ("log/review.openings.jsonl", "seen by me", "seen by us"),
    ] {
        let path = session.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        assert!(!read(&session).status.success(), "{file}: {to}");
        std::fs::write(&path, &text).unwrap();
    }
    let openings = session.join("log/openings.jsonl");
    let text = std::fs::read_to_string(&openings).unwrap();
    std::fs::write(&openings, text.replacen("t0ps3cret", "t0ps3cre7", 1)).unwrap();
    let flow = case.cli(&["flow", "show", "c1.1"]);
    assert_eq!(flow.status.code(), Some(1), "{}", flow.text());
    let error = flow.error_text();
    assert!(error.contains("is not the one that it commits to"), "{error}");
    assert!(error.contains("hint: restore the session from a copy"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_its_openings_is_read_and_tells_nothing_private() {
    const PRIVATE: [&str; 7] =
        ["account", "mara", "t0ps3cret", "4711", "Phone of M", "Mara R", "seen by me"];
    let (case, session) = recorded().await;
    let shown = case.cli(&["flow", "show", "c1.1"]).expect_success().text();
    assert!(shown.contains("user=mara") && shown.contains("t0ps3cret"), "{shown}");
    let logs = ["log/records.jsonl", "log/review.jsonl"].map(|log| session.join(log));
    let logs = logs.map(|log| std::fs::read_to_string(log).unwrap()).concat();
    assert!(logs.contains(HOST), "whom it talked to is never hidden");
    for private in PRIVATE {
        assert!(!logs.contains(private), "{private}");
    }
    for file in ["log/openings.jsonl", "log/review.openings.jsonl", "index.sqlite"] {
        std::fs::remove_file(session.join(file)).unwrap();
    }
    for words in [
        &["flow", "list"][..],
        &["flow", "show", "c1.1"],
        &["flow", "show", "c1.1", "-o", "jsonl"],
        &["session", "show"],
        &["dest", "show", HOST],
        &["review", "show", HOST],
        &["export", "--format", "har", "--out", "-"],
    ] {
        let output = case.cli(words).expect_success();
        for private in PRIVATE.iter().filter(|private| **private != "account") {
            assert!(!output.text().contains(private), "{words:?}: {private}: {}", output.text());
        }
    }
    let shown = case.cli(&["flow", "show", "c1.1", "-o", "table"]).expect_success().text();
    assert!(shown.contains("GET (withheld) HTTP/1.1"), "{shown}");
}
