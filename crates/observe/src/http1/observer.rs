//! Follows the two directions of an HTTP/1 connection and pairs requests with responses. It stops
//! for good where HTTP ends (101, a 2xx to CONNECT) and where it loses sync; it never answers,
//! refuses or changes anything.

use super::defect::Malformed;
use super::exchange::{OpenExchange, OpenExchanges};
use super::framing::{Asked, BodyLength, request_framing, response_framing};
use super::head::{RequestHeadParts, ResponseHeadParts};
use super::message_body::Ending;
use super::side::{Found, Lost, Side};
use bytes::Bytes;
use flow::event::Event;
use flow::http::{Body, Field, LostSync, RequestHead, ResponseHead, Upgrade, field};
use flow::id::{ConnectionId, ExchangeId};
use flow::limits::Limits;
use flow::stream::{Direction, Extent};
use flow::time::Stamp;

/// The observer of one connection.
#[derive(Debug)]
pub struct Http1Observer {
    connection: ConnectionId,
    header_limit: usize,
    open_limit: usize,
    next_number: Option<u32>,
    open: OpenExchanges,
    up: Side,
    down: Side,
    mode: Mode,
    lost_sync_told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Following,
    /// Another protocol took over, or sync was lost: bytes are no longer looked at.
    Stopped,
}

impl Http1Observer {
    /// An observer that is fed from the first byte of each direction on.
    pub fn new(connection: ConnectionId, limits: &Limits) -> Self {
        let header_limit = limits.observed_header_bytes;
        Self {
            connection,
            header_limit,
            open_limit: limits.observed_streams,
            next_number: Some(1),
            open: OpenExchanges::default(),
            up: Side::new(Direction::Up, header_limit),
            down: Side::new(Direction::Down, header_limit),
            mode: Mode::Following,
            lost_sync_told: false,
        }
    }

    /// Whether further bytes can still give events.
    pub fn is_following(&self) -> bool {
        self.mode == Mode::Following && !(self.up.has_ended() && self.down.has_ended())
    }

    /// Takes the next bytes of a direction, in the order in which they passed.
    pub fn feed(&mut self, direction: Direction, at: Stamp, bytes: &[u8], events: &mut Vec<Event>) {
        let mut rest = bytes;
        while self.mode == Mode::Following && !rest.is_empty() {
            let step = self.side(direction).read(rest, at).and_then(|(taken, found)| {
                rest = rest.get(taken..).unwrap_or_default();
                match (found, direction) {
                    (Found::Nothing, _) => Ok(()),
                    (Found::Head { raw, extent }, Direction::Up) => {
                        self.request(&raw, extent, at, events)
                    }
                    (Found::Head { raw, extent }, Direction::Down) => {
                        self.response(&raw, extent, at, events)
                    }
                    (Found::Body(body), _) => {
                        self.body_ended(direction, body, at, events);
                        Ok(())
                    }
                }
            });
            if let Err(lost) = step {
                self.stop();
                self.tell_lost_sync(lost, at, events);
            }
        }
    }

