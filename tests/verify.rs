//! `landfall verify`: a bundle as it was exported, and what becomes of it when somebody changes it and
//! makes the manifests and the seal anew, so that only what is below them can tell.

use harness::case::Case;
use harness::tool::{self, SHORT};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An exported session, and a key that is not its own.
struct Bundle {
    case: Case,
    bag: PathBuf,
    trusted: PathBuf,
    forger: PathBuf,
}

impl Bundle {
    fn new() -> Self {
        let case = Case::new();
        let mut demo = case.command(&["demo", "--listen", "127.0.0.1:0", "--duration", "15s"]);
        tool::run(&mut demo, SHORT).expect_success();
        let review = ["review", "set", "clips.reeltime.example", "--verdict", "unclear"];
        case.cli(&[&review[..], &["--reason", "to be asked", "--reviewer", "A. N."]].concat())
            .expect_success();
        let bag = case.path("bag");
        export(&case, &bag);
        let forger = case.path("forger");
        let mut keygen = tool::command("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "forger", "-f"]).arg(&forger);
        tool::run(&mut keygen, SHORT).expect_success();
        let trusted = case.path("trusted.pub");
        let seal = std::fs::read_to_string(bag.join(SEAL)).unwrap();
        std::fs::write(&trusted, signer(&seal)).unwrap();
        Self { case, bag, trusted, forger }
    }

    /// The answers to the questions, and the exit code.
    fn verify(&self, what: &Path) -> (BTreeMap<String, (String, String)>, i32) {
        let (what, trust) = (what.to_str().unwrap(), self.trusted.to_str().unwrap());
        let output = self.case.cli(&["verify", what, "--trust", trust, "-o", "jsonl"]);
        let text = output.text();
        let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let answers = rows
            .map(|row| (word(&row, "question"), (word(&row, "answer"), word(&row, "what"))))
            .collect();
        (answers, output.status.code().unwrap())
    }

    /// Changes a copy of the bag, makes manifests and seal anew with the forger's key, and expects
    /// the question to be answered so.
    /// Changes a copy without making anything anew, and expects INTEGRITY to fail.
    #[track_caller]
    fn check_sealed(&self, name: &str, change: impl FnOnce(&Path)) {
        let copy = self.case.path("copy");
        copy_all(&self.bag, &copy);
        change(&copy);
        let (answers, code) = self.verify(&copy);
        assert_eq!((answers["INTEGRITY"].0.as_str(), code), ("FAIL", 4), "{name}: {answers:#?}");
        for question in ["COMPLETENESS", "ORDER", "IDENTITY", "TRACE"] {
            assert_eq!(answers[question].0, "NOT PROVEN", "{name}: {answers:#?}");
        }
        std::fs::remove_dir_all(copy).unwrap();
    }

    /// The same of a change that the bundle's own verifier in Python must find as well.
    #[track_caller]
    fn check_twice(&self, name: &str, change: impl FnOnce(&Path)) {
        self.check(name, "INTEGRITY", "FAIL", |bag| {
            change(bag);
            self.seal(bag);
            let script = tool::run(tool::python().arg(self.bag.join(VERIFIER)).arg(bag), SHORT);
            assert_eq!(script.status.code(), Some(4), "{name}: {}", script.text());
        });
    }

    #[track_caller]
    fn check(&self, name: &str, question: &str, answer: &str, change: impl FnOnce(&Path)) {
        let copy = self.case.path("copy");
        copy_all(&self.bag, &copy);
        change(&copy);
        self.seal(&copy);
        let (answers, code) = self.verify(&copy);
        assert_eq!(answers[question].0, answer, "{name}: {answers:#?}");
        assert_eq!(answers["IDENTITY"].0, "NOT PROVEN", "{name}: the forger's key is not trusted");
        assert_eq!(code, if answer == "FAIL" { 4 } else { 3 }, "{name}");
        std::fs::remove_dir_all(copy).unwrap();
    }

    fn seal(&self, bag: &Path) {
        let manifest = manifest(bag, |name| name.starts_with("data/"));
        std::fs::write(bag.join("manifest-sha256.txt"), manifest).unwrap();
        let tags = ["bag-info.txt", "bagit.txt", "manifest-sha256.txt"];
        let tags = manifest_of(bag, tags.map(str::to_owned).to_vec());
        std::fs::write(bag.join(TAGS), tags).unwrap();
        let _ = std::fs::remove_file(bag.join(SEAL));
        let mut keygen = tool::command("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", "landfall", "-f"]).arg(&self.forger);
        tool::run(keygen.arg(bag.join(TAGS)), SHORT).expect_success();
    }
}

