//! Leaves: what they contain, who accepts them, and when they are minted anew.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test panics")]

use certs::{Authority, Error, KeyKind, LeafMinter};
use flow::address::Host;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Bench {
    dir: TempDir,
    now: SystemTime,
    authority: Arc<Authority>,
    minter: LeafMinter,
}

fn bench(cache_entries: usize) -> Bench {
    bench_with(KeyKind::P256, cache_entries)
}

fn bench_with(authority: KeyKind, cache_entries: usize) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let authority = Arc::new(Authority::load_or_create(dir.path(), authority, now).unwrap());
    let minter = LeafMinter::new(Arc::clone(&authority), cache_entries).unwrap();
    Bench { dir, now, authority, minter }
}

fn host(text: &str) -> Host {
    text.parse().unwrap()
}

fn der(leaf: &CertifiedKey) -> &CertificateDer<'static> {
    assert_eq!(leaf.cert.len(), 1, "the chain is the leaf alone");
    leaf.cert.first().unwrap()
}

/// A name that is longer than a common name may be.
const LONG: &str =
    "a-rather-long-label-for-a-host-of-some-content-network.region-one.cdn.example.com";

/// Every sort of host that a client can ask for.
fn all_sorts() -> Vec<String> {
    let label = "l".repeat(63);
    let mut sorts: Vec<String> = [
        "www.example.com",
        "localhost",
        "_under_score.example.com",
        "xn--bcher-kva.example",
        "192.0.2.7",
        "2001:db8::7",
        LONG,
    ]
    .map(str::to_owned)
    .into();
    // The longest label; a common name of just 64 bytes; the longest name, 253 bytes.
    sorts.push(format!("{label}.example"));
    sorts.push(format!("{}.example", "c".repeat(64 - ".example".len())));
    sorts.push(format!("{label}.{label}.{label}.{}", "m".repeat(61)));
    sorts
}

#[test]
fn names_of_every_length_are_certified_up_to_the_longest() {
    let longest = all_sorts().pop().unwrap();
    assert_eq!(longest.len(), 253);
    assert!(format!("{longest}m").parse::<Host>().is_err());
    assert_eq!(host("WWW.Example.COM."), host("www.example.com"), "one leaf for all spellings");
    for hostile in ["*.example.com", "a b.example", "bücher.example", "a..example", "nul\0.example"]
    {
        assert!(hostile.parse::<Host>().is_err(), "{hostile:?} is no host, so nothing is minted");
    }
}

#[test]
fn a_leaf_holds_the_name_asked_for_and_nothing_else() {
    let bench = bench(100);
    for (text, kind) in both_kinds(&all_sorts()) {
        let leaf = bench.minter.leaf(&host(text), kind, bench.now).unwrap();
        let (rest, leaf) = X509Certificate::from_der(der(&leaf)).unwrap();
        assert!(rest.is_empty());

        let names = leaf.subject_alternative_name().unwrap().unwrap();
        let unnamed = text.len() > 64;
        assert_eq!(names.critical, unnamed, "critical exactly when the subject is empty");
        match (names.value.general_names.as_slice(), host(text)) {
            ([GeneralName::DNSName(name)], Host::Name(_)) => assert_eq!(*name, text),
            ([GeneralName::IPAddress(octets)], Host::Ip(std::net::IpAddr::V4(ip))) => {
                assert_eq!(**octets, ip.octets());
            }
            ([GeneralName::IPAddress(octets)], Host::Ip(std::net::IpAddr::V6(ip))) => {
                assert_eq!(**octets, ip.octets());
            }
            other => panic!("{text}: {other:?}"),
        }
        let subject = leaf.subject().to_string();
        assert_eq!(subject, if unnamed { String::new() } else { format!("CN={text}") });

        let life = leaf.validity().not_after.timestamp() - leaf.validity().not_before.timestamp();
        assert_eq!(life + 1, 31 * 24 * 60 * 60);
        let serial = leaf.raw_serial();
        assert!((8..=20).contains(&serial.len()) && serial.first().unwrap() & 0x80 == 0);
        let usage = leaf.key_usage().unwrap().unwrap();
        // digitalSignature, and for RSA keyEncipherment.
        let expected = if kind == KeyKind::Rsa2048 { 0b101 } else { 0b1 };
        assert!(usage.critical && usage.value.flags == expected, "{usage:?}");
        let extended = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(extended.server_auth && !extended.client_auth && !extended.any);
        assert!(!leaf.is_ca());
    }
}

