//! Records about exchanges, all derived by the observer from the stream store's bytes.
//!
//! There is no digest of a body here: an unsalted one would let anybody test guesses of a body
//! that was redacted. The bytes are committed to by the `frames` records, and those of bodies that are
//! not large by a tree of salted ones.

use super::sealed::{EachSealed, Sealed};
use super::store::{Direction, Extent};
use super::value::{Base64, Count, Mono, Spelled, Text, Wall};
use flow::http::{self, BodyEnd, Framing};
use flow::id::{ConnectionId, ExchangeId};
use flow::message::MessageCount;
use serde::{Deserialize, Serialize};

/// `exchange.request`: a request's head is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Text>,
    /// `down` for a request that the server pushes: its head is in the down stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    pub exchange: Spelled<ExchangeId>,
    /// The head in the relay leg's up stream, or where `direction` says.
    pub extent: Extent,
    /// Name and value, in order, as they came.
    pub fields: Vec<(Text, Sealed<Text>)>,
    /// How the client opened its HTTP/2 connection; on the first request of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub h2_fingerprint: Option<String>,
    pub method: Text,
    /// The observer's version.
    pub observer: String,
    /// `:protocol` of an extended CONNECT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<u32>,
    pub target: Sealed<Text>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub version: String,
}

impl ExchangeRequest {
    pub(crate) fn new(exchange: ExchangeId, head: &http::RequestHead) -> Self {
        Self {
            authority: head.authority.as_ref().map(Text::from),
            direction: match head.direction {
                flow::stream::Direction::Up => None,
                flow::stream::Direction::Down => Some(Direction::Down),
            },
            exchange: Spelled(exchange),
            extent: head.extent.into(),
            fields: fields(&head.fields),
            h2_fingerprint: head.h2_fingerprint.clone(),
            method: Text::from(&head.method),
            observer: OBSERVER.to_owned(),
            protocol: head.protocol.as_ref().map(Text::from),
            scheme: head.scheme.as_ref().map(Text::from),
            stream_id: head.stream_id,
            target: Sealed::Open(Text::from(&head.target)),
            version: head.version.as_str().to_owned(),
        }
    }

    pub(super) fn each_sealed(&mut self, each: &mut impl EachSealed) {
        each.fields(&mut self.fields);
        each.value(&mut self.target);
    }
}

/// `exchange.response`: a response's head is complete. Interim ones (1xx) have records too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeResponse {
    pub exchange: Spelled<ExchangeId>,
    /// The head in the relay leg's down stream.
    pub extent: Extent,
    pub fields: Vec<(Text, Sealed<Text>)>,
    pub observer: String,
    /// HTTP/1 reason phrase, empty on HTTP/2.
    pub reason: Text,
    pub status: u16,
    pub version: String,
}

impl ExchangeResponse {
    pub(crate) fn new(exchange: ExchangeId, head: &http::ResponseHead) -> Self {
        Self {
            exchange: Spelled(exchange),
            extent: head.extent.into(),
            fields: fields(&head.fields),
            observer: OBSERVER.to_owned(),
            reason: Text::from(&head.reason),
            status: head.status,
            version: head.version.as_str().to_owned(),
        }
    }

    pub(super) fn each_sealed(&mut self, each: &mut impl EachSealed) {
        each.fields(&mut self.fields);
    }

    /// It answers the request: no interim response comes before it.
    pub fn is_final(&self) -> bool {
        is_final(self.status)
    }
}

/// Whether a response with this status answers its request. Of the informational ones, 101 does: what
/// follows it is no HTTP any more (RFC 9110 section 15.2.2).
pub(crate) fn is_final(status: u16) -> bool {
    const SWITCHING_PROTOCOLS: u16 = 101;
    !(100..200).contains(&status) || status == SWITCHING_PROTOCOLS
}

/// `exchange.close`: both bodies have ended, or will not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeClose {
    pub exchange: Spelled<ExchangeId>,
    pub observer: String,
    pub request_body: BodyShape,
    /// Absent when no final response head came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body: Option<BodyShape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
}

impl ExchangeClose {
    /// With the commitments to the two bodies.
    pub(crate) fn new(
        exchange: ExchangeId,
        end: &http::ExchangeEnd,
        [request, response]: [Option<BodyCommitment>; 2],
    ) -> Self {
        Self {
            exchange: Spelled(exchange),
            observer: OBSERVER.to_owned(),
            request_body: BodyShape::new(&end.request_body, request),
            response_body: end.response_body.as_ref().map(|body| BodyShape::new(body, response)),
            upgrade: end.upgrade.map(|upgrade| match upgrade {
                http::Upgrade::WebSocket => Upgrade::WebSocket,
                http::Upgrade::Http2 => Upgrade::Http2,
                http::Upgrade::Opaque => Upgrade::Opaque,
            }),
        }
    }
}

impl ExchangeClose {
    pub(super) fn each_sealed(&mut self, each: &mut impl EachSealed) {
        each.fields(&mut self.request_body.trailers);
        if let Some(body) = &mut self.response_body {
            each.fields(&mut body.trailers);
        }
    }
}

