//! Checking databases where they lie: by the manifest that vouches for them, and by their contents.

use crate::config::Config;
use crate::error::Error;
use crate::inspection::{Expected, Format, Inspected, inspect};
use crate::ipfire_signature::SigningKey;
use crate::manifest::Entry;
use crate::set::{Set, is_bundled, packed, sets};
use crate::source_name::IPFIRE;
use crate::store::{check, unpacked};
use crate::user_files;
use std::path::{Path, PathBuf};

/// What the check of one file came to.
#[derive(Debug)]
pub struct Verified {
    pub path: PathBuf,
    /// The source's name, for a file of a set or of one known by its hash.
    pub name: Option<String>,
    pub result: Result<Inspected, Error>,
}

/// Checks every file that is asked: those of the chosen set and the user's own.
///
/// # Errors
/// The set or the directory cannot be read; what is wrong with a file is in its [`Verified`].
pub fn verify_all(config: &Config, key: &SigningKey) -> Result<Vec<Verified>, Error> {
    let set = Set::choose(&config.data_dir, &config.set)?;
    let mut all = Vec::new();
    for entry in set.entries()? {
        all.push(verify_entry(&config.data_dir, entry, key)?);
    }
    for path in user_files::paths(&config.data_dir, &config.extra_mmdb)? {
        all.push(verify_file(config, &path, key)?);
    }
    Ok(all)
}

/// Checks one file, wherever it lies.
///
/// # Errors
/// The sets cannot be read; what is wrong with the file is in its [`Verified`].
pub fn verify_file(config: &Config, path: &Path, key: &SigningKey) -> Result<Verified, Error> {
    let result = inspect(path, Expected::Any, key).map(|opened| opened.inspected);
    let mut name = None;
    if let Ok(inspected) = &result {
        let known = sets(&config.data_dir)?.into_iter().flat_map(|set| set.files);
        name = known.into_iter().find(|f| f.sha256 == inspected.sha256).map(|file| file.name);
    }
    Ok(Verified { path: path.to_owned(), name, result })
}

fn verify_entry(data_dir: &Path, entry: &Entry, key: &SigningKey) -> Result<Verified, Error> {
    let format = match entry.name.as_str() {
        IPFIRE => Format::Ipfire,
        _ => Format::Mmdb,
    };
    let path = unpacked_entry(data_dir, entry)?;
    let result = check(&path, entry)
        .and_then(|()| inspect(&path, Expected::Published(format, entry.kind), key))
        .map(|opened| opened.inspected);
    Ok(Verified { path, name: Some(entry.name.clone()), result })
}

/// Where a file of a set lies; a bundled one is unpacked where it is missing.
pub(crate) fn unpacked_entry(data_dir: &Path, entry: &Entry) -> Result<PathBuf, Error> {
    unpacked(data_dir, entry, if is_bundled(entry) { packed(&entry.name) } else { &[] })
}
