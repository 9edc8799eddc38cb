//! Messages inside a body: WebSocket messages, gRPC messages, server-sent events. A message is a
//! range of its body after removal of the body's framing; its bytes are nowhere else.

use crate::stream::{Direction, Extent};
use crate::time::Stamp;
use bytes::Bytes;
use std::fmt;

/// One message of an exchange, as it passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When its last byte was seen.
    pub at: Stamp,
    /// `Up`: in the request's body. `Down`: in the response's.
    pub direction: Direction,
    pub kind: MessageKind,
    /// Its bytes with all framing of its own, as offsets in the body without the body's framing.
    /// The control frames between the fragments of a WebSocket message are inside its range.
    pub range: Extent,
    /// Bytes of the payload as sent: framing of its own removed, compression kept.
    pub bytes: u64,
    pub end: MessageEnd,
    /// The first thing that is wrong with it.
    pub defect: Option<MessageDefect>,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageKind {
    WebSocket(WebSocketMessage),
    Grpc(GrpcMessage),
    Sse(SseEvent),
}

/// A WebSocket message (RFC 6455 section 5), control frames among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketMessage {
    /// Of its first frame: 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// Compressed with permessage-deflate (RFC 7692).
    pub compressed: bool,
    /// Its first frame is masked, as a client's must be.
    pub masked: bool,
    /// Frames that it is made of.
    pub fragments: u32,
    /// The status code of a close frame that has one.
    pub close_code: Option<u16>,
}

/// A gRPC message (Length-Prefixed-Message of the gRPC over HTTP/2 protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcMessage {
    /// Compressed as the `grpc-encoding` field says.
    pub compressed: bool,
    /// The trailers of grpc-web, which stand in the body.
    pub trailers: bool,
}

/// A server-sent event (WHATWG HTML, section 9.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// The event's type, where a field names one; at most [`SseEvent::FIELD_BYTES`] bytes.
    pub event: Option<Bytes>,
    /// The `id` field of this very event, bounded as `event` is.
    pub id: Option<Bytes>,
    /// The reconnection time that it sets, milliseconds.
    pub retry: Option<u64>,
}

impl SseEvent {
    /// Bytes of an event type or id that are kept.
    pub const FIELD_BYTES: usize = 256;
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageEnd {
    Complete,
    /// Its body ended before it, or another message began in its middle.
    Truncated,
}

/// What is wrong with a message. None of it leaves open where the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageDefect {
    /// A client's frame without a mask (RFC 6455 section 5.1).
    Unmasked,
    /// A server's frame with a mask.
    Masked,
    /// A length in more bytes than it needs (section 5.2).
    LongLength,
    ReservedOpcode,
    /// A control frame of more than 125 bytes (section 5.5).
    LongControl,
    FragmentedControl,
    /// A continuation without a message to continue.
    NothingToContinue,
    /// A new message begins in the middle of this one.
    Interrupted,
    /// The bit of permessage-deflate on a frame that cannot have it (RFC 7692 section 6.1).
    CompressedBit,
    /// A status code that must not be sent, or half of one (section 7.4).
    CloseCode,
    /// Text, or the reason of a close, that is no UTF-8.
    InvalidUtf8,
    /// It follows the close frame of its direction (section 5.5.1).
    AfterClose,
    /// Longer than the 4 MiB that gRPC receivers take unless told otherwise.
    LongMessage,
    /// An event type or id of which only the beginning is kept.
    LongField,
}

impl MessageDefect {
    /// Every defect, for readers of the word.
    pub const ALL: [Self; 14] = [
        Self::Unmasked,
        Self::Masked,
        Self::LongLength,
        Self::ReservedOpcode,
        Self::LongControl,
        Self::FragmentedControl,
        Self::NothingToContinue,
        Self::Interrupted,
        Self::CompressedBit,
        Self::CloseCode,
        Self::InvalidUtf8,
        Self::AfterClose,
        Self::LongMessage,
        Self::LongField,
    ];

    /// The word used in records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unmasked => "unmasked",
            Self::Masked => "masked",
            Self::LongLength => "long-length",
            Self::ReservedOpcode => "reserved-opcode",
            Self::LongControl => "long-control",
            Self::FragmentedControl => "fragmented-control",
            Self::NothingToContinue => "nothing-to-continue",
            Self::Interrupted => "interrupted",
            Self::CompressedBit => "compressed-bit",
            Self::CloseCode => "close-code",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::AfterClose => "after-close",
            Self::LongMessage => "long-message",
            Self::LongField => "long-field",
        }
    }
}

impl fmt::Display for MessageDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How many messages a body holds. Those beyond the bound on recorded ones are counted alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCount {
    pub seen: u64,
    /// Those of which an event tells: the first ones.
    pub recorded: u64,
}