#[test]
fn a_leaf_points_at_its_authority_byte_for_byte() {
    let bench = bench(100);
    let leaf = bench.minter.leaf(&host("www.example.com"), KeyKind::P256, bench.now).unwrap();
    let (_, leaf) = X509Certificate::from_der(der(&leaf)).unwrap();
    let root = bench.authority.certificate_der();
    let (_, root) = X509Certificate::from_der(&root).unwrap();

    let subject_id = root.iter_extensions().find_map(|found| match found.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    });
    let authority_id = leaf.iter_extensions().find_map(|found| match found.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
        _ => None,
    });
    assert_eq!(authority_id, Some(subject_id.unwrap().as_slice()));
    assert_eq!(leaf.issuer().as_raw(), root.subject().as_raw());
}

#[test]
fn a_tls_client_accepts_the_leaf_for_its_name_alone() {
    let bench = bench(100);
    for (text, kind) in both_kinds(&all_sorts()) {
        let leaf = bench.minter.leaf(&host(text), kind, bench.now).unwrap();
        handshake(&bench.authority, &leaf, text).unwrap();
        let refused = handshake(&bench.authority, &leaf, "other.example.com").unwrap_err();
        assert!(refused.to_string().contains("not valid for name"), "{refused}");
    }
    let stranger = tempfile::tempdir().unwrap();
    let stranger = Authority::load_or_create(stranger.path(), KeyKind::P256, bench.now).unwrap();
    let leaf = bench.minter.leaf(&host("www.example.com"), KeyKind::P256, bench.now).unwrap();
    let refused = handshake(&stranger, &leaf, "www.example.com").unwrap_err();
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
}

/// A TLS handshake in memory, by a client that trusts `authority` alone and expects `name`.
fn handshake(
    authority: &Authority,
    leaf: &Arc<CertifiedKey>,
    name: &str,
) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate_der()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(Arc::clone(leaf))));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut bytes = bytes.as_slice();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(())
}

fn both_kinds(hosts: &[String]) -> impl Iterator<Item = (&str, KeyKind)> {
    let of = |host| [(host, KeyKind::P256), (host, KeyKind::Rsa2048)];
    hosts.iter().flat_map(move |host| of(host.as_str()))
}

#[test]
fn openssl_accepts_the_leaf_under_its_strictest_rules() {
    for authority in [KeyKind::P256, KeyKind::Rsa2048] {
        let bench = bench_with(authority, 100);
        let root = bench.dir.path().join("landfall-ca.pem");
        let root = root.to_str().unwrap();
        for (text, kind) in both_kinds(&all_sorts()) {
            check_with_openssl(&bench, root, text, kind);
        }
        let verdict = openssl(&["verify", "-x509_strict", "-CAfile", root, root], b"");
        assert!(verdict.ends_with(": OK\n"), "{verdict}");
        let signed = if authority == KeyKind::P256 { "ecdsa-with-SHA256" } else { "sha256WithRSA" };
        let shown = openssl(&["x509", "-noout", "-text", "-in", root], b"");
        assert!(shown.contains(&format!("Signature Algorithm: {signed}")), "{shown}");
    }
}

#[track_caller]
fn check_with_openssl(bench: &Bench, root: &str, text: &str, kind: KeyKind) {
    let leaf = bench.minter.leaf(&host(text), kind, bench.now).unwrap();
    let file = bench.dir.path().join("leaf.pem");
    std::fs::write(&file, openssl(&["x509", "-inform", "DER"], der(&leaf))).unwrap();
    let file = file.to_str().unwrap();
    let is_ip = matches!(host(text), Host::Ip(_));
    let expected = if is_ip { "-verify_ip" } else { "-verify_hostname" };
    let strict = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root];
    let verdict = openssl(&[&strict[..], &[expected, text, file]].concat(), b"");
    assert!(verdict.ends_with(": OK\n"), "{verdict}");

    let shown = openssl(&["x509", "-noout", "-text", "-inform", "DER"], der(&leaf));
    let lines = match kind {
        KeyKind::P256 => ["ASN1 OID: prime256v1", "                Digital Signature\n"],
        KeyKind::Rsa2048 => ["Public-Key: (2048 bit)", "Digital Signature, Key Encipherment\n"],
    };
    for line in lines.into_iter().chain(["  TLS Web Server Authentication\n", "CA:FALSE"]) {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let san = match host(text) {
        Host::Ip(std::net::IpAddr::V6(ip)) => {
            format!("IP Address:{}", ip.segments().map(|segment| format!("{segment:X}")).join(":"))
        }
        Host::Ip(ip) => format!("IP Address:{ip}"),
        Host::Name(name) => format!("DNS:{name}"),
    };
    let names = openssl(&["x509", "-noout", "-ext", "subjectAltName", "-in", file], b"");
    assert_eq!(names.lines().last().unwrap().trim(), san, "the name asked for alone");
    let identifier = |file: &str, extension: &str| {
        let shown = openssl(&["x509", "-noout", "-ext", extension, "-in", file], b"");
        shown.lines().last().unwrap().trim().trim_start_matches("keyid:").to_owned()
    };
    assert_eq!(
        identifier(file, "authorityKeyIdentifier"),
        identifier(root, "subjectKeyIdentifier")
    );
}

