//! Why a text is no filter, with the place and what would have been right.

use std::fmt;

/// A refused filter. `Display` says what is wrong; the place and what helps are apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Byte offset into the text at which the problem begins.
    pub position: usize,
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No key of the language; the nearest one, where one is near.
    UnknownKey { key: String, suggestion: Option<&'static str> },
    /// A value that the key does not take.
    BadValue {
        key: &'static str,
        value: String,
        /// What the key takes, as a noun phrase.
        expected: &'static str,
        suggestion: Option<&'static str>,
    },
    /// A key with an operator where its colon belongs; what was probably meant.
    NoColon(String),
    /// Something else should stand here, such as a value after a colon.
    Expected(&'static str),
    /// A quote without its partner.
    OpenQuote,
    /// An opening parenthesis without its partner.
    OpenParenthesis,
    /// More than this many bytes, as written or in canonical form.
    TooLong(usize),
    /// More than this many levels.
    TooDeep(usize),
    /// More than this many values.
    TooManyValues(usize),
}

impl FilterError {
    /// What to do about it, as one sentence without a full stop.
    pub fn hint(&self) -> String {
        let example = match &self.problem {
            Problem::UnknownKey { suggestion: Some(nearest), .. }
            | Problem::BadValue { suggestion: Some(nearest), .. } => {
                return format!("did you mean {nearest:?}?");
            }
            Problem::UnknownKey { suggestion: None, .. } => {
                let keys = super::Key::ALL.map(super::Key::word).join(", ");
                return format!("quote a text that holds a colon; the keys are {keys}");
            }
            Problem::BadValue { key, expected, suggestion: None, .. } => {
                return format!("write {expected} after \"{key}:\"");
            }
            Problem::NoColon(meant) => {
                return format!("write {meant}, or quotes around a text that is searched for");
            }
            Problem::Expected(_) => {
                "write terms such as host:*.example.com country:CN not(status:2xx)"
            }
            Problem::OpenQuote => {
                "end the text with a quote, or write \\\" for a quote inside quotes"
            }
            Problem::OpenParenthesis => {
                "close it with `)`, or quote a text that holds a parenthesis"
            }
            Problem::TooLong(_) | Problem::TooManyValues(_) => {
                "use `*` for many names at once, such as host:*.example.com"
            }
            Problem::TooDeep(_) => "leave out parentheses: a (b or c) needs one pair",
        };
        example.to_owned()
    }

    /// Whether the position says something, and the text is short enough to be shown with it.
    pub fn shows_place(&self) -> bool {
        !matches!(self.problem, Problem::TooLong(_))
    }

    /// The key or value that was probably meant.
    pub fn suggestion(&self) -> Option<&'static str> {
        match &self.problem {
            Problem::UnknownKey { suggestion, .. } | Problem::BadValue { suggestion, .. } => {
                *suggestion
            }
            _ => None,
        }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::UnknownKey { key, .. } => write!(f, "there is no key {key:?}"),
            Problem::BadValue { key, value, expected, .. } => {
                write!(f, "{key} takes {expected}, not {value:?}")
            }
            Problem::NoColon(_) => f.write_str("a colon follows a key"),
            Problem::Expected(what) => write!(f, "expected {what}"),
            Problem::OpenQuote => f.write_str("the quote is not closed"),
            Problem::OpenParenthesis => f.write_str("the parenthesis is not closed"),
            Problem::TooLong(bytes) => write!(f, "it is longer than {bytes} bytes"),
            Problem::TooDeep(levels) => {
                write!(f, "it has more than {levels} levels of parentheses")
            }
            Problem::TooManyValues(values) => write!(f, "it has more than {values} values"),
        }
    }
}

impl std::error::Error for FilterError {}

/// The candidate nearest to `word` by edit distance; `None` when none is near.
pub(super) fn nearest(word: &str, candidates: &[&'static str]) -> Option<&'static str> {
    // Far longer words cannot be near, and comparing them would cost their length squared.
    if word.len() > LONGEST_COMPARED_BYTES {
        return None;
    }
    let word = word.to_ascii_lowercase();
    candidates
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

const LONGEST_COMPARED_BYTES: usize = 40;