/// A body as transferred: where it is and how to take it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyShape {
    /// When its last byte was seen.
    pub at: Wall,
    /// Bytes after removal of the framing.
    pub bytes: Count,
    /// Absent where there is no byte, or more than `observed_body_bytes` of the limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<BodyCommitment>,
    pub end: End,
    /// A request's body is in the up stream of the relay leg, a response's in the down stream.
    pub extent: Extent,
    pub framing: FramingWord,
    /// The messages in it; absent where it was not read as messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Messages>,
    pub mono: Mono,
    /// The HTTP/2 error code, for the end `reset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_code: Option<u32>,
    /// For the framing `http2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<(Text, Sealed<Text>)>,
}

/// What binds to the bytes of a body without telling them: a tree over its chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyCommitment {
    /// Number of its leaves, one for each [`http::ChunkDigests::CHUNK_BYTES`].
    pub chunks: Count,
    /// RFC 6962 root over the salted chunks.
    pub root: Base64,
}

impl BodyShape {
    fn new(body: &http::Body, commitment: Option<BodyCommitment>) -> Self {
        let (framing, stream_id) = match body.framing {
            Framing::None => (FramingWord::None, None),
            Framing::Identity => (FramingWord::Identity, None),
            Framing::Chunked => (FramingWord::Chunked, None),
            Framing::Http2 { stream_id } => (FramingWord::Http2, Some(stream_id)),
        };
        let (end, reset_code) = match body.end {
            BodyEnd::Complete => (End::Complete, None),
            BodyEnd::Truncated => (End::Truncated, None),
            BodyEnd::Reset(code) => (End::Reset, Some(code)),
            BodyEnd::NotFollowed => (End::NotFollowed, None),
        };
        Self {
            at: Wall(body.at.wall),
            bytes: Count(body.bytes),
            commitment,
            end,
            extent: body.extent.into(),
            framing,
            messages: body.messages.map(Messages::from),
            mono: Mono(body.at.mono),
            reset_code,
            stream_id,
            trailers: fields(&body.trailers),
        }
    }
}

impl BodyShape {
    /// The framing, as a body reader takes it.
    pub fn framing(&self) -> Framing {
        match (self.framing, self.stream_id) {
            (FramingWord::Identity, _) => Framing::Identity,
            (FramingWord::Chunked, _) => Framing::Chunked,
            (FramingWord::Http2, Some(stream_id)) => Framing::Http2 { stream_id },
            (FramingWord::None, _) | (FramingWord::Http2, None) => Framing::None,
        }
    }
}

/// How many messages a body holds; see [`MessageCount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Messages {
    /// Those with an `exchange.message` record; absent where all have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Count>,
    pub seen: Count,
}

impl From<MessageCount> for Messages {
    fn from(count: MessageCount) -> Self {
        let MessageCount { seen, recorded } = count;
        Self { recorded: (recorded < seen).then_some(Count(recorded)), seen: Count(seen) }
    }
}

/// How a body ended; see [`BodyEnd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    Complete,
    Truncated,
    Reset,
    NotFollowed,
}

/// How a body is delimited; see [`Framing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FramingWord {
    None,
    Identity,
    Chunked,
    Http2,
}

/// What an exchange turned into; see [`http::Upgrade`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Upgrade {
    WebSocket,
    Http2,
    Opaque,
}

/// `lost-sync`: decoding of the connection, or of the messages in a body, ended here. Keeping went
/// on, and relaying unless the run refuses what is malformed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LostSync {
    pub connection: Spelled<ConnectionId>,
    pub direction: Direction,
    /// Only the messages in this direction's body of the exchange are no longer followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Spelled<ExchangeId>>,
    pub observer: String,
    /// Of the first byte that was not understood, in the relay leg's stream; with `exchange`, in
    /// the body without its framing.
    pub offset: Count,
    pub reason: String,
}

impl LostSync {
    pub(crate) fn new(connection: ConnectionId, lost: &http::LostSync) -> Self {
        Self {
            connection: Spelled(connection),
            direction: lost.direction.into(),
            exchange: lost.exchange.map(Spelled),
            observer: OBSERVER.to_owned(),
            offset: Count(lost.offset),
            reason: lost.reason.clone(),
        }
    }
}

fn fields(fields: &[http::Field]) -> Vec<(Text, Sealed<Text>)> {
    let pair =
        |field: &http::Field| (Text::from(&field.name), Sealed::Open(Text::from(&field.value)));
    fields.iter().map(pair).collect()
}

/// Name and version of the observer that derives these records. It changes when the same bytes
/// would give other records.
pub const OBSERVER: &str = "http/3";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_switch_was_taken_for_an_interim_response() {
        for (status, expected) in [(100, false), (101, true), (102, false), (103, false)] {
            assert_eq!(is_final(status), expected, "{status}");
        }
        assert!([200, 204, 304, 404, 599].into_iter().all(is_final));
    }
}
