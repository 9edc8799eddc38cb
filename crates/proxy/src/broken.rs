//! Why the relaying of a connection stops before both sides are done.

use feed::RecorderGone;
use flow::treatment::{Outcome, Side};
use std::io;

/// What stops both directions.
pub(crate) enum Broken {
    /// Nothing more can be recorded, so nothing more is relayed.
    Recorder(RecorderGone),
    Transport(Outcome),
}

impl Broken {
    /// What a failed read from, or write to, `side` says.
    pub(crate) fn transport(side: Side, error: &io::Error) -> Self {
        Self::Transport(outcome(side, error))
    }
}

/// How a connection ended whose socket on `side` failed.
pub(crate) fn outcome(side: Side, error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted => match side {
            Side::Client => Outcome::ClientReset,
            _ => Outcome::UpstreamReset,
        },
        // What the system's probes, or retransmissions, came to.
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Outcome::Vanished(side),
        _ => Outcome::Io { side, reason: error.to_string() },
    }
}

impl From<RecorderGone> for Broken {
    fn from(gone: RecorderGone) -> Self {
        Self::Recorder(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(side: Side, kind: io::ErrorKind, expected: &str) {
        match Broken::transport(side, &kind.into()) {
            Broken::Transport(outcome) => assert_eq!(outcome.word(), expected),
            Broken::Recorder(_) => unreachable!("a transport failed"),
        }
    }

    #[test]
    fn each_failure_of_a_socket_has_its_word() {
        check(Side::Client, io::ErrorKind::ConnectionReset, "client-reset");
        check(Side::Upstream, io::ErrorKind::BrokenPipe, "upstream-reset");
        check(Side::Client, io::ErrorKind::TimedOut, "client-vanished");
        check(Side::Upstream, io::ErrorKind::TimedOut, "upstream-vanished");
        check(Side::Upstream, io::ErrorKind::HostUnreachable, "upstream-vanished");
        check(Side::Client, io::ErrorKind::OutOfMemory, "io");
    }
}
