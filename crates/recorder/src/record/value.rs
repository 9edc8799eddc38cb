//! The values that records are built of, each with its one spelling in canonical JSON. A value
//! that is spelled in another way is refused by [`super::Record::parse`], because the line is
//! then not the one that would be written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flow::time::{MonoNanos, WallNanos};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::{self, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// A domain value by its text form: an id (`"c12"`), a host, an address, a country code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spelled<T>(pub T);

impl<T: fmt::Display> Serialize for Spelled<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Spelled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parsed<T>(PhantomData<T>);
        impl<T: FromStr> Visitor<'_> for Parsed<T> {
            type Value = Spelled<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the text form of an id, a name, an address or a country")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let refused = |_why| E::invalid_value(de::Unexpected::Str(text), &self);
                text.parse().map(Spelled).map_err(refused)
            }
        }
        deserializer.deserialize_str(Parsed(PhantomData))
    }
}

/// Bytes that are never text, as a base64 string (RFC 4648 section 4, padded).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Base64(pub Bytes);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(|bytes| Self(bytes.into())).map_err(de::Error::custom)
    }
}

impl From<[u8; 32]> for Base64 {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Bytes::copy_from_slice(&bytes))
    }
}

/// The 16 bytes of a nonce, spelled as [`Base64`] is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nonce<'a>(pub(crate) &'a [u8; 16]);

impl Serialize for Nonce<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 24];
        STANDARD.encode_slice(self.0, &mut text).map_err(ser::Error::custom)?;
        serializer.serialize_str(std::str::from_utf8(&text).map_err(ser::Error::custom)?)
    }
}

/// Bytes from a peer that usually are text, such as a header value: a JSON string when they are
/// UTF-8 without control characters (general category Cc), else `{"base64":"…"}`. Every sequence
/// of bytes has exactly one of the two forms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text(pub Bytes);

impl Text {
    /// The text, when the bytes are some.
    pub fn as_str(&self) -> Option<&str> {
        TextRef(&self.0).as_str()
    }

    /// The bytes for people: what is no UTF-8 or is a control character is replaced by U+FFFD.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => {
                let text = String::from_utf8_lossy(&self.0);
                Cow::Owned(text.replace(char::is_control, "\u{fffd}"))
            }
        }
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TextRef(&self.0).serialize(serializer)
    }
}

/// Bytes that are spelled as [`Text`] is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextRef<'a>(pub(crate) &'a [u8]);

impl<'a> TextRef<'a> {
    fn as_str(self) -> Option<&'a str> {
        let text = std::str::from_utf8(self.0).ok()?;
        // Nearly all is ASCII, which is seen many bytes at once.
        let plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
        (plain || !text.chars().any(char::is_control)).then_some(text)
    }
}

impl Serialize for TextRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(BASE64_KEY, &STANDARD.encode(self.0))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an object with the one key \"base64\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Bytes::copy_from_slice(text.as_bytes())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                let Some((key, Base64(bytes))) = map.next_entry::<Cow<'de, str>, Base64>()? else {
                    return Err(de::Error::missing_field(BASE64_KEY));
                };
                if key != BASE64_KEY {
                    return Err(de::Error::unknown_field(&key, &[BASE64_KEY]));
                }
                Ok(Text(bytes))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl From<&Bytes> for Text {
    fn from(bytes: &Bytes) -> Self {
        Self(bytes.clone())
    }
}

/// Wall-clock time, RFC 3339 in UTC with nine digits of nanoseconds:
/// `2026-11-20T11:13:05.000000001Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub WallNanos);

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spelled = self.spelled().ok_or(fmt::Error)?;
        f.write_str(std::str::from_utf8(&spelled).map_err(|_not_ascii| fmt::Error)?)
    }
}

impl Wall {
    fn spelled(self) -> Option<[u8; SHAPE.len()]> {
        let WallNanos(nanos) = self.0;
        let seconds = i64::try_from(nanos / NANOS_PER_SECOND).ok()?;
        // 64 bits of nanoseconds end in the year 2554, well inside what the type holds.
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let mut text = *SHAPE;
        let parts = [
            (0..4, at.year() as u64),
            (5..7, u64::from(u8::from(at.month()))),
            (8..10, u64::from(at.day())),
            (11..13, u64::from(at.hour())),
            (14..16, u64::from(at.minute())),
            (17..19, u64::from(at.second())),
            (20..29, nanos % NANOS_PER_SECOND),
        ];
        // Digit by digit: every record has such a time, and `write!` takes as long as the rest.
        for (place, number) in parts {
            let mut left = number;
            for digit in text.get_mut(place).into_iter().flatten().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
        Some(text)
    }
}

/// The text is no time in the form of [`Wall`], or none from 1970 to 2554.
#[derive(Debug, PartialEq, Eq)]
pub struct NotATime;

impl FromStr for Wall {
    type Err = NotATime;

