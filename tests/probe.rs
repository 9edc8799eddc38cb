//! Measurements from other machines: made and signed in one data directory, taken into a session of
//! another, and what a session says by them. Each directory has its own key, as two machines have.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::origin::{Origin, answer_ok};
use harness::tool::{self, Output, SHORT};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;

/// A name in a zone of a delivery network whose group has its headquarters in CN.
const HOST: &str = "clips.example";
const ALIAS: &str = "clips-example.bsgslb.com";
/// Both databases place it in SG; it is registered in NL, and its AS in US.
const ADDRESS: &str = "147.90.200.7";
const SINGAPORE: &str = "{ lat = 1.3521, lon = 103.8198, uncertainty-km = 25 }";
const KUALA_LUMPUR: &str = "3.139,101.6869,25";
const USHUAIA: &str = "-54.8,-68.3,25";

/// A simulated session with one request to the host, which took four milliseconds from Singapore.
async fn session() -> Case {
    let mut case = Case::new();
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), answer_ok).await;
    case.name(HOST, &[ALIAS], ADDRESS);
    case.dial(ADDRESS, origin.socket());
    case.setting(&format!("vantage = {SINGAPORE}"));
    case.setting(&format!("simulate = {{ rtt-ms = {{ {ADDRESS:?} = 4 }} }}"));
    case.setting("reviewer = \"M. Reviewer\"");
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    drop(stream);
    assert!(landfall.stop().status.success());
    case
}

/// Another machine, from which the host takes so many milliseconds.
fn elsewhere(milliseconds: &str) -> Case {
    let mut case = Case::new();
    case.name(HOST, &[ALIAS], ADDRESS);
    case.setting(&format!("simulate = {{ rtt-ms = {{ {ADDRESS:?} = {milliseconds} }} }}"));
    case
}

/// Measures from there, and gives back the file.
#[track_caller]
fn probe(case: &Case, name: &str, words: &[&str]) -> (PathBuf, Output) {
    let file = case.path(name);
    let out = file.to_string_lossy();
    let output = case.cli(&[&["probe", "-o", &out], words].concat());
    (file, output)
}

#[track_caller]
fn import(case: &Case, file: &Path, options: &[&str]) -> Output {
    let name = case.rows(&["session", "list"])[0]["name"].as_str().unwrap().to_owned();
    let file = file.to_string_lossy();
    case.cli(&[&["session", "import", &name, &file], options].concat())
}

fn key(file: &Path) -> String {
    let probe: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    probe["probe"]["key"].as_str().unwrap().to_owned()
}

#[track_caller]
fn shown(case: &Case, host: &str) -> String {
    case.cli(&["dest", "show", host, "-o", "table"]).expect_success().text()
}

#[track_caller]
fn says(shown: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(shown.contains(sentence), "`{sentence}` is missing from\n{shown}");
    }
}

