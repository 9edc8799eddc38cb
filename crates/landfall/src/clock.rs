//! The machine's clocks, where time enters the product. Everything below is handed a clock.

use flow::time::{Clock, MonoNanos, Stamp, WallNanos};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The system's wall clock and a monotonic clock that starts with the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Stamp {
        let mono = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Stamp { wall: wall(SystemTime::now()), mono: MonoNanos(mono) }
    }
}

/// Wall time; a clock before 1970 reads as 1970.
pub(crate) fn wall(time: SystemTime) -> WallNanos {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    WallNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
