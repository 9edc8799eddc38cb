//! The MMDB files that the user adds: which they are, what they are called, and under whose
//! licence. Their contents are vouched for by nobody and are walked whole when they are opened.

use crate::digest::sha256;
use crate::error::Error;
use crate::mmdb::{Meaning, Mmdb};
use crate::source_name;
use crate::status::{DatabaseKind, DatabaseOrigin, DatabaseStatus};
use crate::store::{directory, file_error};
use flow::claim::Source;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// The files named by the user, then those that lie in the data directory by name; each once.
pub(crate) fn paths(data_dir: &Path, named: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = named.to_vec();
    let folder = directory(data_dir);
    let unreadable = |source| file_error(&folder, "list", source);
    let mut lying: Vec<PathBuf> = Vec::new();
    match folder.read_dir() {
        Ok(entries) => {
            for entry in entries {
                let path = entry.map_err(unreadable)?.path();
                if path.extension().is_some_and(|extension| extension == "mmdb") {
                    lying.push(path);
                }
            }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(unreadable(source)),
    }
    lying.sort();
    found.extend(lying);
    let mut seen: Vec<PathBuf> = Vec::new();
    found.retain(|path| {
        // A file that does not exist is reported when it is opened.
        let real = path.canonicalize().unwrap_or_else(|_missing| path.clone());
        let new = !seen.contains(&real);
        seen.push(real);
        new
    });
    Ok(found)
}

/// Opens and walks one file. Its name must differ from those of `others`.
pub(crate) fn open(
    path: &Path,
    others: &[DatabaseStatus],
) -> Result<(Mmdb, DatabaseStatus), Error> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let reserved = [source_name::OVERRIDE, source_name::SPECIAL_RANGE];
    if reserved.contains(&name.as_str()) || others.iter().any(|other| other.name == name) {
        return Err(Error::NameTaken { path: path.to_owned(), name });
    }
    let bytes = read(path)?;
    let hash = sha256(&bytes);
    let mut attribution = None;
    let (mmdb, survey) = Mmdb::unknown(path, bytes, |database_type, built| {
        let (licence, notice) = publisher(database_type);
        attribution = notice.map(str::to_owned);
        let source = Source {
            name: name.clone(),
            licence: licence.to_owned(),
            built: date(built),
            sha256: Some(hash.clone()),
        };
        (source, meaning(&name))
    })?;
    let kind = if meaning(&name) == Meaning::AsRegistration {
        DatabaseKind::AsRegistration
    } else if mmdb.locates() {
        DatabaseKind::Location
    } else {
        DatabaseKind::AutonomousSystem
    };
    let status = DatabaseStatus {
        name,
        kind,
        path: Some(path.to_owned()),
        licence: mmdb.source().licence.clone(),
        attribution,
        built: mmdb.source().built.clone(),
        sha256: hash,
        networks: Some(survey.networks),
        origin: DatabaseOrigin::File,
    };
    Ok((mmdb, status))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |source| file_error(path, "read", source);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Error::TooLarge { path: path.to_owned(), limit: MOST_BYTES });
    }
    Ok(bytes)
}

/// The country files that ip-location-db derives from AS registrations look like location files,
/// and only their names tell them apart.
pub(crate) fn meaning(name: &str) -> Meaning {
    if name.contains("iptoasn") || name.contains("asn-country") {
        return Meaning::AsRegistration;
    }
    Meaning::Location
}

