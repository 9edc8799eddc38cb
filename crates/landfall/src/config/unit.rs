//! Durations and sizes as people write them: `90s`, `1h30m`, `64KiB`, `10kB`. A unit is always
//! written, so that nobody has to know which one a bare number would mean.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration: one or more of `<number>ms|s|m|h|d`, largest unit first or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurationText(pub(crate) Duration);

/// The text is no duration or size; what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitError {
    NotADuration,
    NotASize,
    TooLarge,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotADuration => "this is no duration",
            Self::NotASize => "this is no size",
            Self::TooLarge => "the number is too large",
        })
    }
}

impl UnitError {
    /// What is taken instead, as a noun phrase.
    pub(crate) fn takes(self) -> &'static str {
        match self {
            Self::NotADuration => "a duration such as 90s, 10m, 1h30m or 500ms",
            Self::NotASize => "a size such as 64KiB, 16GiB, 10kB or 512B",
            Self::TooLarge => "a smaller number",
        }
    }
}

impl std::error::Error for UnitError {}

impl FromStr for DurationText {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(UnitError::NotADuration);
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (number, after) = number(rest).ok_or(UnitError::NotADuration)?;
            let (unit, after) = letters(after);
            let milliseconds = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(UnitError::NotADuration),
            };
            total = number
                .checked_mul(milliseconds)
                .and_then(|part| total.checked_add(part))
                .ok_or(UnitError::TooLarge)?;
            rest = after.trim_start();
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for DurationText {
    /// The canonical spelling: the largest unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if milliseconds > 0 && milliseconds.is_multiple_of(size) {
                return write!(f, "{}{unit}", milliseconds / size);
            }
        }
        write!(f, "{milliseconds}ms")
    }
}

/// A size in bytes: one number with `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`,
/// `GiB`, `TiB` (powers of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeText(pub(crate) u64);

impl FromStr for SizeText {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, after) = number(text.trim()).ok_or(UnitError::NotASize)?;
        let unit = after.trim_start();
        let (_, size) = SIZES.iter().find(|(name, _)| *name == unit).ok_or(UnitError::NotASize)?;
        number.checked_mul(*size).map(Self).ok_or(UnitError::TooLarge)
    }
}

impl fmt::Display for SizeText {
    /// The canonical spelling: the largest binary unit that gives a whole number, else bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in SIZES.iter().rev().filter(|(unit, _)| unit.ends_with("iB")) {
            if self.0 > 0 && self.0.is_multiple_of(*size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}B", self.0)
    }
}

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest.trim_start()))
}

fn letters(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check<T: FromStr<Err = UnitError> + fmt::Display>(
        text: &str,
        expected: Result<&str, UnitError>,
    ) {
        let got = text.parse::<T>().map(|value| value.to_string());
        assert_eq!(got, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn durations() {
        check::<DurationText>("10s", Ok("10s"));
        check::<DurationText>("90s", Ok("90s"));
        check::<DurationText>("1h30m", Ok("90m"));
        check::<DurationText>("120m", Ok("2h"));
        check::<DurationText>("500 ms", Ok("500ms"));
        check::<DurationText>("1500ms", Ok("1500ms"));
        check::<DurationText>("0s", Ok("0ms"));
        check::<DurationText>("1d 1h", Ok("25h"));
        for text in ["", "10", "s", "-1s", "1.5s", "10 parsecs", "1hour", "1s2", "1s,2s"] {
            check::<DurationText>(text, Err(UnitError::NotADuration));
        }
        check::<DurationText>("18446744073709551615d", Err(UnitError::TooLarge));
    }

    #[test]
    fn sizes() {
        check::<SizeText>("64KiB", Ok("64KiB"));
        check::<SizeText>("64 KiB", Ok("64KiB"));
        check::<SizeText>("16GiB", Ok("16GiB"));
        check::<SizeText>("10kB", Ok("10000B"));
        check::<SizeText>("1024B", Ok("1KiB"));
        check::<SizeText>("0B", Ok("0B"));
        for text in ["", "64", "64kib", "64 K", "KiB", "-1B", "1.5MB", "1KiB2"] {
            check::<SizeText>(text, Err(UnitError::NotASize));
        }
        check::<SizeText>("18446744073709551615KiB", Err(UnitError::TooLarge));
    }

    proptest! {
        #[test]
        fn canonical_spellings_read_back(number in any::<u64>()) {
            let size = SizeText(number);
            prop_assert_eq!(size.to_string().parse::<SizeText>(), Ok(size));
            let duration = DurationText(Duration::from_millis(number));
            prop_assert_eq!(duration.to_string().parse::<DurationText>(), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _read = (text.parse::<SizeText>(), text.parse::<DurationText>());
        }
    }
}
