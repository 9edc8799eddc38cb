//! Values that may have to be withheld one day: header values, paths, addresses of devices, names
//! of persons. In a line of a log stands a commitment in place of each; the value is in the
//! record's [`Opening`], beside the log.
//!
//! This module knows what such a value looks like and which there are in what order. What a
//! commitment is computed of is the business of [`crate::seal`], where openings are stored that of
//! [`crate::openings`].

use super::value::{Base64, Count, Text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de;
use serde::ser::{self, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A value of a record that can be withheld. Spelled in JSON it is the value where that is there,
/// so that records can be shown and compared, and the commitment where it is not; the lines of a
/// log hold commitments alone, and no other form is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sealed<T> {
    /// The value is there.
    Open(T),
    /// Only what it was committed to with: it was not opened yet, or is withheld.
    Hidden(Commitment),
}

impl<T> Sealed<T> {
    /// The value, where it is there.
    pub fn open(&self) -> Option<&T> {
        match self {
            Self::Open(value) => Some(value),
            Self::Hidden(_) => None,
        }
    }
}

impl Sealed<Text> {
    /// The bytes for people, or [`WITHHELD`].
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        self.open().map_or(Cow::Borrowed(WITHHELD), Text::to_string_lossy)
    }
}

impl Sealed<String> {
    /// The text, or [`WITHHELD`].
    pub fn as_str(&self) -> &str {
        self.open().map_or(WITHHELD, String::as_str)
    }
}

impl<T: fmt::Display> fmt::Display for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(value) => value.fmt(f),
            Self::Hidden(_) => f.pad(WITHHELD),
        }
    }
}

impl<T: Openable> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Open(value) => value.spell(serializer),
            Self::Hidden(commitment) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(SEALED_KEY, commitment)?;
                map.end()
            }
        }
    }
}

impl<'de, T> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Form {
            sealed: Commitment,
        }
        Form::deserialize(deserializer).map(|form| Self::Hidden(form.sealed))
    }
}

/// What stands for a value in a line: 32 bytes that bind to it and tell nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment(pub [u8; 32]);

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Commitment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 44];
        STANDARD.encode_slice(self.0, &mut text).map_err(ser::Error::custom)?;
        serializer.serialize_str(std::str::from_utf8(&text).map_err(ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Commitment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Base64(bytes) = Base64::deserialize(deserializer)?;
        let bytes = bytes.as_ref().try_into();
        bytes.map(Self).map_err(|_length| de::Error::custom("a commitment has 32 bytes"))
    }
}

/// What can be sealed: the bytes that are committed to, and back.
pub trait Openable: Sized {
    /// The bytes that the commitment is to.
    fn bytes(&self) -> Cow<'_, [u8]>;

    /// The value of these bytes; `None` when they are none.
    fn of_bytes(bytes: Bytes) -> Option<Self>;

    /// The value as it is shown.
    ///
    /// # Errors
    /// What the serializer says.
    fn spell<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl Openable for Text {
    fn bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }

    fn of_bytes(bytes: Bytes) -> Option<Self> {
        Some(Self(bytes))
    }

    fn spell<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

impl Openable for Base64 {
    fn bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }

    fn of_bytes(bytes: Bytes) -> Option<Self> {
        Some(Self(bytes))
    }

    fn spell<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

/// Texts, and domain values by their text forms.
impl<T: fmt::Display + FromStr> Openable for T {
    fn bytes(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.to_string().into_bytes())
    }

    fn of_bytes(bytes: Bytes) -> Option<Self> {
        std::str::from_utf8(&bytes).ok()?.parse().ok()
    }

    fn spell<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Somebody who is shown every sealed value of a record, in the order in which they stand in its
/// line.
pub(crate) trait EachSealed {
    fn value<T: Openable>(&mut self, sealed: &mut Sealed<T>);

    fn fields(&mut self, fields: &mut [(Text, Sealed<Text>)]) {
        fields.iter_mut().for_each(|(_name, value)| self.value(value));
    }
}

/// A record that may hold sealed values.
pub(crate) trait HasSealed {
    /// Shows `each` every sealed value, in the order of the line.
    fn each_sealed(&mut self, each: &mut impl EachSealed);

