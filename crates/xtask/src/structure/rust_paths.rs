//! The paths that a Rust source names: a small lexer, and the expansion of `use` trees. Not a
//! parser of Rust: macros are read like other tokens, which is enough to see who imports whom.

use std::collections::BTreeSet;

/// A path as written, such as `crate::a::B`, with the count of inline modules around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) segments: Vec<String>,
    pub(crate) inline_modules: usize,
    /// It stands in a `pub use`, and the file does not use the name itself.
    pub(crate) only_published: bool,
}

/// All paths of two or more segments outside tests.
pub(crate) fn named_paths(source: &str) -> Vec<NamedPath> {
    let mut reader = Reader {
        tokens: without_tests(tokens(source)),
        at: 0,
        publishing: false,
        words: BTreeSet::new(),
        found: Vec::new(),
    };
    reader.read();
    let Reader { mut found, words, .. } = reader;
    for path in &mut found {
        path.only_published &= path.segments.last().is_some_and(|name| !words.contains(name));
    }
    found
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Punct(char),
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    /// Within a `pub use`.
    publishing: bool,
    /// Words with which paths begin, outside of a `pub use`.
    words: BTreeSet<String>,
    found: Vec<NamedPath>,
}

impl Reader {
    fn read(&mut self) {
        // For each open brace, whether it is that of an inline module.
        let mut braces: Vec<bool> = Vec::new();
        let mut module_follows = false;
        while let Some(token) = self.tokens.get(self.at).cloned() {
            let inline_modules = braces.iter().filter(|inline| **inline).count();
            match token {
                Token::Word(word) if word == "mod" => {
                    // `mod name {` is an inline module; `mod name;` is another file.
                    module_follows = self.tokens.get(self.at + 2) == Some(&Token::Punct('{'));
                    self.at += 2;
                }
                // `pub(in some::path)` says who may import, it imports nothing.
                Token::Word(word) if word == "in" && self.follows(&Token::Punct('(')) => {
                    while !matches!(self.tokens.get(self.at), Some(Token::Punct(')')) | None) {
                        self.at += 1;
                    }
                }
                Token::Word(_) if self.follows(&Token::Path) => self.at += 1,
                Token::Word(word) if word == "use" => {
                    self.publishing = self.is_public();
                    self.at += 1;
                }
                Token::Word(word) => {
                    if !self.publishing {
                        self.words.insert(word);
                    }
                    self.tree(&mut Vec::new(), inline_modules);
                }
                Token::Punct(';') => {
                    self.publishing = false;
                    self.at += 1;
                }
                Token::Punct('{') => {
                    braces.push(module_follows);
                    module_follows = false;
                    self.at += 1;
                }
                Token::Punct('}') => {
                    braces.pop();
                    self.at += 1;
                }
                Token::Punct(_) | Token::Path => self.at += 1,
            }
        }
    }

    /// Whether the token before is this one; after `::` a word is no beginning of a path.
    fn follows(&self, token: &Token) -> bool {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)) == Some(token)
    }

    /// Whether `pub` or `pub(…)` stands before the word here.
    fn is_public(&self) -> bool {
        let before = self.tokens.get(..self.at).unwrap_or_default();
        let bare = match before {
            [rest @ .., Token::Punct('('), Token::Word(_), Token::Punct(')')] => rest,
            _ => before,
        };
        bare.last() == Some(&Token::Word("pub".to_owned()))
    }

    /// Reads one path or `use` tree from its first word.
    fn tree(&mut self, prefix: &mut Vec<String>, inline_modules: usize) {
        let depth = prefix.len();
        while let Some(Token::Word(word)) = self.tokens.get(self.at) {
            prefix.push(word.clone());
            self.at += 1;
            if self.tokens.get(self.at) != Some(&Token::Path) {
                break;
            }
            self.at += 1;
            if self.tokens.get(self.at) == Some(&Token::Punct('{')) {
                self.group(prefix, inline_modules);
                prefix.truncate(depth);
                return;
            }
        }
        if prefix.len() > 1 {
            let only_published = self.publishing;
            self.found.push(NamedPath { segments: prefix.clone(), inline_modules, only_published });
        }
        prefix.truncate(depth);
    }

    /// Reads `{a, b::c}` after a prefix.
    fn group(&mut self, prefix: &mut Vec<String>, inline_modules: usize) {
        self.at += 1;
        loop {
            match self.tokens.get(self.at) {
                Some(Token::Word(_)) => self.tree(prefix, inline_modules),
                Some(Token::Punct('}')) | None => {
                    self.at += 1;
                    return;
                }
                Some(Token::Punct(_) | Token::Path) => self.at += 1,
            }
        }
    }
}

