//! The messages of an exchange with their payloads, for reading: unmasked, inflated, put together.
//! What the records say of them stands beside it. Memory is bounded: of a long payload the beginning
//! is kept, and of all of them together no more than [`Keep`] says.

mod grpc;
mod payload;
mod sse;
mod websocket;

pub use payload::{Keep, Payload};

use crate::decode::{content_encoding, decoder, fields};
use crate::error::Error;
use flow::id::{ExchangeId, FlowId};
use observe::websocket::extension::{PerMessageDeflate, permessage_deflate};
use payload::Kept;
use recorder::read::{FlowDetail, Part, ReadError, Recorded, Session};
use recorder::record::message::{ExchangeMessage, Protocol};
use recorder::record::sealed::Sealed;
use recorder::record::store::Direction;
use recorder::record::value::Text;
use std::io::{self, Write};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRead {
    /// As recorded; `None` for an event that only reading could tell, because the body is encoded.
    pub record: Option<Recorded<ExchangeMessage>>,
    pub payload: Payload,
}

/// The messages of an exchange, in the order in which they ended; without any for an exchange that
/// was not read as messages.
///
/// # Errors
/// [`Error`] of the session. What is missing of the stored bytes is no error: those messages say so.
pub fn read(session: &Session, id: ExchangeId, keep: Keep) -> Result<Vec<MessageRead>, Error> {
    let detail = session.flow(FlowId::Exchange(id))?;
    let records = session.messages(id)?;
    let mut all = Vec::with_capacity(records.len());
    if records.is_empty() {
        return encoded_events(session, id, &detail, keep);
    }
    let mut up = payloads(session, id, Part::Request, &detail, &records, keep)?;
    let mut down = payloads(session, id, Part::Response, &detail, &records, keep)?;
    for record in records {
        let own = match record.body.direction {
            Direction::Up => &mut up,
            Direction::Down => &mut down,
        };
        let start = record.body.range.start.0;
        let found = own.binary_search_by_key(&start, |payload| payload.start);
        let payload = found.ok().and_then(|at| own.get_mut(at)).map(std::mem::take);
        let payload = payload.unwrap_or_else(|| Payload {
            start,
            total: record.body.bytes.0,
            problem: Some("its bytes were not kept".to_owned()),
            ..Payload::default()
        });
        all.push(MessageRead { record: Some(record), payload });
    }
    Ok(all)
}

/// The payloads of one direction, by where they begin.
fn payloads(
    session: &Session,
    id: ExchangeId,
    part: Part,
    detail: &FlowDetail,
    records: &[Recorded<ExchangeMessage>],
    keep: Keep,
) -> Result<Vec<Payload>, Error> {
    let direction = match part {
        Part::Request => Direction::Up,
        Part::Response => Direction::Down,
    };
    let Some(first) = records.iter().find(|record| record.body.direction == direction) else {
        return Ok(Vec::new());
    };
    let kept = Kept { keep, left: keep.all, payloads: Vec::new() };
    let mut reader = match first.body.protocol {
        Protocol::WebSocket => {
            Reader::WebSocket(websocket::Reader::new(kept, takeover(detail, part)))
        }
        Protocol::Grpc => Reader::Grpc(grpc::Reader::new(kept, grpc_encoding(detail, part))),
        Protocol::Sse => Reader::Sse(Box::new(sse::Reader::new(kept))),
    };
    match session.body(id, part, &mut reader) {
        // What there is of the body has been read.
        Ok(())
        | Err(ReadError::Gap { .. } | ReadError::BodyLength { .. } | ReadError::NoBody(..)) => {}
        Err(error) => return Err(error.into()),
    }
    let mut payloads = reader.finish().payloads;
    payloads.sort_by_key(|payload| payload.start);
    Ok(payloads)
}

/// Events of a body that is encoded as a whole: nobody could follow them as they passed.
fn encoded_events(
    session: &Session,
    id: ExchangeId,
    detail: &FlowDetail,
    keep: Keep,
) -> Result<Vec<MessageRead>, Error> {
    let encoding = content_encoding(detail, Part::Response);
    if encoding.is_empty() || !is_event_stream(detail) {
        return Ok(Vec::new());
    }
    let mut reader = sse::Reader::new(Kept { keep, left: keep.all, payloads: Vec::new() });
    let failed = match decoder(&encoding, &mut reader) {
        Ok(mut decoder) => match session.body(id, Part::Response, &mut decoder) {
            Ok(()) | Err(ReadError::Gap { .. } | ReadError::BodyLength { .. }) => {
                decoder.finish().err().map(|error| error.to_string())
            }
            Err(ReadError::NoBody(..)) => None,
            Err(ReadError::Output(error)) => Some(error.to_string()),
            Err(error) => return Err(error.into()),
        },
        Err(error) => Some(error.to_string()),
    };
    let mut payloads = reader.finish().payloads;
    if let Some(why) = failed {
        let problem = Some(format!("the rest cannot be decoded: {why}"));
        payloads.push(Payload { problem, ..Payload::default() });
    }
    Ok(payloads.into_iter().map(|payload| MessageRead { record: None, payload }).collect())
}

/// The response says that it is a stream of events.
pub fn is_event_stream(detail: &FlowDetail) -> bool {
    let media_type = value(detail, Part::Response, "content-type").unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "text/event-stream"
}

/// What of permessage-deflate is agreed on for one direction: whether each message begins anew.
fn takeover(detail: &FlowDetail, part: Part) -> websocket::Takeover {
    let fields: Vec<flow::http::Field> = fields(detail, Part::Response)
        .iter()
        .filter_map(|(Text(name), value)| {
            let (name, Text(value)) = (name.clone(), value.open()?.clone());
            Some(flow::http::Field { name, value })
        })
        .collect();
    let agreed: Option<PerMessageDeflate> = permessage_deflate(&fields);
    let resets = agreed.is_some_and(|agreed| match part {
        Part::Request => agreed.client_no_context_takeover,
        Part::Response => agreed.server_no_context_takeover,
    });
    if resets { websocket::Takeover::Resets } else { websocket::Takeover::Keeps }
}

fn grpc_encoding(detail: &FlowDetail, part: Part) -> String {
    value(detail, part, "grpc-encoding").unwrap_or_default()
}

fn value(detail: &FlowDetail, part: Part, name: &str) -> Option<String> {
    let named = |(own, _): &&(Text, Sealed<Text>)| own.0.eq_ignore_ascii_case(name.as_bytes());
    let field = fields(detail, part).iter().find(named)?;
    Some(field.1.to_string_lossy().into_owned())
}

/// Reads one direction's body.
enum Reader {
    WebSocket(websocket::Reader),
    Grpc(grpc::Reader),
    Sse(Box<sse::Reader>),
}

impl Reader {
    fn finish(self) -> Kept {
        match self {
            Self::WebSocket(reader) => reader.finish(),
            Self::Grpc(reader) => reader.finish(),
            Self::Sse(reader) => reader.finish(),
        }
    }
}

impl Write for Reader {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match self {
            Self::WebSocket(reader) => reader.feed(piece),
            Self::Grpc(reader) => reader.feed(piece),
            Self::Sse(reader) => reader.feed(piece),
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
