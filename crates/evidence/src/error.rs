//! Why an export could not be made.

use recorder::read::ReadError;
use std::fmt;
use std::io;

/// A failed export; what was written so far is not usable.
#[derive(Debug)]
pub enum Error {
    /// The session could not be read.
    Read(ReadError),
    /// A file of the session or the bundle could not be read.
    File(io::Error),
    /// The export could not be written.
    Output(io::Error),
    /// A row could not be written as JSON.
    Json(serde_json::Error),
    /// The archive could not be made.
    Archive(archive::Error),
    /// The key gave no signature.
    Unsigned,
    /// The session is still being recorded.
    Running,
    /// Its review log could not be read.
    Review(recorder::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "the session cannot be read",
            Self::File(_) => "a file of it cannot be read",
            Self::Output(_) => "the export cannot be written",
            Self::Json(_) => "a row cannot be written as JSON",
            Self::Archive(_) => "the bundle cannot be written",
            Self::Unsigned => "the bundle cannot be signed",
            Self::Running => "the session is still being recorded",
            Self::Review(_) => "the session's review log cannot be read",
        })
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(source) => Some(source),
            Self::File(source) | Self::Output(source) => Some(source),
            Self::Json(source) => Some(source),
            Self::Archive(source) => Some(source),
            Self::Review(source) => Some(source),
            Self::Unsigned | Self::Running => None,
        }
    }
}

impl From<ReadError> for Error {
    fn from(source: ReadError) -> Self {
        Self::Read(source)
    }
}

impl From<recorder::Error> for Error {
    fn from(source: recorder::Error) -> Self {
        Self::Review(source)
    }
}

impl From<serde_json::Error> for Error {
    fn from(source: serde_json::Error) -> Self {
        // An error of the writer comes wrapped.
        if source.is_io() { Self::Output(source.into()) } else { Self::Json(source) }
    }
}

impl From<archive::Error> for Error {
    fn from(source: archive::Error) -> Self {
        Self::Archive(source)
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        Self::Output(source)
    }
}
