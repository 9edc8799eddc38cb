//! Explains what is wrong with a configuration file: line, key, and the key that was meant.

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
        None => {
            Error::usage(format!("the configuration is not valid: {}", error.message())).at(place)
        }
    }
}

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
