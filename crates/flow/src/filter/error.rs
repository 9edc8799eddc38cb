//! Why a text is no filter, with the place and what would have been right.

use std::fmt;

/// A refused filter.
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
        write!(f, "filter, byte {}: ", self.position)?;
        match &self.problem {
            Problem::UnknownKey { key, suggestion } => {
                write!(f, "unknown key {key:?}")?;
                match suggestion {
                    Some(nearest) => write!(f, ", did you mean {nearest:?}?"),
                    None => write!(f, " (quote a text that holds a colon)"),
                }
            }
            Problem::BadValue { key, value, expected, suggestion } => {
                write!(f, "{key} takes {expected}, not {value:?}")?;
                match suggestion {
                    Some(nearest) => write!(f, ", did you mean {nearest:?}?"),
                    None => Ok(()),
                }
            }
            Problem::Expected(what) => write!(f, "expected {what}"),
            Problem::OpenQuote => f.write_str("the quote is not closed"),
            Problem::OpenParenthesis => f.write_str("the parenthesis is not closed"),
            Problem::TooLong(bytes) => write!(f, "longer than {bytes} bytes"),
            Problem::TooDeep(levels) => write!(f, "more than {levels} levels of parentheses"),
            Problem::TooManyValues(values) => write!(f, "more than {values} values"),
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
