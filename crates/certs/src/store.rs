//! The two files of the authority: reading them, and publishing each of them whole or not at all.
//! Knows nothing of what is in them.
//!
//! A file is written under a temporary name, flushed, and then *linked* to its own name, which
//! fails when somebody else was first. So no reader ever sees half a file, and of two processes that
//! create an authority at once one wins and the other takes the winner's. The key is published
//! before the certificate, hence a certificate without a key is never a creation under way.
//! Replacing and removing is for who holds the directory alone ([`crate::hold`]).

use crate::error::{Action, Error};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The authority's directory.
pub(crate) struct Store {
    dir: PathBuf,
}

impl Store {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn certificate_path(&self) -> PathBuf {
        self.dir.join("landfall-ca.pem")
    }

    pub(crate) fn key_path(&self) -> PathBuf {
        self.dir.join("landfall-ca.key")
    }

    /// The certificate file, or `None` when there is none.
    pub(crate) fn read_certificate(&self) -> Result<Option<Vec<u8>>, Error> {
        let path = self.certificate_path();
        match File::open(&path) {
            Ok(file) => read_bounded(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
        .map_err(|source| Error::Io { action: Action::Read, path, source })
    }

    /// The key file, or `None` when there is none. A key that other users may read is refused, for
    /// it may have been copied, and then anybody can read the traffic of the devices that trust it.
    pub(crate) fn read_key(&self) -> Result<Option<Vec<u8>>, Error> {
        let path = self.key_path();
        let failed = |source| Error::Io { action: Action::Read, path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mode = permission_bits(&file).map_err(failed)?;
        if mode & 0o077 != 0 {
            return Err(Error::KeyExposed { path, mode });
        }
        read_bounded(file).map(Some).map_err(failed)
    }

    /// Creates the key file, readable by its owner alone, unless there is one already.
    pub(crate) fn publish_key(&self, pem: &str) -> Result<(), Error> {
        self.publish(&self.key_path(), pem, 0o600)
    }

    /// Creates the certificate file, unless there is one already.
    pub(crate) fn publish_certificate(&self, pem: &str) -> Result<(), Error> {
        self.publish(&self.certificate_path(), pem, 0o644)
    }

    /// Puts a new key in the old one's place, whose bytes are overwritten (see [`scrub`]).
    pub(crate) fn replace_key(&self, pem: &str) -> Result<(), Error> {
        let path = self.key_path();
        let failed = |source| Error::Io { action: Action::Replace, path: path.clone(), source };
        let temporary = self.temporary()?;
        let old = open_to_scrub(&path).map_err(failed)?;
        let replaced = write_new(&temporary, pem, 0o600)
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| sync_dir(&self.dir));
        if replaced.is_err() {
            // It is only there when it was written and not renamed.
            drop(fs::remove_file(&temporary));
        }
        replaced.and_then(|()| old.map_or(Ok(()), scrub)).map_err(failed)
    }

    /// Destroys the key, and what interrupted creations left of one.
    pub(crate) fn destroy_keys(&self) -> Result<(), Error> {
        for path in self.leftovers()?.into_iter().chain([self.key_path()]) {
            let destroyed = open_to_scrub(&path)
                .and_then(|key| key.map_or(Ok(()), scrub))
                .and_then(|()| remove_if_there(&path))
                .and_then(|()| sync_dir(&self.dir));
            destroyed.map_err(|source| Error::Io { action: Action::Remove, path, source })?;
        }
        Ok(())
    }

    pub(crate) fn remove_certificate(&self) -> Result<(), Error> {
        let path = self.certificate_path();
        remove_if_there(&path).and_then(|()| sync_dir(&self.dir)).map_err(|source| Error::Io {
            action: Action::Remove,
            path,
            source,
        })
    }

    /// Keeps a certificate that is no longer in use, so that it can be told which one a device
    /// still trusts, or an old session was recorded with.
    pub(crate) fn keep_former(&self, name: &str, pem: &str) -> Result<(), Error> {
        self.publish(&self.dir.join(FORMER).join(format!("{name}.pem")), pem, 0o644)
    }

    /// The certificates that are no longer in use, each with its path.
    pub(crate) fn former(&self) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| Error::Io { action: Action::Read, path, source }
        };
        let dir = self.dir.join(FORMER);
        let mut former = Vec::new();
        for path in entries(&dir).map_err(failed(&dir))? {
            if path.extension().is_some_and(|extension| extension == "pem") {
                let bytes = File::open(&path).and_then(read_bounded).map_err(failed(&path))?;
                former.push((path, bytes));
            }
        }
        Ok(former)
    }

