//! Upstreams with every kind of TLS: for each the right word in the record, and the right thing at
//! the client, which is curl.

use harness::case::Case;
use harness::device::read_head;
use harness::landfall::Landfall;
use harness::origin::Origin;
use harness::server::Server;
use harness::test_ca::{Identity, TestCa};
use harness::tool::{self, SHORT};
use rcgen::{CertificateParams, date_time_ymd};
use rustls::server::WebPkiClientVerifier;
use rustls::{ALL_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What the client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// The page.
    Page,
    /// A TLS alert with this code.
    Alert(u32),
    /// A connection that ends without either.
    Nothing,
}

/// One kind of upstream, and what is expected of it.
struct Row {
    name: &'static str,
    upstream: Upstream,
    client: Client,
    /// Treatment, stage, side, cause and outcome, as in the record.
    record: &'static str,
    /// A part of the reason.
    why: &'static str,
}

/// Something that listens. It ends when dropped.
enum Upstream {
    Ours(Origin),
    OpenSsl(Server),
}

impl Upstream {
    fn socket(&self) -> SocketAddr {
        match self {
            Self::Ours(origin) => origin.socket(),
            Self::OpenSsl(server) => server.socket(),
        }
    }
}

const REFUSED: &str = "failed upstream-tls upstream unverified not-relayed";
const CLOSED: &str = "failed upstream-tls upstream closed not-relayed";
const RELAYED: &str = "intercepted completed";
const SPLICED: &str = "passthrough completed";

const CERTIFICATE_UNKNOWN: Client = Client::Alert(46);
const INTERNAL_ERROR: Client = Client::Alert(80);

fn name_of(row: &str) -> String {
    format!("{row}.example")
}

async fn answer(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) {
    while read_head(&mut stream).await.ends_with("\r\n\r\n") {
        let page = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        if stream.write_all(page).await.is_err() || stream.shutdown().await.is_err() {
            return;
        }
    }
}

