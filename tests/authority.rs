//! The authority and its leaves as other people's programs see them: old clients, clients with
//! little memory, clients without a name; and the commands around the authority.

use harness::case::Case;
use harness::device::read_head;
use harness::landfall::Landfall;
use harness::origin::Origin;
use harness::tool::{self, Output, SHORT};
use std::fs::File;
use std::path::Path;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";
const ADDRESS_V6: &str = "2400:3200::1";
const BODY_BYTES: usize = 100_000;

/// A case with a server that answers with a large body, by name and by both kinds of address.
async fn served() -> (Case, Origin) {
    let mut case = Case::new();
    let names = [HOST, "under_score.example", ADDRESS, ADDRESS_V6];
    let origin = Origin::tls(case.ca().server(&names, &["http/1.1"]), answer).await;
    case.place(HOST, ADDRESS, origin.socket());
    case.name("under_score.example", &[], ADDRESS);
    case.dial(ADDRESS_V6, origin.socket());
    (case, origin)
}

async fn answer(mut stream: TlsStream<TcpStream>) {
    if read_head(&mut stream).await.is_empty() {
        return;
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    // A client that has seen enough may have gone.
    stream.write_all(head.as_bytes()).await.ok();
    stream.write_all(&vec![b'x'; BODY_BYTES]).await.ok();
    stream.shutdown().await.ok();
}

/// `openssl s_client` through the proxy, which asks for the large body and reads all of it.
fn s_client(case: &Case, landfall: &Landfall, target: &str, options: &[&str]) -> Output {
    let request = case.path("request");
    std::fs::write(&request, format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).unwrap();
    let mut command = tool::command("openssl");
    command.args(["s_client", "-proxy", &landfall.proxy().to_string(), "-connect", target]);
    command.args(["-ign_eof", "-verify_return_error", "-CAfile"]).arg(case.authority());
    command.args(options).stdin(File::open(request).unwrap());
    tool::run(&mut command, SHORT)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_without_ecdsa_get_an_rsa_leaf() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    let named = ["-servername", HOST, "-verify_hostname", HOST];
    let rsa = ["-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"];
    for (version, extra, bits) in [
        (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], &rsa[..], "2048 bit"),
        (["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"], &rsa[..], "2048 bit"),
        // The suites alone say so as well.
        (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], &[][..], "2048 bit"),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], &[][..], "256 bit"),
        (["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"], &[][..], "256 bit"),
    ] {
        let options = [&named[..], &version[..], extra].concat();
        let target = format!("{HOST}:443");
        let output = s_client(&case, &landfall, &target, &options).expect_success();
        let text = output.text();
        let wanted = format!("Server public key is {bits}");
        assert!(text.contains(&wanted) && text.contains("Verification: OK"), "{options:?}: {text}");
        assert!(text.contains(&"x".repeat(1000)), "{options:?}: the body arrives");
    }
    assert!(landfall.stop().status.success());
    assert_eq!(case.flows("treatment:intercepted").len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_no_longer_than_a_client_takes() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    for version in ["-tls1_2", "-tls1_3"] {
        let longest = |extra: &[&str]| {
            let options = [&["-servername", HOST, "-msg", version][..], extra].concat();
            let output = s_client(&case, &landfall, &format!("{HOST}:443"), &options);
            longest_record(&output.expect_success().text())
        };
        let usual = longest(&[]);
        assert!(usual > 1024, "{version}: {usual}");
        // 512 bytes, and what the cipher adds.
        let bounded = longest(&["-maxfraglen", "512"]);
        assert!((512..=512 + 32).contains(&bounded), "{version}: {bounded}");
    }
    assert!(landfall.stop().status.success());
    let log = std::fs::read_to_string(newest_log(&case)).unwrap();
    assert_eq!(log.matches("\"max_fragment_length\":1").count(), 2);
}

/// The length of the longest record that `-msg` shows as received.
fn longest_record(text: &str) -> usize {
    let mut lines = text.lines();
    let mut longest = 0;
    while let Some(line) = lines.next() {
        if line.starts_with("<<<") && line.contains("RecordHeader") {
            let bytes: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
            let length = usize::from_str_radix(&bytes[3..5].concat(), 16).unwrap();
            longest = longest.max(length);
        }
    }
    longest
}

