//! The authority's files: what is created, what is refused, and with which words.

#![expect(clippy::unwrap_used, reason = "a failing test panics")]

use certs::{Authority, Error, KeyKind};
use std::error::Error as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn an_authority_is_created_once_and_found_again() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("data/ca");
    assert!(Authority::load(&dir).unwrap().is_none(), "nothing there, and nothing created");
    assert!(!dir.exists());

    let now = SystemTime::now();
    let created = Authority::load_or_create(&dir, KeyKind::P256, now).unwrap();
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("landfall-ca.key")), 0o600);
    let mut files: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["landfall-ca.key", "landfall-ca.pem"], "no temporary file is left");

    let found = Authority::load_or_create(&dir, KeyKind::P256, now + DAY).unwrap();
    assert_eq!(found.fingerprint_sha256(), created.fingerprint_sha256());
    assert_eq!(found.certificate_pem(), created.certificate_pem());
    assert_eq!(found.certificate_pem(), fs::read_to_string(dir.join("landfall-ca.pem")).unwrap());
    assert!(created.not_before() <= now - DAY);
    assert!(created.not_before() > now - DAY - Duration::from_secs(2));
    assert!(created.not_after() > now + 4 * 365 * DAY);

    let other = Authority::load_or_create(&top.path().join("other"), KeyKind::P256, now).unwrap();
    assert_ne!(other.name(), created.name(), "each installation has its own");
}

#[test]
fn the_certificate_is_that_of_an_authority() {
    let dir = tempfile::tempdir().unwrap();
    let authority =
        Authority::load_or_create(dir.path(), KeyKind::P256, SystemTime::now()).unwrap();
    let der = authority.certificate_der();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();

    let words: Vec<&str> = authority.name().split(' ').collect();
    assert_eq!(words.first(), Some(&"Landfall"));
    let is_print =
        |word: &&str| word.len() == 4 && word.bytes().all(|b| b"0123456789ABCDEF".contains(&b));
    assert!(words.len() == 3 && words.iter().skip(1).all(is_print), "{words:?}");
    assert_eq!(certificate.subject().to_string(), format!("CN={}", authority.name()));
    assert_eq!(certificate.issuer(), certificate.subject());

    let print = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.public_key().raw);
    let print: String = print.as_ref().iter().take(4).map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(words.iter().skip(1).copied().collect::<String>(), print, "after its public key");

    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
    assert!(!usage.value.digital_signature());
    assert!(certificate.iter_extensions().any(|extension| matches!(
        extension.parsed_extension(),
        ParsedExtension::SubjectKeyIdentifier(id) if id.0.len() == 20
    )));
    assert!(!certificate.raw_serial().is_empty() && certificate.raw_serial().len() <= 20);
}

#[test]
fn those_who_create_at_once_get_the_same_authority() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let start = Barrier::new(8);
        let create = || {
            start.wait();
            Authority::load_or_create(dir.path(), KeyKind::P256, now).unwrap().fingerprint_sha256()
        };
        let prints: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(prints.iter().all(|print| Some(print) == prints.first()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file is left");
    }
}

#[test]
fn an_interrupted_creation_is_completed_with_the_same_key() {
    let dir = tempfile::tempdir().unwrap();
    let first = Authority::load_or_create(dir.path(), KeyKind::P256, SystemTime::now()).unwrap();
    fs::remove_file(dir.path().join("landfall-ca.pem")).unwrap();
    let second = Authority::load_or_create(dir.path(), KeyKind::P256, SystemTime::now()).unwrap();
    assert_eq!(second.name(), first.name());
}