/// A server with an identity, further certificates, and versions of TLS.
async fn serving(
    identity: Identity,
    rest: Vec<CertificateDer<'static>>,
    versions: &[&'static SupportedProtocolVersion],
) -> Upstream {
    let chain = [vec![identity.certificate], rest].concat();
    let config = ServerConfig::builder_with_protocol_versions(versions)
        .with_no_client_auth()
        .with_single_cert(chain, identity.key)
        .unwrap();
    Upstream::Ours(Origin::tls(Arc::new(config), answer).await)
}

/// A server that demands a certificate of its clients.
async fn demanding(
    ca: &TestCa,
    name: &str,
    version: &'static SupportedProtocolVersion,
) -> Upstream {
    let identity = plain_leaf(ca, name);
    let mut roots = RootCertStore::empty();
    roots.add(Identity::self_signed(&["root.example"]).certificate).unwrap();
    let config = ServerConfig::builder_with_protocol_versions(&[version])
        .with_client_cert_verifier(WebPkiClientVerifier::builder(roots.into()).build().unwrap())
        .with_single_cert(vec![identity.certificate], identity.key)
        .unwrap();
    Upstream::Ours(Origin::tls(Arc::new(config), answer).await)
}

/// A server that reads what the client opens with, says something and closes.
async fn saying(words: &'static [u8]) -> Upstream {
    let serve = move |mut stream: TcpStream| async move {
        let read = stream.read(&mut [0; 16 * 1024]).await;
        if read.is_ok() {
            stream.write_all(words).await.ok();
            // What is unread would turn the end into a reset.
            stream.shutdown().await.ok();
            stream.read_to_end(&mut Vec::new()).await.ok();
        }
    };
    Upstream::Ours(Origin::plain(serve).await)
}

/// `openssl s_server`, for what no modern library does.
fn openssl(case: &Case, name: &str, options: &[&str]) -> Upstream {
    let host = name_of(name);
    let identity = case.ca().leaf(&[&host], &rcgen::PKCS_RSA_SHA256, |_| {});
    let (certificate, key) = (case.path(&format!("{host}.crt")), case.path(&format!("{host}.key")));
    std::fs::write(&certificate, &identity.certificate).unwrap();
    std::fs::write(&key, identity.key.secret_der()).unwrap();
    let mut openssl = tool::command("openssl");
    openssl.args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert"]).arg(certificate);
    openssl.arg("-key").arg(key).args(options);
    let mut child = openssl.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let socket = lines.find_map(|line| line.unwrap().strip_prefix("ACCEPT ")?.parse().ok());
    // Whatever it has to say later must not block it.
    std::thread::spawn(move || lines.for_each(drop));
    Upstream::OpenSsl(Server::of(child, socket.expect("openssl does not listen")))
}

fn plain_leaf(ca: &TestCa, name: &str) -> Identity {
    ca.leaf(&[&name_of(name)], &rcgen::PKCS_ECDSA_P256_SHA256, |_| {})
}

/// Certificates that belong to no chain, of about so many bytes in all.
fn ballast(bytes: usize) -> Vec<CertificateDer<'static>> {
    let names: Vec<String> = (0..100).map(|n| format!("{n:0>40}.ballast.example")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let one = Identity::self_signed(&names).certificate;
    vec![one.clone(); bytes / one.len()]
}

async fn keys_and_versions(case: &Case) -> Vec<Row> {
    let ca = case.ca();
    let mut rows = Vec::new();
    let algorithms = [
        ("rsa", &rcgen::PKCS_RSA_SHA256),
        ("p256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("p384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("ed25519", &rcgen::PKCS_ED25519),
    ];
    for (name, algorithm) in algorithms {
        let leaf = ca.leaf(&[&name_of(name)], algorithm, |_| {});
        rows.push(relayed(name, serving(leaf, vec![], ALL_VERSIONS).await));
    }
    let tls12 = serving(plain_leaf(ca, "tls12"), vec![], &[&rustls::version::TLS12]).await;
    rows.push(relayed("tls12", tls12));
    let tls13 = serving(plain_leaf(ca, "tls13"), vec![], &[&rustls::version::TLS13]).await;
    rows.push(relayed("tls13", tls13));
    let (below, intermediate) = ca.intermediate();
    let leaf = plain_leaf(&below, "chain");
    rows.push(relayed("chain", serving(leaf, vec![intermediate], ALL_VERSIONS).await));
    let huge = serving(plain_leaf(ca, "huge"), ballast(60 << 10), ALL_VERSIONS).await;
    rows.push(relayed("huge", huge));
    rows
}

fn relayed(name: &'static str, upstream: Upstream) -> Row {
    Row { name, upstream, client: Client::Page, record: RELAYED, why: "the default for TLS" }
}

async fn unverified(case: &Case) -> Vec<Row> {
    let ca = case.ca();
    let p256 = &rcgen::PKCS_ECDSA_P256_SHA256;
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    };
    let future = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2090, 1, 1);
        params.not_after = date_time_ymd(2091, 1, 1);
    };
    let identities = [
        ("expired", ca.leaf(&["expired.example"], p256, expired), "has expired"),
        ("future", ca.leaf(&["future.example"], p256, future), "not valid yet"),
        ("selfsigned", Identity::self_signed(&["selfsigned.example"]), "no authority"),
        ("unknown", plain_leaf(&TestCa::named("Nobody's root"), "unknown"), "no authority"),
        // The name of an authority that is trusted, and another key.
        ("impostor", plain_leaf(&TestCa::new(), "impostor"), "signature in the chain is wrong"),
        ("wronghost", plain_leaf(ca, "other"), "for another name"),
        ("incomplete", plain_leaf(&ca.intermediate().0, "incomplete"), "no authority"),
    ];
    let mut rows = Vec::new();
    for (name, identity, why) in identities {
        let upstream = serving(identity, vec![], ALL_VERSIONS).await;
        rows.push(Row { name, upstream, client: CERTIFICATE_UNKNOWN, record: REFUSED, why });
    }
    rows
}

async fn broken(case: &Case) -> Vec<Row> {
    let ca = case.ca();
    let too_large = serving(plain_leaf(ca, "toolarge"), ballast(80 << 10), ALL_VERSIONS).await;
    vec![
        Row {
            name: "silentclose",
            upstream: saying(b"").await,
            client: INTERNAL_ERROR,
            record: CLOSED,
            why: "closed the connection",
        },
        Row {
            name: "garbage",
            upstream: saying(b"HTTP/1.0 400 Bad Request\r\n\r\n").await,
            client: Client::Alert(50),
            record: "failed upstream-tls upstream malformed not-relayed",
            why: "malformed",
        },
        Row {
            name: "toolarge",
            upstream: too_large,
            client: Client::Alert(50),
            record: "failed upstream-tls upstream malformed not-relayed",
            why: "malformed",
        },
    ]
}

