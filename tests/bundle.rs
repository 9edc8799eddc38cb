//! A session exported as a bundle: sealed, the same again, and found good by programs that know
//! nothing of Landfall.

use harness::case::Case;
use harness::tool::{self, SHORT};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A case with a recorded session.
fn case() -> Case {
    let case = Case::new();
    let mut demo = case.command(&["demo", "--listen", "127.0.0.1:0", "--duration", "15s"]);
    tool::run(&mut demo, SHORT).expect_success();
    case
}

fn export(case: &Case, name: &str, more: &[&str]) -> PathBuf {
    let path = case.path(name);
    let arguments = ["export", "--format", "bundle", "-o", path.to_str().unwrap()];
    case.cli(&[&arguments, more].concat()).expect_success();
    path
}

/// All files below a directory, by name.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn two_exports_of_a_session_are_the_same_bytes_in_either_form() {
    let case = case();
    let one = export(&case, "one.zip", &[]);
    std::fs::remove_file(index(&case)).unwrap();
    let other = export(&case, "other.zip", &[]);
    assert!(std::fs::read(&one).unwrap() == std::fs::read(other).unwrap(), "made anew, it differs");
    let directory = export(&case, "directory", &["--dir"]);
    let unpacked = case.path("unpacked");
    let mut unzip = tool::command("python3");
    unzip.args(["-m", "zipfile", "-e"]).args([&one, &unpacked]);
    tool::run(&mut unzip, SHORT).expect_success();
    assert!(files(&directory) == files(&unpacked), "the two forms differ");
    let again = case.cli(&["export", "--format", "bundle", "--dir", "-o", path(&directory)]);
    assert!(again.error_text().contains("there is something already"), "{}", again.error_text());
}

#[test]
fn public_programs_find_a_bundle_good_and_a_changed_one_bad() {
    let case = case();
    let bag = export(&case, "bag", &["--dir"]);
    let sums = |file: &str| {
        let mut sums = tool::command("sha256sum");
        tool::run(sums.current_dir(&bag).args(["-c", "--strict", "--quiet", file]), SHORT)
    };
    let bagit = || {
        let mut bagit = tool::python();
        tool::run(bagit.args(["-m", "bagit", "--validate", "--quiet"]).arg(&bag), SHORT)
    };
    let seal = || {
        let mut keygen = tool::command("ssh-keygen");
        keygen.args(["-Y", "check-novalidate", "-n", "landfall", "-s"]);
        keygen.arg(bag.join("tagmanifest-sha256.txt.sig"));
        let tags = std::fs::File::open(bag.join("tagmanifest-sha256.txt")).unwrap();
        tool::run(keygen.stdin(Stdio::from(tags)), SHORT)
    };
    sums("tagmanifest-sha256.txt").expect_success();
    sums("manifest-sha256.txt").expect_success();
    bagit().expect_success();
    assert!(
        seal().expect_success().text().contains("Good \"landfall\" signature with ED25519 key")
    );
    let mut tables = tool::python();
    tables.args(["-m", "frictionless", "validate", "datapackage.json"]);
    tool::run(tables.current_dir(bag.join("data")), SHORT).expect_success();

    let change = |name: &str| {
        let path = bag.join(name);
        let before = std::fs::read(&path).unwrap();
        let mut changed = before.clone();
        changed[10] ^= 1;
        std::fs::write(&path, changed).unwrap();
        before
    };
    let before = change("data/log/records.jsonl");
    assert!(!sums("manifest-sha256.txt").status.success());
    assert!(!bagit().status.success());
    std::fs::write(bag.join("data/log/records.jsonl"), before).unwrap();
    change("tagmanifest-sha256.txt");
    assert!(!seal().status.success());
}

#[test]
fn what_is_made_for_other_programs_is_what_they_read() {
    let case = case();
    let bag = export(&case, "bag", &["--dir"]);
    let mut tshark = tool::command("tshark");
    tshark.args(["-Y", "_ws.malformed", "-r"]).arg(bag.join("data/pcap/capture.pcapng"));
    assert_eq!(tool::run(&mut tshark, SHORT).expect_success().text(), "");

    let lines = std::fs::read_to_string(bag.join("data/dns.jsonl")).unwrap();
    let lookups: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |name: &str| lookups.iter().find(|lookup| lookup["name"] == name).unwrap();
    let reached = find("im.chatter.example");
    assert_eq!(reached["chain"][1], "im-chatter-example.cdn.dnsv1.com", "{reached:#}");
    assert_eq!(reached["answers"][1]["address"], "119.29.29.29", "{reached:#}");
    assert_eq!(reached["dialled"], serde_json::json!(["119.29.29.29:443"]), "{reached:#}");
    assert_eq!(reached["reached"], "119.29.29.29:443", "{reached:#}");
    let records = std::fs::read_to_string(bag.join("data/log/records.jsonl")).unwrap();
    let number = reached["record"].as_u64().unwrap() as usize;
    let record: Value = serde_json::from_str(records.lines().nth(number).unwrap()).unwrap();
    assert_eq!((&record["kind"], &record["at"]), (&"dns".into(), &reached["time"]));
    assert_eq!(record["body"]["lookup"], reached["lookup"]);
    let failed = find("old.postcards.example");
    assert_eq!(failed["dialled"], serde_json::json!(["9.9.9.9:443"]), "{failed:#}");
    assert!(failed.get("reached").is_none(), "{failed:#}");
}

#[test]
fn what_cannot_become_a_bundle_is_refused() {
    let case = Case::new();
    let landfall = case.start();
    let target = case.path("b.zip");
    let running = case.cli(&["export", "--format", "bundle", "-o", path(&target)]);
    let said = running.error_text();
    assert!(said.contains("still being recorded") && said.contains("hint: end the run"), "{said}");
    assert!(!target.exists());
    landfall.stop();
    let stdout = case.cli(&["export", "--format", "bundle", "-o", "-"]);
    assert!(stdout.error_text().contains("hint: name a file"), "{}", stdout.error_text());
    let table = case.cli(&["export", "--format", "csv", "--dir", "-o", path(&target)]);
    assert!(table.error_text().contains("hint: say --format bundle"), "{}", table.error_text());
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn index(case: &Case) -> PathBuf {
    let session = std::fs::read_dir(case.path("data/sessions")).unwrap().next().unwrap().unwrap();
    session.path().join("index.sqlite")
}
