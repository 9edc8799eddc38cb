//! Streams: what passed, leg by leg and direction by direction, and ranges of it.

use crate::id::ConnectionId;
use crate::time::Stamp;
use bytes::Bytes;
use std::ops::Range;

/// Which bytes a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leg {
    /// The bytes that the relay passed on: plaintext where TLS was terminated, else as they came.
    Relay,
    /// What the device said to the proxy itself, and request heads before they were rewritten.
    Client,
    /// The upstream's TLS bytes (ciphertext): the handshake, or all of them.
    Upstream,
    /// The device's TLS bytes (ciphertext), where they are kept.
    ClientTls,
}

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the device to the upstream.
    Up,
    /// From the upstream to the device.
    Down,
}

/// One stream of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    pub connection: ConnectionId,
    pub leg: Leg,
    pub direction: Direction,
}

/// A range of byte offsets in one stream; empty when `start == end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Extent {
    pub start: u64,
    pub end: u64,
}

impl Extent {
    pub fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn range(self) -> Range<u64> {
        self.start..self.end
    }
}

/// The bytes of at most one read, in the order in which they passed.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub stream: StreamKey,
    pub at: Stamp,
    pub bytes: Bytes,
}
