//! Why an HTTP/2 connection can no longer be followed.

use super::frame::BadPadding;
use super::head::HeadError;
use super::hpack::DecodeError;
use std::fmt;

/// What ended the decoding of a connection. The text goes to the record as the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The client's first bytes are not the preface (RFC 9113 section 3.4).
    BadPreface,
    /// The connection ended inside the preface.
    CutPreface,
    /// A direction's first frame is not SETTINGS.
    NoSettings,
    /// A frame longer than the receiver allows.
    FrameTooLong {
        length: u32,
        allowed: u32,
    },
    /// A frame of a length that its type cannot have.
    FrameLength {
        kind: u8,
        length: u32,
    },
    /// A frame of a type that belongs to a stream, on stream 0.
    NotOnAStream {
        kind: u8,
    },
    Padding,
    /// A header block is not followed by its next part (section 6.10).
    BlockInterrupted,
    /// CONTINUATION where no header block is open.
    StrayContinuation,
    /// A header block, frame headers and padding included, over the limit.
    BlockOverLimit {
        limit: usize,
    },
    /// The connection ended inside a header block.
    CutBlock,
    Hpack(DecodeError),
    /// A direction's fields are far longer than the header blocks that they were decoded from.
    Expansion {
        decoded: u64,
        wire: u64,
    },
    Head(HeadError),
    /// A stream identifier that this sender cannot open.
    WrongParity {
        stream_id: u32,
    },
    /// A promise of a stream that was promised before, or passed over.
    PromisedTwice {
        stream_id: u32,
    },
    /// A frame on a stream that nobody has opened.
    IdleStream {
        stream_id: u32,
    },
    /// PUSH_PROMISE from a client.
    PushByClient,
    /// Body bytes before the head that they belong to.
    DataBeforeHead {
        stream_id: u32,
    },
    /// Body bytes or fields after END_STREAM.
    AfterEnd {
        stream_id: u32,
    },
    /// A second header block after the final head that does not end the stream (section 8.1).
    TrailersWithoutEnd {
        stream_id: u32,
    },
    /// An interim response that ends the stream.
    InterimEnd {
        stream_id: u32,
    },
    TooManyStreams {
        limit: usize,
    },
    /// Trailers of exchanges that have not ended, all together over the limit.
    TrailersOverLimit {
        limit: usize,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPreface => f.write_str("not the HTTP/2 preface"),
            Self::CutPreface => f.write_str("the connection ended inside the HTTP/2 preface"),
            Self::NoSettings => f.write_str("the first frame is not SETTINGS"),
            Self::FrameTooLong { length, allowed } => {
                write!(f, "a frame of {length} bytes where the receiver allows {allowed}")
            }
            Self::FrameLength { kind, length } => {
                write!(f, "a frame of type {kind} with {length} bytes")
            }
            Self::NotOnAStream { kind } => write!(f, "a frame of type {kind} on stream 0"),
            Self::Padding => f.write_str("padding that does not fit its frame"),
            Self::BlockInterrupted => f.write_str("a header block is interrupted"),
            Self::StrayContinuation => f.write_str("CONTINUATION without a header block"),
            Self::BlockOverLimit { limit } => {
                write!(f, "a header block is over limits.observed-header-bytes = {limit}B")
            }
            Self::CutBlock => f.write_str("the connection ended inside a header block"),
            Self::Hpack(error) => write!(f, "a header block cannot be decoded: {error}"),
            Self::Expansion { decoded, wire } => {
                write!(f, "header blocks of {wire} bytes in all unfold to {decoded} bytes")
            }
            Self::Head(error) => write!(f, "malformed head: {error}"),
            Self::WrongParity { stream_id } => {
                write!(f, "stream {stream_id} cannot be opened by this side")
            }
            Self::PromisedTwice { stream_id } => {
                write!(f, "stream {stream_id} is promised when it can no longer be")
            }
            Self::IdleStream { stream_id } => {
                write!(f, "a frame on stream {stream_id}, which was never opened")
            }
            Self::PushByClient => f.write_str("PUSH_PROMISE from the client"),
            Self::DataBeforeHead { stream_id } => {
                write!(f, "DATA before the head on stream {stream_id}")
            }
            Self::AfterEnd { stream_id } => {
                write!(f, "DATA or HEADERS after the end of stream {stream_id}")
            }
            Self::TrailersWithoutEnd { stream_id } => {
                write!(f, "trailers that do not end stream {stream_id}")
            }
            Self::InterimEnd { stream_id } => {
                write!(f, "an interim response that ends stream {stream_id}")
            }
            Self::TooManyStreams { limit } => {
                write!(f, "more streams open at once than limits.observed-streams = {limit}")
            }
            Self::TrailersOverLimit { limit } => {
                write!(
                    f,
                    "trailers of unfinished exchanges are over limits.observed-header-bytes = {limit}B"
                )
            }
        }
    }
}

impl From<BadPadding> for Fault {
    fn from(BadPadding: BadPadding) -> Self {
        Self::Padding
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self::Hpack(error)
    }
}

impl From<HeadError> for Fault {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}
