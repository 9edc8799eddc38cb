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

    /// Whether the pattern is the whole of `text`; case is ignored (ASCII).
    pub fn is_whole(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let mut rest = text.as_str();
        // Whether the next literal must stand right here.
        let mut here = true;
        for (index, piece) in self.0.iter().enumerate() {
            let Piece::Literal(literal) = piece else {
                here = false;
                continue;
            };
            let literal = literal.to_ascii_lowercase();
            if index + 1 == self.0.len() {
                return if here { rest == literal } else { rest.ends_with(&literal) };
            }
            let after = match here {
                true => rest.strip_prefix(literal.as_str()),
                false => rest.split_once(literal.as_str()).map(|(_before, after)| after),
            };
            let Some(after) = after else { return false };
            (rest, here) = (after, true);
        }
        !here || rest.is_empty()
    }

    /// Whether `text` holds the pattern; one with a wildcard must be all of it.
    pub fn is_part(&self, text: &str) -> bool {
        match self.literal() {
            Some(part) => text.to_ascii_lowercase().contains(&part.to_ascii_lowercase()),
            None => self.is_whole(text),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        let pieces = text.split_inclusive('*').flat_map(|part| match part.strip_suffix('*') {
            Some(literal) => vec![Piece::Literal(literal.to_owned()), Piece::Any],
            None => vec![Piece::Literal(part.to_owned())],
        });
        Pattern::new(pieces).unwrap()
    }

    #[test]
    fn stars_stand_for_any_characters() {
        for (written, text, whole, part) in [
            ("a.example", "A.example", true, true),
            ("example", "a.example", false, true),
            ("*.example", "a.example", true, true),
            ("*.example", "example", false, false),
            ("*.example", "a.example.net", false, false),
            ("a*", "abc", true, true),
            ("a*c*e", "abcde", true, true),
            ("a*c*e", "ace", true, true),
            ("a*bc", "abc", true, true),
            ("ab*bc", "abc", false, false),
            ("*b*", "abc", true, true),
            ("*", "", true, true),
            ("*a", "b", false, false),
        ] {
            assert_eq!(pattern(written).is_whole(text), whole, "{written} {text}");
            assert_eq!(pattern(written).is_part(text), part, "{written} {text}");
        }
    }
}