/// Breaks the files of a good authority and expects an error of this kind, which names this file.
#[track_caller]
fn check(damage: impl Fn(&Path, &Path), expected: fn(&Error) -> bool, names: &str) {
    let dir = tempfile::tempdir().unwrap();
    Authority::load_or_create(dir.path(), KeyKind::P256, SystemTime::now()).unwrap();
    damage(&dir.path().join("landfall-ca.pem"), &dir.path().join("landfall-ca.key"));
    for attempt in [
        Authority::load(dir.path()).map(drop),
        Authority::load_or_create(dir.path(), KeyKind::P256, SystemTime::now()).map(drop),
    ] {
        let error = attempt.unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert!(error.to_string().contains(names), "{error}");
        assert!(error.hint().is_some(), "{error}");
        if let Some(source) = error.source() {
            assert!(!error.to_string().contains(&source.to_string()), "{error} repeats {source}");
        }
    }
}

fn cut_to(path: &Path, bytes: usize) {
    let mut contents = fs::read(path).unwrap();
    contents.truncate(bytes);
    fs::write(path, contents).unwrap();
}

#[test]
fn damaged_files_are_named_and_nothing_is_replaced() {
    let key = "landfall-ca.key";
    let certificate = "landfall-ca.pem";
    check(|pem, _| cut_to(pem, 0), |e| matches!(e, Error::BadCertificate { .. }), certificate);
    check(|pem, _| cut_to(pem, 300), |e| matches!(e, Error::BadCertificate { .. }), certificate);
    check(|_, key| cut_to(key, 0), |e| matches!(e, Error::BadKey { .. }), key);
    check(|_, key| cut_to(key, 100), |e| matches!(e, Error::BadKey { .. }), key);
    check(|_, key| fs::remove_file(key).unwrap(), |e| matches!(e, Error::KeyMissing { .. }), key);
    check(
        |_, key| fs::set_permissions(key, Permissions::from_mode(0o640)).unwrap(),
        |e| matches!(e, Error::KeyExposed { mode: 0o640, .. }),
        key,
    );
    check(
        |_, key| fs::write(key, vec![b' '; 1 << 20]).unwrap(),
        |e| matches!(e, Error::Io { .. }),
        key,
    );
    check(
        |pem, _| {
            fs::remove_file(pem).unwrap();
            fs::create_dir(pem).unwrap();
        },
        |e| matches!(e, Error::Io { .. }),
        certificate,
    );
    check(
        |pem, _| {
            let other = tempfile::tempdir().unwrap();
            let other =
                Authority::load_or_create(other.path(), KeyKind::P256, SystemTime::now()).unwrap();
            fs::write(pem, other.certificate_pem()).unwrap();
        },
        |e| matches!(e, Error::Mismatch { .. }),
        certificate,
    );
}

#[test]
fn a_certificate_that_is_no_authority_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["leaf.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(dir.path().join("landfall-ca.pem"), certificate.pem()).unwrap();
    let path = dir.path().join("landfall-ca.key");
    fs::write(&path, key.serialize_pem()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let error = Authority::load(dir.path()).unwrap_err();
    assert!(matches!(error, Error::NotAnAuthority { .. }), "{error}");
}

#[test]
fn an_authority_out_of_its_time_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    Authority::load_or_create(dir.path(), KeyKind::P256, now).unwrap();
    let late =
        Authority::load_or_create(dir.path(), KeyKind::P256, now + 6 * 365 * DAY).unwrap_err();
    assert!(matches!(late, Error::Expired { .. }), "{late}");
    let early = Authority::load_or_create(dir.path(), KeyKind::P256, now - 2 * DAY).unwrap_err();
    assert!(matches!(early, Error::NotYetValid { .. }), "{early}");
    assert!(Authority::load(dir.path()).unwrap().is_some(), "it can still be shown");
}

#[test]
fn debug_output_holds_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let authority =
        Authority::load_or_create(dir.path(), KeyKind::P256, SystemTime::now()).unwrap();
    let debug = format!("{authority:?}{authority:#?}");
    let key = fs::read_to_string(dir.path().join("landfall-ca.key")).unwrap();
    let lines = key.lines().filter(|line| !line.starts_with('-'));
    assert!(lines.clone().count() > 1 && lines.clone().all(|line| !debug.contains(line)));
    assert!(!debug.contains("serialized") && !debug.contains("PRIVATE"), "{debug}");
    assert!(debug.contains(authority.name()), "{debug}");
}
