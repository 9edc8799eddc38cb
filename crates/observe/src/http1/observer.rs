//! Follows the two directions of an HTTP/1 connection and pairs requests with responses. Where HTTP
//! ends (101, a 2xx to CONNECT), what follows is one body of each direction, or HTTP/2; where it
//! loses sync it stops for good. It never answers, refuses or changes anything.

use super::defect::Malformed;
use super::exchange::{OpenExchange, OpenExchanges};
use super::framing::{Asked, BodyLength, request_framing, response_framing};
use super::head::{RequestHeadParts, ResponseHeadParts};
use super::message_body::Ending;
use super::side::{Found, Lost, NotHeld, Side};
use crate::base64url::base64url;
use crate::http2::{Http2Observer, Upgraded};
use crate::messages::{MessageFollower, Place};
use crate::websocket::extension::permessage_deflate;
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
    limits: Limits,
    mode: Mode,
    lost_sync_told: bool,
    /// The `HTTP2-Settings` field of the last request that asked for h2c.
    http2_settings: Option<Bytes>,
}

#[derive(Debug)]
enum Mode {
    Following,
    /// Sync was lost: bytes are no longer looked at.
    Stopped,
    /// `Upgrade: h2c` (RFC 7540 section 3.2).
    Http2(Box<Http2Observer>),
}

