//! Ranges of whole numbers: status codes, ports and sizes.

use std::fmt;

/// `from` to `to`, both included; `from <= to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    pub from: u64,
    pub to: u64,
}

impl Span {
    /// Everything from 0 up.
    pub const ALL: Self = Self { from: 0, to: u64::MAX };

    /// Reads `404`, `400-499`, `>=400`, `<400` and the like, with `separator` between the ends of a
    /// range and `number` to read one end. `None` when it is no range or an empty one.
    pub(super) fn read(
        text: &str,
        separator: &str,
        number: impl Fn(&str) -> Option<u64>,
    ) -> Option<Self> {
        let span = if let Some(rest) = text.strip_prefix(">=") {
            Self { from: number(rest)?, ..Self::ALL }
        } else if let Some(rest) = text.strip_prefix("<=") {
            Self { to: number(rest)?, ..Self::ALL }
        } else if let Some(rest) = text.strip_prefix('>') {
            Self { from: number(rest)?.checked_add(1)?, ..Self::ALL }
        } else if let Some(rest) = text.strip_prefix('<') {
            Self { to: number(rest)?.checked_sub(1)?, ..Self::ALL }
        } else if let Some((from, to)) = text.split_once(separator) {
            Self { from: number(from)?, to: number(to)? }
        } else {
            let exact = number(text)?;
            Self { from: exact, to: exact }
        };
        (span.from <= span.to).then_some(span)
    }

    /// Writes the shortest form that [`Span::read`] takes.
    pub(super) fn write(
        self,
        f: &mut fmt::Formatter<'_>,
        separator: &str,
        number: impl Fn(u64) -> String,
    ) -> fmt::Result {
        let shorter = |a: String, b: Option<String>| match b {
            Some(b) if b.len() < a.len() => b,
            _ => a,
        };
        f.write_str(&match self {
            Self { from, to } if from == to => number(from),
            Self { from, to: u64::MAX } => shorter(
                format!(">={}", number(from)),
                from.checked_sub(1).map(|below| format!(">{}", number(below))),
            ),
            Self { from: 0, to } => shorter(
                format!("<={}", number(to)),
                to.checked_add(1).map(|above| format!("<{}", number(above))),
            ),
            Self { from, to } => format!("{}{separator}{}", number(from), number(to)),
        })
    }
}

/// Reads decimal digits without a sign.
pub(super) fn digits(text: &str) -> Option<u64> {
    let only_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| text.parse().ok()).flatten()
}

/// Reads a class of status codes, `4xx` (there are five; single codes up to 999 are met), or what [`Span::read`] takes.
pub(super) fn read_status(text: &str) -> Option<Span> {
    let class = match text.as_bytes() {
        [digit @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => Some(u64::from(*digit - b'0') * 100),
        _ => None,
    };
    match class {
        Some(from) => Some(Span { from, to: from + 99 }),
        None => Span::read(text, "-", digits).filter(|span| {
            let bounded = |end: u64| end <= 999 || end == u64::MAX;
            bounded(span.from) && bounded(span.to)
        }),
    }
}

/// Writes a span of status codes, a whole class as `4xx`.
pub(super) fn write_status(span: Span, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let class = span.from / 100;
    if (1..=5).contains(&class) && span.from == class * 100 && span.to == span.from + 99 {
        return write!(f, "{class}xx");
    }
    span.write(f, "-", |number| number.to_string())
}

/// Reads a size in bytes: `512`, `10kB` (1000), `1.5` is refused, `4MiB` (1024).
pub(super) fn read_size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = digits(text.get(..split)?)?;
    let unit = text.get(split..)?;
    let factor = if unit.is_empty() {
        1
    } else {
        SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1
    };
    number.checked_mul(factor)
}

/// Writes a size with the largest unit that leaves no remainder.
pub(super) fn size_text(bytes: u64) -> String {
    SIZE_UNITS
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .filter(|(_, factor)| *factor > 1)
        .map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// Largest first. `k`, `M` and `G` alone are decimal.
const SIZE_UNITS: [(&str, u64); 12] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("G", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("M", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("k", 1_000),
    ("B", 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("10kB", Some(10_000)),
            ("10KB", Some(10_000)),
            ("10k", Some(10_000)),
            ("4MiB", Some(4 << 20)),
            ("7b", Some(7)),
            ("", None),
            ("kB", None),
            ("1.5kB", None),
            ("-1", None),
            ("+1", None),
            ("99999999999TiB", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(read_size(text), bytes, "{text}");
        }
        assert_eq!(size_text(10_000), "10kB");
        assert_eq!(size_text(1024), "1KiB");
        assert_eq!(size_text(1001), "1001");
        assert_eq!(size_text(0), "0");
    }

    #[test]
    fn ranges_that_hold_nothing_are_refused() {
        for text in ["5-4", "<0", ">18446744073709551615", "4-", "-4", "--", ">=", "1-2-3"] {
            assert_eq!(Span::read(text, "-", digits), None, "{text}");
        }
    }
}
