//! One measurement: the time that a load took, and what it cost the subject, work included that the
//! subject only finishes afterwards.

use crate::process::Cost;
use crate::subject::Subject;
use std::time::{Duration, Instant};

/// Begun when the load begins.
pub(crate) struct Meter<'a> {
    subject: &'a Subject,
    before: Cost,
    begun: Instant,
}

/// The result for a number of units: requests, connections or MiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Units per second.
    pub(crate) rate: f64,
    /// User and system time per unit, in microseconds, until the subject was at rest again.
    pub(crate) cpu_us: f64,
    /// The part of it that was spent before the last answer had come.
    pub(crate) cpu_during_us: f64,
    /// What the work measures, where that is neither rate nor processor time.
    pub(crate) value: f64,
}

impl<'a> Meter<'a> {
    pub(crate) fn begin(subject: &'a Subject) -> Self {
        Self { subject, before: subject.cost(), begun: Instant::now() }
    }

    /// To be called when the last answer has come.
    pub(crate) async fn end(self, units: f64) -> Sample {
        let took = self.begun.elapsed();
        let during = self.subject.cost().cpu.saturating_sub(self.before.cpu);
        let whole = at_rest(self.subject).await.cpu.saturating_sub(self.before.cpu);
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / units;
        Sample {
            rate: units / took.as_secs_f64(),
            cpu_us: each(whole),
            cpu_during_us: each(during),
            value: 0.0,
        }
    }
}

/// Waits until the subject uses no processor time to speak of.
pub(crate) async fn at_rest(subject: &Subject) -> Cost {
    let mut last = subject.cost();
    for _ in 0..MOST_WAITS {
        tokio::time::sleep(REST).await;
        let now = subject.cost();
        if now.cpu.saturating_sub(last.cpu) <= IDLE {
            return now;
        }
        last = now;
    }
    last
}

const REST: Duration = Duration::from_millis(400);
/// One tick is what an idle process may be charged by chance.
const IDLE: Duration = Duration::from_millis(10);
const MOST_WAITS: usize = 100;
