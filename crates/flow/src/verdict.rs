//! Verdicts: what people judge destinations to be. Nothing here judges.

use std::fmt;
use std::str::FromStr;

/// The judgements, of which there are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is what it was flagged for, and that matters.
    Concern,
    /// It was looked at and does not matter.
    NoConcern,
    /// What is held decides neither, and more is not to be had.
    Unclear,
    /// Something is still to be done before it can be judged.
    NeedsMore,
}

impl Verdict {
    pub const ALL: [Self; 4] = [Self::Concern, Self::NoConcern, Self::Unclear, Self::NeedsMore];

    pub fn word(self) -> &'static str {
        match self {
            Self::Concern => "concern",
            Self::NoConcern => "no-concern",
            Self::Unclear => "unclear",
            Self::NeedsMore => "needs-more",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The text is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAVerdict;

impl fmt::Display for NotAVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a verdict is concern, no-concern, unclear or needs-more")
    }
}

impl std::error::Error for NotAVerdict {}

impl FromStr for Verdict {
    type Err = NotAVerdict;

    fn from_str(text: &str) -> Result<Self, NotAVerdict> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == text).ok_or(NotAVerdict)
    }
}