impl Mode {
    fn is_following(&self) -> bool {
        matches!(self, Self::Following)
    }
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
            up: Side::new(Direction::Up, header_limit, limits.observed_body_bytes),
            down: Side::new(Direction::Down, header_limit, limits.observed_body_bytes),
            limits: limits.clone(),
            mode: Mode::Following,
            lost_sync_told: false,
            http2_settings: None,
        }
    }

    /// Whether further bytes can still give events.
    pub fn is_following(&self) -> bool {
        match &self.mode {
            Mode::Following => !(self.up.has_ended() && self.down.has_ended()),
            Mode::Stopped => false,
            Mode::Http2(observer) => observer.is_following(),
        }
    }

    /// Takes the next bytes of a direction, in the order in which they passed.
    pub fn feed(&mut self, direction: Direction, at: Stamp, bytes: &[u8], events: &mut Vec<Event>) {
        let mut rest = bytes;
        while self.mode.is_following() && !rest.is_empty() {
            let step = self.side(direction).read(rest, at, events).and_then(|(taken, found)| {
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
                self.stop(events);
                self.tell_lost_sync(lost, at, events);
            }
        }
        if let Mode::Http2(observer) = &mut self.mode {
            observer.feed(direction, at, rest, events);
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
        if let Mode::Http2(observer) = &mut self.mode {
            return observer.end(direction, at, events);
        }
        match self.side(direction).end(ending, events) {
            Ok(Some(body)) => self.body_ended(direction, body, at, events),
            Ok(None) => {}
            // The other direction can still be followed: nothing more comes in this one.
            Err(lost) if self.mode.is_following() => {
                self.tell_lost_sync(lost, at, events);
            }
            Err(_) => {}
        }
        let no_more_responses = self.down.has_ended() || !self.mode.is_following();
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
        let messages = MessageFollower::of_body(self.place(id, direction, at), &head.fields);
        if head.fields.iter().any(|field| is_named(field, "upgrade", b"h2c")) {
            self.http2_settings = field(&head.fields, "http2-settings").cloned();
        }
        events
            .push(Event::Request { exchange: id, head: Box::new(request_head(head, extent, at)) });
        let trailer_limit = self.header_limit.saturating_sub(self.open.trailer_bytes());
        let body = follow_body(&mut self.up, length, trailer_limit, messages, at, events)
            .map_err(|why| Lost { direction, offset: extent.end, why })?;
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
        let upgrade = if open.asks_switch { upgrade(&head, asked) } else { None };
        let is_interim = upgrade.is_none() && matches!(status, 100..=199);
        open.answered = !is_interim;
        open.upgrade = upgrade;
        let deflates = permessage_deflate(&head.fields).is_some();
        let messages = MessageFollower::of_body(self.place(id, direction, at), &head.fields);
        let head = Box::new(response_head(head, extent, at));
        events.push(Event::Response { exchange: id, head });
        if is_interim {
            return Ok(());
        }
        let messages = match upgrade {
            Some(Upgrade::Http2) => return self.switch_to_http2(extent, at),
            Some(upgrade) => {
                let follower = |place| {
                    let is_websocket = upgrade == Upgrade::WebSocket;
                    is_websocket.then(|| MessageFollower::websocket(place, deflates))
                };
                let up = follower(self.place(id, Direction::Up, at));
                let down = follower(self.place(id, direction, at));
                return self.switch(up, down, at, events);
            }
            None => messages,
        };
        let trailer_limit = self.header_limit.saturating_sub(self.open.trailer_bytes());
        let body = follow_body(&mut self.down, length, trailer_limit, messages, at, events)
            .map_err(|why| Lost { direction, offset: extent.end, why })?;
        if let Some(body) = body {
            self.body_ended(direction, body, at, events);
        }
        self.up.decide_for_http()
    }

    /// Another protocol begins: what each side sends until it ends is a body of the exchange.
    fn switch(
        &mut self,
        up: Option<MessageFollower>,
        down: Option<MessageFollower>,
        at: Stamp,
        events: &mut Vec<Event>,
    ) -> Result<(), Lost> {
        if self.up.held_from().is_ok() && self.open.reopen_request() {
            self.up.switch(up, events);
        } else if let Some(body) = self.up.abandon(events) {
            // The request's own body is under way: it stays the request's.
            self.open.end_request(body);
        }
        self.down.expect_body(BodyLength::UntilClose, 0, down, at, events);
        Ok(())
    }

    /// The exchange goes on as stream 1 of an HTTP/2 connection.
    fn switch_to_http2(&mut self, extent: Extent, at: Stamp) -> Result<(), Lost> {
        let early = |offset| Lost { direction: Direction::Up, offset, why: Malformed::EarlySwitch };
        if let Some(offset) = self.up.held_from().map_err(|NotHeld| early(self.up.offset()))? {
            return Err(early(offset));
        }
        let Some((exchange, request_body)) = self.open.hand_over() else { return Ok(()) };
        let upgraded = Upgraded {
            exchange,
            request_body,
            up_offset: self.up.offset(),
            down_offset: extent.end,
            settings: self.http2_settings.take().as_deref().and_then(base64url),
            at,
        };
        let observer = Http2Observer::upgraded(self.connection, &self.limits, upgraded);
        self.mode = Mode::Http2(Box::new(observer));
        Ok(())
    }

    fn place(&self, exchange: ExchangeId, direction: Direction, at: Stamp) -> Place {
        Place { exchange, direction, at, limit: self.limits.observed_messages }
    }

    fn body_ended(&mut self, direction: Direction, body: Body, at: Stamp, events: &mut Vec<Event>) {
        match direction {
            Direction::Up => {
                let open = self.open.end_request(body);
                let undecided = open.is_some_and(|open| open.asks_switch && !open.answered);
                if undecided && !self.up.has_ended() {
                    self.up.hold(at);
                }
            }
            Direction::Down => self.open.end_response(body),
        }
        self.open.settle(self.down.has_ended(), at, events);
    }

    /// Stops decoding. What was under way ends as not followed; its exchanges are reported when
    /// the connection ends.
    fn stop(&mut self, events: &mut Vec<Event>) {
        self.mode = Mode::Stopped;
        if let Some(body) = self.up.abandon(events) {
            self.open.end_request(body);
        }
        if let Some(body) = self.down.abandon(events) {
            self.open.end_response(body);
        }
    }

    fn tell_lost_sync(&mut self, lost: Lost, at: Stamp, events: &mut Vec<Event>) {
        if self.lost_sync_told {
            return;
        }
        self.lost_sync_told = true;
        let Lost { direction, offset, why } = lost;
        let lost = LostSync { at, direction, exchange: None, offset, reason: why.to_string() };
        events.push(Event::LostSync { connection: self.connection, lost });
    }
}

/// Turns `side` to the body after a head. Where its length is disputable, the body begins all the
/// same, so that it is reported as not followed.
fn follow_body(
    side: &mut Side,
    length: Result<BodyLength, Malformed>,
    trailer_limit: usize,
    messages: Option<MessageFollower>,
    at: Stamp,
    events: &mut Vec<Event>,
) -> Result<Option<Body>, Malformed> {
    let followed = length.unwrap_or(BodyLength::UntilClose);
    let body = side.expect_body(followed, trailer_limit, messages, at, events);
    length.map(|_known| body)
}

/// What the connection turns into with this response, if it does.
fn upgrade(head: &ResponseHeadParts, asked: Asked) -> Option<Upgrade> {
    let is_to = |protocol| head.fields.iter().any(|field| is_named(field, "upgrade", protocol));
    match (head.status, asked) {
        (101, _) if is_to(b"websocket") => Some(Upgrade::WebSocket),
        (101, _) if is_to(b"h2c") => Some(Upgrade::Http2),
        (101, _) | (200..=299, Asked::Connect) => Some(Upgrade::Opaque),
        _ => None,
    }
}

/// Whether this is the field `name` and lists `value`, both without case.
fn is_named(field: &Field, name: &str, value: &[u8]) -> bool {
    let mut listed = field.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    field.name.eq_ignore_ascii_case(name.as_bytes())
        && listed.any(|one| one.eq_ignore_ascii_case(value))
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
        direction: Direction::Up,
        protocol: None,
        h2_fingerprint: None,
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
