//! Explains what is wrong with a configuration file: line, key, the key that was meant, and what a
//! value should be.

use super::keys;
use super::text::HINT;
use super::written::Written;
use crate::error::Error;
use std::path::Path;

/// The error of the TOML reader as ours.
pub(super) fn explain(text: &str, path: &Path, error: &toml::de::Error) -> Error {
    let mut place = path.display().to_string();
    if let Some(span) = error.span() {
        let (line, key) = keys::at(text, span.start);
        place.push_str(&format!(", line {line}"));
        place.extend(key.map(|key| format!(", key {key}")));
    }
    let found = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    let message = error.message();
    match unknown(message, "unknown field `") {
        Some(unknown) => of_key(&unknown),
        None => of_value(message, found),
    }
    .at(place)
}

/// A key that is not known where it stands.
fn of_key(unknown: &Unknown<'_>) -> Error {
    let error = Error::usage(format!("there is no key {:?} here", unknown.word));
    if let Some(nearest) = crate::suggest::nearest(unknown.word, unknown.known.iter().copied()) {
        return error.hint(format!("did you mean {nearest:?}?"));
    }
    let elsewhere = TABLES.iter().find(|table| is_key_of(table, unknown.word));
    error.hint(match elsewhere {
        Some(&"") => {
            format!("write {:?} at the top of the file, before the first [table]", unknown.word)
        }
        Some(table) => format!("write {:?} below [{table}]", unknown.word),
        None => format!("the keys here are {}", unknown.known.join(", ")),
    })
}

/// Asks the reader itself, by a key that no table has.
fn is_key_of(table: &str, key: &str) -> bool {
    let text = match table {
        "" => "\"\" = 0".to_owned(),
        table => format!("[{table}]\n\"\" = 0"),
    };
    let Err(error) = toml::from_str::<Written>(&text) else { return false };
    unknown(error.message(), "unknown field `").is_some_and(|unknown| unknown.known.contains(&key))
}

fn of_value(message: &str, found: &str) -> Error {
    let refused = |what: &str| Error::usage(format!("the configuration is not valid: {what}"));
    if let Some((what, hint)) = message.split_once(HINT) {
        return refused(what).hint(hint);
    }
    if let Some(unknown) = unknown(message, "unknown variant `") {
        let nearest = crate::suggest::nearest(unknown.word, unknown.known.iter().copied());
        return refused(&format!("{:?} is none of the words that it takes", unknown.word)).hint(
            match nearest {
                Some(nearest) => format!("did you mean {nearest:?}?"),
                None => format!("write one of {}", unknown.known.join(", ")),
            },
        );
    }
    if let Some(key) = message.strip_prefix("missing field `").and_then(|m| m.strip_suffix('`')) {
        return refused(&format!("the key {key:?} is missing")).hint(format!("add {key:?} to it"));
    }
    for (syntax, is) in [("socket address", SOCKET), ("IP address", ADDRESS)] {
        if message.contains(&format!("invalid {syntax} syntax")) {
            return refused(&format!("{found} is no {syntax}")).hint(format!("write {is}"));
        }
    }
    match message.rsplit_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid ") => {
            let expected = in_our_words(expected);
            refused(&format!("{found}, expected {expected}")).hint(format!("write {expected}"))
        }
        _ => refused(message).hint(of_syntax(message)),
    }
}

/// What serde calls by the names of Rust, as people know it.
fn in_our_words(expected: &str) -> &str {
    match expected {
        "usize" | "u64" | "u32" => "a whole number such as 1000",
        "a nonzero u32" => "a whole number from 1 on",
        "f64" => "a number such as 1.5",
        "a boolean" => "true or false",
        "a sequence" => "a list such as [\"…\"]",
        "a string" | "path string" => "a text in quotes",
        "a map" => "a table",
        "socket address" => SOCKET,
        "IP address" => ADDRESS,
        expected if expected.starts_with("struct ") => "a table",
        expected => expected,
    }
}

fn of_syntax(message: &str) -> &'static str {
    match message {
        _ if message.contains("duplicate key") => "keep one of them",
        _ if message.contains("unclosed table") => "close the table's name: [limits]",
        _ => "write `key = value`, with texts in quotes: listen = \"127.0.0.1:8080\"",
    }
}

const SOCKET: &str = "an IP address and port such as \"127.0.0.1:8080\"";
const ADDRESS: &str = "an IP address such as \"192.0.2.1\"";

/// The tables of the file, the top of it first.
const TABLES: [&str; 7] =
    ["", "limits", "proxy", "transparent", "upstream-proxy", "resolver", "geo"];

struct Unknown<'a> {
    word: &'a str,
    known: Vec<&'a str>,
}

/// Reads serde's words for an unknown field or variant, which name every known one. There is no
/// other way to learn them, and where the words should change, the message is shown as it is.
fn unknown<'a>(message: &'a str, prefix: &str) -> Option<Unknown<'a>> {
    let rest = message.strip_prefix(prefix)?;
    let (word, rest) = rest.split_once("`, ")?;
    let known = rest.split('`').skip(1).step_by(2).collect();
    Some(Unknown { word, known })
}
