//! The messages inside one body, whichever kind they are: picks the reader, tells of each message
//! up to the bound, counts the rest, and says where it can no longer follow. The body itself is
//! counted and kept whatever becomes of its messages.

use crate::found::{Found, Lost};
use crate::grpc::{Flavour, GrpcFollower};
use crate::sse::SseFollower;
use crate::websocket::WebSocketFollower;
use flow::event::Event;
use flow::http::{Field, LostSync, field};
use flow::id::ExchangeId;
use flow::message::{Message, MessageCount};
use flow::stream::Direction;
use flow::time::Stamp;

/// Follows the messages of one body.
#[derive(Debug)]
pub(crate) struct MessageFollower {
    exchange: ExchangeId,
    direction: Direction,
    /// Messages that are told of.
    limit: u64,
    count: MessageCount,
    /// When the last byte was seen.
    at: Stamp,
    format: Format,
}

#[derive(Debug)]
enum Format {
    WebSocket(Box<WebSocketFollower>),
    Grpc(GrpcFollower),
    Sse(Box<SseFollower>),
    /// It could not be followed to its end.
    Lost,
}

/// Whose messages are followed, from when on, and how many of them are told of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) exchange: ExchangeId,
    pub(crate) direction: Direction,
    pub(crate) at: Stamp,
    pub(crate) limit: u64,
}

impl MessageFollower {
    /// For one direction of a WebSocket.
    pub(crate) fn websocket(place: Place, deflates: bool) -> Self {
        let follower = WebSocketFollower::new(place.direction, deflates);
        Self::new(place, Format::WebSocket(Box::new(follower)))
    }

    /// For a body of this content type; `None` where it is not made of messages, or is encoded as a
    /// whole, which is not undone here.
    pub(crate) fn of_body(place: Place, fields: &[Field]) -> Option<Self> {
        let media_type = field(fields, "content-type")?;
        let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
        let essence = essence.trim_ascii().to_ascii_lowercase();
        let format = if let Some(flavour) = Flavour::of(&essence) {
            Format::Grpc(GrpcFollower::new(flavour))
        } else if essence == b"text/event-stream" && place.direction == Direction::Down {
            Format::Sse(Box::default())
        } else {
            return None;
        };
        let encoding = field(fields, "content-encoding");
        let is_plain = encoding.is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"));
        is_plain.then(|| Self::new(place, format))
    }

    /// Takes in the next bytes of the body.
    pub(crate) fn feed(&mut self, at: Stamp, bytes: &[u8], events: &mut Vec<Event>) {
        self.at = at;
        let Self { exchange, direction, limit, count, .. } = self;
        let found = &mut |found| tell(*exchange, *direction, *limit, count, at, found, events);
        let fed = match &mut self.format {
            Format::WebSocket(follower) => follower.feed(bytes, found),
            Format::Grpc(follower) => follower.feed(bytes, found),
            Format::Sse(follower) => {
                follower.feed(bytes, found);
                Ok(())
            }
            Format::Lost => Ok(()),
        };
        if let Err(Lost { offset, why }) = fed {
            self.lose(offset, why, events);
        }
    }

    /// Stops following at this offset of the body.
    pub(crate) fn lose(&mut self, offset: u64, why: &str, events: &mut Vec<Event>) {
        self.format = Format::Lost;
        let (exchange, direction) = (self.exchange, self.direction);
        let lost = LostSync {
            at: self.at,
            direction,
            exchange: Some(exchange),
            offset,
            reason: why.to_owned(),
        };
        events.push(Event::LostSync { connection: exchange.connection, lost });
    }

    /// The body has ended, or is no longer followed: tells of the message that was under way.
    pub(crate) fn finish(self, events: &mut Vec<Event>) -> MessageCount {
        let Self { exchange, direction, limit, mut count, at, format } = self;
        let found = &mut |found| tell(exchange, direction, limit, &mut count, at, found, events);
        match format {
            Format::WebSocket(follower) => follower.finish(found),
            Format::Grpc(follower) => follower.finish(found),
            Format::Sse(follower) => follower.finish(found),
            Format::Lost => {}
        }
        count
    }

    fn new(place: Place, format: Format) -> Self {
        let Place { exchange, direction, at, limit } = place;
        Self { exchange, direction, limit, count: MessageCount::default(), at, format }
    }
}

fn tell(
    exchange: ExchangeId,
    direction: Direction,
    limit: u64,
    count: &mut MessageCount,
    at: Stamp,
    found: Found,
    events: &mut Vec<Event>,
) {
    count.seen = count.seen.saturating_add(1);
    if count.recorded >= limit {
        return;
    }
    count.recorded += 1;
    let Found { kind, range, bytes, end, defect } = found;
    let message = Box::new(Message { at, direction, kind, range, bytes, end, defect });
    events.push(Event::Message { exchange, message });
}

/// Why no messages are told of a WebSocket whose client did not wait for the answer.
pub(crate) const SENT_BEFORE_ANSWER: &str = "bytes came before the answer to the upgrade";
