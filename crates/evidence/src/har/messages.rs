//! `_webSocketMessages` of an entry, in the form in which Chromium's developer tools export them.

use crate::error::Error;
use crate::messages::{self, Keep};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flow::id::FlowId;
use recorder::read::{FlowDetail, Session};
use recorder::record::exchange::Upgrade;
use recorder::record::message::ExchangeMessage;
use recorder::record::store::Direction;
use serde::Serialize;

/// A text or binary message; the latter in base64.
#[derive(Serialize)]
pub(super) struct WebSocketMessage {
    /// `send`: from the device.
    #[serde(rename = "type")]
    direction: &'static str,
    /// Seconds since 1970-01-01 UTC.
    time: f64,
    opcode: u8,
    data: String,
}

/// The messages of a WebSocket; `None` for every other flow.
pub(super) fn of(
    session: &Session,
    detail: &FlowDetail,
) -> Result<Option<Vec<WebSocketMessage>>, Error> {
    let FlowId::Exchange(id) = detail.row.id else { return Ok(None) };
    let close = detail.exchange.as_ref().and_then(|exchange| exchange.close.as_ref());
    if close.and_then(|close| close.body.upgrade) != Some(Upgrade::WebSocket) {
        return Ok(None);
    }
    let all = messages::read(session, id, Keep::WHOLE)?.into_iter().filter_map(|message| {
        let record = message.record?;
        let ExchangeMessage { direction, opcode, .. } = record.body;
        let opcode = opcode.filter(|opcode| matches!(opcode, 1 | 2))?;
        let data = match (opcode, String::from_utf8(message.payload.bytes)) {
            (1, Ok(text)) => text,
            (_, Ok(text)) => STANDARD.encode(text),
            (_, Err(error)) => STANDARD.encode(error.as_bytes()),
        };
        let direction = match direction {
            Direction::Up => "send",
            Direction::Down => "receive",
        };
        let time = record.at.wall.0 as f64 / NANOS_PER_SECOND;
        Some(WebSocketMessage { direction, time, opcode, data })
    });
    Ok(Some(all.collect()))
}

const NANOS_PER_SECOND: f64 = 1e9;
