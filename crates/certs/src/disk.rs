//! What is asked of the file system: whole files, private from their first byte, durable when the
//! call returns, and keys overwritten before they go. Knows no names of files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Opens or creates the file that holders of a directory lock. One that cannot be written will do,
/// so that an authority on a read-only medium can be looked at.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    set_mode(&mut options, 0o600);
    let opened = path.parent().map_or(Ok(()), create_private_dir).and_then(|()| options.open(path));
    match opened {
        Err(error) if is_read_only(&error) => File::open(path).map_err(|_none| error),
        opened => opened,
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// All files of a directory in the order of their names; none when there is no directory.
pub(crate) fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?,
    };
    all.sort();
    Ok(all)
}

pub(crate) fn open_to_scrub(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Overwrites a key's bytes where they lie. Disks and file systems that write elsewhere (SSDs,
/// copy-on-write, snapshots, backups) may keep them: only encryption of the disk helps there.
pub(crate) fn scrub(mut key: File) -> io::Result<()> {
    let length = usize::try_from(key.metadata()?.len().min(MAX_FILE_BYTES)).unwrap_or_default();
    key.write_all(&vec![0; length])?;
    key.sync_all()
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A file of ours has some hundred bytes; what is far larger is not ours.
const MAX_FILE_BYTES: u64 = 64 * 1024;

pub(crate) fn read_bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_FILE_BYTES {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is larger than 64 KiB")),
        false => Ok(bytes),
    }
}

pub(crate) fn write_new(path: &Path, contents: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    set_mode(&mut options, mode);
    let mut file = options.open(path)?;
    file.write_all(contents.as_bytes())?;
    file.sync_all()
}

#[cfg(unix)]
pub(crate) fn create_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(unix)]
pub(crate) fn set_mode(options: &mut OpenOptions, mode: u32) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(mode);
}

#[cfg(unix)]
pub(crate) fn permission_bits(file: &File) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o7777)
}

#[cfg(unix)]
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

// Elsewhere a file's readers follow from its directory, the user's profile.
#[cfg(not(unix))]
pub(crate) fn create_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(dir)
}

#[cfg(not(unix))]
pub(crate) fn set_mode(_options: &mut OpenOptions, _mode: u32) {}

#[cfg(not(unix))]
pub(crate) fn permission_bits(_file: &File) -> io::Result<u32> {
    Ok(0o600)
}

#[cfg(not(unix))]
pub(crate) fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}
