//! Whether somebody is recording into a session.

use super::error::IndexError;
use crate::directory::SessionDir;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;

/// Whether somebody holds the session's lock. Asking takes it for a moment, shared with others who
/// ask.
pub(crate) fn is_written(session: &SessionDir) -> Result<bool, IndexError> {
    let path = session.lock_file();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(IndexError::Io { path, source }),
    };
    match file.try_lock_shared() {
        // It ends with the file.
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(IndexError::Io { path, source }),
    }
}