#[test]
fn a_bundle_as_it_was_exported_is_not_contradicted() {
    let bundle = Bundle::new();
    let (answers, code) = bundle.verify(&bundle.bag);
    for passes in ["INTEGRITY", "COMPLETENESS", "ORDER", "IDENTITY", "DERIVED", "TRACE"] {
        assert_eq!(answers[passes].0, "PASS", "{answers:#?}");
    }
    // Nobody has stamped it, and the demonstration's servers have a root of their own.
    assert_eq!(answers["TIME"].0, "NOT PROVEN");
    assert!(answers["SERVERS"].1.starts_with("7 of 7 servers signed"), "{answers:#?}");
    assert_eq!(code, 3);
    let script = tool::run(tool::python().arg(bundle.bag.join(VERIFIER)), SHORT).expect_success();
    assert_eq!(script.text().matches("PASS").count(), 3, "{}", script.text());

    let archive = bundle.case.path("b.zip");
    bundle
        .case
        .cli(&["export", "--format", "bundle", "-o", archive.to_str().unwrap()])
        .expect_success();
    let (of_archive, code) = bundle.verify(&archive);
    assert_eq!((of_archive, code), (answers, 3));

    // The session itself, by its own installation, which knows its key.
    let own = bundle.case.cli(&["verify"]);
    assert!(!own.text().contains("FAIL") && own.text().contains("IDENTITY"), "{}", own.text());
}

#[test]
fn derived_files_that_do_not_follow_are_found() {
    let bundle = Bundle::new();
    for name in DERIVED {
        let gone = |bag: &Path| std::fs::remove_file(bag.join(name)).unwrap();
        bundle.check(&format!("{name} gone"), "DERIVED", "FAIL", gone);
        let longer = |bag: &Path| append(&bag.join(name), b"\n");
        bundle.check(&format!("{name} longer"), "DERIVED", "FAIL", longer);
        let cut = |bag: &Path| shorten(&bag.join(name), 1);
        bundle.check(&format!("{name} cut"), "DERIVED", "FAIL", cut);
    }
    let replaced = [
        ("data/destinations.csv", "CN", "US"),
        ("data/flows.csv", "mainland-china", "nothing"),
        ("data/flows.jsonl", "\"treatment\":\"failed\"", "\"treatment\":\"blocked\""),
        ("data/har/capture.har", "\"status\":200", "\"status\":204"),
        ("data/case.json", "\"simulated\": true", "\"simulated\": false"),
        ("data/geo/attributions.txt", "DB-IP", "DB-PI"),
    ];
    for (name, from, to) in replaced {
        let what = format!("{name}: {from} made {to}");
        bundle.check(&what, "DERIVED", "FAIL", |bag| replace(&bag.join(name), from, to));
    }
}

