//! Manifests: that of the bundled files (`geoip/manifest.csv`) and those of updated sets. What each
//! file is, whence it comes, under which licence it may be passed on, and the hash that it must have.
//! Parsed strictly, because everything else trusts them.

use crate::error::Error;
use flow::claim::Source;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All files of a manifest, by source name.
#[derive(Clone, Debug)]
pub(crate) struct Manifest(BTreeMap<String, Entry>);

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The source's name in claims.
    pub(crate) name: String,
    /// Its file name in `geoip/`; `.zst` says that it is compressed there.
    pub(crate) file: String,
    pub(crate) kind: Kind,
    /// What it answers, in words.
    pub(crate) what: String,
    /// Whence it was taken: a package and its version, or a URL.
    #[serde(rename = "source")]
    pub(crate) origin: String,
    /// `YYYY-MM-DD`.
    pub(crate) built: String,
    pub(crate) licence: String,
    /// The notice that the licence asks for; empty where it asks for none.
    pub(crate) attribution: String,
    /// Size as published, uncompressed.
    pub(crate) bytes: u64,
    /// Number of networks, rows or shapes in it.
    pub(crate) networks: u64,
    /// Of the file as published, uncompressed.
    pub(crate) sha256: String,
}

/// What a bundled file may state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Location,
    AsRegistration,
    Operators,
    CnameSuffixes,
    /// Of countries: how far away they are, never where an address is.
    Shapes,
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut entries = BTreeMap::new();
        for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
            let entry: Entry = row.map_err(|e| broken(e.to_string()))?;
            let hash_ok = entry.sha256.len() == 64
                && entry.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            let file_ok = !entry.file.starts_with('.')
                && entry.file.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if !hash_ok || !file_ok || entry.file.is_empty() || entry.licence.is_empty() {
                return Err(broken(format!("the row of {:?} is not valid", entry.name)));
            }
            let name = entry.name.clone();
            if entries.insert(name.clone(), entry).is_some() {
                return Err(broken(format!("{name:?} appears twice")));
            }
        }
        Ok(Self(entries))
    }

    /// The text of a manifest with these entries, in this order.
    pub(crate) fn text(entries: &[Entry]) -> Result<String, Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for entry in entries {
            writer.serialize(entry).map_err(|error| broken(error.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|error| broken(error.to_string()))?;
        String::from_utf8(bytes).map_err(|error| broken(error.to_string()))
    }

    /// The entry of a source, which must be of the given kind.
    pub(crate) fn entry(&self, name: &str, kind: Kind) -> Result<&Entry, Error> {
        match self.0.get(name) {
            Some(entry) if entry.kind == kind => Ok(entry),
            Some(_) => Err(broken(format!("{name:?} is of another kind"))),
            None => Err(broken(format!("{name:?} is missing"))),
        }
    }
}

impl Entry {
    /// The same file as it lies on disk: unpacked.
    pub(crate) fn unpacked(&self) -> Self {
        Self { file: self.unpacked_name().to_owned(), ..self.clone() }
    }

    /// Its file name when unpacked.
    pub(crate) fn unpacked_name(&self) -> &str {
        self.file.strip_suffix(".zst").unwrap_or(&self.file)
    }

    pub(crate) fn source(&self) -> Arc<Source> {
        Arc::new(Source {
            name: self.name.clone(),
            licence: self.licence.clone(),
            built: Some(self.built.clone()),
            sha256: Some(self.sha256.clone()),
        })
    }
}

fn broken(fault: String) -> Error {
    Error::Bundle { file: "manifest.csv".to_owned(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "name,file,kind,what,source,built,licence,attribution,bytes,networks,sha256";

    #[track_caller]
    fn check(row: &str, expected: Option<&str>) {
        let found = Manifest::parse(&format!("{HEADER}\n{row}\n"));
        match expected {
            None => assert!(found.is_ok(), "{row}: {found:?}"),
            Some(fault) => {
                let error = found.unwrap_err().to_string();
                assert!(error.contains(fault), "{row}: {error}");
            }
        }
    }

    #[test]
    fn rows_are_parsed_strictly() {
        let hash = "a".repeat(64);
        let row = |file: &str, kind: &str, hash: &str| {
            format!("a,{file},{kind},w,s,2026-01-01,PDDL,,1,1,{hash}")
        };
        check(&row("a.mmdb.zst", "location", &hash), None);
        check(&row("a.mmdb.zst", "guess", &hash), Some("guess"));
        check(&row("../a", "location", &hash), Some("not valid"));
        check(&row("..", "location", &hash), Some("not valid"));
        check(&row("a", "location", "abc"), Some("not valid"));
        check(&row("a", "location", &"A".repeat(64)), Some("not valid"));
        let twice = row("a", "location", &hash);
        check(&format!("{twice}\n{twice}"), Some("twice"));
        check("a,b", Some("fields"));
    }
}
