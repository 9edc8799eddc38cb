//! What went wrong, as the person at the terminal reads it, and the exit code that scripts read.
//! Errors of the other crates become one of these at the place that knows what was being done.

use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind;

/// The exit codes, each with one meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok,
    Runtime,
    Usage,
    /// A condition was met (`--fail-on`) or something is not proven.
    Condition,
    /// What was checked is not sound.
    Verification,
    /// Databases are missing, unreadable or, under `--strict`, stale.
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
            Self::Verification => 4,
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
    what: Box<str>,
    place: Option<Box<str>>,
    /// Lines that show it, such as the text with a mark below the place.
    lines: Vec<String>,
    causes: Vec<String>,
    hint: Option<Box<str>>,
    /// What helps against the cause, where nothing better is said.
    of_cause: Option<&'static str>,
}

impl Error {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into().into_boxed_str(),
            place: None,
            lines: Vec::new(),
            causes: Vec::new(),
            hint: None,
            of_cause: None,
        }
    }

    pub(crate) fn runtime(what: impl Into<String>) -> Self {
        Self::new(Exit::Runtime, what)
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The file, option or address that it is about.
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string().into_boxed_str());
        self
    }

    /// Lines that show it.
    pub(crate) fn showing(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.lines.extend(lines);
        self
    }

    /// The error underneath, with its own sources.
    pub(crate) fn because(mut self, cause: &(dyn StdError + 'static)) -> Self {
        self.causes.extend(chain(cause));
        self.of_cause = self.of_cause.or_else(|| remedy(cause));
        self
    }

    /// What the person can do about it: an imperative sentence without a full stop.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into_boxed_str());
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
            ErrorKind::BrokenPipe => Exit::Ok,
            _ => Exit::Runtime,
        };
        Self::new(exit, "the output could not be written").because(error)
    }
}

/// What an error says, and then what each of its sources says.
pub(crate) fn chain(error: &dyn StdError) -> Vec<String> {
    let mut chain = vec![error.to_string()];
    let mut next = error.source();
    while let Some(source) = next {
        chain.push(source.to_string());
        next = source.source();
    }
    chain
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::output::escape::printable;
        write!(f, "error: {}", printable(&self.what))?;
        if let Some(place) = &self.place {
            write!(f, " ({})", printable(place))?;
        }
        for line in &self.lines {
            write!(f, "\n  {}", printable(line))?;
        }
        for cause in &self.causes {
            write!(f, "\n  because: {}", printable(cause))?;
        }
        let of_exit = match self.exit {
            Exit::Usage => "`landfall --help` lists the commands and options",
            _ => "`landfall doctor` checks what Landfall needs of this machine",
        };
        let hint = self.hint.as_deref().or(self.of_cause).unwrap_or(of_exit);
        write!(f, "\nhint: {}", printable(hint))
    }
}

/// What helps against what the system refused.
fn remedy(cause: &(dyn StdError + 'static)) -> Option<&'static str> {
    let mut next = Some(cause);
    let refused = loop {
        let error = next?;
        match error.downcast_ref::<std::io::Error>() {
            Some(refused) => break refused,
            None => next = error.source(),
        }
    };
    Some(match refused.kind() {
        ErrorKind::NotFound => "check the path: a part of it is not there",
        ErrorKind::PermissionDenied => "check who owns it and who may write to it (`ls -ld`)",
        ErrorKind::NotADirectory => "name a directory: a part of this path is a file",
        ErrorKind::IsADirectory => "name a file: this is a directory",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space there",
        ErrorKind::ReadOnlyFilesystem => "choose a place that can be written to",
        ErrorKind::InvalidData => "check that it is the file that was meant: this one is no text",
        _ => return None,
    })
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
    fn every_error_ends_with_a_hint() {
        let hint = |error: Error| error.to_string().lines().last().unwrap_or_default().to_owned();
        assert!(hint(Error::usage("no")).starts_with("hint: `landfall --help`"));
        assert!(hint(Error::runtime("no")).starts_with("hint: `landfall doctor`"));
        let missing = std::io::Error::from(ErrorKind::NotADirectory);
        let error = Error::usage("no").because(&missing);
        assert_eq!(hint(error), "hint: name a directory: a part of this path is a file");
        assert_eq!(hint(Error::usage("no").because(&missing).hint("this")), "hint: this");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = std::io::Error::from(ErrorKind::BrokenPipe);
        assert_eq!(Error::output(&closed).exit().code(), 0);
        let full = std::io::Error::from(ErrorKind::StorageFull);
        assert_eq!(Error::output(&full).exit().code(), 1);
    }
}