#[test]
fn a_changed_log_is_found() {
    let bundle = Bundle::new();
    let log = "data/log/records.jsonl";
    let replaced = [
        (log, "\"country\":\"CN\"", "\"country\":\"US\""),
        (log, "\"policy\":\"mainland-china\"", "\"policy\":\"mainland-chinb\""),
        (log, "\"outcome\":\"found\"", "\"outcome\":\"finds\""),
        (log, "\"treatment\":\"failed\"", "\"treatment\":\"locked\""),
        (log, "\"seq\":5,", "\"seq\":6,"),
        (log, "\"kind\":\"claims\"", "\"kind\":\"claimt\""),
        (log, "{\"at\":", "{ \"at\":"),
        (log, "\"v\":1", "\"v\":2"),
        ("data/log/checkpoint", "landfall/", "landfail/"),
        ("data/log/checkpoints", "landfall/", "landfail/"),
        ("data/log/openings.jsonl", "GET", "GOT"),
        ("data/log/review.jsonl", "\"verdict\":\"unclear\"", "\"verdict\":\"concern\""),
        ("data/log/review.checkpoint", "/review", "/reviev"),
    ];
    for (name, from, to) in replaced {
        if !text(&bundle.bag.join(name)).contains(from) {
            continue;
        }
        let what = format!("{name}: {from} made {to}");
        bundle.check_twice(&what, |bag| replace(&bag.join(name), from, to));
    }
    type Edit = fn(&mut Vec<String>);
    let edits: [(&str, Edit); 8] = [
        ("the first line gone", |lines| drop(lines.remove(0))),
        ("a line gone", |lines| drop(lines.remove(lines.len() / 2))),
        ("the last line gone", |lines| drop(lines.pop())),
        ("a line twice", |lines| lines.insert(2, lines[1].clone())),
        ("two lines swapped", |lines| lines.swap(3, 4)),
        ("the last line twice", |lines| lines.extend(lines.last().cloned())),
        ("an empty line", |lines| lines.push(String::new())),
        ("half of it", |lines| lines.truncate(lines.len() / 2)),
    ];
    for name in [log, "data/log/openings.jsonl"] {
        for (what, edit) in edits {
            let what = format!("{name}: {what}");
            bundle.check_twice(&what, |bag| edit_lines(&bag.join(name), edit));
        }
    }
    for name in ["data/log/checkpoint", "data/log/review.checkpoint"] {
        let (what, cut) = (format!("{name} cut"), |bag: &Path| shorten(&bag.join(name), 4));
        bundle.check_twice(&what, cut);
    }
    let unsigned = |bag: &Path| append(&bag.join("data/log/review.jsonl"), b"{}\n");
    bundle.check_twice("reviews that nobody signed", unsigned);
    let gone = |bag: &Path| std::fs::remove_file(bag.join("data/log/checkpoint")).unwrap();
    bundle.check_twice("no checkpoint", gone);
}

#[test]
fn changed_bytes_and_secrets_are_found() {
    let bundle = Bundle::new();
    let frames = "data/streams/000001.frames";
    type Change = fn(&Path);
    let changes: [(&str, Change); 5] = [
        ("a byte of a body", |path| flip(path, 3_000)),
        ("a byte of a header", |path| flip(path, 20)),
        ("the last byte gone", |path| shorten(path, 1)),
        ("bytes added", |path| append(path, b"LFf0")),
        ("all of it twice", |path| append(path, &std::fs::read(path).unwrap())),
    ];
    for (what, change) in changes {
        bundle.check_twice(what, |bag| change(&bag.join(frames)));
    }
    let more = |bag: &Path| std::fs::write(bag.join("data/streams/000002.frames"), "x").unwrap();
    bundle.check_twice("a segment more", more);
    let gone = |bag: &Path| std::fs::remove_file(bag.join(frames)).unwrap();
    bundle.check_twice("the segment gone", gone);
    for seed in ["data/secrets/frame.seed", "data/secrets/field.seed"] {
        bundle.check_twice(seed, |bag| flip(&bag.join(seed), 0));
    }
    let seed = "data/secrets/body.seed";
    bundle.check(seed, "DERIVED", "FAIL", |bag| flip(&bag.join(seed), 0));
    let key_log = "data/secrets/keylog.txt";
    bundle.check("other secrets", "SERVERS", "FAIL", |bag| {
        let path = bag.join(key_log);
        let secrets = text(&path);
        let lines = secrets.lines().map(|line| {
            let end = if line.ends_with('0') { '1' } else { '0' };
            format!("{}{end}\n", &line[..line.len() - 1])
        });
        std::fs::write(&path, lines.collect::<String>()).unwrap();
    });
    // The packet capture, which holds them, no longer follows either.
    bundle.check("no secrets", "DERIVED", "FAIL", |bag| {
        std::fs::write(bag.join(key_log), "").unwrap();
    });
}

