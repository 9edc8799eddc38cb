//! Tokens to the tree. Depth, values and length are bounded here.

use super::ast::Filter;
use super::error::{FilterError, Problem};
use super::lexer::{self, Token, TokenKind};
use super::value;

/// Bytes of a filter, both as written and in its canonical form.
pub const MAX_FILTER_BYTES: usize = 4096;

/// Parentheses and `not`s within each other.
pub const MAX_FILTER_DEPTH: usize = 32;

/// Values over all terms.
pub const MAX_FILTER_VALUES: usize = 256;

pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
    let too_long =
        FilterError { position: MAX_FILTER_BYTES, problem: Problem::TooLong(MAX_FILTER_BYTES) };
    if text.len() > MAX_FILTER_BYTES {
        return Err(too_long);
    }
    let tokens = lexer::tokens(text)?;
    if tokens.is_empty() {
        return Ok(Filter::All);
    }
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), end: text.len(), values: 0 };
    let filter = parser.any(0)?;
    if let Some(token) = parser.tokens.next() {
        // `any` stops early only before a parenthesis that nothing opened.
        let problem = Problem::Expected("no closing parenthesis: none is open");
        return Err(FilterError { position: token.position, problem });
    }
    // So that every canonical form can be read again.
    if filter.to_string().len() > MAX_FILTER_BYTES {
        return Err(too_long);
    }
    Ok(filter)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    end: usize,
    values: usize,
}

impl Parser {
    fn any(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut parts = Vec::new();
        loop {
            match self.all(depth)? {
                Filter::Or(inner) => parts.extend(inner),
                part => parts.push(part),
            }
            match self.tokens.peek() {
                Some(Token { kind: TokenKind::Or, .. }) => self.tokens.next(),
                _ => return Ok(joined(parts, Filter::Or)),
            };
        }
    }

    fn all(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut parts = Vec::new();
        loop {
            match self.unary(depth)? {
                Filter::And(inner) => parts.extend(inner),
                part => parts.push(part),
            }
            match self.tokens.peek().map(|token| &token.kind) {
                Some(TokenKind::And) => {
                    self.tokens.next();
                }
                None | Some(TokenKind::Or | TokenKind::Close) => {
                    return Ok(joined(parts, Filter::And));
                }
                Some(TokenKind::Open | TokenKind::Not | TokenKind::Term(_)) => {}
            }
        }
    }

    fn unary(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let wanted = |position| {
            Err(FilterError { position, problem: Problem::Expected("a term, `not` or `(`") })
        };
        let Some(token) = self.tokens.next() else { return wanted(self.end) };
        let deeper = || match depth + 1 {
            deeper if deeper <= MAX_FILTER_DEPTH => Ok(deeper),
            _ => Err(FilterError {
                position: token.position,
                problem: Problem::TooDeep(MAX_FILTER_DEPTH),
            }),
        };
        match token.kind {
            TokenKind::Open => self.group(token.position, deeper()?),
            TokenKind::Not => {
                let deeper = deeper()?;
                let opened = match self.tokens.peek() {
                    Some(Token { kind: TokenKind::Open, position }) => Some(*position),
                    _ => None,
                };
                // `not(…)` is one level, so that the canonical form is no deeper than `not …`.
                let inner = match opened {
                    Some(position) => {
                        self.tokens.next();
                        self.group(position, deeper)?
                    }
                    None => self.unary(deeper)?,
                };
                Ok(Filter::Not(Box::new(inner)))
            }
            TokenKind::Term(raw) => {
                self.values += raw.values.len();
                if self.values > MAX_FILTER_VALUES {
                    let problem = Problem::TooManyValues(MAX_FILTER_VALUES);
                    return Err(FilterError { position: token.position, problem });
                }
                value::term(token.position, raw).map(Filter::Term)
            }
            TokenKind::Close | TokenKind::And | TokenKind::Or => wanted(token.position),
        }
    }

    /// What stands between parentheses, the opening one taken already.
    fn group(&mut self, opened: usize, depth: usize) -> Result<Filter, FilterError> {
        let inner = self.any(depth)?;
        match self.tokens.next() {
            Some(Token { kind: TokenKind::Close, .. }) => Ok(inner),
            _ => Err(FilterError { position: opened, problem: Problem::OpenParenthesis }),
        }
    }
}

/// One part stands for itself.
fn joined(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => Filter::All,
    }
}
