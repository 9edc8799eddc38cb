//! Points in time. Every stamp carries both clocks: wall time to say when, monotonic time to
//! measure with. Clocks are injected, so that the same events give the same records.

use std::sync::Arc;
use std::time::Duration;

/// Nanoseconds since the Unix epoch (UTC, as the machine's clock had it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WallNanos(pub u64);

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