/// The lines of the review log.
fn reviews(case: &Case) -> usize {
    let session = std::fs::read_dir(case.path("data/sessions")).unwrap().next().unwrap().unwrap();
    std::fs::read_to_string(session.path().join("log/review.jsonl"))
        .map_or(0, |t| t.lines().count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_vantage_bounds_an_address_and_opens_a_verdict_again() {
    let case = session().await;
    says(&shown(&case, HOST), &["G2 all databases asked agree", "physics excludes CN"]);
    let reason = ["--verdict", "unclear", "--reason", "one vantage alone"];
    case.cli(&[&["review", "set", HOST], &reason[..]].concat()).expect_success();

    let other = elsewhere("6");
    let words = ["--vantage", KUALA_LUMPUR, "--name", "kl-1", HOST];
    let (file, output) = probe(&other, "kl.json", &words);
    let told = output.expect_success().error_text();
    says(
        &told,
        &["147.90.200.7:443 as clips.example: 5 samples, a signature took 6.0 ms at least"],
    );
    let key = key(&file);
    says(&told, &[&format!("Signed with the key {key}")]);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let imported = import(&case, &file, &[]).expect_success().error_text();
    says(
        &imported,
        &[
            "taken in as review record 2",
            "which is not known to be anybody's",
            "measured 147.90.200.7 as clips.example",
        ],
    );
    let page = shown(&case, HOST);
    says(
        &page,
        &[
            "G3 all databases asked agree, and measurements from several vantage points refute",
            "CN is physically impossible: a verified signature took 6.0 ms at least (5 samples) \
             from kl-1 at 3.1390, 101.6869 (within 25 km), by the probe in review record 2",
            &format!("signed with the key {key}, which is not known to be anybody's"),
            "weaker than the records of this session",
        ],
    );
    let dest: Value = {
        let output = case.cli(&["dest", "show", HOST, "-o", "json"]).expect_success();
        serde_json::from_str(&output.text()).unwrap()
    };
    let dest = dest.as_array().map_or(&dest, |rows| &rows[0]);
    let sentences = dest["assessment"]["sentences"].as_array().unwrap();
    let resting = |about: &str| {
        let of = |s: &&Value| s["about"] == about && s["review_records"] == serde_json::json!([2]);
        sentences.iter().filter(of).count()
    };
    assert_eq!((resting("location"), resting("caveat")), (1, 1), "{dest:#}");
    assert_eq!(resting("exclusion"), 4, "{dest:#}");
    assert_eq!(case.rows(&["review", "list"])[0]["state"], "reopened");

    let lines = reviews(&case);
    let again = import(&case, &file, &[]).expect_success().error_text();
    says(&again, &["is in review record 2 already"]);
    assert_eq!(reviews(&case), lines, "it adds nothing");
    let named = import(&case, &file, &["--trust", &key]).expect_success().error_text();
    says(&named, &["taken in as review record 3", "which --trust named"]);
    let again = import(&case, &file, &[]).expect_success().error_text();
    says(&again, &["review record 3 already", "which --trust named"]);
    let page = shown(&case, HOST);
    says(&page, &["by the probe in review record 3", "which whoever imported it named as known"]);
    assert!(!page.contains("review record 2"), "the same file counts once:\n{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_of_a_real_server_measured_elsewhere_exclude_for_a_session_without_a_vantage() {
    let mut case = Case::new();
    case.flag("--allow-local");
    let origin = Origin::tls(case.ca().server(&["127.0.0.1"], &["http/1.1"]), answer_ok).await;
    let other = Case::new();
    let platform = other.path("platform.pem");
    std::fs::write(&platform, case.ca().pem()).unwrap();
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let socket = origin.socket().to_string();
    let mut stream = device.tls_to(&socket, "127.0.0.1", &["http/1.1"]).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    drop(stream);
    assert!(landfall.stop().status.success());
    says(&shown(&case, "127.0.0.1"), &["no vantage is declared"]);

    let measure = |words: &[&str], name: &str, public: bool| {
        let file = other.path(name);
        let out = file.to_string_lossy().into_owned();
        let options = ["probe", "--vantage", USHUAIA, "--samples", "4", "-o", &out];
        let mut command = other.command(&[&options[..], words].concat());
        if public {
            command.env("SSL_CERT_FILE", &platform);
        }
        (file, tool::run(&mut command, SHORT))
    };
    let (refused, output) = measure(&[&socket], "refused.json", true);
    assert_eq!(output.status.code(), Some(1), "nothing was measured");
    says(&output.error_text(), &["destination is this machine (see --allow-local)"]);
    assert!(!output.error_text().contains("Contacting"), "{}", output.error_text());
    let (file, output) = measure(&[&socket, "--allow-local"], "public.json", true);
    let told = output.expect_success().error_text();
    says(&told, &[&format!("Contacting {socket} as 127.0.0.1: 4 TLS handshakes")]);
    let probe: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let address = &probe["probe"]["hosts"][0]["addresses"][0];
    let samples = address["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 4, "{probe:#}");
    for sample in samples {
        assert_eq!(sample["chain"], "public", "{probe:#}");
        assert_eq!(sample["certificate"].as_str().unwrap().len(), 64, "{probe:#}");
        assert!(sample["signature_ns"].as_u64().unwrap() > 0, "{probe:#}");
    }
    assert!(address.get("simulated").is_none() && address.get("error").is_none(), "{probe:#}");
    let (unverified, output) = measure(&[&socket, "--allow-local"], "unverified.json", false);
    output.expect_success();

    // What measured nothing, and what no public root vouches for, may be imported and says nothing.
    for file in [&refused, &unverified] {
        import(&case, file, &[]).expect_success();
        let page = shown(&case, "127.0.0.1");
        says(&page, &["says nothing of 127.0.0.1: no server signature under a publicly trusted"]);
        assert!(!page.contains("physically impossible"), "{page}");
    }
    import(&case, &file, &[]).expect_success();
    let page = shown(&case, "127.0.0.1");
    let from =
        "(4 samples) from -54.8000, -68.3000 (within 25 km), by the probe in review record 3";
    says(&page, &["CN is physically impossible: a verified signature took", from]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sound_probe_of_this_session_is_refused_and_adds_nothing() {
    let case = session().await;
    let other = elsewhere("6");
    let (file, output) = probe(&other, "kl.json", &["--vantage", KUALA_LUMPUR, HOST]);
    output.expect_success();
    let text = std::fs::read_to_string(&file).unwrap();
    let stranger = "A".repeat(43) + "=";
    for (wrong, expected) in [
        (text.replacen("6000000", "5000000", 1), "not signed by the key that it names"),
        (text.replacen("3.139000", "1.139000", 1), "not signed by the key that it names"),
        (text.replacen(&key(&file), &stranger, 1), "not signed by the key that it names"),
        (text.replacen("\"v\":0", "\"v\":7", 1), "format version 7; this program reads version 0"),
        (text.replacen("landfall-probe", "landfall-prune", 1), "this is no probe"),
        (format!("{text}{text}"), "this is no probe"),
        (text.trim_end().to_owned(), "not in canonical form"),
        (String::new(), "this is no probe"),
        ("[".repeat(100_000), "this is no probe"),
        (" ".repeat((4 << 20) + 1), "at most 4194304 bytes"),
    ] {
        let path = other.path("wrong.json");
        std::fs::write(&path, wrong).unwrap();
        let refused = import(&case, &path, &[]);
        assert_eq!(refused.status.code(), Some(1), "{expected}");
        says(&refused.error_text(), &["error: ", expected, "wrong.json", "\nhint: "]);
    }
    let refused = import(&case, &file, &["--trust", &stranger]);
    says(&refused.error_text(), &["signed with another key", "\nhint: "]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(import(&case, &file, &["--trust", "mine"]).status.code(), Some(2));
    says(
        &import(&case, &other.path("none.json"), &[]).error_text(),
        &["could not be read", "hint"],
    );
    assert_eq!(reviews(&case), 0);

    // Of another address it says nothing.
    let mut far = Case::new();
    far.setting("simulate = { rtt-ms = { \"147.90.200.8\" = 6 } }");
    far.name(HOST, &[], "147.90.200.8");
    let (elsewhere, output) = probe(&far, "far.json", &["--vantage", KUALA_LUMPUR, HOST]);
    output.expect_success();
    let told = import(&case, &elsewhere, &[]).expect_success().error_text();
    says(&told, &["none of its addresses is one of this session"]);
    assert!(!shown(&case, HOST).contains("probe in review record"));

    // Made up times do not enter a session of real traffic.
    let real = Case::new();
    assert!(real.start().stop().status.success());
    let refused = import(&real, &file, &[]);
    assert_eq!(refused.status.code(), Some(1));
    says(&refused.error_text(), &["the probe is simulated, and the session is not", "\nhint: "]);
}

#[test]
fn a_probe_needs_a_vantage_a_name_on_one_line_and_a_new_file() {
    let other = elsewhere("6");
    let refused = |words: &[&str], code: i32, expected: &str| {
        let (file, output) = probe(&other, "probe.json", words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", output.error_text());
        says(&output.error_text(), &[expected]);
        assert!(!file.exists());
    };
    refused(&[HOST], 2, "nobody says where this machine stands");
    refused(&["--vantage", "91,0,1", HOST], 2, "latitude");
    refused(&["--vantage", KUALA_LUMPUR, "--samples", "2", HOST], 2, "--samples");
    refused(&["--vantage", KUALA_LUMPUR, "--name", "a\nb", HOST], 2, "--name");
    refused(&["--vantage", KUALA_LUMPUR, "https://clips.example/"], 2, "clips.example alone");
    let whole = ["--vantage", KUALA_LUMPUR, HOST];
    probe(&other, "probe.json", &whole).1.expect_success();
    let (file, again) = probe(&other, "probe.json", &whole);
    assert_eq!(again.status.code(), Some(1));
    says(&again.error_text(), &["there is such a file already"]);
    // Without a file it is on stdout, and the same.
    let piped = other.cli(&["probe", "--vantage", KUALA_LUMPUR, HOST]).expect_success().text();
    assert!(piped.starts_with("{\"probe\":{") && piped.ends_with("\"}\n"), "{piped}");
    assert_eq!(piped.lines().count(), std::fs::read_to_string(file).unwrap().lines().count());
}
