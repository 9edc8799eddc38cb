//! The other crates' errors as the command line's: each has an exit code and, where there is one,
//! a hint.

use crate::error::{Error, Exit};
use recorder::read::ReadError;

impl From<certs::Error> for Error {
    fn from(error: certs::Error) -> Self {
        hinted(Exit::Runtime, &error, error.hint())
    }
}

impl From<geoip::Error> for Error {
    fn from(error: geoip::Error) -> Self {
        hinted(Exit::Databases, &error, Some(&error.hint()))
    }
}

impl From<resolver::Error> for Error {
    fn from(error: resolver::Error) -> Self {
        hinted(Exit::Usage, &error, Some(error.hint()))
    }
}

impl From<recorder::Error> for Error {
    fn from(error: recorder::Error) -> Self {
        hinted(Exit::Runtime, &error, error.hint())
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Output(source) => Self::output(source),
            ReadError::NotLookedFor(_) => hinted(Exit::Usage, &error, error.hint()),
            _ => hinted(Exit::Runtime, &error, error.hint()),
        }
    }
}

impl From<evidence::Error> for Error {
    fn from(error: evidence::Error) -> Self {
        match error {
            evidence::Error::Read(error) => error.into(),
            evidence::Error::Output(error) => Self::output(&error),
            error => hinted(Exit::Runtime, &error, None),
        }
    }
}

fn hinted(exit: Exit, error: &dyn std::error::Error, hint: Option<&str>) -> Error {
    let mut shown = Error::new(exit, error.to_string());
    if let Some(source) = error.source() {
        shown = shown.because(source);
    }
    match hint {
        Some(hint) => shown.hint(hint),
        None => shown,
    }
}
