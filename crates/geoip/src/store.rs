//! Where databases lie unpacked: `<data>/geoip/<sha256>/<file>`, the directory 0700 and the
//! file 0600. A file appears there whole or not at all, whatever other processes do at the time.
//!
//! A file that is there is never replaced: one with a wrong hash is an error for the user to look
//! into, because silent repair would hide that somebody tampered with evidence. Only an update, which
//! says so, puts a sound file of the same name in its place.

use crate::digest::{Hashing, sha256, sha256_of};
use crate::error::Error;
use crate::manifest::Entry;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The directory below the data directory that holds unpacked and user's databases.
pub(crate) fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("geoip")
}

/// Where the file lies unpacked, if it does.
pub(crate) fn place(data_dir: &Path, entry: &Entry) -> PathBuf {
    directory(data_dir).join(&entry.sha256).join(entry.unpacked_name())
}

/// Makes a directory for its owner alone, and those above it.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| file_error(folder, "create", source))
}

/// Whoever changes the sets holds this: one at a time, and until it is dropped.
pub(crate) fn lock(data_dir: &Path) -> Result<File, Error> {
    let folder = directory(data_dir);
    make_folder(&folder)?;
    let path = folder.join(".updating");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| file_error(&path, "open", source))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Error::UpdateUnderWay { path: path.clone() },
        TryLockError::Error(source) => file_error(&path, "lock", source),
    })?;
    Ok(lock)
}

/// Lets a file appear whole under its name, and waits until the disk has it.
pub(crate) fn appear(mut file: NamedTempFile, path: &Path) -> Result<(), Error> {
    let write = |source| file_error(path, "write", source);
    file.as_file_mut().flush().map_err(write)?;
    file.as_file().sync_all().map_err(write)?;
    // Another process may have been faster; both files are the same, so the last rename wins.
    file.persist(path).map_err(|e| write(e.error))?;
    let folder = path.parent().unwrap_or(path);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| file_error(folder, "write to", source))
}

/// Makes sure that the bundled file lies unpacked below `data_dir`; its path. What was there
/// before is not checked: whoever opens the file does that. Empty `packed` bytes say that the file is
/// not bundled, so that it must lie there.
pub(crate) fn unpacked(data_dir: &Path, entry: &Entry, packed: &[u8]) -> Result<PathBuf, Error> {
    let folder = directory(data_dir).join(&entry.sha256);
    let path = place(data_dir, entry);
    match path.symlink_metadata() {
        Ok(_) => return Ok(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(file_error(&path, "look at", source)),
    }
    if packed.is_empty() {
        return Err(Error::MissingFile { path });
    }
    make_folder(&folder)?;
    let write = |source| file_error(&path, "write", source);
    // The name is unique, the mode is 0600, and an early return removes the file again.
    let mut file = tempfile::Builder::new()
        .prefix(".unpacking-")
        .tempfile_in(&folder)
        .map_err(|source| file_error(&folder, "write to", source))?;
    let mut hashing = Hashing::new(file.as_file_mut());
    // One byte more than promised is enough to see that the promise is broken.
    let mut contents = zstd::Decoder::with_buffer(packed)
        .map_err(|e| broken(entry, e.to_string()))?
        .take(entry.bytes.saturating_add(1));
    io::copy(&mut contents, &mut hashing).map_err(write)?;
    let found = hashing.finish();
    if found != entry.sha256 {
        return Err(broken(entry, format!("its SHA-256 is {found}, not {}", entry.sha256)));
    }
    appear(file, &path)?;
    Ok(path)
}

/// Reads the unpacked file whole, after a check of its hash.
pub(crate) fn read_checked(path: &Path, entry: &Entry) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(usize::try_from(entry.bytes).unwrap_or(0));
    File::open(path)
        .and_then(|file| file.take(entry.bytes.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|source| file_error(path, "read", source))?;
    agree(path, entry, sha256(&bytes))?;
    Ok(bytes)
}

/// Checks the hash of the unpacked file without keeping its contents.
pub(crate) fn check(path: &Path, entry: &Entry) -> Result<(), Error> {
    let found = File::open(path)
        .and_then(|file| sha256_of(&mut file.take(entry.bytes.saturating_add(1))))
        .map_err(|source| file_error(path, "read", source))?;
    agree(path, entry, found)
}

/// A bundled file that is used as it lies in the program, after a check of its hash.
pub(crate) fn built_in<'a>(entry: &Entry, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
    match sha256(bytes) {
        found if found == entry.sha256 => Ok(bytes),
        found => Err(broken(entry, format!("its SHA-256 is {found}, not {}", entry.sha256))),
    }
}

