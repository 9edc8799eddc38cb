//! The files of the authority: where they are, reading them, and publishing each of them whole or
//! not at all. Knows nothing of what is in them, nor in which order they change.
//!
//! A file is written under a temporary name, flushed, and then *linked* to its own name, which
//! fails when somebody else was first. So no reader ever sees half a file, and of two processes that
//! create an authority at once one wins and the other takes the winner's. The key is published
//! before the certificate, hence a certificate without a key is never a creation under way.
//! Replacing and removing is for who holds the directory alone ([`crate::hold`]).

use crate::disk::{self, create_private_dir, open_to_scrub, read_bounded, scrub, sync_dir};
use crate::error::{Action, Error};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The authority's directory.
pub(crate) struct Store {
    dir: PathBuf,
}

/// Which of the authorities that a directory can hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one that is in use.
    Current,
    /// The one that a rotation puts in its place.
    Next,
}

/// What came of publishing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    New,
    /// Somebody was first; their file is left as it is.
    ThereAlready,
}

impl Store {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn certificate_path(&self, which: Which) -> PathBuf {
        self.dir.join(match which {
            Which::Current => "landfall-ca.pem",
            Which::Next => "landfall-ca.next.pem",
        })
    }

    pub(crate) fn key_path(&self, which: Which) -> PathBuf {
        self.dir.join(match which {
            Which::Current => "landfall-ca.key",
            Which::Next => "landfall-ca.next.key",
        })
    }

    /// The certificate file, or `None` when there is none.
    pub(crate) fn read_certificate(&self, which: Which) -> Result<Option<Vec<u8>>, Error> {
        let path = self.certificate_path(which);
        match File::open(&path) {
            Ok(file) => read_bounded(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
        .map_err(failed(Action::Read, &path))
    }

    /// The key file, or `None` when there is none. A key that other users may read is refused, for
    /// it may have been copied, and then anybody can read the traffic of the devices that trust it.
    pub(crate) fn read_key(&self, which: Which) -> Result<Option<Vec<u8>>, Error> {
        let path = self.key_path(which);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(Action::Read, &path)(error)),
        };
        let mode = disk::permission_bits(&file).map_err(failed(Action::Read, &path))?;
        if mode & 0o077 != 0 {
            return Err(Error::KeyExposed { path, mode });
        }
        read_bounded(file).map(Some).map_err(failed(Action::Read, &path))
    }

    pub(crate) fn has_certificate(&self, which: Which) -> bool {
        self.certificate_path(which).exists()
    }

    pub(crate) fn has_key(&self, which: Which) -> bool {
        self.key_path(which).exists()
    }

    /// Creates the key file, readable by its owner alone, unless there is one already.
    pub(crate) fn publish_key(&self, which: Which, pem: &str) -> Result<Published, Error> {
        self.publish(&self.key_path(which), pem, 0o600)
    }

    /// Creates the certificate file, unless there is one already.
    pub(crate) fn publish_certificate(&self, which: Which, pem: &str) -> Result<Published, Error> {
        self.publish(&self.certificate_path(which), pem, 0o644)
    }

    /// Overwrites the bytes of the current key (see [`scrub`]), if it is there.
    pub(crate) fn scrub_key(&self) -> Result<(), Error> {
        let path = self.key_path(Which::Current);
        let scrubbed = open_to_scrub(&path).and_then(|key| key.map_or(Ok(()), scrub));
        scrubbed.map_err(failed(Action::Replace, &path))
    }

    /// Puts the next key in the current one's place.
    pub(crate) fn promote_key(&self) -> Result<(), Error> {
        self.promote(&self.key_path(Which::Next), &self.key_path(Which::Current))
    }

    /// Puts the next certificate in the current one's place.
    pub(crate) fn promote_certificate(&self) -> Result<(), Error> {
        self.promote(&self.certificate_path(Which::Next), &self.certificate_path(Which::Current))
    }

