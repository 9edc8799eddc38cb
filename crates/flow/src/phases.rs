//! How the time of an exchange divides: the one definition behind listings, exports and archives.
//! What came before the exchange (look-up, connect, handshakes) are the connection's
//! [`Timings`](crate::event::Timings), and count for its first exchange alone.

use crate::time::MonoNanos;
use std::time::Duration;

/// The moments of an exchange that has ended, on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// The request's head was complete.
    pub asked: MonoNanos,
    /// The last byte of the request's body passed; with none, the head's.
    pub sent: MonoNanos,
    /// The head of the final response was complete. Interim responses (1xx) answer nothing.
    pub answered: Option<MonoNanos>,
    /// Both bodies had ended, or would not go on.
    pub ended: MonoNanos,
}

/// The phases of an exchange, as HAR 1.2 has them. They follow each other without a gap, so that
/// they add up to the time from the request's head to the end of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// The rest of the request, until it was sent or the response came.
    pub send: Duration,
    /// Until the response's head; without a response, until the exchange ended.
    pub wait: Duration,
    /// The response's body; when the response came early, the rest of the request too. `None`
    /// without a response.
    pub receive: Option<Duration>,
}

impl Moments {
    pub fn phases(self) -> Phases {
        let ended = self.ended.max(self.asked);
        let answered = self.answered.map(|answered| answered.clamp(self.asked, ended));
        // A response may come before the request's body has ended.
        let sent = self.sent.clamp(self.asked, answered.unwrap_or(ended));
        Phases {
            send: sent.since(self.asked),
            wait: answered.unwrap_or(ended).since(sent),
            receive: answered.map(|answered| ended.since(answered)),
        }
    }
}

impl Phases {
    pub fn total(self) -> Duration {
        self.send + self.wait + self.receive.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(moments: (u64, u64, Option<u64>, u64), expected: (u64, u64, Option<u64>)) {
        let (asked, sent, answered, ended) = moments;
        let moments = Moments {
            asked: MonoNanos(asked),
            sent: MonoNanos(sent),
            answered: answered.map(MonoNanos),
            ended: MonoNanos(ended),
        };
        let (send, wait, receive) = expected;
        let expected = Phases {
            send: Duration::from_nanos(send),
            wait: Duration::from_nanos(wait),
            receive: receive.map(Duration::from_nanos),
        };
        assert_eq!(moments.phases(), expected);
    }

    #[test]
    fn phases_follow_each_other() {
        check((10, 12, Some(15), 19), (2, 3, Some(4)));
        check((10, 10, Some(10), 10), (0, 0, Some(0)));
    }

    #[test]
    fn without_a_response_the_wait_lasts_until_the_end() {
        check((10, 12, None, 19), (2, 7, None));
    }

    #[test]
    fn an_answer_before_the_request_is_over_ends_the_sending() {
        check((10, 18, Some(12), 19), (2, 0, Some(7)));
    }

    proptest! {
        #[test]
        fn phases_add_up_to_the_time_of_the_exchange(
            asked: u32, sent: u32, answered: Option<u32>, ended: u32,
        ) {
            let moment = |nanos: u32| MonoNanos(nanos.into());
            let moments = Moments {
                asked: moment(asked),
                sent: moment(sent),
                answered: answered.map(moment),
                ended: moment(ended),
            };
            prop_assert_eq!(moments.phases().total(), moments.ended.since(moments.asked));
        }
    }
}
