//! Names of files in an archive: such as every system can unpack below a directory, and nowhere else.

use std::fmt;
use std::str::FromStr;

/// A relative path with `/` between its parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let good = text.len() <= MOST_BYTES && text.split('/').all(is_part);
        if good { Ok(Self(text.to_owned())) } else { Err(BadName(text.to_owned())) }
    }
}

/// A name that leads elsewhere, or that some system could not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName(pub String);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no name for a file here", self.0)
    }
}

impl std::error::Error for BadName {}

/// Neither empty nor `.` nor `..`, without characters that any system forbids, and not one of the
/// device names of Windows, with or without an ending.
fn is_part(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let stem = part.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device)
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_device = DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt");
    !part.is_empty()
        && part.bytes().all(plain)
        && !part.starts_with('.')
        && !part.ends_with('.')
        && !is_device
}

const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
const MOST_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_below_the_directory_are_names() {
        for good in ["a", "data/README.md", "bodies/sha256/0a", "log/review-openings.jsonl"] {
            good.parse::<Name>().unwrap();
        }
        let long = "x".repeat(201);
        for bad in [
            "", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a\\b", "c:a", "a b", "\u{e4}",
            "nul", "NUL.txt", "a/com1", "lpt9.x", "a.", ".hidden", "a\0", &long,
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        "common".parse::<Name>().unwrap();
        "com12".parse::<Name>().unwrap();
    }
}
