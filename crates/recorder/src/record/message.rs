//! Records about messages inside bodies, derived by the observer as those about exchanges are.

use super::exchange::OBSERVER;
use super::sealed::{EachSealed, Sealed};
use super::store::{Direction, Extent};
use super::value::{Count, Spelled, Text};
use flow::id::ExchangeId;
use flow::message::{self, MessageKind};
use serde::{Deserialize, Serialize};

/// `exchange.message`: a message inside a body of an exchange has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeMessage {
    /// Bytes of the payload: own framing removed, compression kept.
    pub bytes: Count,
    /// WebSocket: the status code of a close frame that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_code: Option<u16>,
    /// WebSocket and gRPC: the payload is compressed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compressed: bool,
    /// The first thing that is wrong with it; see [`message::MessageDefect`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defect: Option<String>,
    /// `up`: in the request's body; `down`: in the response's.
    pub direction: Direction,
    pub end: End,
    /// Server-sent events: the type that the event names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Sealed<Text>>,
    pub exchange: Spelled<ExchangeId>,
    /// WebSocket: frames that it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragments: Option<u32>,
    /// Server-sent events: the event's own `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Sealed<Text>>,
    /// WebSocket: its first frame is masked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    pub observer: String,
    /// WebSocket: of its first frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opcode: Option<u8>,
    pub protocol: Protocol,
    /// Its bytes with their own framing, in the body without the body's framing.
    pub range: Extent,
    /// Server-sent events: the reconnection time that it sets, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<Count>,
    /// grpc-web: the message holds the trailers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trailers: bool,
}

impl ExchangeMessage {
    pub(crate) fn new(exchange: ExchangeId, message: &message::Message) -> Self {
        let shape = Self {
            bytes: Count(message.bytes),
            close_code: None,
            compressed: false,
            defect: message.defect.map(|defect| defect.word().to_owned()),
            direction: message.direction.into(),
            end: match message.end {
                message::MessageEnd::Complete => End::Complete,
                message::MessageEnd::Truncated => End::Truncated,
            },
            event: None,
            exchange: Spelled(exchange),
            fragments: None,
            id: None,
            masked: false,
            observer: OBSERVER.to_owned(),
            opcode: None,
            protocol: Protocol::Sse,
            range: message.range.into(),
            retry_ms: None,
            trailers: false,
        };
        match &message.kind {
            MessageKind::WebSocket(kind) => Self {
                protocol: Protocol::WebSocket,
                close_code: kind.close_code,
                compressed: kind.compressed,
                fragments: Some(kind.fragments),
                masked: kind.masked,
                opcode: Some(kind.opcode),
                ..shape
            },
            MessageKind::Grpc(kind) => Self {
                protocol: Protocol::Grpc,
                compressed: kind.compressed,
                trailers: kind.trailers,
                ..shape
            },
            MessageKind::Sse(kind) => Self {
                event: kind.event.as_ref().map(|event| Sealed::Open(event.into())),
                id: kind.id.as_ref().map(|id| Sealed::Open(id.into())),
                retry_ms: kind.retry.map(Count),
                ..shape
            },
        }
    }

    pub(super) fn each_sealed(&mut self, each: &mut impl EachSealed) {
        self.event.iter_mut().for_each(|event| each.value(event));
        self.id.iter_mut().for_each(|id| each.value(id));
    }

    /// What the message is, for people: `text`, `ping`, an event's type, `message`.
    pub fn word(&self) -> String {
        let name = match (self.protocol, self.opcode) {
            (Protocol::WebSocket, Some(0)) => "continuation",
            (Protocol::WebSocket, Some(1)) => "text",
            (Protocol::WebSocket, Some(2)) => "binary",
            (Protocol::WebSocket, Some(8)) => "close",
            (Protocol::WebSocket, Some(9)) => "ping",
            (Protocol::WebSocket, Some(10)) => "pong",
            (Protocol::WebSocket, _) => "reserved",
            (Protocol::Grpc, _) if self.trailers => "trailers",
            (Protocol::Grpc | Protocol::Sse, _) => "message",
        };
        match self.event.as_ref().and_then(Sealed::open) {
            Some(event) if !event.0.is_empty() => event.to_string_lossy().into_owned(),
            _ => name.to_owned(),
        }
    }
}

/// What kind of message it is; see [`MessageKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    WebSocket,
    Grpc,
    Sse,
}

impl Protocol {
    pub fn word(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Grpc => "grpc",
            Self::Sse => "sse",
        }
    }
}

/// How a message ended; see [`message::MessageEnd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    Complete,
    Truncated,
}
