//! Databases that are broken, changed or added on disk, through the public interface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use flow::annotation::Location;
use geoip::{Config, DatabaseKind, Databases, Error};
use std::fs;
use std::path::{Path, PathBuf};

fn config(data_dir: &Path) -> Config {
    Config {
        data_dir: data_dir.to_owned(),
        set: geoip::SetChoice::Active,
        extra_mmdb: Vec::new(),
        overrides: Vec::new(),
        policies: geoip::policy::Policies::default(),
    }
}

/// Where the file of a bundled source lies.
fn path_of(databases: &Databases, name: &str) -> PathBuf {
    databases.status().into_iter().find(|status| status.name == name).unwrap().path.unwrap()
}

#[test]
fn a_bundled_file_that_was_changed_is_named_and_deleting_it_helps() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let databases = Databases::open(&config).unwrap();
    let status = databases.status();
    for name in ["dbip-country", "ipfire", "iptoasn-country"] {
        let path = path_of(&databases, name);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        // A new file each time: the open databases have the old one mapped into memory.
        for broken in [&flipped[..], &whole[..whole.len() - 1], b""] {
            fs::remove_file(&path).unwrap();
            fs::write(&path, broken).unwrap();
            let error = Databases::open(&config).unwrap_err();
            assert!(matches!(error, Error::WrongHash { .. }), "{error:?}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert!(error.hint().contains(path.to_str().unwrap()));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(Databases::open(&config).unwrap().status(), status);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn files_of_the_user_s_own_are_asked_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    let bundled = Databases::open(&config).unwrap();
    // Sound files with many networks, at hand.
    let folder = dir.path().join("geoip");
    fs::copy(path_of(&bundled, "dbip-country"), folder.join("Mine.mmdb")).unwrap();
    let named = dir.path().join("Second.mmdb");
    fs::copy(path_of(&bundled, "dbip-country"), &named).unwrap();
    fs::copy(path_of(&bundled, "iptoasn-country"), folder.join("my-iptoasn.mmdb")).unwrap();
    config.extra_mmdb.push(named.clone());
    let databases = Databases::open(&config).unwrap();
    let added: Vec<(String, DatabaseKind)> =
        databases.status().into_iter().skip(6).map(|s| (s.name, s.kind)).collect();
    assert_eq!(
        added,
        [
            ("Second".to_owned(), DatabaseKind::Location),
            ("Mine".to_owned(), DatabaseKind::Location),
            ("my-iptoasn".to_owned(), DatabaseKind::AsRegistration),
        ]
    );
    let networks = |name: &str| {
        databases.status().into_iter().find(|status| status.name == name).unwrap().networks
    };
    assert_eq!(networks("Mine"), networks("dbip-country"), "walked, and by the manifest");
    assert_eq!(networks("my-iptoasn"), networks("iptoasn-country"), "walked, and by the manifest");
    let location = databases.annotate("159.138.0.1".parse().unwrap(), &[], None).location;
    let Location::Disagreed { answers, asked: 4 } = location else { panic!("{location:?}") };
    let answers: Vec<String> = answers.iter().map(|(s, c)| format!("{s}={c}")).collect();
    assert_eq!(answers, ["dbip-country=HK", "ipfire=CN", "Second=HK", "Mine=HK"]);

    fs::write(&named, b"").unwrap();
    let error = Databases::open(&config).unwrap_err();
    assert!(error.to_string().contains(named.to_str().unwrap()), "{error}");
    fs::rename(&named, dir.path().join("dbip-country.mmdb")).unwrap();
    config.extra_mmdb = vec![dir.path().join("dbip-country.mmdb")];
    assert!(matches!(Databases::open(&config), Err(Error::NameTaken { .. })));
}

#[test]
fn every_bundled_file_is_accounted_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../geoip");
    let manifest = fs::read_to_string(folder.join("manifest.csv")).unwrap();
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let mut listed = Vec::new();
    for row in csv::Reader::from_reader(manifest.as_bytes()).records() {
        let row = row.unwrap();
        let [_, file, _, _, source, built, licence, attribution, _, _, sha256] =
            row.iter().collect::<Vec<_>>()[..]
        else {
            panic!("{row:?}");
        };
        for told in [file, source, built, licence, attribution, sha256] {
            assert!(readme.contains(told), "README.md does not tell {told:?} of {file}");
        }
        listed.push(file.to_owned());
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let explains = matches!(name.as_str(), "README.md" | "manifest.csv");
        let notice = name.starts_with("LICENSE-");
        assert!(explains || notice || listed.contains(&name), "{name} is of unknown origin");
        assert!(!notice || readme.contains(&name), "README.md does not name {name}");
    }
}