/// Runs `openssl`, which the tests need, and returns what it prints.
fn openssl(arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tests need the openssl command");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_leaf_is_kept_until_half_of_its_life_is_over() {
    let bench = bench(100);
    let name = host("www.example.com");
    let first = bench.minter.leaf(&name, KeyKind::P256, bench.now).unwrap();
    let half = DAY * 31 / 2 - DAY;
    let before = bench.minter.leaf(&name, KeyKind::P256, bench.now + half - DAY / 24).unwrap();
    assert!(Arc::ptr_eq(&first, &before));
    let after = bench.minter.leaf(&name, KeyKind::P256, bench.now + half + DAY / 24).unwrap();
    assert_ne!(der(&first), der(&after));
    let again = bench.minter.leaf(&name, KeyKind::P256, bench.now + half + DAY / 12).unwrap();
    assert!(Arc::ptr_eq(&after, &again));
}

#[test]
fn the_cache_is_bounded() {
    let bench = bench(4);
    let first = bench.minter.leaf(&host("h0.example"), KeyKind::P256, bench.now).unwrap();
    for number in 1..=4 {
        bench.minter.leaf(&host(&format!("h{number}.example")), KeyKind::P256, bench.now).unwrap();
    }
    assert_eq!(Arc::strong_count(&first), 1, "the oldest was let go");
    let again = bench.minter.leaf(&host("h0.example"), KeyKind::P256, bench.now).unwrap();
    assert_ne!(der(&first), der(&again));
}

#[test]
fn those_who_ask_at_once_share_one_minted_leaf() {
    let bench = bench(100);
    for round in 0..20 {
        let name = host(&format!("h{round}.example"));
        let start = Barrier::new(8);
        // The first time, the RSA key is made by one of those who ask.
        let kind = if round % 2 == 0 { KeyKind::Rsa2048 } else { KeyKind::P256 };
        let ask = || {
            start.wait();
            bench.minter.leaf(&name, kind, bench.now).unwrap()
        };
        let leaves: Vec<Arc<CertifiedKey>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let distinct: HashSet<_> = leaves.iter().map(|leaf| der(leaf).to_vec()).collect();
        assert_eq!(distinct.len(), 1);
    }
}

#[test]
fn leaves_share_the_key_of_the_run_and_no_other() {
    let bench = bench(100);
    let key = |minter: &LeafMinter, name: &str| {
        let leaf = minter.leaf(&host(name), KeyKind::P256, bench.now).unwrap();
        let (_, leaf) = X509Certificate::from_der(der(&leaf)).unwrap();
        leaf.public_key().raw.to_vec()
    };
    let rsa = |name| bench.minter.leaf(&host(name), KeyKind::Rsa2048, bench.now).unwrap();
    let (one, two) = (rsa("a.example"), rsa("b.example"));
    assert!(Arc::ptr_eq(&one.key, &two.key), "one RSA key is made, and once");
    let other = LeafMinter::new(Arc::clone(&bench.authority), 100).unwrap();
    assert_eq!(key(&bench.minter, "a.example"), key(&bench.minter, "b.example"));
    assert_ne!(key(&bench.minter, "a.example"), key(&other, "a.example"));
}

#[test]
fn an_authority_out_of_its_time_mints_nothing() {
    let bench = bench(100);
    let late = bench
        .minter
        .leaf(&host("a.example"), KeyKind::P256, bench.now + 6 * 365 * DAY)
        .unwrap_err();
    assert!(matches!(late, Error::Expired { .. }), "{late}");
    let early =
        bench.minter.leaf(&host("a.example"), KeyKind::P256, bench.now - 2 * DAY).unwrap_err();
    assert!(matches!(early, Error::NotYetValid { .. }), "{early}");
}

#[test]
fn debug_output_of_the_minter_holds_no_key() {
    let bench = bench(1);
    let debug = format!("{:?}", bench.minter);
    assert_eq!(
        debug,
        format!(
            "LeafMinter {{ authority: Authority {{ name: {:?}, .. }}, .. }}",
            bench.authority.name()
        )
    );
}
