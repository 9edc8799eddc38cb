//! Points in time and periods, absolute or before a "now" that is only known when rows are asked.

use crate::time::WallNanos;
use std::fmt;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, UtcOffset};

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    At(WallNanos),
    /// Seconds before now.
    Ago(u64),
}

impl Moment {
    /// The moment on the wall clock, given the current time; the epoch when it lies before it.
    pub fn resolve(self, now: WallNanos) -> WallNanos {
        match self {
            Self::At(at) => at,
            Self::Ago(seconds) => {
                WallNanos(now.0.saturating_sub(seconds.saturating_mul(NANOS_PER_SECOND)))
            }
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => {
                let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0))
                    .ok()
                    .and_then(|at| at.format(&Rfc3339).ok());
                // Every u64 of nanoseconds lies before the year 2555, which both steps take.
                f.write_str(text.as_deref().unwrap_or("1970-01-01T00:00:00Z"))
            }
            Self::Ago(seconds) => {
                let (unit, factor) = RELATIVE_UNITS
                    .iter()
                    .find(|(_, factor)| *seconds > 0 && seconds.is_multiple_of(*factor))
                    .unwrap_or(&('s', 1));
                write!(f, "-{}{unit}", seconds / factor)
            }
        }
    }
}

/// `from` included, `until` excluded; at least one of them is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    pub from: Option<Moment>,
    pub until: Option<Moment>,
}

impl Period {
    /// Reads `-10m` and `2026-05-01T10:00:00Z` (since then), `2026-05-01` (that day, UTC) and
    /// `a..b` (either end may be missing; a date as the end includes its day).
    pub(super) fn read(text: &str) -> Option<Self> {
        let Some((from, until)) = text.split_once("..") else {
            return match read_date(text) {
                Some(day) => Some(Self { from: Some(start_of(day)?), until: Some(end_of(day)?) }),
                None => Some(Self { from: Some(read_moment(text)?), until: None }),
            };
        };
        if from.is_empty() && until.is_empty() {
            return None;
        }
        let end = |text: &str, of_day: fn(Date) -> Option<Moment>| match (text, read_date(text)) {
            ("", _) => Some(None),
            (_, Some(day)) => of_day(day).map(Some),
            (moment, None) => read_moment(moment).map(Some),
        };
        Some(Self { from: end(from, start_of)?, until: end(until, end_of)? })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.until) {
            (Some(from), None) => from.fmt(f),
            (None, None) => Ok(()),
            (None, Some(until)) => write!(f, "..{until}"),
            (Some(from), Some(until)) => write!(f, "{from}..{until}"),
        }
    }
}

fn read_moment(text: &str) -> Option<Moment> {
    if let Some(relative) = text.strip_prefix('-') {
        let split = relative.find(|c: char| !c.is_ascii_digit())?;
        let number = super::span::digits(relative.get(..split)?)?;
        let mut unit = relative.get(split..)?.chars();
        let (letter, None) = (unit.next()?, unit.next()) else { return None };
        let (_, factor) = RELATIVE_UNITS.iter().find(|(name, _)| *name == letter)?;
        return number.checked_mul(*factor).map(Moment::Ago);
    }
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    wall(at.checked_to_offset(UtcOffset::UTC)?).map(Moment::At)
}

fn read_date(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

fn start_of(day: Date) -> Option<Moment> {
    wall(day.midnight().assume_utc()).map(Moment::At)
}

fn end_of(day: Date) -> Option<Moment> {
    wall(day.midnight().assume_utc().checked_add(Duration::DAY)?).map(Moment::At)
}

fn wall(at: OffsetDateTime) -> Option<WallNanos> {
    u64::try_from(at.unix_timestamp_nanos()).ok().map(WallNanos)
}

/// Largest first.
const RELATIVE_UNITS: [(char, u64); 5] =
    [('w', 7 * 24 * 60 * 60), ('d', 24 * 60 * 60), ('h', 60 * 60), ('m', 60), ('s', 1)];

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let got = Period::read(text).map(|period| period.to_string());
        assert_eq!(got.as_deref(), expected, "{text}");
    }

    #[test]
    fn periods() {
        check("-10m", Some("-10m"));
        check("-120m", Some("-2h"));
        check("-0s", Some("-0s"));
        check("2026-05-01", Some("2026-05-01T00:00:00Z..2026-05-02T00:00:00Z"));
        check("2026-05-01..2026-05-02", Some("2026-05-01T00:00:00Z..2026-05-03T00:00:00Z"));
        check("2026-05-01T10:00:00+02:00", Some("2026-05-01T08:00:00Z"));
        check("..2026-05-01T10:00:00.5Z", Some("..2026-05-01T10:00:00.5Z"));
        check("-1h..-5m", Some("-1h..-5m"));
        check("-1h..", Some("-1h"));
        for text in ["..", "", "-", "-m", "-10", "-10mm", "-10y", "10m", "1960-01-01", "2026-13-01"]
        {
            check(text, None);
        }
    }

    #[test]
    fn relative_moments_stop_at_the_epoch() {
        assert_eq!(Moment::Ago(u64::MAX).resolve(WallNanos(5)), WallNanos(0));
        assert_eq!(Moment::Ago(1).resolve(WallNanos(3_000_000_000)), WallNanos(2_000_000_000));
    }
}
