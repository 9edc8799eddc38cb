//! Splits a filter into parentheses, connectives and terms. It knows quotes, commas and the colon
//! after a key, and no key by name.

use super::error::{FilterError, Problem};
use super::pattern::Piece;

/// A token with the byte offset of its first byte.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) position: usize,
    pub(super) kind: TokenKind,
}

#[derive(Debug)]
pub(super) enum TokenKind {
    Open,
    Close,
    And,
    Or,
    Not,
    Term(RawTerm),
}

/// A term before its key and values are understood.
#[derive(Debug)]
pub(super) struct RawTerm {
    pub(super) key: Option<String>,
    /// What follows the key, or the term itself, begins with a quote.
    pub(super) quoted: bool,
    /// At least one; each with at least one piece.
    pub(super) values: Vec<RawValue>,
}

#[derive(Debug, Default)]
pub(super) struct RawValue {
    pub(super) position: usize,
    pub(super) pieces: Vec<Piece>,
}

impl RawValue {
    /// The value as plain text, a wildcard as its star.
    pub(super) fn text(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| if let Piece::Literal(text) = piece { text } else { "*" })
            .collect()
    }
}

/// All tokens of `text`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut lexer = Lexer { text, position: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    text: &'a str,
    position: usize,
}

impl Lexer<'_> {
    fn next_token(&mut self) -> Result<Option<Token>, FilterError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.bump();
        }
        let position = self.position;
        let kind = match self.peek() {
            None => return Ok(None),
            Some('(') => {
                self.bump();
                TokenKind::Open
            }
            Some(')') => {
                self.bump();
                TokenKind::Close
            }
            Some(_) => self.term_or_connective()?,
        };
        Ok(Some(Token { position, kind }))
    }

    fn term_or_connective(&mut self) -> Result<TokenKind, FilterError> {
        let key = self.key();
        let quoted = self.peek() == Some('"');
        let mut values = vec![self.value()?];
        while self.peek() == Some(',') {
            self.bump();
            values.push(self.value()?);
        }
        if let (None, false, [only]) = (&key, quoted, values.as_slice()) {
            let connective = match only.text().to_ascii_lowercase().as_str() {
                "and" => Some(TokenKind::And),
                "or" => Some(TokenKind::Or),
                "not" => Some(TokenKind::Not),
                _ => None,
            };
            if let Some(connective) = connective {
                return Ok(connective);
            }
        }
        if self.peek() == Some('(') {
            let problem = Problem::Expected("a space before the parenthesis, or quotes around it");
            return Err(FilterError { position: self.position, problem });
        }
        Ok(TokenKind::Term(RawTerm { key, quoted, values }))
    }

    /// Takes what stands before a colon, when a colon comes before anything that ends a word.
    fn key(&mut self) -> Option<String> {
        let rest = self.text.get(self.position..)?;
        let end = rest.find(|c| ends_bare(c) || matches!(c, ':' | '*'))?;
        let key =
            rest.get(..end).filter(|_| rest.get(end..).is_some_and(|r| r.starts_with(':')))?;
        self.position += end + 1;
        Some(key.to_owned())
    }

    fn value(&mut self) -> Result<RawValue, FilterError> {
        let mut value = RawValue { position: self.position, pieces: Vec::new() };
        loop {
            match self.peek() {
                Some('"') => value.pieces.push(self.quoted()?),
                Some('*') => {
                    self.bump();
                    value.pieces.push(Piece::Any);
                }
                Some(c) if !ends_bare(c) => value.pieces.push(self.bare()),
                _ => break,
            }
        }
        let holds_something =
            value.pieces.iter().any(|piece| !matches!(piece, Piece::Literal(t) if t.is_empty()));
        if holds_something {
            return Ok(value);
        }
        Err(FilterError { position: value.position, problem: Problem::Expected("a value") })
    }

    fn bare(&mut self) -> Piece {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| !ends_bare(*c) && *c != '*') {
            text.push(c);
            self.bump();
        }
        Piece::Literal(text)
    }

    fn quoted(&mut self) -> Result<Piece, FilterError> {
        let position = self.position;
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                Some('"') => return Ok(Piece::Literal(text)),
                Some('\\') => match self.bump() {
                    Some(c @ ('"' | '\\')) => text.push(c),
                    // A backslash that escapes nothing stands for itself.
                    Some(c) => text.extend(['\\', c]),
                    None => return Err(FilterError { position, problem: Problem::OpenQuote }),
                },
                Some(c) => text.push(c),
                None => return Err(FilterError { position, problem: Problem::OpenQuote }),
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.position..)?.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        Some(next)
    }
}

/// Characters that end an unquoted run; a star ends one too, as a piece of its own.
fn ends_bare(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | ',' | '"')
}
