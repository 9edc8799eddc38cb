//! Why the index could not be made.

use crate::openings::OpeningError;
use crate::record::RecordError;
use crate::record::sealed::OpeningFault;
use std::fmt;
use std::path::PathBuf;

/// A failure to derive the index. The log and the stream store are not touched by any of them.
#[derive(Debug)]
pub enum IndexError {
    /// The log or a file of the index could not be read or written.
    Io { path: PathBuf, source: std::io::Error },
    /// SQLite failed.
    Database { path: PathBuf, source: rusqlite::Error },
    /// A line of the log is no record.
    Record { path: PathBuf, offset: u64, source: RecordError },
    /// The values of a record are not those that it commits to.
    Opening { path: PathBuf, seq: u64, fault: OpeningFault },
    /// The records are not numbered one by one.
    Sequence { path: PathBuf, offset: u64, expected: u64, found: u64 },
    /// A line is longer than any record.
    LongLine { path: PathBuf, offset: u64, limit: u64 },
    /// A number of the record is larger than a database can hold.
    Number { seq: u64, number: u64 },
    /// Somebody is recording into the session and keeps its index.
    Running { path: PathBuf },
    /// The index thread ended without a result.
    ThreadGone,
}

impl IndexError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check that the session directory can be read and written",
            Self::Database { .. } => {
                "the index is derived: `landfall session reindex` makes it anew"
            }
            Self::Record { source: RecordError::Version(_), .. } => {
                "read it with the version of Landfall that wrote it"
            }
            Self::Opening { .. } => "restore the session from a copy",
            Self::Record { .. } | Self::Sequence { .. } | Self::LongLine { .. } => {
                "the log is damaged or from a later version: `landfall verify` says which"
            }
            Self::Number { .. } => "the log was not written by Landfall: `landfall verify` it",
            Self::Running { .. } => "wait until the recording has ended, or end it",
            Self::ThreadGone => "this is a bug in Landfall; `landfall session reindex` repairs it",
        }
    }

    /// Whether another process held the file for too long: trying again may help.
    pub(crate) fn is_busy(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        let Self::Database { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
    }

    /// Whether the file itself is broken, so that only making it anew helps.
    pub(crate) fn is_corruption(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let Self::Database { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, .. } => write!(f, "cannot read or write {}", path.display()),
            Self::Database { path, .. } => write!(f, "the index {} failed", path.display()),
            Self::Record { path, offset, .. } => {
                write!(f, "{}, byte {offset}: not a record", path.display())
            }
            Self::Opening { path, seq, fault } => {
                write!(f, "{}: of record {seq}: {fault}", path.display())
            }
            Self::Sequence { path, offset, expected, found } => write!(
                f,
                "{}, byte {offset}: record {found} where record {expected} should be",
                path.display()
            ),
            Self::LongLine { path, offset, limit } => {
                write!(f, "{}, byte {offset}: a line of more than {limit} bytes", path.display())
            }
            Self::Number { seq, number } => {
                write!(f, "record {seq}: the number {number} is out of range")
            }
            Self::Running { path } => write!(f, "{} is being recorded", path.display()),
            Self::ThreadGone => f.write_str("the index thread ended without a result"),
        }
    }
}

impl std::error::Error for IndexError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Database { source, .. } => Some(source),
            Self::Record { source, .. } => Some(source),
            Self::Opening { .. }
            | Self::Sequence { .. }
            | Self::LongLine { .. }
            | Self::Number { .. }
            | Self::Running { .. }
            | Self::ThreadGone => None,
        }
    }
}

impl From<OpeningError> for IndexError {
    fn from(error: OpeningError) -> Self {
        match error {
            OpeningError::Io { path, source } => Self::Io { path, source },
            OpeningError::Fault { path, seq, fault } => Self::Opening { path, seq, fault },
        }
    }
}