    /// How many there are.
    fn count_sealed(&mut self) -> u32 {
        let mut counter = Counter(0);
        self.each_sealed(&mut counter);
        counter.0
    }
}

struct Counter(u32);

impl EachSealed for Counter {
    fn value<T: Openable>(&mut self, _sealed: &mut Sealed<T>) {
        self.0 += 1;
    }
}

/// The values of one record, in the order of their commitments in its line: a line of
/// `log/openings.jsonl`, in canonical form like those of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The record's number.
    pub seq: Count,
    /// Never empty: a record without such values has no opening.
    pub values: Vec<Text>,
}

impl Opening {
    /// Reads a line without its newline; `None` of every line that is not the one form of what it
    /// says.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let opening: Self = serde_json::from_slice(line).ok()?;
        let written = serde_json::to_vec(&opening).ok()?;
        (written == line && !opening.values.is_empty()).then_some(opening)
    }
}

/// Why the values of a record cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpeningFault {
    /// The opening is not there, though those of later records are, or those of all records should be.
    Missing,
    /// The opening is not in its form.
    Damaged,
    /// The opening has fewer or more values than the record has commitments.
    Count { commitments: u32, values: u32 },
    /// The value with this number, from 0, is not the one that was committed to.
    Other { value: u32 },
    /// It is the one, and no value of the kind that belongs there.
    Kind { value: u32 },
}

impl fmt::Display for OpeningFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("its values are missing"),
            Self::Damaged => f.write_str("its values are not readable"),
            Self::Count { commitments, values } => {
                write!(f, "it commits to {commitments} values, and {values} are there")
            }
            Self::Other { value } => {
                write!(f, "value {value} is not the one that it commits to")
            }
            Self::Kind { value } => write!(f, "value {value} is none of its kind"),
        }
    }
}

/// What is shown in place of a value that is withheld.
pub const WITHHELD: &str = "(withheld)";

const SEALED_KEY: &str = "sealed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_s_line_holds_a_commitment_and_nothing_else() {
        let hidden = Sealed::<Text>::Hidden(Commitment([0xff; 32]));
        let json = format!("{{\"sealed\":\"{}\"}}", STANDARD.encode([0xff; 32]));
        assert_eq!(serde_json::to_string(&hidden).unwrap(), json);
        assert_eq!(serde_json::from_str::<Sealed<Text>>(&json).unwrap(), hidden);
        let short = format!("{{\"sealed\":\"{}\"}}", STANDARD.encode([0; 31]));
        for wrong in ["\"a\"", "{}", "null", &short, "{\"base64\":\"\"}"] {
            assert!(serde_json::from_str::<Sealed<Text>>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_withheld_says_so_and_what_is_there_is_shown_as_it_is() {
        let text = Sealed::Open(Text(Bytes::from_static(b"a\xff")));
        assert_eq!(serde_json::to_string(&text).unwrap(), r#"{"base64":"Yf8="}"#);
        assert_eq!(text.to_string_lossy(), "a\u{fffd}");
        let address = Sealed::<std::net::SocketAddr>::Open("192.0.2.1:7".parse().unwrap());
        assert_eq!(serde_json::to_string(&address).unwrap(), "\"192.0.2.1:7\"");
        let hidden = Sealed::<String>::Hidden(Commitment([0; 32]));
        assert_eq!((hidden.as_str(), hidden.to_string()), (WITHHELD, WITHHELD.to_owned()));
    }

    #[test]
    fn openings_have_one_form() {
        let line = br#"{"seq":7,"values":["a",{"base64":"AA=="}]}"#;
        let opening = Opening::parse(line).unwrap();
        assert_eq!((opening.seq, opening.values.len()), (Count(7), 2));
        for wrong in [
            r#"{"seq":7,"values":[]}"#,
            r#"{"values":["a"],"seq":7}"#,
            r#"{"seq":7,"values":["a"] }"#,
            r#"{"seq":7,"values":[{"base64":"YQ=="}]}"#,
            r#"{"seq":7,"values":["a"],"x":1}"#,
            "",
        ] {
            assert!(Opening::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
