//! Timings of an entry, in milliseconds on the monotonic clock; -1 for what does not apply.

use recorder::read::FlowRow;
use serde::Serialize;
use std::time::Duration;

/// The phases of an entry. `connect` includes `ssl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Timings {
    blocked: f64,
    dns: f64,
    connect: f64,
    ssl: f64,
    send: f64,
    wait: f64,
    receive: f64,
    /// Landfall's handshake with the device, which is no part of the sum: without Landfall there
    /// were none.
    #[serde(rename = "_clientTls", skip_serializing_if = "Option::is_none")]
    client_tls: Option<f64>,
}

impl Timings {
    /// Look-up, connect and handshake count for the connection's first exchange alone, as browsers
    /// do it.
    pub(super) fn new(row: &FlowRow) -> Self {
        let FlowRow { steps, phases, .. } = row;
        let ssl = steps.upstream_tls.map(millis);
        Self {
            // No request waits here for a connection: each comes on the one that carries it on.
            blocked: ABSENT,
            dns: steps.dns.map_or(ABSENT, millis),
            connect: steps.connect.map_or(ABSENT, |c| millis(c) + ssl.unwrap_or(0.0)),
            ssl: ssl.unwrap_or(ABSENT),
            send: phases.map_or(0.0, |phases| millis(phases.send)),
            wait: phases.map_or(0.0, |phases| millis(phases.wait)),
            receive: phases.and_then(|phases| phases.receive).map_or(0.0, millis),
            client_tls: steps.client_tls.map(millis),
        }
    }

    /// The sum of the phases that apply, each once.
    pub(super) fn total(&self) -> f64 {
        [self.blocked, self.dns, self.connect, self.send, self.wait, self.receive]
            .into_iter()
            .filter(|phase| *phase >= 0.0)
            .sum()
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / NANOS_PER_MILLI
}

const NANOS_PER_MILLI: f64 = 1e6;
const ABSENT: f64 = -1.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_is_not_counted_twice() {
        let timings = Timings {
            dns: 1.0,
            connect: 5.0,
            ssl: 3.0,
            send: 0.5,
            wait: 2.0,
            receive: 1.5,
            blocked: ABSENT,
            client_tls: Some(7.0),
        };
        assert!((timings.total() - 10.0).abs() < 1e-9);
    }
}
