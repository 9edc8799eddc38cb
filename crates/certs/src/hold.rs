//! Who works with an authority, and who replaces it: a lock on its directory, which many running
//! programs may share and one that replaces or removes the authority must have alone. The operating
//! system lets go of it however a process ends.

use crate::disk::open_lock;
use crate::error::{Action, Error};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// Takes a share in the authority of `dir`, which is created when it is missing. Waits a moment
    /// for one who replaces it.
    pub(crate) fn shared(dir: &Path) -> Result<Self, Error> {
        let lock = lock(dir, File::try_lock_shared, ATTEMPTS)?;
        let lock = lock.ok_or_else(|| Error::BeingReplaced { dir: dir.to_owned() })?;
        Ok(Self { _lock: lock })
    }
}

impl ExclusiveHold {
    /// Takes the authority of `dir` for the caller alone. Waits a moment for those who only look
    /// at it.
    ///
    /// # Errors
    /// Somebody works with it, or the operating system refused.
    pub fn take(dir: &Path) -> Result<Self, Error> {
        let taken = Self::within(dir, ATTEMPTS)?;
        taken.ok_or_else(|| Error::InUse { dir: dir.to_owned() })
    }

    /// The same without waiting; `None` when somebody works with it.
    pub(crate) fn take_if_free(dir: &Path) -> Result<Option<Self>, Error> {
        Self::within(dir, 1)
    }

    fn within(dir: &Path, attempts: u32) -> Result<Option<Self>, Error> {
        let lock = lock(dir, File::try_lock, attempts)?;
        Ok(lock.map(|lock| Self { dir: dir.to_owned(), _lock: lock }))
    }
}

fn lock(
    dir: &Path,
    try_lock: fn(&File) -> Result<(), TryLockError>,
    attempts: u32,
) -> Result<Option<File>, Error> {
    let path = dir.join("landfall-ca.lock");
    let failed = |source| Error::Io { action: Action::Create, path: path.clone(), source };
    let file = open_lock(&path).map_err(failed)?;
    for attempt in 1..=attempts {
        match try_lock(&file) {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if attempt < attempts => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
    Ok(None)
}

/// Together about two seconds: longer than it takes to make a key, or to look at one.
const ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);