fn newest_log(case: &Case) -> std::path::PathBuf {
    let sessions = std::fs::read_dir(case.data().join("sessions")).unwrap();
    sessions.map(|entry| entry.unwrap().path()).max().unwrap().join("log/records.jsonl")
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_are_for_what_the_client_asked_for() {
    let (case, _origin) = served().await;
    let landfall = case.start();
    for (target, options) in [
        (&*format!("{HOST}:443"), ["-servername", HOST, "-verify_hostname", HOST]),
        (
            "under_score.example:443",
            ["-servername", "under_score.example", "-verify_hostname", "under_score.example"],
        ),
        // No name was asked for, so the address is what the leaf is for.
        (&*format!("{ADDRESS}:443"), ["-noservername", "-verify_ip", ADDRESS, "-brief"]),
    ] {
        let output = s_client(&case, &landfall, target, &options).expect_success();
        let said = output.text() + &output.error_text();
        assert!(said.contains("Verification: OK"), "{target}: {said}");
    }
    // s_client loses the brackets of the address, curl does not.
    let mut curl = tool::command("curl");
    curl.args(["-sS", "-f", "-o", "/dev/null", "-x", &landfall.proxy_url(), "--cacert"]);
    curl.arg(case.authority()).arg(format!("https://[{ADDRESS_V6}]/"));
    tool::run(&mut curl, SHORT).expect_success();
    // A name that is none is refused with an alert, and recorded.
    for hostile in ["*.example", "a b.example", "-.-..", "\u{1b}[2J.example"] {
        let output = s_client(&case, &landfall, &format!("{HOST}:443"), &["-servername", hostile]);
        assert!(!output.status.success(), "{hostile:?}");
        assert!(output.error_text().contains("alert"), "{hostile:?}: {}", output.error_text());
    }
    assert!(landfall.stop().status.success());
    assert_eq!(case.flows("treatment:intercepted").len(), 4);
    let refused = case.flows("treatment:failed");
    assert_eq!(refused.len(), 4);
    for flow in refused {
        assert!(flow["why"].as_str().unwrap().contains("server name is no host name"), "{flow:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_fetch_every_form_through_the_proxy() {
    let case = Case::new();
    let landfall = case.start();
    for (path, form, media_type) in [
        ("landfall-ca.pem", "pem", "application/x-pem-file"),
        ("landfall-ca.cer", "der", "application/x-x509-ca-cert"),
        ("landfall-ca.p12", "p12", "application/x-pkcs12"),
        ("landfall-ca.mobileconfig", "mobileconfig", "application/x-apple-aspen-config"),
        ("landfall-ca-android", "android", "application/octet-stream"),
        ("landfall-ca-magisk.zip", "magisk", "application/zip"),
    ] {
        let file = case.path("fetched");
        let mut curl = tool::command("curl");
        curl.args(["-sS", "-f", "-x", &landfall.proxy_url(), "-w", "%{content_type}", "-o"]);
        curl.arg(&file).arg(format!("http://landfall.internal/{path}"));
        assert_eq!(tool::run(&mut curl, SHORT).expect_success().text(), media_type, "{path}");
        let exported = case.cli(&["ca", "export", "--form", form]).expect_success().stdout;
        assert!(std::fs::read(&file).unwrap() == exported, "{path}");
    }
    assert!(landfall.stop().status.success());
}

/// Prints the certificate in this form to a terminal.
fn export_to_terminal(case: &Case, form: &str) -> Output {
    let command = case.command(&["ca", "export", "--form", form]);
    let mut terminal = tool::command("python3");
    terminal
        .arg("-c")
        .arg("import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))");
    terminal.arg(command.get_program()).args(command.get_args());
    tool::run(&mut terminal, SHORT)
}

#[test]
fn a_terminal_is_given_text_alone() {
    let case = Case::new();
    for (form, begins) in [
        ("pem", "-----BEGIN CERTIFICATE-----"),
        ("android", "-----BEGIN CERTIFICATE-----"),
        ("mobileconfig", "<?xml"),
    ] {
        let printed = export_to_terminal(&case, form).expect_success().text();
        assert!(printed.starts_with(begins), "{form}: {printed}");
    }
    for form in ["der", "p12", "magisk"] {
        let output = export_to_terminal(&case, form);
        let printed = output.text();
        assert_eq!(output.status.code(), Some(2), "{form}");
        assert!(printed.starts_with("error: ") && printed.contains("hint: name a file"), "{form}");
        assert!(printed.is_ascii() && printed.lines().count() == 2, "{form}: {printed}");
    }
}

#[track_caller]
fn refused(output: &Output, says: &str) {
    let said = output.error_text();
    assert!(!output.status.success() && said.contains(says) && said.contains("hint:"), "{said}");
}

fn print_of(path: &Path) -> String {
    let mut openssl = tool::command("openssl");
    openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(path);
    let text = tool::run(&mut openssl, SHORT).expect_success().text();
    text.trim().rsplit('=').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_from_its_creation_to_its_end() {
    let mut case = Case::new();
    case.setting("authority-key = \"rsa2048\"");
    let certificate = case.data().join("authority/landfall-ca.pem");
    case.cli(&["ca", "create"]).expect_success();
    let shown = case.rows(&["ca", "show"]).remove(0);
    let first = print_of(&certificate);
    assert_eq!((&shown["key"], &shown["fingerprint"]), (&"RSA 2048".into(), &(*first).into()));
    refused(&case.cli(&["ca", "create"]), "there is an authority already");

    // The Android form under the name that openssl gives it.
    let directory = case.path("forms");
    std::fs::create_dir(&directory).unwrap();
    case.cli(&["ca", "export", "--form", "android", "-o", &directory.to_string_lossy()])
        .expect_success();
    let mut openssl = tool::command("openssl");
    openssl.args(["x509", "-noout", "-subject_hash_old", "-in"]).arg(&certificate);
    let hash = tool::run(&mut openssl, SHORT).expect_success().text();
    assert_eq!(print_of(&directory.join(format!("{}.0", hash.trim()))), first);

    let landfall = case.start();
    refused(&case.cli(&["ca", "rotate"]), "in use");
    refused(&case.cli(&["ca", "remove", "--yes"]), "in use");
    assert!(landfall.stop().status.success());

    let rotated = case.cli(&["ca", "rotate", "--key", "p256"]).expect_success();
    assert!(rotated.error_text().contains("its key destroyed"), "{}", rotated.error_text());
    let second = print_of(&certificate);
    assert_ne!(first, second);
    let shown = case.rows(&["ca", "show"]).remove(0);
    assert_eq!((&shown["key"], &shown["fingerprint"]), (&"ECDSA P-256".into(), &(*second).into()));
    assert_eq!(shown["former"][0]["fingerprint"], first);
    let page = case.cli(&["ca", "show", "-o", "table"]).expect_success().text();
    assert!(page.contains(&first) && page.contains("not to be trusted any more"), "{page}");

    refused(&case.cli(&["ca", "remove"]), "only when that is confirmed");
    assert_eq!(print_of(&certificate), second);
    let removed = case.cli(&["ca", "remove", "--yes"]).expect_success();
    for platform in ["iOS", "Android", "Firefox", "macOS", "Windows", "Linux", "Java"] {
        assert!(removed.error_text().contains(platform), "{platform}");
    }
    let key = case.data().join("authority/landfall-ca.key");
    assert!(!certificate.exists() && !key.exists());
    case.cli(&["ca", "remove", "--yes"]).expect_success();
}

#[test]
fn nobody_sees_half_a_rotation() {
    let case = Case::new();
    case.cli(&["ca", "create"]).expect_success();
    let authority = case.data().join("authority");
    let run = |arguments: &[&str], times: usize| {
        let run = |_| case.cli(arguments).expect_success();
        (0..times).map(run).collect::<Vec<_>>()
    };
    let (shown, exported) = std::thread::scope(|scope| {
        let shown = scope.spawn(|| run(&["ca", "show", "-o", "jsonl"], 40));
        let exported = scope.spawn(|| run(&["ca", "export", "--form", "pem"], 40));
        run(&["ca", "rotate"], 8);
        (shown.join().unwrap(), exported.join().unwrap())
    });

    let former = std::fs::read_dir(authority.join("former")).unwrap();
    let former: Vec<_> = former.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(former.len(), 8, "one of each rotation");
    let current = authority.join("landfall-ca.pem");
    let all: Vec<_> = former.iter().chain([&current]).collect();
    let prints: Vec<_> = all.iter().map(|path| print_of(path)).collect();
    for shown in shown {
        let row: serde_json::Value = serde_json::from_str(&shown.text()).unwrap();
        assert!(prints.contains(&row["fingerprint"].as_str().unwrap().to_owned()), "{row}");
    }
    let certificates: Vec<_> = all.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(exported.iter().all(|exported| certificates.contains(&exported.stdout)));
}

#[test]
fn an_interrupted_rotation_is_finished_before_anybody_looks() {
    let (case, other) = (Case::new(), Case::new());
    for case in [&case, &other] {
        case.cli(&["ca", "create"]).expect_success();
    }
    let (authority, next) = (case.data().join("authority"), other.data().join("authority"));
    let old = print_of(&authority.join("landfall-ca.pem"));
    for form in ["key", "pem"] {
        let to = authority.join(format!("landfall-ca.next.{form}"));
        std::fs::copy(next.join(format!("landfall-ca.{form}")), to).unwrap();
    }
    let doctor = case.cli(&["doctor"]);
    assert!(doctor.text().contains("only half replaced"), "{}", doctor.text());
    let shown = case.cli(&["ca", "show", "-o", "jsonl"]).expect_success();
    let said = shown.error_text();
    assert!(said.contains("had been interrupted; it is finished now"), "{said}");
    let row: serde_json::Value = serde_json::from_str(&shown.text()).unwrap();
    assert_eq!(row["fingerprint"], print_of(&next.join("landfall-ca.pem")));
    assert_eq!(row["former"][0]["fingerprint"], old);
}