/// The same of a compressed file: its contents, unpacked in memory.
pub(crate) fn built_in_unpacked(entry: &Entry, packed: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(usize::try_from(entry.bytes).unwrap_or(0));
    zstd::Decoder::with_buffer(packed)
        .and_then(|decoder| decoder.take(entry.bytes.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|e| broken(entry, e.to_string()))?;
    built_in(entry, &bytes)?;
    Ok(bytes)
}

pub(crate) fn file_error(path: &Path, doing: &'static str, source: io::Error) -> Error {
    Error::File { path: path.to_owned(), doing, source }
}

fn agree(path: &Path, entry: &Entry, found: String) -> Result<(), Error> {
    if found == entry.sha256 {
        return Ok(());
    }
    Err(Error::WrongHash { path: path.to_owned(), expected: entry.sha256.clone(), found })
}

fn broken(entry: &Entry, fault: String) -> Error {
    Error::Bundle { file: entry.file.clone(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Kind, Manifest};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const CONTENTS: &[u8] = b"the file as published";

    fn entry(sha256: &str) -> Entry {
        let row = format!(
            "name,file,kind,what,source,built,licence,attribution,bytes,networks,sha256\n\
             a,a.db.zst,location,w,s,2026-01-01,PDDL,,{},1,{sha256}\n",
            CONTENTS.len()
        );
        Manifest::parse(&row).unwrap().entry("a", Kind::Location).unwrap().clone()
    }

    fn packed() -> Vec<u8> {
        zstd::encode_all(CONTENTS, 3).unwrap()
    }

    #[test]
    fn a_file_is_unpacked_once_and_only_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let entry = entry(&sha256(CONTENTS));
        let path = unpacked(dir.path(), &entry, &packed()).unwrap();
        assert_eq!(path, dir.path().join("geoip").join(&entry.sha256).join("a.db"));
        assert_eq!(read_checked(&path, &entry).unwrap(), CONTENTS);
        check(&path, &entry).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        // The second time the packed bytes are not looked at.
        assert_eq!(unpacked(dir.path(), &entry, b"").unwrap(), path);
    }

    #[test]
    fn a_changed_cut_or_grown_file_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let entry = entry(&sha256(CONTENTS));
        let path = unpacked(dir.path(), &entry, &packed()).unwrap();
        let mut flipped = CONTENTS.to_vec();
        flipped[3] ^= 1;
        let grown = [CONTENTS, b"x"].concat();
        for wrong in [&flipped[..], &CONTENTS[1..], &grown, b""] {
            fs::write(&path, wrong).unwrap();
            assert_eq!(unpacked(dir.path(), &entry, &packed()).unwrap(), path);
            for error in
                [read_checked(&path, &entry).unwrap_err(), check(&path, &entry).unwrap_err()]
            {
                assert!(matches!(error, Error::WrongHash { .. }), "{error:?}");
                assert!(error.to_string().contains(path.to_str().unwrap()));
                assert!(error.hint().contains(path.to_str().unwrap()));
            }
            assert_eq!(fs::read(&path).unwrap(), wrong);
        }
    }

    #[test]
    fn a_broken_bundle_is_an_error_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let entry = entry(&sha256(CONTENTS));
        let longer = zstd::encode_all(&[CONTENTS, CONTENTS].concat()[..], 3).unwrap();
        for packed in [&longer[..], &packed()[..8], b"not zstd"] {
            assert!(unpacked(dir.path(), &entry, packed).is_err());
            let folder = directory(dir.path()).join(&entry.sha256);
            assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
            assert!(matches!(built_in_unpacked(&entry, packed), Err(Error::Bundle { .. })));
        }
        assert_eq!(built_in_unpacked(&entry, &packed()).unwrap(), CONTENTS);
        assert!(matches!(built_in(&entry, b"other"), Err(Error::Bundle { .. })));
        assert_eq!(built_in(&entry, CONTENTS).unwrap(), CONTENTS);
    }

    #[test]
    fn processes_that_unpack_at_once_all_find_a_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let entry = entry(&sha256(CONTENTS));
        let packed = packed();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let path = unpacked(dir.path(), &entry, &packed).unwrap();
                    assert_eq!(read_checked(&path, &entry).unwrap(), CONTENTS);
                });
            }
        });
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let blocked = dir.path().join("data");
        fs::write(&blocked, "a file, no directory").unwrap();
        let error = unpacked(&blocked, &entry(&sha256(CONTENTS)), &packed()).unwrap_err();
        assert!(error.to_string().contains(blocked.to_str().unwrap()), "{error}");
    }
}
