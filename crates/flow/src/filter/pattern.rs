//! A text to compare with, in which `*` may stand for any characters.

use std::fmt;

/// Literal pieces and wildcards. Never empty; no two neighbours of the same kind, no empty
/// literal, so that equal patterns have one form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Vec<Piece>);

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    Literal(String),
    /// Any characters, none among them.
    Any,
}

impl Pattern {
    /// Joins `pieces` into their one form; `None` when nothing is left.
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Option<Self> {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (_, Piece::Literal(text)) if text.is_empty() => {}
                (Some(Piece::Literal(before)), Piece::Literal(text)) => before.push_str(&text),
                (Some(Piece::Any), Piece::Any) => {}
                (_, piece) => joined.push(piece),
            }
        }
        (!joined.is_empty()).then_some(Self(joined))
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The text, where there is no wildcard.
    pub fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Literal(text) if text.chars().all(is_plain) => f.write_str(text),
            Piece::Literal(text) => write_quoted(f, text),
            Piece::Any => f.write_str("*"),
        })
    }
}

/// Writes `text` between quotes.
pub(super) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{character}")?;
    }
    f.write_str("\"")
}

/// Whether a character needs no quotes in a value.
fn is_plain(character: char) -> bool {
    !character.is_whitespace()
        && !character.is_control()
        && !matches!(character, '"' | '(' | ')' | ',' | '*' | '\\')
}
