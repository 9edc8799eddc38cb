//! Replacing and removing an authority: what is left of the old one, and that nobody's is taken
//! away under them.

#![expect(clippy::unwrap_used, reason = "a failing test panics")]

use certs::{Authority, Error, ExclusiveHold, FormerAuthority, KeyKind, Settled};
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::TempDir;

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
    let enter = || certs::enter(dir.path());
    let (one, two) = (enter().unwrap(), enter().unwrap());
    drop(one);
    let refused = ExclusiveHold::take(dir.path()).unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    assert!(refused.hint().unwrap().contains("stop"));
    drop(two);
    let _hold = ExclusiveHold::take(dir.path()).unwrap();
    let refused = enter().unwrap_err();
    assert!(matches!(refused, Error::BeingReplaced { .. }), "{refused}");
    assert!(refused.hint().unwrap().contains("wait"));
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

const KEY: &str = "landfall-ca.key";
const CERTIFICATE: &str = "landfall-ca.pem";
const NEXT_KEY: &str = "landfall-ca.next.key";
const NEXT_CERTIFICATE: &str = "landfall-ca.next.pem";
const LEFTOVER: &str = ".landfall-ca.0123456789abcdef";

/// A directory in which a rotation from `old` to `new` was interrupted.
struct Interrupted {
    dir: TempDir,
    new_dir: TempDir,
    old: Authority,
    new: Authority,
}

