//! Later opinions: other databases asked about a session after it was recorded, stored beside what its own
//! said, and what that does to a review.

use harness::case::Case;
use harness::device::read_head;
use harness::mirror::{Answer, Mirror};
use harness::mmdb::{built_later, packed, sg_for_hk};
use harness::origin::Origin;
use harness::tool::{self, SHORT};
use serde_json::Value;
use std::path::PathBuf;
use tokio::io::AsyncWriteExt;
use tokio::task::block_in_place;

const HOST: &str = "cloud.example";
const OTHER: &str = "resolver.example";
/// HK in the bundled DB-IP file; the newer one says SG.
const MOVED: &str = "159.138.0.1";

/// A session with both hosts, recorded with the bundled databases; newer ones are active since.
async fn recorded_before_an_update() -> Case {
    let mut case = Case::new();
    let mirror = Mirror::plain().await;
    case.setting("upstream-ca = [\"upstream-ca.pem\"]");
    case.setting("reviewer = \"M. Reviewer\"");
    case.setting(&format!("geo.update.dbip-country = {:?}", mirror.url("/d")));
    let file = case.rows(&["geo", "status"]);
    let file = file.iter().find(|row| row["name"] == "dbip-country").unwrap();
    let dbip = std::fs::read(file["file"].as_str().unwrap()).unwrap();
    let newer = sg_for_hk(&built_later(&dbip, 30));
    mirror.put("/d", Answer::File(packed("zstd", &newer)));
    let mut origins = Vec::new();
    for (host, address) in [(HOST, MOVED), (OTHER, "8.8.4.4")] {
        let origin = Origin::plain(|mut stream| async move {
            read_head(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            stream.write_all(answer).await.ok();
            stream.shutdown().await.ok();
        })
        .await;
        case.place(host, address, origin.socket());
        origins.push(origin);
    }
    case.flag("--allow-local");
    let landfall = case.start();
    for host in [HOST, OTHER] {
        let mut curl = tool::command("curl");
        curl.args(["-sS", "--proxy", &landfall.proxy_url(), &format!("http://{host}/")]);
        block_in_place(|| tool::run(&mut curl, SHORT)).expect_success();
    }
    assert!(landfall.stop().status.success());
    let update = ["geo", "update", "--only", "dbip-country", "--force"];
    block_in_place(|| case.cli(&update)).expect_success();
    case
}

fn log(case: &Case, name: &str) -> PathBuf {
    let session = std::fs::read_dir(case.path("data/sessions")).unwrap().next().unwrap().unwrap();
    session.path().join("log").join(name)
}

#[track_caller]
fn state(case: &Case, host: &str) -> Value {
    let rows = case.rows(&["review", "show", host]);
    rows[0]["state"].clone()
}

#[track_caller]
fn said(case: &Case, words: &[&str]) -> String {
    case.cli(&[&["review", "opinion", "--with"], words].concat()).expect_success().error_text()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_opinion_stands_beside_the_sessions_own_and_opens_a_review_again() {
    let case = recorded_before_an_update().await;
    let captured = std::fs::read(log(&case, "records.jsonl")).unwrap();
    for host in [HOST, OTHER] {
        let reason = ["--reason", "by two databases"];
        let words = [&["review", "set", host, "--verdict", "unclear"], &reason[..]].concat();
        case.cli(&words).expect_success();
    }
    let own = said(&case, &["embedded"]);
    assert!(own.contains("that the session itself asked"), "{own}");
    assert!(case.rows(&["dest", "show", HOST])[0].get("opinions").is_none());

    // One destination, then the rest; nothing twice.
    let rows = case.rows(&["review", "opinion", &format!("host:{HOST}"), "--with", "active"]);
    let location = rows.iter().find(|row| row["what"] == "location").unwrap();
    assert_eq!((&location["host"], &location["address"]), (&HOST.into(), &MOVED.into()));
    assert!(location["recorded"].as_str().unwrap().contains("HK"), "{location}");
    assert!(location["also"].as_str().unwrap().contains("SG"), "{location}");
    let rest = said(&case, &["active"]);
    assert!(rest.contains("1 address: review record "), "{rest}");
    assert!(said(&case, &["active"]).contains("nothing of this is new"));

    let shown = &case.rows(&["dest", "show", HOST])[0];
    assert_eq!(shown["countries"]["dbip-country"], "HK", "the session's own stays: {shown:#}");
    let opinions = shown["opinions"].as_array().unwrap();
    assert_eq!(opinions.len(), 1, "{shown:#}");
    let [opinion] = &opinions[..] else { panic!() };
    assert_eq!(opinion["reviewer"], "M. Reviewer");
    assert!(opinion["at"].is_string() && opinion["seq"].is_u64(), "{opinion:#}");
    let dbip = opinion["databases"].as_array().unwrap();
    let dbip = dbip.iter().find(|one| one["name"] == "dbip-country").unwrap();
    assert!(dbip["sha256"].is_string() && dbip["built"].is_string() && dbip["licence"].is_string());
    assert_eq!(opinion["addresses"][0]["countries"]["dbip-country"], "SG", "{opinion:#}");
    assert_eq!(opinion["differences"][0]["what"], "location");
    let page = case.cli(&["dest", "show", HOST, "-o", "table"]).expect_success().text();
    assert!(page.contains("Later opinion: the databases of set "), "{page}");
    assert!(page.contains("later said "), "{page}");

    assert_eq!(state(&case, HOST), "reopened");
    assert_eq!(state(&case, OTHER), "reviewed", "the same opinion is no new fact");
    let review = &case.rows(&["review", "show", HOST])[0];
    let last = review["history"].as_array().unwrap().last().unwrap();
    assert_eq!(last["kind"], "review.opinion");
    assert_eq!(last["body"]["addresses"].as_array().unwrap().len(), 1, "its own alone");
    assert!(review["new"].to_string().contains("later said"), "{review:#}");
    let verdict = ["--verdict", "concern", "--reason", "databases changed their mind"];
    case.cli(&[&["review", "set", HOST], &verdict[..]].concat()).expect_success();
    assert_eq!(state(&case, HOST), "reviewed");
    assert_eq!(captured, std::fs::read(log(&case, "records.jsonl")).unwrap(), "it is only read");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_databases_of_an_opinion_stay_for_whoever_checks_it() {
    let case = recorded_before_an_update().await;
    let sets = case.rows(&["geo", "status", "--sets"]);
    let newer = sets.iter().find(|set| set["active"] == true).unwrap()["set"].clone();
    said(&case, &["active"]);
    // The embedded set is active again, as after an update by hand.
    std::fs::remove_file(case.data().join("geoip/active")).unwrap();
    let kept = case.rows(&["geo", "prune", "--keep", "0"]);
    assert!(kept.iter().all(|set| set["set"] != newer), "{kept:#?}");
    let both = &case.rows(&["dest", "show", HOST, "--also-with", newer.as_str().unwrap()])[0];
    assert_eq!(both["also_with"]["addresses"][0]["countries"]["dbip-country"], "SG");
    // What the log was made to say by hand is refused.
    let path = log(&case, "review.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"SG\"", "\"DE\"")).unwrap();
    let refused = case.cli(&["review", "opinion", "--with", "embedded"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.error_text().contains("signed"), "{}", refused.error_text());
}