#[test]
fn what_does_not_belong_into_a_bundle_is_found() {
    let bundle = Bundle::new();
    for name in ["data/more.txt", "data/log/other.jsonl", "data/secrets/x", "data/index.sqlite"] {
        let more = |bag: &Path| std::fs::write(bag.join(name), "x").unwrap();
        bundle.check(name, "INTEGRITY", "FAIL", more);
    }
    let named_pipe = |bag: &Path| {
        std::fs::remove_file(bag.join("data/case.json")).unwrap();
        let mut mkfifo = tool::command("mkfifo");
        tool::run(mkfifo.arg(bag.join("data/case.json")), SHORT).expect_success();
    };
    bundle.check_sealed("a pipe in the place of a file", named_pipe);
    for name in ["more.txt", "metadata/x"] {
        bundle.check(name, "INTEGRITY", "FAIL", |bag| {
            std::fs::create_dir_all(bag.join(name).parent().unwrap()).unwrap();
            std::fs::write(bag.join(name), "x").unwrap();
        });
    }
    bundle.check("a link", "INTEGRITY", "FAIL", |bag| {
        std::os::unix::fs::symlink("/etc/hostname", bag.join("data/link")).unwrap();
    });
    bundle.check("a name with a space", "INTEGRITY", "FAIL", |bag| {
        std::fs::write(bag.join("data/a b"), "x").unwrap();
    });
    bundle.check("another version of BagIt", "INTEGRITY", "FAIL", |bag| {
        replace(&bag.join("bagit.txt"), "1.0", "9.9");
    });
}

#[test]
fn manifests_and_seals_that_do_not_fit_are_found() {
    let bundle = Bundle::new();
    let check = |name: &str, change: &dyn Fn(&Path)| {
        let copy = bundle.case.path("copy");
        copy_all(&bundle.bag, &copy);
        change(&copy);
        let (answers, code) = bundle.verify(&copy);
        assert_eq!((answers["INTEGRITY"].0.as_str(), code), ("FAIL", 4), "{name}: {answers:#?}");
        std::fs::remove_dir_all(copy).unwrap();
    };
    for file in ["bag-info.txt", "bagit.txt", "manifest-sha256.txt", TAGS, SEAL] {
        check(&format!("{file} gone"), &|bag| std::fs::remove_file(bag.join(file)).unwrap());
        check(&format!("{file} changed"), &|bag| flip(&bag.join(file), 40));
    }
    check("a line of a manifest gone", &|bag| {
        edit_lines(&bag.join("manifest-sha256.txt"), |lines| drop(lines.remove(1)));
    });
    check("a seal of something else", &|bag| {
        let mut keygen = tool::command("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", "landfall", "-f"]).arg(&bundle.forger);
        tool::run(keygen.arg(bag.join("bagit.txt")), SHORT).expect_success();
        std::fs::rename(bag.join("bagit.txt.sig"), bag.join(SEAL)).unwrap();
    });
    check("a seal for another purpose", &|bag| {
        std::fs::remove_file(bag.join(SEAL)).unwrap();
        let mut keygen = tool::command("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", "file", "-f"]).arg(&bundle.forger);
        tool::run(keygen.arg(bag.join(TAGS)), SHORT).expect_success();
    });
}