/// Licence and notice by the database type that the publisher writes into the file.
fn publisher(database_type: &str) -> (&'static str, Option<&'static str>) {
    let kinds: &[(&str, &str, &str)] = &[
        (
            "GeoLite2",
            "GeoLite2 End User License Agreement",
            "This product includes GeoLite2 data created by MaxMind (https://www.maxmind.com)",
        ),
        ("GeoIP2", "MaxMind, commercial", "GeoIP2 data by MaxMind (https://www.maxmind.com)"),
        ("DBIP", "DB-IP; see the publisher", "IP Geolocation by DB-IP (https://db-ip.com)"),
        ("ipinfo", "IPinfo; see the publisher", "IP address data by IPinfo (https://ipinfo.io)"),
    ];
    let known = kinds.iter().find(|(prefix, _, _)| database_type.starts_with(prefix));
    known.map_or(("the user's own copy; licence not known", None), |(_, licence, notice)| {
        (licence, Some(notice))
    })
}

/// `YYYY-MM-DD` of seconds since 1970; none where the number makes no sense.
pub(crate) fn date(seconds: u64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
    (seconds > 0).then(|| time.date().to_string())
}

/// Files are held in memory whole. The largest in common use, of cities, have some hundred MB.
const MOST_BYTES: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmdb_writer::{Value, write};
    use std::fs;

    fn country(database_type: &'static str) -> Vec<u8> {
        let record = Value::Map(vec![("country_code", Value::Text("CN"))]);
        write(6, database_type, &[("1.0.0.0/8", record)])
    }

    #[test]
    fn files_are_found_once_each_the_named_ones_first() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(paths(dir.path(), &[]).unwrap(), Vec::<PathBuf>::new());
        let folder = dir.path().join("geoip");
        fs::create_dir(&folder).unwrap();
        for name in ["b.mmdb", "a.mmdb", "c.mmdb.zst", "README"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let named = [folder.join("../geoip/b.mmdb"), dir.path().join("missing.mmdb")];
        let expected = [named[0].clone(), named[1].clone(), folder.join("a.mmdb")];
        assert_eq!(paths(dir.path(), &named).unwrap(), expected);
    }

    #[test]
    fn a_source_is_named_after_its_file_and_dated_by_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("GeoLite2-Country.mmdb");
        fs::write(&path, country("GeoLite2-Country")).unwrap();
        let (_, status) = open(&path, &[]).unwrap();
        assert_eq!(status.name, "GeoLite2-Country");
        assert_eq!(status.kind, DatabaseKind::Location);
        assert_eq!(status.built.as_deref(), Some("2026-06-01"));
        assert_eq!(status.sha256, sha256(&fs::read(&path).unwrap()));
        assert_eq!(status.networks, Some(1));
        assert!(status.attribution.unwrap().contains("MaxMind"));
        assert_eq!(status.path.as_deref(), Some(path.as_path()));
    }

    #[test]
    fn a_name_is_given_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.mmdb");
        fs::write(&path, country("Test")).unwrap();
        let (_, status) = open(&path, &[]).unwrap();
        let error = open(&path, &[status]).unwrap_err();
        assert!(matches!(error, Error::NameTaken { .. }), "{error:?}");
        let override_file = dir.path().join("override.mmdb");
        assert!(matches!(open(&override_file, &[]), Err(Error::NameTaken { .. })));
    }

    #[test]
    fn countries_of_as_registrations_are_told_by_the_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["iptoasn-country-2027.mmdb", "geo-whois-asn-country.mmdb"] {
            let path = dir.path().join(name);
            fs::write(&path, country("Country")).unwrap();
            let (mmdb, status) = open(&path, &[]).unwrap();
            assert_eq!((mmdb.locates(), status.kind), (false, DatabaseKind::AsRegistration));
        }
    }

    #[test]
    fn a_missing_empty_or_foreign_file_is_named_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.mmdb");
        let check = || {
            let error = open(&path, &[]).unwrap_err();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert!(!error.hint().is_empty());
        };
        check();
        for contents in ["", "not a database"] {
            fs::write(&path, contents).unwrap();
            check();
        }
    }

    #[test]
    fn dates() {
        assert_eq!(date(1_780_272_000).as_deref(), Some("2026-06-01"));
        assert_eq!(date(0), None);
        assert_eq!(date(u64::MAX), None);
    }
}