/// Upstreams that rustls cannot speak to: the device's own TLS goes on to them.
async fn incompatible(case: &Case) -> Vec<Row> {
    let ca = case.ca();
    let old = |name, options: &[&str]| openssl(case, name, options);
    let weak = ["-cipher", "DEFAULT@SECLEVEL=0"];
    vec![
        Row {
            name: "tls10",
            upstream: old("tls10", &[&["-tls1"], &weak[..]].concat()),
            client: Client::Page,
            record: SPLICED,
            why: "upstream incompatible: it answers our ClientHello with the alert protocol_version",
        },
        Row {
            name: "tls11",
            upstream: old("tls11", &[&["-tls1_1"], &weak[..]].concat()),
            client: Client::Page,
            record: SPLICED,
            why: "upstream incompatible: it answers our ClientHello with the alert protocol_version",
        },
        Row {
            name: "rsakx",
            upstream: old("rsakx", &["-tls1_2", "-cipher", "AES128-SHA"]),
            client: Client::Page,
            record: SPLICED,
            why: "upstream incompatible: it answers our ClientHello with the alert handshake_failure",
        },
        Row {
            name: "alert",
            upstream: saying(&[21, 3, 3, 0, 2, 2, 40]).await,
            client: Client::Alert(40),
            record: SPLICED,
            why: "upstream incompatible: it answers our ClientHello with the alert handshake_failure",
        },
        // curl has no certificate either, and is told so by the server itself.
        Row {
            name: "mtls12",
            upstream: demanding(ca, "mtls12", &rustls::version::TLS12).await,
            client: Client::Alert(116),
            record: SPLICED,
            why: "upstream incompatible: it demands a client certificate",
        },
        // The demand shows only after the handshake; the next connection is spliced.
        Row {
            name: "mtls13",
            upstream: demanding(ca, "mtls13", &rustls::version::TLS13).await,
            client: Client::Nothing,
            record: "intercepted upstream-alert",
            why: "the default for TLS",
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_upstream_has_its_word() {
    let mut case = Case::new();
    let mut rows = keys_and_versions(&case).await;
    rows.extend(unverified(&case).await);
    rows.extend(broken(&case).await);
    rows.extend(incompatible(&case).await);
    check(&mut case, rows);
}

/// With a time of its own, that the others could not keep on a busy machine.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_never_answers_is_given_up() {
    let mut case = Case::new();
    case.setting("limits.tls-time = \"300ms\"");
    let upstream = Upstream::Ours(
        Origin::plain(|stream| async move {
            std::future::pending::<()>().await;
            drop(stream);
        })
        .await,
    );
    let record = "failed upstream-tls upstream timed-out not-relayed";
    let why = "did not answer in time";
    check(&mut case, vec![Row { name: "slow", upstream, client: INTERNAL_ERROR, record, why }]);
}

/// An upstream that is gone before the client said what it wants: who of the two is faster decides
/// whether there was TLS to speak of.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_closes_at_once() {
    let mut case = Case::new();
    let origin = Origin::plain(|stream| async move { drop(stream) }).await;
    case.place("gone.example", "8.136.1.1", origin.socket());
    let landfall = case.start();
    trusted(&case);
    assert_ne!(fetch(&case, &landfall, "gone"), Client::Page);
    assert!(landfall.stop().status.success());
    let (found, _) = recorded(&case).remove("gone.example").unwrap();
    let possible = [
        CLOSED,
        "failed upstream-tls upstream reset not-relayed",
        "plaintext completed",
        "plaintext upstream-half-closed",
        "plaintext upstream-closed-early",
        "plaintext upstream-reset",
    ];
    assert!(possible.contains(&found.as_str()), "{found}");
}

/// A server that only asks for a certificate lets everybody in, and tells those without one so.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_misses_a_client_certificate_is_told_from_other_pages() {
    let mut case = Case::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let name = format!("asking{:?}", version.version).to_lowercase();
        let mut roots = RootCertStore::empty();
        roots.add(Identity::self_signed(&["root.example"]).certificate).unwrap();
        let verifier = WebPkiClientVerifier::builder(roots.into()).allow_unauthenticated();
        let identity = plain_leaf(case.ca(), &name);
        let config = ServerConfig::builder_with_protocol_versions(&[version])
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![identity.certificate], identity.key)
            .unwrap();
        let serve = |mut stream: TlsStream<TcpStream>| async move {
            read_head(&mut stream).await;
            let page = b"HTTP/1.1 400 No required SSL certificate was sent\r\n\
                Content-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(page).await.ok();
            stream.shutdown().await.ok();
        };
        let origin = Origin::tls(Arc::new(config), serve).await;
        case.place(&name_of(&name), "8.136.2.1", origin.socket());
        let landfall = case.start();
        trusted(&case);
        assert_eq!(fetch(&case, &landfall, &name), Client::Nothing);
        assert!(landfall.stop().status.success());
        let flow = case.flow("status:400");
        let id = flow["id"].as_str().unwrap();
        let detail = case.rows(&["flow", "show", id]).remove(0);
        let tls = &detail["connection"]["upstream_tls"];
        assert_eq!(tls["asked_for_certificate"], true, "{tls:#}");
        assert!(tls.get("client_certificate").is_none(), "{tls:#}");
        let page = case.cli(&["flow", "show", id, "-o", "table"]).expect_success().text();
        assert!(page.contains("requested, none sent"), "{page}");
        case = Case::new();
    }
}