impl Interrupted {
    fn before_anything() -> Self {
        let (dir, new_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (old, new) = (authority(dir.path()), authority(new_dir.path()));
        Self { dir, new_dir, old, new }
    }

    fn after(steps: &[fn(&Self)]) -> Self {
        let interrupted = Self::before_anything();
        steps.iter().for_each(|step| step(&interrupted));
        interrupted
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn next_key(&self) {
        fs::copy(self.new_dir.path().join(KEY), self.path(NEXT_KEY)).unwrap();
    }

    fn next_certificate(&self) {
        fs::copy(self.new_dir.path().join(CERTIFICATE), self.path(NEXT_CERTIFICATE)).unwrap();
    }

    fn keep(&self) {
        fs::create_dir_all(self.path("former")).unwrap();
        let print: String =
            self.old.fingerprint_sha256().iter().map(|byte| format!("{byte:02x}")).collect();
        fs::copy(self.path(CERTIFICATE), self.path(&format!("former/{print}.pem"))).unwrap();
    }

    fn half_scrub(&self) {
        let mut key = fs::read(self.path(KEY)).unwrap();
        key[..60].fill(0);
        fs::write(self.path(KEY), key).unwrap();
    }

    fn scrub(&self) {
        let zeros = vec![0; fs::read(self.path(KEY)).unwrap().len()];
        fs::write(self.path(KEY), zeros).unwrap();
    }

    fn key_takes_its_place(&self) {
        fs::rename(self.path(NEXT_KEY), self.path(KEY)).unwrap();
    }

    fn certificate_goes(&self) {
        fs::remove_file(self.path(CERTIFICATE)).unwrap();
    }

    fn leftover(&self) {
        fs::copy(self.new_dir.path().join(KEY), self.path(LEFTOVER)).unwrap();
    }
}

const STEPS: [fn(&Interrupted); 6] = [
    Interrupted::next_key,
    Interrupted::next_certificate,
    Interrupted::keep,
    Interrupted::half_scrub,
    Interrupted::scrub,
    Interrupted::key_takes_its_place,
];

/// One authority, whole, and nothing else but what was kept.
#[track_caller]
fn expect_whole(at: &Interrupted, is: &Authority, kept: &[&Authority]) {
    let found = Authority::load(at.dir.path()).unwrap().unwrap();
    assert_eq!(found.name(), is.name());
    let former = FormerAuthority::all(at.dir.path()).unwrap();
    let names: Vec<&str> = former.iter().map(|former| &*former.name).collect();
    assert_eq!(names, kept.iter().map(|kept| kept.name()).collect::<Vec<_>>());
    let mut files: Vec<_> = fs::read_dir(at.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "former")
        .collect();
    files.sort();
    assert_eq!(files, [KEY, "landfall-ca.lock", CERTIFICATE]);
}

#[test]
fn an_interrupted_rotation_is_finished_or_taken_back_at_the_next_start() {
    for steps in 0..=STEPS.len() {
        let at = Interrupted::after(&STEPS[..steps]);
        let mut old_key = File::open(at.path(KEY)).unwrap();
        // What a rotation has replaced is not looked at by anybody.
        let unprepared = Authority::load(at.dir.path());
        assert_eq!(matches!(unprepared, Err(Error::HalfRotated { .. })), steps >= 2, "{steps}");

        let (hold, settled) = certs::enter(at.dir.path()).unwrap();
        match (steps, settled) {
            (0, None) | (1, Some(Settled::TakenBack)) => expect_whole(&at, &at.old, &[]),
            (2.., Some(Settled::Finished { old: Some(old), new })) => {
                assert_eq!((&*old.name, &*new), (at.old.name(), at.new.name()));
                expect_whole(&at, &at.new, &[&at.old]);
                let mut bytes = Vec::new();
                old_key.read_to_end(&mut bytes).unwrap();
                let is_old = steps < STEPS.len();
                assert_eq!(bytes.iter().all(|byte| *byte == 0), is_old, "{steps}: overwritten");
            }
            (steps, settled) => panic!("{steps}: {settled:?}"),
        }
        drop(hold);
        let (_hold, settled) = certs::enter(at.dir.path()).unwrap();
        assert_eq!(settled, None, "{steps}: said once");
    }
}

#[test]
fn rotation_may_be_said_again_and_removal_goes_on_from_everywhere() {
    for steps in 0..=STEPS.len() {
        let at = Interrupted::after(&STEPS[..steps]);
        let hold = ExclusiveHold::take(at.dir.path()).unwrap();
        let settled = certs::settle(&hold).unwrap();
        assert_eq!(settled.is_some(), steps > 0);
        let (_, new) = certs::rotate(&hold, KeyKind::P256, SystemTime::now()).unwrap();
        assert!(new.name() != at.old.name() && new.name() != at.new.name(), "{steps}");

        let at = Interrupted::after(&STEPS[..steps]);
        let hold = ExclusiveHold::take(at.dir.path()).unwrap();
        let was = certs::remove(&hold).unwrap().unwrap();
        assert_eq!(was.name, at.old.name());
        for gone in [KEY, CERTIFICATE, NEXT_KEY, NEXT_CERTIFICATE] {
            assert!(!at.path(gone).exists(), "{steps}: {gone}");
        }
    }
}

#[test]
fn what_stood_under_a_temporary_name_is_destroyed_unless_somebody_is_at_work() {
    let at = Interrupted::after(&[Interrupted::leftover]);
    let (one, settled) = certs::enter(at.dir.path()).unwrap();
    assert_eq!(settled, Some(Settled::TakenBack));
    expect_whole(&at, &at.old, &[]);
    at.leftover();
    let (_two, settled) = certs::enter(at.dir.path()).unwrap();
    assert!(settled.is_none() && at.path(LEFTOVER).exists(), "perhaps it is being written");
    drop(one);
}

#[test]
fn the_key_of_a_former_authority_is_not_certified_again() {
    let at = Interrupted::after(&[Interrupted::keep, Interrupted::certificate_goes]);
    let (_hold, settled) = certs::enter(at.dir.path()).unwrap();
    assert!(matches!(settled, Some(Settled::OldKeyDestroyed(old)) if old.name == at.old.name()));
    assert!(Authority::load(at.dir.path()).unwrap().is_none() && !at.path(KEY).exists());
    assert_ne!(authority(at.dir.path()).name(), at.old.name());
}

#[test]
fn a_key_that_never_had_a_certificate_gets_one() {
    let at = Interrupted::after(&[Interrupted::certificate_goes]);
    let (_hold, settled) = certs::enter(at.dir.path()).unwrap();
    assert_eq!(settled, None);
    assert_eq!(authority(at.dir.path()).name(), at.old.name());
}

#[test]
fn a_next_certificate_whose_key_is_gone_is_taken_back() {
    let at = Interrupted::after(&[Interrupted::next_certificate]);
    let (_hold, settled) = certs::enter(at.dir.path()).unwrap();
    assert_eq!(settled, Some(Settled::TakenBack));
    expect_whole(&at, &at.old, &[]);
}

#[test]
fn what_is_in_the_way_is_named_and_the_authority_stays() {
    let at = Interrupted::before_anything();
    let hold = ExclusiveHold::take(at.dir.path()).unwrap();
    at.next_key();
    let refused = certs::rotate(&hold, KeyKind::P256, SystemTime::now()).unwrap_err();
    assert!(matches!(&refused, Error::InTheWay { path } if *path == at.path(NEXT_KEY)));
    assert!(refused.hint().unwrap().contains("move it away"));
    assert_eq!(authority(at.dir.path()).name(), at.old.name());

    // One of the former certificates' name, with something else in it: nothing is destroyed.
    certs::settle(&hold).unwrap();
    at.keep();
    let kept = fs::read_dir(at.path("former")).unwrap().next().unwrap().unwrap().path();
    fs::write(&kept, "something else").unwrap();
    let key = fs::read(at.path(KEY)).unwrap();
    let refused = certs::rotate(&hold, KeyKind::P256, SystemTime::now()).unwrap_err();
    assert!(matches!(&refused, Error::InTheWay { path } if *path == kept), "{refused}");
    assert_eq!(fs::read(at.path(KEY)).unwrap(), key);
    fs::remove_file(kept).unwrap();
    assert!(matches!(certs::settle(&hold).unwrap(), Some(Settled::Finished { .. })));
}
