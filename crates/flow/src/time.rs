//! Points in time. Every stamp carries both clocks: wall time to say when, monotonic time to
//! measure with. Clocks are injected, so that the same events give the same records.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// Nanoseconds since the Unix epoch (UTC, as the machine's clock had it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WallNanos(pub u64);

impl fmt::Display for WallNanos {
    /// To the second, for sentences: `2026-11-20 07:13:05 UTC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0 / 1_000_000_000).map_err(|_never| fmt::Error)?;
        // 64 bits of nanoseconds end in the year 2554.
        let at = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_never| fmt::Error)?;
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// Nanoseconds on a monotonic clock whose origin is the start of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonoNanos(pub u64);

impl MonoNanos {
    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    pub wall: WallNanos,
    pub mono: MonoNanos,
}

/// Where stamps come from: the system in the product, a counter in tests.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Stamp;
}

/// A clock that several owners read.
pub type SharedClock = Arc<dyn Clock>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_time_is_told_to_the_second() {
        assert_eq!(WallNanos(1_795_132_805_999_999_999).to_string(), "2026-11-20 00:00:05 UTC");
        assert_eq!(WallNanos(u64::MAX).to_string(), "2554-07-21 23:34:33 UTC");
    }
}
