//! What went wrong, as the person at the terminal reads it, and the exit code that scripts read.
//! Errors of the other crates become one of these at the place that knows what was being done.

use std::error::Error as StdError;
use std::fmt;

/// The exit codes, each with one meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok,
    Runtime,
    Usage,
    /// A condition was met (`--fail-on`) or something is not proven.
    Condition,
    /// Databases are missing or unreadable.
    Databases,
    CannotBind,
    /// Ctrl-C before the end.
    Interrupted,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Runtime => 1,
            Self::Usage => 2,
            Self::Condition => 3,
            Self::Databases => 5,
            Self::CannotBind => 6,
            Self::Interrupted => 130,
        }
    }
}

/// A failure of a command: what failed, where, because of what, and what to do about it.
#[derive(Debug)]
pub(crate) struct Error {
    exit: Exit,
    what: String,
    place: Option<String>,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Error {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), place: None, causes: Vec::new(), hint: None }
    }

    pub(crate) fn runtime(what: impl Into<String>) -> Self {
        Self::new(Exit::Runtime, what)
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The file, option or address that it is about.
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// The error underneath, with its own sources.
    pub(crate) fn because(mut self, cause: &dyn StdError) -> Self {
        self.causes.push(cause.to_string());
        let mut next = cause.source();
        while let Some(source) = next {
            self.causes.push(source.to_string());
            next = source.source();
        }
        self
    }

    /// What the person can do about it: an imperative sentence without a full stop.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The reader of our output went away (`landfall flow list | head`): no failure of ours.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.exit == Exit::Ok
    }

    /// A failed write to stdout; a closed pipe is a quiet, successful end.
    pub(crate) fn output(error: &std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::BrokenPipe => Exit::Ok,
            _ => Exit::Runtime,
        };
        Self::new(exit, "the output could not be written").because(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::output::escape::printable;
        write!(f, "error: {}", printable(&self.what))?;
        if let Some(place) = &self.place {
            write!(f, " ({})", printable(place))?;
        }
        for cause in &self.causes {
            write!(f, "\n  because: {}", printable(cause))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {}", printable(hint))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_prints_what_where_why_and_what_to_do() {
        let cause = std::io::Error::other("disk\u{1b}[2J on fire");
        let error = Error::runtime("the file could not be read")
            .at("a.toml")
            .because(&cause)
            .hint("put it out");
        assert_eq!(
            error.to_string(),
            "error: the file could not be read (a.toml)\n  because: disk\\x1b[2J on fire\nhint: put it out"
        );
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(Error::output(&closed).exit().code(), 0);
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Error::output(&full).exit().code(), 1);
    }
}