    fn publish(&self, path: &Path, contents: &str, mode: u32) -> Result<(), Error> {
        let temporary = self.temporary()?;
        let dir = path.parent().unwrap_or(&self.dir);
        let linked = create_private_dir(dir)
            .and_then(|()| write_new(&temporary, contents, mode))
            .and_then(|()| fs::hard_link(&temporary, path));
        // It is only there when it was written; the link, not this name, is what counts.
        drop(fs::remove_file(&temporary));
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked.and_then(|()| sync_dir(dir)),
        }
        .map_err(|source| Error::Io {
            action: Action::Create,
            path: path.to_owned(),
            source,
        })
    }

    /// A name that nobody else uses.
    fn temporary(&self) -> Result<PathBuf, Error> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_unspecified| Error::Random)?;
        Ok(self.dir.join(format!("{TEMPORARY}{:016x}", u64::from_ne_bytes(random))))
    }

    /// Files under temporary names. Nobody is writing one: the caller holds the directory alone.
    fn leftovers(&self) -> Result<Vec<PathBuf>, Error> {
        let all = entries(&self.dir).map_err(|source| Error::Io {
            action: Action::Read,
            path: self.dir.clone(),
            source,
        })?;
        let is_ours = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY))
        };
        Ok(all.into_iter().filter(is_ours).collect())
    }
}

/// Opens or creates the file that holders of a directory lock.
pub(crate) fn open_lock(dir: &Path) -> io::Result<File> {
    create_private_dir(dir)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    set_mode(&mut options, 0o600);
    options.open(dir.join("landfall-ca.lock"))
}

/// The directory of certificates that are no longer in use.
const FORMER: &str = "former";
/// How temporary names begin.
const TEMPORARY: &str = ".landfall-ca.";

/// All files of a directory in the order of their names; none when there is no directory.
fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?,
    };
    all.sort();
    Ok(all)
}

fn open_to_scrub(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Overwrites a key's bytes where they lie. Disks and file systems that write elsewhere (SSDs,
/// copy-on-write, snapshots, backups) may keep them: only encryption of the disk helps there.
fn scrub(mut key: File) -> io::Result<()> {
    let length = usize::try_from(key.metadata()?.len().min(MAX_FILE_BYTES)).unwrap_or_default();
    key.write_all(&vec![0; length])?;
    key.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A file of ours has some hundred bytes; what is far larger is not ours.
const MAX_FILE_BYTES: u64 = 64 * 1024;

fn read_bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_FILE_BYTES {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is larger than 64 KiB")),
        false => Ok(bytes),
    }
}

fn write_new(path: &Path, contents: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    set_mode(&mut options, mode);
    let mut file = options.open(path)?;
    file.write_all(contents.as_bytes())?;
    file.sync_all()
}

#[cfg(unix)]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, mode: u32) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(mode);
}

#[cfg(unix)]
fn permission_bits(file: &File) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o7777)
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

// Elsewhere a file's readers follow from its directory, the user's profile.
#[cfg(not(unix))]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(dir)
}

#[cfg(not(unix))]
fn set_mode(_options: &mut OpenOptions, _mode: u32) {}

#[cfg(not(unix))]
fn permission_bits(_file: &File) -> io::Result<u32> {
    Ok(0o600)
}

#[cfg(not(unix))]
fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}