    /// Takes the end of a direction; no bytes of it may follow.
    pub fn end(
        &mut self,
        direction: Direction,
        ending: Ending,
        at: Stamp,
        events: &mut Vec<Event>,
    ) {
        match self.side(direction).end(ending) {
            Ok(Some(body)) => self.body_ended(direction, body, at, events),
            Ok(None) => {}
            // The other direction can still be followed: nothing more comes in this one.
            Err(lost) if self.mode == Mode::Following => {
                self.tell_lost_sync(lost, at, events);
            }
            Err(_) => {}
        }
        let no_more_responses = self.down.has_ended() || self.mode == Mode::Stopped;
        self.open.settle(no_more_responses, at, events);
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    fn request(
        &mut self,
        raw: &Bytes,
        extent: Extent,
        at: Stamp,
        events: &mut Vec<Event>,
    ) -> Result<(), Lost> {
        let direction = Direction::Up;
        let lost = |why| Lost { direction, offset: extent.start, why };
        let head = RequestHeadParts::parse(raw)
            .map_err(|defect| Lost::at(direction, extent.start, defect))?;
        if self.open.len() >= self.open_limit {
            return Err(lost(Malformed::TooManyOpen(self.open_limit)));
        }
        let number = self.next_number.ok_or(lost(Malformed::TooManyExchanges))?;
        self.next_number = number.checked_add(1);
        let id = ExchangeId { connection: self.connection, number };
        let length = request_framing(&head);
        let asked = Asked::of(&head.method);
        let asks_switch = asked == Asked::Connect || field(&head.fields, "upgrade").is_some();
        self.open.push(OpenExchange::new(id, asked, asks_switch));
        events
            .push(Event::Request { exchange: id, head: Box::new(request_head(head, extent, at)) });
        let trailer_limit = self.header_limit.saturating_sub(self.open.trailer_bytes());
        let body = follow_body(&mut self.up, length, trailer_limit, at).map_err(|why| Lost {
            direction,
            offset: extent.end,
            why,
        })?;
        if let Some(body) = body {
            self.body_ended(Direction::Up, body, at, events);
        }
        Ok(())
    }

    fn response(
        &mut self,
        raw: &Bytes,
        extent: Extent,
        at: Stamp,
        events: &mut Vec<Event>,
    ) -> Result<(), Lost> {
        let direction = Direction::Down;
        let head = ResponseHeadParts::parse(raw)
            .map_err(|defect| Lost::at(direction, extent.start, defect))?;
        let Some(open) = self.open.oldest().filter(|open| !open.answered) else {
            let why = Malformed::ResponseWithoutRequest;
            return Err(Lost { direction, offset: extent.start, why });
        };
        let (id, asked, status) = (open.id, open.asked, head.status);
        let length = response_framing(&head, asked);
        let upgrade = upgrade(&head, asked);
        let is_interim = upgrade.is_none() && matches!(status, 100..=199);
        open.answered = !is_interim;
        open.upgrade = upgrade;
        let head = Box::new(response_head(head, extent, at));
        events.push(Event::Response { exchange: id, head });
        if is_interim {
            return Ok(());
        }
        let trailer_limit = self.header_limit.saturating_sub(self.open.trailer_bytes());
        let body = follow_body(&mut self.down, length, trailer_limit, at).map_err(|why| Lost {
            direction,
            offset: extent.end,
            why,
        })?;
        if upgrade.is_some() {
            self.stop();
        }
        if let Some(body) = body {
            self.body_ended(direction, body, at, events);
        }
        match upgrade {
            Some(_) => Ok(()),
            None => self.up.decide_for_http(),
        }
    }

    fn body_ended(&mut self, direction: Direction, body: Body, at: Stamp, events: &mut Vec<Event>) {
        match direction {
            Direction::Up => {
                let open = self.open.end_request(body);
                let undecided = open.is_some_and(|open| open.asks_switch && !open.answered);
                if undecided && !self.up.has_ended() {
                    self.up.hold();
                }
            }
            Direction::Down => self.open.end_response(body),
        }
        self.open.settle(self.down.has_ended(), at, events);
    }

    /// Stops decoding. What was under way ends as not followed; its exchanges are reported when
    /// the connection ends.
    fn stop(&mut self) {
        self.mode = Mode::Stopped;
        if let Some(body) = self.up.abandon() {
            self.open.end_request(body);
        }
        if let Some(body) = self.down.abandon() {
            self.open.end_response(body);
        }
    }

    fn tell_lost_sync(&mut self, lost: Lost, at: Stamp, events: &mut Vec<Event>) {
        if self.lost_sync_told {
            return;
        }
        self.lost_sync_told = true;
        let Lost { direction, offset, why } = lost;
        let lost = LostSync { at, direction, offset, reason: why.to_string() };
        events.push(Event::LostSync { connection: self.connection, lost });
    }
}

/// Turns `side` to the body after a head. Where its length is disputable, the body begins all the
/// same, so that it is reported as not followed.
fn follow_body(
    side: &mut Side,
    length: Result<BodyLength, Malformed>,
    trailer_limit: usize,
    at: Stamp,
) -> Result<Option<Body>, Malformed> {
    let body = side.expect_body(length.unwrap_or(BodyLength::UntilClose), trailer_limit, at);
    length.map(|_known| body)
}

/// What the connection turns into with this response, if it does.
fn upgrade(head: &ResponseHeadParts, asked: Asked) -> Option<Upgrade> {
    let is_websocket = |field: &Field| {
        field.name.eq_ignore_ascii_case(b"upgrade")
            && field.value.trim_ascii().eq_ignore_ascii_case(b"websocket")
    };
    match (head.status, asked) {
        (101, _) if head.fields.iter().any(is_websocket) => Some(Upgrade::WebSocket),
        (101, _) | (200..=299, Asked::Connect) => Some(Upgrade::Opaque),
        _ => None,
    }
}

fn request_head(head: RequestHeadParts, extent: Extent, at: Stamp) -> RequestHead {
    RequestHead {
        at,
        version: head.version,
        method: head.method,
        target: head.target,
        authority: field(&head.fields, "host").cloned(),
        scheme: None,
        fields: head.fields,
        extent,
        stream_id: None,
    }
}

fn response_head(head: ResponseHeadParts, extent: Extent, at: Stamp) -> ResponseHead {
    ResponseHead {
        at,
        version: head.version,
        status: head.status,
        reason: head.reason,
        fields: head.fields,
        extent,
    }
}

#[cfg(test)]
mod tests;