    /// Read by hand: the parser of `time` 0.3.55 panics on a sign among the subseconds.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        let text: &[u8; SHAPE.len()] = text.as_bytes().try_into().map_err(|_length| NotATime)?;
        let as_shaped = |(byte, shape): (&u8, &u8)| match shape {
            b'0' => byte.is_ascii_digit(),
            _ => byte == shape,
        };
        if !text.iter().zip(SHAPE).all(as_shaped) {
            return Err(NotATime);
        }
        let number = |place: std::ops::Range<usize>| {
            let digits = text.get(place).unwrap_or_default();
            digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
        };
        let in_range = |_range| NotATime;
        let month = Month::try_from(number(5..7) as u8).map_err(in_range)?;
        let date = Date::from_calendar_date(number(0..4) as i32, month, number(8..10) as u8);
        let [hour, minute, second] =
            [number(11..13), number(14..16), number(17..19)].map(|part| part as u8);
        let time = Time::from_hms(hour, minute, second).map_err(in_range)?;
        let at = PrimitiveDateTime::new(date.map_err(in_range)?, time).assume_utc();
        let seconds = u64::try_from(at.unix_timestamp()).map_err(|_before| NotATime)?;
        let nanos = seconds.checked_mul(NANOS_PER_SECOND).ok_or(NotATime)?;
        nanos.checked_add(number(20..29).into()).map(|nanos| Self(WallNanos(nanos))).ok_or(NotATime)
    }
}

impl Serialize for Wall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spelled = self.spelled().ok_or_else(|| ser::Error::custom("a time out of range"))?;
        serializer.serialize_str(std::str::from_utf8(&spelled).map_err(ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Wall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spelled::deserialize(deserializer).map(|Spelled(wall)| wall)
    }
}

/// Monotonic nanoseconds as a string of decimal digits: they may pass 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(pub MonoNanos);

impl Serialize for Mono {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Spelled(self.0.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Mono {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spelled::deserialize(deserializer).map(|Spelled(nanos)| Self(MonoNanos(nanos)))
    }
}

/// A count, a size or an offset. JSON numbers are exact below 2^53, so that is the highest value:
/// larger ones do not occur (8 PiB), and are written as the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Count(pub u64);

impl Count {
    pub(crate) const MAX: u64 = (1 << 53) - 1;

    /// A duration in nanoseconds; the highest value is 104 days.
    pub(crate) fn nanos(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(Self::MAX))
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.min(Self::MAX))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

const BASE64_KEY: &str = "base64";
/// The form of [`Wall`]; each `0` stands for a digit.
const SHAPE: &[u8; 30] = b"0000-00-00T00:00:00.000000000Z";
const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(bytes: &[u8], json: &str) {
        let text = Text(Bytes::copy_from_slice(bytes));
        assert_eq!(serde_json::to_string(&text).unwrap(), json);
        assert_eq!(serde_json::from_str::<Text>(json).unwrap(), text);
    }

    #[test]
    fn text_is_a_string_where_it_can_be_one() {
        check(b"", r#""""#);
        check(b"text/html; charset=\"utf-8\"", r#""text/html; charset=\"utf-8\"""#);
        check("caf\u{e9}".as_bytes(), "\"caf\u{e9}\"");
        check(b"caf\xe9", r#"{"base64":"Y2Fm6Q=="}"#);
        check(b"a\tb", r#"{"base64":"YQli"}"#);
        check("\u{85}".as_bytes(), r#"{"base64":"woU="}"#);
        for wrong in ["{}", r#"{"b64":""}"#, r#"{"base64":"YQ==","base64":"YQ=="}"#, "1", "null"] {
            assert!(serde_json::from_str::<Text>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_nanoseconds() {
        let wall = Wall(WallNanos(1_795_173_185_000_000_001));
        assert_eq!(wall.to_string(), "2026-11-20T11:13:05.000000001Z");
        assert_eq!("1970-01-01T00:00:00.000000000Z".parse::<Wall>().unwrap(), Wall(WallNanos(0)));
        for wrong in [
            "",
            "2026-11-20T11:13:05Z",
            "1969-12-31T23:59:59.000000000Z",
            "2555-01-01T00:00:00.000000000Z",
            "2026-02-29T00:00:00.000000000Z",
            "2026-11-20T24:00:00.000000000Z",
            "2026-11-20T11:13:60.000000000Z",
            "2026-11-20T11:13:05.0000000\u{e9}Z",
        ] {
            assert_eq!(wrong.parse::<Wall>(), Err(NotATime), "{wrong}");
        }
    }

    #[test]
    fn a_time_whose_subseconds_begin_with_a_sign_does_not_panic() {
        for sign in ['#', '+', '-', ' '] {
            let text = format!("2026-11-20T11:13:05.{sign}00000001Z");
            assert_eq!(text.parse::<Wall>(), Err(NotATime), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_value_survives(bytes: Vec<u8>, nanos: u64) {
            let text = Text(bytes.clone().into());
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
            let wall = Wall(WallNanos(nanos));
            prop_assert_eq!(wall.to_string().parse::<Wall>().unwrap(), wall);
        }
    }
}