#[test]
fn archives_of_another_form_are_refused() {
    let bundle = Bundle::new();
    let archive = bundle.case.path("b.zip");
    let named = archive.to_str().unwrap();
    bundle.case.cli(&["export", "--format", "bundle", "-o", named]).expect_success();
    let sound = std::fs::read(&archive).unwrap();
    let check = |name: &str, bytes: &[u8]| {
        std::fs::write(&archive, bytes).unwrap();
        let output = bundle.case.cli(&["verify", named]);
        assert_eq!(output.status.code(), Some(4), "{name}: {}", output.text());
        assert!(output.text().contains("FAIL"), "{name}: {}", output.text());
        assert!(output.error_text().contains("hint:"), "{name}: {}", output.error_text());
    };
    check("bytes before it", &[b"#!/bin/sh\n", sound.as_slice()].concat());
    check("bytes behind it", &[sound.as_slice(), b"\n"].concat());
    check("half of it", &sound[..sound.len() / 2]);
    check("empty", b"");
    let mut header = sound.clone();
    header[30] ^= 1;
    check("a name beside the directory's", &header);
    let repacked = bundle.case.path("again.zip");
    let mut zip = tool::command("python3");
    zip.args(["-m", "zipfile", "-c"]).arg(&repacked).arg(format!("{}/", bundle.bag.display()));
    tool::run(&mut zip, SHORT).expect_success();
    check("packed by another program", &std::fs::read(repacked).unwrap());
}

fn export(case: &Case, to: &Path) {
    let to = to.to_str().unwrap();
    case.cli(&["export", "--format", "bundle", "--dir", "-o", to]).expect_success();
}

/// The public key in a seal, as a line of OpenSSH's.
fn signer(seal: &str) -> String {
    let body: String = seal.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut decode = tool::command("python3");
    decode.args([
        "-c",
        "import base64,sys; b=base64.b64decode(sys.argv[1]); \
        print('ssh-ed25519', base64.b64encode(b[14:65]).decode())",
    ]);
    tool::run(decode.arg(body), SHORT).expect_success().text()
}

fn files(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() && !path.is_symlink() {
            files(&path, &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
    found.sort();
}

fn manifest(bag: &Path, of: impl Fn(&str) -> bool) -> String {
    let mut names = Vec::new();
    files(bag, "", &mut names);
    manifest_of(bag, names.into_iter().filter(|name| of(name)).collect())
}

fn manifest_of(bag: &Path, names: Vec<String>) -> String {
    let mut sums = tool::command("sha256sum");
    sums.current_dir(bag).arg("--").args(&names);
    let said = tool::run(&mut sums, SHORT).expect_success().text();
    said.lines().map(|line| format!("{}\n", line.trim_start_matches('\\'))).collect()
}

fn copy_all(from: &Path, to: &Path) {
    let mut copy = tool::command("cp");
    tool::run(copy.arg("-r").arg(from).arg(to), SHORT).expect_success();
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn replace(path: &Path, from: &str, to: &str) {
    let before = text(path);
    let after = before.replacen(from, to, 1);
    assert_ne!(before, after, "{} has no {from}", path.display());
    std::fs::write(path, after).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn shorten(path: &Path, by: usize) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() - by]).unwrap();
}

fn append(path: &Path, more: &[u8]) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, [bytes.as_slice(), more].concat()).unwrap();
}

fn edit_lines(path: &Path, edit: fn(&mut Vec<String>)) {
    let mut lines: Vec<String> = text(path).lines().map(str::to_owned).collect();
    edit(&mut lines);
    let lines = lines.into_iter().map(|line| line + "\n");
    std::fs::write(path, lines.collect::<String>()).unwrap();
}

const DERIVED: [&str; 11] = [
    "data/README.md",
    "data/case.json",
    "data/datapackage.json",
    "data/dns.jsonl",
    "data/destinations.csv",
    "data/flows.csv",
    "data/flows.jsonl",
    "data/geo/attributions.txt",
    "data/har/capture.har",
    "data/pcap/capture.pcapng",
    "data/tool/verify.py",
];
const VERIFIER: &str = "data/tool/verify.py";
const TAGS: &str = "tagmanifest-sha256.txt";
const SEAL: &str = "tagmanifest-sha256.txt.sig";
