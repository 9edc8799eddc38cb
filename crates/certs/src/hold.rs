//! Who works with an authority, and who replaces it: a lock on its directory, which many running
//! programs may share and one that replaces or removes the authority must have alone. The operating
//! system lets go of it however a process ends.

use crate::error::{Action, Error};
use crate::store;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// A share in an authority: while it is held, the authority is neither replaced nor removed.
#[derive(Debug)]
pub struct Hold {
    _lock: File,
}

/// The authority's directory for one alone.
#[derive(Debug)]
pub struct ExclusiveHold {
    pub(crate) dir: PathBuf,
    _lock: File,
}

impl Hold {
    /// Takes a share in the authority of `dir`, which is created when it is missing.
    ///
    /// # Errors
    /// The authority is being replaced or removed, or the operating system refused.
    pub fn shared(dir: &Path) -> Result<Self, Error> {
        Ok(Self { _lock: lock(dir, File::try_lock_shared)? })
    }
}

impl ExclusiveHold {
    /// Takes the authority of `dir` for the caller alone.
    ///
    /// # Errors
    /// Somebody works with it, or the operating system refused.
    pub fn take(dir: &Path) -> Result<Self, Error> {
        Ok(Self { dir: dir.to_owned(), _lock: lock(dir, File::try_lock)? })
    }
}

fn lock(dir: &Path, try_lock: fn(&File) -> Result<(), TryLockError>) -> Result<File, Error> {
    let failed =
        |source| Error::Io { action: Action::Create, path: dir.join("landfall-ca.lock"), source };
    let file = store::open_lock(dir).map_err(failed)?;
    match try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
