//! Timings of an entry, in milliseconds on the monotonic clock; -1 for what does not apply.

use flow::time::MonoNanos;
use recorder::read::FlowDetail;
use recorder::record::exchange::BodyShape;
use recorder::record::value::Count;
use serde::Serialize;

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
}

impl Timings {
    /// Look-up, connect and handshake count for the connection's first exchange alone, as browsers
    /// do it.
    pub(super) fn new(detail: &FlowDetail) -> Self {
        let mut timings = Self { send: 0.0, wait: 0.0, receive: 0.0, ..NOTHING };
        if detail.row.exchange().is_none_or(|number| number == 1)
            && let Some(close) = &detail.connection.close
        {
            let steps = close.body.timings;
            let ssl = steps.upstream_tls_ns.map(count);
            timings.dns = steps.dns_ns.map_or(-1.0, count);
            timings.ssl = ssl.unwrap_or(-1.0);
            timings.connect = steps.connect_ns.map_or(-1.0, |c| count(c) + ssl.unwrap_or(0.0));
        }
        let Some(exchange) = &detail.exchange else { return timings };
        let (Some(request), close) = (&exchange.request, &exchange.close) else { return timings };
        let asked = request.at.mono;
        let sent = close.as_ref().map_or(asked, |close| ended(&close.body.request_body, asked));
        if let Some(response) = exchange.responses.iter().rfind(|r| r.body.is_final()) {
            let answered = response.at.mono;
            // A response may come before the request's body has ended.
            let sent = sent.min(answered);
            timings.send = millis(sent, asked);
            timings.wait = millis(answered, sent);
            let body = close.as_ref().and_then(|close| close.body.response_body.as_ref());
            let received = body.map_or(answered, |body| ended(body, answered));
            timings.receive = millis(received, answered);
        } else {
            timings.send = millis(sent, asked);
        }
        timings
    }

    /// The sum of the phases that apply, each once.
    pub(super) fn total(&self) -> f64 {
        [self.blocked, self.dns, self.connect, self.send, self.wait, self.receive]
            .into_iter()
            .filter(|phase| *phase >= 0.0)
            .sum()
    }
}

fn ended(body: &BodyShape, begun: MonoNanos) -> MonoNanos {
    body.mono.0.max(begun)
}

fn count(nanos: Count) -> f64 {
    nanos.0 as f64 / NANOS_PER_MILLI
}

fn millis(later: MonoNanos, earlier: MonoNanos) -> f64 {
    later.since(earlier).as_nanos() as f64 / NANOS_PER_MILLI
}

const NANOS_PER_MILLI: f64 = 1e6;
const NOTHING: Timings = Timings {
    blocked: -1.0,
    dns: -1.0,
    connect: -1.0,
    ssl: -1.0,
    send: -1.0,
    wait: -1.0,
    receive: -1.0,
};

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
            ..NOTHING
        };
        assert!((timings.total() - 10.0).abs() < 1e-9);
        assert!(NOTHING.total().abs() < 1e-9);
    }
}
