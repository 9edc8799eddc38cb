//! Explains what is wrong with a configuration file: line, key, the key that was meant, and what a
//! value should be.

use super::text::HINT;
use crate::error::Error;
use std::path::Path;

/// The error of the TOML reader as ours.
pub(super) fn explain(text: &str, path: &Path, error: &toml::de::Error) -> Error {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| before.bytes().filter(|byte| *byte == b'\n').count() + 1);
    let place = match line {
        Some(line) => format!("{}, line {line}", path.display()),
        None => path.display().to_string(),
    };
    match unknown_key(error.message()) {
        Some(unknown) => {
            let what = format!("there is no key {:?} here", unknown.key);
            let hint = match crate::suggest::nearest(unknown.key, unknown.known.iter().copied()) {
                Some(nearest) => format!("did you mean {nearest:?}?"),
                None => format!("the keys here are {}", unknown.known.join(", ")),
            };
            Error::usage(what).at(place).hint(hint)
        }
        None => of_value(error.message()).at(place),
    }
}

fn of_value(message: &str) -> Error {
    let refused = |what: &str| Error::usage(format!("the configuration is not valid: {what}"));
    if let Some((what, hint)) = message.split_once(HINT) {
        return refused(what).hint(hint);
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

fn of_syntax(message: &str) -> String {
    match message {
        _ if message.contains("socket address") => format!("write {SOCKET}"),
        _ if message.contains("IP address") => format!("write {ADDRESS}"),
        _ if message.contains("duplicate key") => "keep one of them".to_owned(),
        _ if message.contains("unknown variant") => "write one of the words it expects".to_owned(),
        _ if message.contains("missing field") => "add the key that is missing".to_owned(),
        _ => "write `key = value`, with texts in quotes: listen = \"127.0.0.1:8080\"".to_owned(),
    }
}

const SOCKET: &str = "an IP address and port such as \"127.0.0.1:8080\"";
const ADDRESS: &str = "an IP address such as \"192.0.2.1\"";

struct Unknown<'a> {
    key: &'a str,
    known: Vec<&'a str>,
}

/// Reads serde's words for an unknown field, which name every known one. There is no other way to
/// learn them, and where the words should change, the message is shown as it is.
fn unknown_key(message: &str) -> Option<Unknown<'_>> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once("`, ")?;
    let known = rest.split('`').skip(1).step_by(2).collect();
    Some(Unknown { key, known })
}