    /// Destroys a key, if it is there.
    pub(crate) fn destroy_key(&self, which: Which) -> Result<(), Error> {
        self.destroy(&self.key_path(which))
    }

    /// Destroys what interrupted writing left under temporary names, keys perhaps; returns how
    /// much there was. For who holds the directory alone: nobody is writing one.
    pub(crate) fn destroy_leftovers(&self) -> Result<usize, Error> {
        let leftovers = self.leftovers()?;
        leftovers.iter().try_for_each(|path| self.destroy(path))?;
        Ok(leftovers.len())
    }

    pub(crate) fn remove_certificate(&self, which: Which) -> Result<(), Error> {
        let path = self.certificate_path(which);
        disk::remove_if_there(&path)
            .and_then(|()| sync_dir(&self.dir))
            .map_err(failed(Action::Remove, &path))
    }

    /// Keeps a certificate that is no longer in use, so that it can be told which one a device
    /// still trusts, or an old session was recorded with.
    pub(crate) fn keep_former(&self, name: &str, pem: &str) -> Result<(), Error> {
        let path = self.dir.join(FORMER).join(format!("{name}.pem"));
        if self.publish(&path, pem, 0o644)? == Published::New {
            return Ok(());
        }
        // An interrupted rotation has kept it already, unless it is something else.
        let kept = File::open(&path).and_then(read_bounded).map_err(failed(Action::Read, &path))?;
        if kept == pem.as_bytes() { Ok(()) } else { Err(Error::InTheWay { path }) }
    }

    /// The certificates that are no longer in use, each with its path.
    pub(crate) fn former(&self) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        let dir = self.dir.join(FORMER);
        let mut former = Vec::new();
        for path in disk::entries(&dir).map_err(failed(Action::Read, &dir))? {
            if path.extension().is_some_and(|extension| extension == "pem") {
                let read = File::open(&path).and_then(read_bounded);
                former.push((path.clone(), read.map_err(failed(Action::Read, &path))?));
            }
        }
        Ok(former)
    }

    /// Files under temporary names: of a writer at work, or of one that was interrupted.
    pub(crate) fn leftovers(&self) -> Result<Vec<PathBuf>, Error> {
        let all = disk::entries(&self.dir).map_err(failed(Action::Read, &self.dir))?;
        let is_ours = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY))
        };
        Ok(all.into_iter().filter(is_ours).collect())
    }

    fn publish(&self, path: &Path, contents: &str, mode: u32) -> Result<Published, Error> {
        let temporary = self.temporary()?;
        let dir = path.parent().unwrap_or(&self.dir);
        let linked = create_private_dir(dir)
            .and_then(|()| disk::write_new(&temporary, contents, mode))
            .and_then(|()| fs::hard_link(&temporary, path));
        // It is only there when it was written; the link, not this name, is what counts.
        drop(fs::remove_file(&temporary));
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Published::ThereAlready);
            }
            linked => linked.and_then(|()| sync_dir(dir)).map(|()| Published::New),
        }
        .map_err(failed(Action::Create, path))
    }

    fn promote(&self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::rename(from, to).and_then(|()| sync_dir(&self.dir)).map_err(failed(Action::Replace, to))
    }

    fn destroy(&self, path: &Path) -> Result<(), Error> {
        open_to_scrub(path)
            .and_then(|key| key.map_or(Ok(()), scrub))
            .and_then(|()| disk::remove_if_there(path))
            .and_then(|()| sync_dir(&self.dir))
            .map_err(failed(Action::Remove, path))
    }

    /// A name that nobody else uses.
    fn temporary(&self) -> Result<PathBuf, Error> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_unspecified| Error::Random)?;
        Ok(self.dir.join(format!("{TEMPORARY}{:016x}", u64::from_ne_bytes(random))))
    }
}

/// The directory of certificates that are no longer in use.
const FORMER: &str = "former";
/// How temporary names begin.
const TEMPORARY: &str = ".landfall-ca.";

fn failed(action: Action, path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    move |source| Error::Io { action, path: path.to_owned(), source }
}
