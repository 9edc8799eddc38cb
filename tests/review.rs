//! Reviewing a session as people do: verdicts with reasons, what opens them again, policies that
//! change, several at once, and a log that somebody changed.

use harness::case::Case;
use harness::device::read_head;
use harness::landfall::Landfall;
use harness::origin::Origin;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HOST: &str = "app.example";
const OTHER: &str = "far.example";

/// A case with a host on an address of Alibaba's in CN and one in the United States.
async fn case() -> (Case, Vec<Origin>) {
    let mut case = Case::new();
    let mut origins = Vec::new();
    for (name, address) in [(HOST, "8.136.0.1"), (OTHER, "8.8.4.4")] {
        let origin = Origin::plain(|mut stream| async move {
            if !read_head(&mut stream).await.is_empty() {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                stream.write_all(answer).await.ok();
            }
        })
        .await;
        case.place(name, address, origin.socket());
        origins.push(origin);
    }
    case.setting("reviewer = \"M. Reviewer\"");
    (case, origins)
}

/// What comes back for what is sent to the proxy.
async fn send(landfall: &Landfall, text: &str) -> String {
    let mut stream = TcpStream::connect(landfall.proxy()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(landfall: &Landfall, host: &str) {
    let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert_eq!(send(landfall, &request).await, "HTTP/1.1 200");
}

#[track_caller]
fn list(case: &Case) -> Vec<Value> {
    case.rows(&["review", "list"])
}

#[track_caller]
fn set(case: &Case, host: &str, verdict: &str, reason: &str) {
    case.cli(&["review", "set", host, "--verdict", verdict, "--reason", reason]).expect_success();
}

fn log(case: &Case, name: &str) -> std::path::PathBuf {
    let session = std::fs::read_dir(case.path("data/sessions")).unwrap().next().unwrap().unwrap();
    session.path().join("log").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_kept_and_opened_again_by_what_was_not_known() {
    let (case, _origins) = case().await;
    let landfall = case.start();
    let connect = format!("CONNECT {HOST}:80 HTTP/1.1\r\nHost: {HOST}:80\r\n\r\n");
    assert_eq!(send(&landfall, &connect).await, "HTTP/1.1 200");
    get(&landfall, OTHER).await;
    let rows = wait_for(|| list(&case), |rows| !rows.is_empty());
    assert_eq!(rows.len(), 1, "what is not flagged is not to be reviewed: {rows:#?}");
    assert_eq!((&rows[0]["host"], &rows[0]["state"]), (&HOST.into(), &"unreviewed".into()));
    assert!(rows[0].get("verdict").is_none() && rows[0]["severity"] == "notice", "{rows:#?}");
    // While it is recorded.
    set(&case, HOST, "unclear", "one attempt only");
    let reviewed = list(&case).remove(0);
    assert_eq!(reviewed["verdict"], "unclear");
    assert_eq!(reviewed["reviewer"], "M. Reviewer");
    get(&landfall, HOST).await;
    let reopened = wait_for(
        || list(&case).remove(0),
        |row| row["state"] == "reopened" && row["contact"] == "C5",
    );
    let new = reopened["new"].to_string();
    assert!(new.contains("contact: C5"), "{reopened:#}");
    let page = case.cli(&["review", "show", HOST, "-o", "table"]).expect_success().text();
    assert!(page.contains("reopened") && page.contains("one attempt only"), "{page}");
    assert!(landfall.stop().status.success());
    let captured = std::fs::read(log(&case, "records.jsonl")).unwrap();
    set(&case, HOST, "concern", "seen on the wire");
    case.cli(&["review", "note", HOST, "--text", "asked the vendor"]).expect_success();
    assert_eq!(list(&case)[0]["state"], "reviewed");
    assert_eq!(captured, std::fs::read(log(&case, "records.jsonl")).unwrap(), "it is only read");
    let shown = case.rows(&["review", "show", HOST]).remove(0);
    let kinds: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["review.verdict", "review.verdict", "review.note"]);
    let dest = case.rows(&["dest", "list"]);
    let verdicts: Vec<_> = dest.iter().map(|row| row.get("verdict").cloned()).collect();
    assert_eq!(verdicts, [Some(Value::from("concern")), None]);
    assert_eq!(case.rows(&["dest", "show", HOST])[0]["verdict"], "concern");
    // A host that nothing flags can be judged, and is then listed.
    set(&case, OTHER, "no-concern", "a resolver");
    assert_eq!(list(&case).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn later_policies_stand_beside_those_at_capture() {
    let (mut case, _origins) = case().await;
    let landfall = case.start();
    get(&landfall, HOST).await;
    get(&landfall, OTHER).await;
    assert!(landfall.stop().status.success());
    let captured = std::fs::read(log(&case, "records.jsonl")).unwrap();
    set(&case, HOST, "no-concern", "known");
    let same = case.cli(&["review", "reflag"]).expect_success();
    assert!(same.error_text().contains("already"), "{}", same.error_text());
    case.setting(
        "flag = [{ name = \"anycast\", when = \"anycast:yes\", severity = \"info\" },
                 { name = \"odd-port\", when = \"not(port:443)\", severity = \"alarm\" }]",
    );
    let changes = case.rows(&["review", "reflag"]);
    let change = |host: &str| changes.iter().find(|row| row["host"] == host).unwrap();
    assert_eq!(change(HOST)["gained"], serde_json::json!(["odd-port"]));
    assert_eq!(change(HOST)["lost"], serde_json::json!(["mainland-china"]));
    assert_eq!(change(OTHER)["gained"], serde_json::json!(["anycast", "odd-port"]));
    let rows = list(&case);
    let row = |host: &str| rows.iter().find(|row| row["host"] == host).unwrap();
    assert_eq!(row(HOST)["flags"], serde_json::json!(["mainland-china"]));
    assert_eq!(row(HOST)["flags_now"], serde_json::json!(["odd-port"]));
    assert_eq!(
        (&row(HOST)["state"], &row(HOST)["severity"]),
        (&"reopened".into(), &"alarm".into())
    );
    assert_eq!(row(OTHER)["state"], "unreviewed");
    let page = case.cli(&["dest", "show", HOST, "-o", "table"]).expect_success().text();
    assert!(page.contains("flagged at capture mainland-china"), "{page}");
    assert!(page.contains("flagged now by    odd-port (review record "), "{page}");
    assert_eq!(captured, std::fs::read(log(&case, "records.jsonl")).unwrap(), "it is only read");
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_filters_and_exports_have_the_verdict_and_the_flags_of_now() {
    let (mut case, _origins) = case().await;
    let landfall = case.start();
    get(&landfall, HOST).await;
    get(&landfall, OTHER).await;
    assert!(landfall.stop().status.success());
    let rows = case.flows("host:*");
    assert!(rows.iter().all(|row| row.get("verdict").is_none() && row.get("flags_now").is_none()));
    // Until the policies are put anew, the flags of now are those at capture.
    assert_eq!(case.flows("flag-now:mainland-china").len(), 1);
    set(&case, HOST, "concern", "known");
    case.setting("flag = [{ name = \"anycast\", when = \"anycast:yes\" }]");
    case.cli(&["review", "reflag"]).expect_success();

    let flow = case.flow("verdict:concern");
    assert_eq!((&flow["host"], &flow["reviewer"]), (&HOST.into(), &"M. Reviewer".into()));
    assert!(flow["reviewed_at"].is_string(), "{flow:#}");
    assert_eq!(flow["flags"], serde_json::json!(["mainland-china"]));
    assert_eq!(flow["flags_now"], serde_json::json!([]));
    assert_eq!(case.flow("not(has:verdict)")["host"], OTHER);
    assert_eq!(case.flow("flag-now:any*")["host"], OTHER);
    assert_eq!(case.flow("flag:mainland-china not(flag-now:*)")["host"], HOST);
    assert!(case.flows("verdict:unclear,needs-more").is_empty());
    for (filter, host) in [("verdict:concern", HOST), ("flag-now:anycast", OTHER)] {
        for list in ["dest", "review"] {
            let rows = case.rows(&[list, "list", filter]);
            assert_eq!((rows.len(), &rows[0]["host"]), (1, &host.into()), "{list} {filter}");
        }
    }
    let refused = case.cli(&["flow", "list", "verdict:guilty"]);
    assert!(refused.error_text().contains("no-concern"), "{}", refused.error_text());

    let export = |format: &str| {
        let words = ["export", "--format", format, "-o", "-"];
        case.cli(&words).expect_success().text()
    };
    let lines: Vec<Value> =
        export("jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["verdict"], lines[1].get("verdict")), (&"concern".into(), None));
    assert_eq!(lines[1]["flags_now"], serde_json::json!(["anycast"]));
    let table = export("csv");
    let mut reader = table.lines();
    let keys: Vec<&str> = reader.next().unwrap().split(',').collect();
    let place = keys.iter().position(|key| *key == "verdict").unwrap();
    assert_eq!(keys[place..place + 3], ["verdict", "reviewer", "reviewed_at"]);
    assert!(reader.next().unwrap().contains(",concern,M. Reviewer,20"), "{table}");
    let har: Value = serde_json::from_str(&export("har")).unwrap();
    let entries = &har["log"]["entries"];
    assert_eq!((&entries[0]["_verdict"], entries[1].get("_verdict")), (&"concern".into(), None));
    assert_eq!(entries[1]["_flagsNow"], serde_json::json!(["anycast"]));
    assert!(entries[0]["_reviewer"].is_string() && entries[0]["_reviewedAt"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_review_log_is_refused_and_hides_no_facts() {
    let (case, _origins) = case().await;
    let landfall = case.start();
    get(&landfall, HOST).await;
    assert!(landfall.stop().status.success());
    set(&case, HOST, "concern", "seen on the wire");
    let path = log(&case, "review.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"concern\"", "\"unclear\"")).unwrap();
    for words in [vec!["review", "list"], vec!["review", "show", HOST], vec!["review", "reflag"]] {
        let refused = case.cli(&words);
        assert_eq!(refused.status.code(), Some(1), "{words:?}");
        assert!(refused.error_text().contains("signed"), "{}", refused.error_text());
    }
    let dest = case.cli(&["dest", "list", "-o", "jsonl"]).expect_success();
    assert!(dest.text().contains(HOST) && !dest.text().contains("verdict"), "{}", dest.text());
    assert!(dest.error_text().starts_with("warning: "), "{}", dest.error_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_review_is_refused() {
    let (case, _origins) = case().await;
    let landfall = case.start();
    get(&landfall, HOST).await;
    assert!(landfall.stop().status.success());
    let long = "x".repeat(20_000);
    for (words, code, says) in [
        (vec!["set", HOST, "--verdict", "guilty", "--reason", "r"], 2, "no-concern"),
        (vec!["set", HOST, "--verdict", "concern"], 2, "--reason"),
        (vec!["set", HOST, "--verdict", "concern", "--reason", " "], 2, "empty"),
        (vec!["set", HOST, "--verdict", "concern", "--reason", &long], 2, "longer"),
        (vec!["set", "no.example", "--verdict", "concern", "--reason", "r"], 1, "review list"),
        (vec!["show", "a b"], 2, "no host name"),
    ] {
        let refused = case.cli(&[&["review"], words.as_slice()].concat());
        assert_eq!(refused.status.code(), Some(code), "{words:?}: {}", refused.error_text());
        assert!(refused.error_text().contains(says), "{}", refused.error_text());
    }
    assert_eq!(list(&case)[0]["state"], "unreviewed");
}

/// Asks again until the answer is the one that is waited for.
#[track_caller]
fn wait_for<T: std::fmt::Debug>(mut ask: impl FnMut() -> T, done: impl Fn(&T) -> bool) -> T {
    for _ in 0..100 {
        let answer = ask();
        if done(&answer) {
            return answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("still {:?}", ask());
}
