//! The records that commit the log to the stream store, and the words for its streams.

use super::value::{Base64, Count, Spelled};
use flow::id::ConnectionId;
use flow::stream;
use serde::{Deserialize, Serialize};

/// `frames`: what one flush appended to the stream store. It lies in one segment without a hole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frames {
    /// Bytes of the segment that the frames take up, their headers included.
    pub bytes: Count,
    /// Number of frames.
    pub count: Count,
    /// Index of the first frame.
    pub first: Count,
    /// Where the first frame begins in its segment.
    pub offset: Count,
    /// RFC 6962 root over the frame hashes.
    pub root: Base64,
    /// The segment's number: 1 is `streams/000001.frames`.
    pub segment: Count,
    /// What the frames hold, stream by stream, sorted by connection, leg and direction.
    pub streams: Vec<Run>,
}

/// A range of one stream: the bytes that one flush added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub connection: Spelled<ConnectionId>,
    pub direction: Direction,
    /// Offset in the stream after the last byte.
    pub end: Count,
    pub leg: Leg,
    /// Offset in the stream of the first byte.
    pub start: Count,
}

/// See [`stream::Direction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Up,
    Down,
}

/// See [`stream::Leg`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    Relay,
    Client,
    Upstream,
    ClientTls,
}

/// See [`stream::Extent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    pub end: Count,
    pub start: Count,
}

impl From<stream::Direction> for Direction {
    fn from(direction: stream::Direction) -> Self {
        match direction {
            stream::Direction::Up => Self::Up,
            stream::Direction::Down => Self::Down,
        }
    }
}

impl From<Direction> for stream::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }
}

impl From<stream::Leg> for Leg {
    fn from(leg: stream::Leg) -> Self {
        match leg {
            stream::Leg::Relay => Self::Relay,
            stream::Leg::Client => Self::Client,
            stream::Leg::Upstream => Self::Upstream,
            stream::Leg::ClientTls => Self::ClientTls,
        }
    }
}

impl From<Leg> for stream::Leg {
    fn from(leg: Leg) -> Self {
        match leg {
            Leg::Relay => Self::Relay,
            Leg::Client => Self::Client,
            Leg::Upstream => Self::Upstream,
            Leg::ClientTls => Self::ClientTls,
        }
    }
}

impl From<stream::Extent> for Extent {
    fn from(extent: stream::Extent) -> Self {
        Self { end: Count(extent.end), start: Count(extent.start) }
    }
}

impl From<Extent> for stream::Extent {
    fn from(extent: Extent) -> Self {
        Self { start: extent.start.0, end: extent.end.0 }
    }
}