/// Visits all upstreams at once, and compares what came of each with its row.
#[track_caller]
fn check(case: &mut Case, rows: Vec<Row>) {
    for (index, row) in rows.iter().enumerate() {
        case.place(&name_of(row.name), &format!("8.136.0.{}", index + 1), row.upstream.socket());
    }
    let landfall = case.start();
    trusted(case);
    let (case, landfall) = (&*case, landfall);
    let seen: Vec<Client> = std::thread::scope(|scope| {
        let fetch = |row: &Row| fetch(case, &landfall, row.name);
        let threads: Vec<_> = rows.iter().map(|row| scope.spawn(move || fetch(row))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(landfall.stop().status.success());
    let mut recorded = recorded(case);
    let mut wrong = Vec::new();
    for (row, seen) in rows.iter().zip(seen) {
        let (found, why) = recorded.remove(&name_of(row.name)).unwrap_or_default();
        if (seen, found.as_str()) != (row.client, row.record) || !why.contains(row.why) {
            wrong.push(format!(
                "{}: {seen:?}, `{found}`, {why}\n  not {:?}, `{}`, {}",
                row.name, row.client, row.record, row.why
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whom curl trusts: our authority, and for what is relayed undecrypted the upstreams' own.
fn trusted(case: &Case) {
    let ours = std::fs::read_to_string(case.authority()).unwrap();
    std::fs::write(case.path("trusted.pem"), ours + case.ca().pem()).unwrap();
}

/// Fetches the page of a row with curl, which takes old versions and suites.
fn fetch(case: &Case, landfall: &Landfall, row: &str) -> Client {
    let mut curl = tool::command("curl");
    curl.args(["--silent", "--show-error", "--http1.1", "--max-time", "30"]);
    curl.args(["--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0"]);
    curl.args(["--output", "-", "--write-out", "%{http_code}", "--proxy", &landfall.proxy_url()]);
    curl.arg("--cacert").arg(case.path("trusted.pem")).arg(format!("https://{row}.example/"));
    let output = tool::run(&mut curl, SHORT);
    if output.text().ends_with("200") {
        return Client::Page;
    }
    // OpenSSL: `error:0A000416:SSL routines::sslv3 alert certificate unknown`, 0x416 = 1000 + 46.
    let text = output.error_text();
    let code = text.split("error:0A000").nth(1).and_then(|rest| rest.get(..3));
    match code.and_then(|code| u32::from_str_radix(code, 16).ok()) {
        Some(code) if (1_000..1_256).contains(&code) => Client::Alert(code - 1_000),
        _ => Client::Nothing,
    }
}

/// Of each host: treatment, stage, side, cause and outcome in one line; and the reason.
fn recorded(case: &Case) -> BTreeMap<String, (String, String)> {
    let session = std::fs::read_dir(case.data().join("sessions")).unwrap().next().unwrap().unwrap();
    let log = std::fs::read_to_string(session.path().join("log/records.jsonl")).unwrap();
    let mut hosts = BTreeMap::new();
    let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
    for line in log.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let body = &record["body"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let connection = text(&body["connection"]);
        match record["kind"].as_str().unwrap() {
            "connection.target" => {
                hosts.insert(connection, text(&body["host"]));
            }
            "connection.treatment" => {
                let mut words = vec![text(&body["treatment"])];
                let failure = &body["failure"];
                words.extend(["stage", "side", "cause"].map(|key| text(&failure[key])));
                words.retain(|word| !word.is_empty());
                found.insert(connection, (words.join(" "), text(&body["why"])));
            }
            "connection.close" => {
                let (words, _) = found.entry(connection).or_default();
                words.push(' ');
                words.push_str(&text(&body["outcome"]));
            }
            _ => {}
        }
    }
    found.into_iter().filter_map(|(id, it)| Some((hosts.remove(&id)?, it))).collect()
}
