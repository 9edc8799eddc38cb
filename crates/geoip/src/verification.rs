//! Checking databases where they lie: by the manifest that vouches for them, and by their contents.

use crate::config::Config;
use crate::error::Error;
use crate::inspection::{Expected, Format, Inspected, inspect};
use crate::ipfire_signature::SigningKey;
use crate::manifest::Entry;
use crate::set::{Set, is_bundled, packed, readable};
use crate::source_name::IPFIRE;
use crate::store::{check, place, unpacked};
use crate::user_files;
use std::path::{Path, PathBuf};

/// What the check of one file came to.
#[derive(Debug)]
pub struct Verified {
    pub path: PathBuf,
    /// The source's name, for a file of a set or one known by its hash.
    pub name: Option<String>,
    pub result: Result<Inspected, Error>,
}

/// Checks every file that is asked: those of the chosen set and the user's own.
///
/// # Errors
/// The set or the directory cannot be read; what is wrong with a file, a missing one and a manifest
/// included, is in its [`Verified`].
pub fn verify_all(config: &Config, key: &SigningKey) -> Result<Vec<Verified>, Error> {
    let mut all = Vec::new();
    let mut broken = Vec::new();
    match Set::choose(&config.data_dir, &config.set) {
        Ok(set) => {
            for entry in set.entries()? {
                all.push(verify_entry(&config.data_dir, entry, key));
            }
        }
        Err(error @ Error::BrokenSet { .. }) => broken.push(error),
        Err(error) => return Err(error),
    }
    let users = user_files::paths(&config.data_dir, &config.extra_mmdb)?;
    all.append(&mut verify_files(config, &users, key)?);
    for verified in broken.into_iter().filter_map(broken_set) {
        if all.iter().all(|other| other.path != verified.path) {
            all.push(verified);
        }
    }
    Ok(all)
}

/// Checks files, wherever they lie, and the manifests of sets that may know them.
///
/// # Errors
/// The directory of sets cannot be read; what is wrong with a file or a manifest is in its
/// [`Verified`].
pub fn verify_files(
    config: &Config,
    paths: &[PathBuf],
    key: &SigningKey,
) -> Result<Vec<Verified>, Error> {
    let (sets, broken) = readable(&config.data_dir)?;
    let known: Vec<&Entry> = sets.iter().flat_map(Set::entries).flatten().collect();
    let verify = |path: &PathBuf| {
        let result = inspect(path, Expected::Any, key).map(|opened| opened.inspected);
        let found = result.as_ref().ok();
        let known = found.and_then(|file| known.iter().find(|f| f.sha256 == file.sha256));
        let name = known.map(|entry| entry.name.clone());
        Verified { path: path.clone(), name, result }
    };
    Ok(paths.iter().map(verify).chain(broken.into_iter().filter_map(broken_set)).collect())
}

fn broken_set(error: Error) -> Option<Verified> {
    let Error::BrokenSet { path, .. } = &error else { return None };
    Some(Verified { path: path.clone(), name: None, result: Err(error) })
}

fn verify_entry(data_dir: &Path, entry: &Entry, key: &SigningKey) -> Verified {
    let format = match entry.name.as_str() {
        IPFIRE => Format::Ipfire,
        _ => Format::Mmdb,
    };
    let expected = Expected::Published(format, entry.kind);
    let result = unpacked_entry(data_dir, entry)
        .and_then(|path| check(&path, entry).and_then(|()| inspect(&path, expected, key)))
        .map(|opened| opened.inspected);
    Verified { path: place(data_dir, entry), name: Some(entry.name.clone()), result }
}

/// Where a file of a set lies; a bundled one is unpacked where it is missing.
pub(crate) fn unpacked_entry(data_dir: &Path, entry: &Entry) -> Result<PathBuf, Error> {
    unpacked(data_dir, entry, if is_bundled(entry) { packed(&entry.name) } else { &[] })
}
