//! One message of an exchange: a line of `landfall flow messages`.

use super::{SCHEMA, Shown, is_false};
use crate::messages::MessageRead;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flow::id::FlowId;
use recorder::record::message::{End, ExchangeMessage, Protocol};
use recorder::record::store::Direction;
use recorder::record::value::Wall;
use serde::Serialize;

/// A message with its payload: `text` where that is UTF-8, else `base64`.
#[derive(Clone, Debug, Serialize)]
pub struct MessageShape {
    schema: u32,
    id: Shown<FlowId>,
    /// Counted from 1 among the messages that are told of.
    number: u64,
    /// When it ended; absent where only reading could tell it apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Wall>,
    direction: Direction,
    protocol: &'static str,
    #[serde(rename = "type")]
    word: String,
    /// Bytes of the payload as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Bytes of the payload, compression undone.
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// `text` or `base64` is only the beginning.
    #[serde(skip_serializing_if = "is_false")]
    cut: bool,
    /// Why the payload is missing or not decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opcode: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_code: Option<u16>,
    #[serde(skip_serializing_if = "is_false")]
    compressed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fragments: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<End>,
    #[serde(skip_serializing_if = "Option::is_none")]
    defect: Option<String>,
}

impl MessageShape {
    pub fn new(id: FlowId, number: u64, message: MessageRead) -> Self {
        let MessageRead { record, payload } = message;
        let record_body = record.as_ref().map(|record| &record.body);
        let is_close = record_body.is_some_and(|record| record.opcode == Some(CLOSE));
        // The code has a key of its own; the rest is the reason.
        let skipped = if is_close { payload.bytes.len().min(2) } else { 0 };
        let (is_cut, size) = (payload.is_cut(), payload.total);
        let mut bytes = payload.bytes;
        bytes.drain(..skipped);
        let (text, base64) = match into_text(bytes, is_cut) {
            Ok(text) => (Some(text), None),
            Err(bytes) => (None, Some(STANDARD.encode(bytes))),
        };
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let field = |pick: fn(&ExchangeMessage) -> Option<u64>| record_body.and_then(pick);
        Self {
            schema: SCHEMA,
            id: Shown(id),
            number,
            time: record.as_ref().map(|record| Wall(record.at.wall)),
            direction: record_body.map_or(Direction::Down, |record| record.direction),
            protocol: record_body.map_or(Protocol::Sse, |record| record.protocol).word(),
            word: match record_body {
                Some(record) => record.word(),
                None => payload.event.as_deref().map_or("message".to_owned(), lossy),
            },
            bytes: field(|record| Some(record.bytes.0)),
            size,
            text,
            base64,
            cut: is_cut,
            problem: payload.problem,
            opcode: record_body.and_then(|record| record.opcode),
            close_code: record_body.and_then(|record| record.close_code),
            compressed: record_body.is_some_and(|record| record.compressed),
            fragments: record_body.and_then(|record| record.fragments),
            event_id: match record_body {
                Some(record) => record.id.as_ref().map(|id| id.to_string_lossy().into_owned()),
                None => payload.id.as_deref().map(lossy),
            },
            retry_ms: field(|record| record.retry_ms.map(|retry| retry.0)),
            end: record_body.map(|record| record.end),
            defect: record_body.and_then(|record| record.defect.clone()),
        }
    }
}

/// The bytes as text. A character that the cut divides is left out.
fn into_text(bytes: Vec<u8>, is_cut: bool) -> Result<String, Vec<u8>> {
    String::from_utf8(bytes).or_else(|error| {
        let utf8 = error.utf8_error();
        let mut bytes = error.into_bytes();
        if !is_cut || utf8.error_len().is_some() {
            return Err(bytes);
        }
        bytes.truncate(utf8.valid_up_to());
        String::from_utf8(bytes).map_err(|error| error.into_bytes())
    })
}

/// Every key of a message.
pub const MESSAGE_KEYS: [&str; 21] = [
    "schema",
    "id",
    "number",
    "time",
    "direction",
    "protocol",
    "type",
    "bytes",
    "size",
    "text",
    "base64",
    "cut",
    "problem",
    "opcode",
    "close_code",
    "compressed",
    "fragments",
    "event_id",
    "retry_ms",
    "end",
    "defect",
];

const CLOSE: u8 = 8;
