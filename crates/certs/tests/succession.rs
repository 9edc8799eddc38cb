//! Replacing and removing an authority: what is left of the old one, and that nobody's is taken
//! away under them.

#![expect(clippy::unwrap_used, reason = "a failing test panics")]

use certs::{Authority, Error, ExclusiveHold, FormerAuthority, Hold, KeyKind};
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

fn authority(dir: &Path) -> Authority {
    Authority::load_or_create(dir, KeyKind::P256, SystemTime::now()).unwrap()
}

#[test]
fn rotation_makes_a_new_authority_and_destroys_the_old_key() {
    let dir = tempfile::tempdir().unwrap();
    let old = authority(dir.path());
    let key = dir.path().join("landfall-ca.key");
    // Held open, as an undelete would find it.
    let mut old_key = File::open(&key).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();

    let hold = ExclusiveHold::take(dir.path()).unwrap();
    let (former, new) = certs::rotate(&hold, KeyKind::Rsa2048, SystemTime::now()).unwrap();
    assert_eq!(former.fingerprint_sha256, old.fingerprint_sha256());
    assert_eq!(former.name, old.name());
    assert_ne!(new.name(), old.name());
    assert_eq!((old.key_text(), new.key_text()), ("ECDSA P-256", "RSA 2048"));
    let mut bytes = Vec::new();
    old_key.read_to_end(&mut bytes).unwrap();
    assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0), "overwritten");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

    let (again, _) = certs::rotate(&hold, KeyKind::P256, SystemTime::now()).unwrap();
    let mut all: Vec<_> = FormerAuthority::all(dir.path()).unwrap();
    all.sort_by_key(|former| former.name != old.name());
    assert_eq!(all, [former, again]);
    assert_eq!(authority(dir.path()).key_text(), "ECDSA P-256");
    for entry in fs::read_dir(dir.path().join("former")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.contains("CERTIFICATE") && !text.contains("PRIVATE"));
    }
}

#[test]
fn nobodys_authority_is_taken_away_under_them() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Hold::shared(dir.path()).unwrap(), Hold::shared(dir.path()).unwrap());
    drop(one);
    let refused = ExclusiveHold::take(dir.path()).unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    assert!(refused.hint().unwrap().contains("stop"));
    drop(two);
    let _hold = ExclusiveHold::take(dir.path()).unwrap();
    assert!(matches!(Hold::shared(dir.path()), Err(Error::InUse { .. })));
}

#[test]
fn removal_leaves_no_key_and_may_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let old = authority(dir.path());
    // What a creation that was interrupted leaves.
    fs::write(dir.path().join(".landfall-ca.0123"), "half a key").unwrap();
    let hold = ExclusiveHold::take(dir.path()).unwrap();
    let was = certs::remove(&hold).unwrap().unwrap();
    assert_eq!(was.fingerprint_sha256, old.fingerprint_sha256());
    let left: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["landfall-ca.lock"]);
    assert_eq!(certs::remove(&hold).unwrap(), None);
    let missing = certs::rotate(&hold, KeyKind::P256, SystemTime::now()).unwrap_err();
    assert!(matches!(missing, Error::NoAuthority { .. }), "{missing}");
    assert_ne!(authority(dir.path()).name(), old.name());
}

#[test]
fn an_interruption_at_any_step_leaves_something_that_starts() {
    // The steps of `rotate`, each taken back in turn.
    let check = |interrupted: fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        let old = authority(dir.path());
        interrupted(dir.path());
        authority(dir.path());
        let hold = ExclusiveHold::take(dir.path()).unwrap();
        let (_, new) = certs::rotate(&hold, KeyKind::P256, SystemTime::now()).unwrap();
        assert_ne!(new.name(), old.name());
    };
    check(|dir| {
        fs::create_dir(dir.join("former")).unwrap();
        fs::copy(dir.join("landfall-ca.pem"), dir.join("former/x.pem")).unwrap();
    });
    check(|dir| fs::remove_file(dir.join("landfall-ca.pem")).unwrap());
    check(|dir| {
        fs::remove_file(dir.join("landfall-ca.pem")).unwrap();
        let other = tempfile::tempdir().unwrap();
        authority(other.path());
        fs::copy(other.path().join("landfall-ca.key"), dir.join("landfall-ca.key")).unwrap();
    });
    // Of `remove`: the key is gone, the certificate is not.
    let dir = tempfile::tempdir().unwrap();
    authority(dir.path());
    fs::remove_file(dir.path().join("landfall-ca.key")).unwrap();
    let hold = ExclusiveHold::take(dir.path()).unwrap();
    assert!(certs::remove(&hold).unwrap().is_some());
}
