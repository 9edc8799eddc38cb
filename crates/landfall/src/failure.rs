//! The other crates' errors as the command line's: each has an exit code and, where there is one,
//! a hint.

use crate::error::{Error, Exit};
use crate::output::escape::printable;
use flow::filter::FilterError;
use recorder::probe::ProbeError;
use recorder::read::ReadError;
use unicode_width::UnicodeWidthStr;

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

impl From<ProbeError> for Error {
    fn from(error: ProbeError) -> Self {
        hinted(Exit::Runtime, &error, Some(error.hint()))
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
            error @ evidence::Error::Running => {
                hinted(Exit::Runtime, &error, Some("end the run first, or name another session"))
            }
            error => hinted(Exit::Runtime, &error, None),
        }
    }
}

impl Error {
    /// A refused filter, with a mark below the place where reading it stopped.
    pub(crate) fn filter(text: &str, error: &FilterError) -> Self {
        Self::usage(format!("the filter is not valid: {error}"))
            .showing(
                error.shows_place().then(|| marked(text, error.position)).into_iter().flatten(),
            )
            .hint(error.hint())
    }
}

/// The text around the byte, and a line with a caret below it.
fn marked(text: &str, position: usize) -> [String; 2] {
    let (before, after) = text.split_at_checked(position).unwrap_or((text, ""));
    let skipped = before.chars().count().saturating_sub(SHOWN_BEFORE);
    let start: String = before.chars().skip(skipped).collect();
    let end: String = after.chars().take(SHOWN_AFTER).collect();
    let start = format!("{}{}", if skipped == 0 { "" } else { "…" }, printable(&start));
    let more = if after.chars().nth(SHOWN_AFTER).is_some() { "…" } else { "" };
    [format!("{start}{}{more}", printable(&end)), format!("{}^", " ".repeat(start.width()))]
}

const SHOWN_BEFORE: usize = 50;
const SHOWN_AFTER: usize = 20;

fn hinted(exit: Exit, error: &(dyn std::error::Error + 'static), hint: Option<&str>) -> Error {
    let mut shown = Error::new(exit, error.to_string());
    if let Some(source) = error.source() {
        shown = shown.because(source);
    }
    match hint {
        Some(hint) => shown.hint(hint),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = flow::filter::parse(text).unwrap_err();
        assert_eq!(Error::filter(text, &error).to_string(), expected);
    }

    #[test]
    fn a_refused_filter_is_shown_with_the_place_and_a_hint() {
        check(
            "a contry:CN",
            "error: the filter is not valid: there is no key \"contry\"\n  a contry:CN\n    ^\n\
             hint: did you mean \"country\"?",
        );
        check(
            "路径 or",
            "error: the filter is not valid: expected a term, `not` or `(`\n  路径 or\n         ^\n\
             hint: write terms such as host:*.example.com country:CN not(status:2xx)",
        );
    }

    #[test]
    fn a_long_filter_is_cut_around_the_place_and_one_too_long_is_not_shown() {
        let text = format!("{} contry:CN {}", "a ".repeat(100), "b ".repeat(100));
        let shown = Error::filter(&text, &flow::filter::parse(&text).unwrap_err()).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[2].find('^').unwrap();
        assert!(lines[1].chars().skip(caret).collect::<String>().starts_with("contry"), "{shown}");
        assert!(lines[1].chars().count() < 80, "{shown}");
        let text = "a".repeat(5_000);
        let shown = Error::filter(&text, &flow::filter::parse(&text).unwrap_err()).to_string();
        assert!(shown.len() < 200 && !shown.contains("aaaa"), "{shown}");
    }
}
