//! What is wrong with an archive.

use crate::name::BadName;
use std::fmt;
use std::io;

/// An archive that could not be read or written.
#[derive(Debug)]
pub enum Error {
    Io(io::Error),
    /// It is not of the one form.
    Fault {
        /// Where, in bytes from its beginning.
        offset: u64,
        fault: Fault,
    },
}

/// How an archive departs from the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not end as an archive does.
    NoEnd,
    /// Something in a header is not as it must be.
    Header(&'static str),
    /// A name that no file of an archive may have.
    Name(BadName),
    /// Names are not sorted, or one occurs twice.
    Order(String),
    /// Two names are one where case does not count.
    CaseCollision(String),
    /// Bytes between files, or files that overlap.
    Layout,
    /// The file's content is not what its sum says.
    Sum(String),
    /// More files than this program reads.
    TooMany,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEnd => f.write_str("it does not end as an archive does"),
            Self::Header(what) => write!(f, "a header has another {what} than it must have"),
            Self::Name(bad) => bad.fmt(f),
            Self::Order(name) => write!(f, "{name} is out of order or occurs twice"),
            Self::CaseCollision(name) => write!(f, "{name} differs from another name in case only"),
            Self::Layout => f.write_str("files overlap, or there are bytes between them"),
            Self::Sum(name) => write!(f, "{name} is damaged: its checksum differs"),
            Self::TooMany => f.write_str("it has more files than are read"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("could not read or write the archive"),
            Self::Fault { offset, fault } => write!(f, "at byte {offset}: {fault}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(source) => Some(source),
            Self::Fault { .. } => None,
        }
    }
}

impl From<BadName> for Error {
    fn from(bad: BadName) -> Self {
        Self::Fault { offset: 0, fault: Fault::Name(bad) }
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}
