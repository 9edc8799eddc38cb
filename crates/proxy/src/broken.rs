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
        Self::Transport(match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted => match side {
                Side::Client => Outcome::ClientReset,
                _ => Outcome::UpstreamReset,
            },
            _ => Outcome::Io { side, reason: error.to_string() },
        })
    }
}

impl From<RecorderGone> for Broken {
    fn from(gone: RecorderGone) -> Self {
        Self::Recorder(gone)
    }
}