/// Takes out what follows `#[cfg(test)]` up to the end of its braces or its semicolon.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let marker: Vec<Token> = self::tokens("#[cfg(test)]");
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if tokens.get(at..at + marker.len()) != Some(&marker[..]) {
            kept.push(token.clone());
            at += 1;
            continue;
        }
        let mut depth = 0_usize;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                Token::Punct('{') => depth += 1,
                Token::Punct('}') if depth <= 1 => break,
                Token::Punct('}') => depth -= 1,
                Token::Punct(';') if depth == 0 => break,
                _ => {}
            }
        }
    }
    kept
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest);
        if length > 0 {
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        let word_length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (token, length) = if word_length > 0 {
            (Token::Word(rest.get(..word_length).unwrap_or_default().to_owned()), word_length)
        } else if rest.starts_with("::") {
            (Token::Path, 2)
        } else {
            (Token::Punct(first), first.len_utf8())
        };
        tokens.push(token);
        rest = rest.get(length..).unwrap_or_default();
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the white space, comment or literal at the beginning; 0 when there is none.
fn skipped(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    match bytes {
        [first, ..] if first.is_ascii_whitespace() => 1,
        [b'/', b'/', ..] => rest.find('\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => rest.find("*/").map_or(rest.len(), |at| at + 2),
        [b'"', ..] => 1 + quoted(&bytes[1..], b'"'),
        [b'b' | b'c', b'"', ..] => 2 + quoted(&bytes[2..], b'"'),
        [b'r', b'"' | b'#', ..] => raw_string(rest, 1),
        [b'b', b'r', b'"' | b'#', ..] => raw_string(rest, 2),
        [b'b', b'\'', ..] => 2 + quoted(&bytes[2..], b'\''),
        // A character, unless it is a lifetime.
        [b'\'', b'\\', ..] => 1 + quoted(&bytes[1..], b'\''),
        [b'\'', ..] => {
            let mut characters = rest.char_indices().skip(2);
            match characters.next() {
                Some((at, '\'')) => at + 1,
                _ => 1,
            }
        }
        _ => 0,
    }
}

/// The length of a literal after its opening quote, the closing one included.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1 + usize::from(*byte == b'\\');
        if *byte == quote {
            break;
        }
    }
    at.min(bytes.len())
}

/// The length of `r"…"` or `r#"…"#`; 0 for a raw identifier.
fn raw_string(rest: &str, prefix: usize) -> usize {
    let after = rest.get(prefix..).unwrap_or_default();
    let hashes = after.len() - after.trim_start_matches('#').len();
    if after.as_bytes().get(hashes) != Some(&b'"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let begin = prefix + hashes + 1;
    let found = rest.get(begin..).and_then(|body| body.find(&end));
    found.map_or(rest.len(), |at| begin + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
        let found: Vec<String> =
            named_paths(source).iter().map(|path| path.segments.join("::")).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn use_trees_are_expanded() {
        check("use crate::a::B;", &["crate::a::B"]);
        check("use crate::{a::B, c::{D, e::*}};", &["crate::a::B", "crate::c::D", "crate::c::e"]);
        check("pub(crate) use super::x;", &["super::x"]);
        check("pub(in crate::a) fn f() { b::c() }", &["b::c"]);
    }

    #[test]
    fn paths_in_code_count_too() {
        check("fn f() -> crate::a::B { g::h::<u8>(1) }", &["crate::a::B", "g::h"]);
        check("mod a; mod b { use super::c; }", &["super::c"]);
    }

    #[test]
    fn comments_literals_and_tests_do_not() {
        check("// crate::a::B\n/* crate::c */ \"crate::d\" r#\"crate::e\"# b\"crate::f\"", &[]);
        check("let c = '\"'; let l: &'static str = \"a::b\"; x::y", &["x::y"]);
        check("let c = '\\''; x::y", &["x::y"]);
        check("#[cfg(test)] mod tests { use super::*; fn f() { a::b() } } c::d", &["c::d"]);
        check("#[cfg(test)] use crate::a; c::d", &["c::d"]);
    }

    #[test]
    fn what_is_only_published_is_marked() {
        let found =
            named_paths("pub use a::A; pub(crate) use b::{B, C}; use d::D; fn f(c: C) -> e::E {}");
        let marked: Vec<&str> = found
            .iter()
            .filter(|path| path.only_published)
            .filter_map(|path| path.segments.last().map(String::as_str))
            .collect();
        assert_eq!(marked, ["A", "B"]);
    }

    #[test]
    fn inline_modules_are_counted() {
        let found = named_paths("mod a { mod b { use super::c; } use super::d; } use super::e;");
        let counts: Vec<usize> = found.iter().map(|path| path.inline_modules).collect();
        assert_eq!(counts, [2, 1, 0]);
    }
}
