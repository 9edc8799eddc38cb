//! HTTP as observed: heads, bodies as extents of a stream, and how each ended.

use crate::id::ExchangeId;
use crate::message::MessageCount;
use crate::stream::{Direction, Extent};
use crate::time::Stamp;
use bytes::Bytes;

/// The protocol version of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HttpVersion {
    Http10,
    Http11,
    Http2,
}

impl HttpVersion {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// One header or trailer field as it came: order, case and repeats kept, raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: Bytes,
    pub value: Bytes,
}

/// The first value of the field `name`, compared without case.
pub fn field<'a>(fields: &'a [Field], name: &str) -> Option<&'a Bytes> {
    fields.iter().find(|f| f.name.eq_ignore_ascii_case(name.as_bytes())).map(|f| &f.value)
}

/// A request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    pub at: Stamp,
    pub version: HttpVersion,
    pub method: Bytes,
    /// HTTP/1: the request target as sent. HTTP/2: `:path`, empty for CONNECT.
    pub target: Bytes,
    /// HTTP/1: the `Host` field. HTTP/2: `:authority`, else `host`.
    pub authority: Option<Bytes>,
    /// HTTP/2 `:scheme`; `None` on HTTP/1.
    pub scheme: Option<Bytes>,
    /// Regular fields; pseudo-header fields are not among them.
    pub fields: Vec<Field>,
    /// The head on the wire: HTTP/1 through the empty line, HTTP/2 all frames of the block.
    pub extent: Extent,
    /// HTTP/2 stream identifier.
    pub stream_id: Option<u32>,
    /// The stream that `extent` is in: `Down` for a request that the server pushes, else `Up`.
    pub direction: Direction,
    /// `:protocol` of an extended CONNECT (RFC 8441 section 4).
    pub protocol: Option<Bytes>,
    /// How the client opened its HTTP/2 connection, on the first request of one:
    /// `SETTINGS|WINDOW_UPDATE|PRIORITY|pseudo-header order`, in Akamai's notation.
    pub h2_fingerprint: Option<String>,
}

/// A response's head, an interim one (1xx) included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    pub at: Stamp,
    pub version: HttpVersion,
    pub status: u16,
    /// HTTP/1 reason phrase; empty on HTTP/2.
    pub reason: Bytes,
    pub fields: Vec<Field>,
    pub extent: Extent,
}

/// How a body is delimited in its stream: what a reader needs to take it out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// No body.
    None,
    /// All bytes of the extent (a known length, or delimited by the end of the connection).
    Identity,
    /// HTTP/1 chunked coding (RFC 9112 section 7.1); the extent covers all chunks and trailers.
    Chunked,
    /// DATA frames of this HTTP/2 stream between the offsets of the extent.
    Http2 { stream_id: u32 },
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyEnd {
    Complete,
    /// The connection ended before the framing said so.
    Truncated,
    /// The stream was reset (RST_STREAM) with this HTTP/2 error code.
    Reset(u32),
    /// Decoding of the connection stopped before the body ended.
    NotFollowed,
}

/// A body as transferred, content encodings kept, transfer framing removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub framing: Framing,
    pub extent: Extent,
    /// Bytes after removal of the framing.
    pub bytes: u64,
    pub end: BodyEnd,
    pub trailers: Vec<Field>,
    /// The messages in it; `None` where it was not read as messages.
    pub messages: Option<MessageCount>,
    /// What its bytes are committed to with; `None` of a body without any, and of one that is larger
    /// than `observed_body_bytes` of the limits.
    pub digests: Option<ChunkDigests>,
    /// When the last byte was seen.
    pub at: Stamp,
}

/// SHA-256 of each [`ChunkDigests::CHUNK_BYTES`] of a body, in order; the last one may be shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkDigests(pub Vec<[u8; 32]>);

impl ChunkDigests {
    pub const CHUNK_BYTES: usize = 1024;
}

/// What an exchange turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Upgrade {
    WebSocket,
    /// `Upgrade: h2c`: the connection goes on as HTTP/2 with this exchange as its stream 1.
    Http2,
    /// CONNECT inside the tunnel, or an Upgrade to a protocol that is not observed.
    Opaque,
}

/// The end of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeEnd {
    pub at: Stamp,
    pub request_body: Body,
    /// `None` when no final response head came.
    pub response_body: Option<Body>,
    pub upgrade: Option<Upgrade>,
}

/// Where and why an observer stopped decoding: a connection, or the messages in one body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostSync {
    pub at: Stamp,
    pub direction: Direction,
    /// Only the messages in this direction's body of the exchange are no longer followed.
    pub exchange: Option<ExchangeId>,
    /// Offset of the first byte that was not understood: in the stream, or, with `exchange`, in
    /// the body without its framing.
    pub offset: u64,
    pub reason: String,
}
