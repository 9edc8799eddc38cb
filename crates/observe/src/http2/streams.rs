//! The streams of one connection and the exchanges on them: who opened which, what belongs where,
//! and the events that follow from it.

use super::fault::Fault;
use super::head::{self, Request, Response};
use super::inbound::{Block, Opener};
use super::stream::{HeadSeen, Stream};
use crate::messages::{MessageFollower, Place};
use crate::websocket::extension::permessage_deflate;
use flow::event::Event;
use flow::http::{Body, BodyEnd, Field, HttpVersion, RequestHead, ResponseHead, Upgrade};
use flow::id::{ConnectionId, ExchangeId};
use flow::limits::Limits;
use flow::stream::{Direction, Extent};
use flow::time::Stamp;
use std::collections::BTreeMap;

/// The open streams, by identifier, and what is known of the others.
#[derive(Debug)]
pub(super) struct Streams {
    connection: ConnectionId,
    open: BTreeMap<u32, Stream>,
    /// Most streams open at once.
    limit: usize,
    /// The highest stream that a request opened, and the highest that was promised: all others
    /// up to them are closed (RFC 9113 section 5.1.1), all others behind them idle.
    last_requested: u32,
    last_promised: u32,
    /// Exchanges so far.
    exchanges: u32,
    /// The server has ended its direction: nothing can be answered any more.
    server_ended: bool,
    /// Bytes of the trailers of open streams, and the most there may be.
    trailer_bytes: usize,
    trailer_limit: usize,
    /// Messages that are told of, of each body.
    message_limit: u64,
    hashed_bytes: usize,
}

/// A stream by its identifier.
enum Found<'a> {
    Idle,
    Open(&'a mut Stream),
    /// It was open, or was skipped. What still comes on it was sent before the sender knew.
    Closed,
}

impl Streams {
    pub(super) fn new(connection: ConnectionId, limits: &Limits) -> Self {
        Self {
            connection,
            open: BTreeMap::new(),
            limit: limits.observed_streams,
            last_requested: 0,
            last_promised: 0,
            exchanges: 0,
            server_ended: false,
            trailer_bytes: 0,
            trailer_limit: limits.observed_header_bytes,
            message_limit: limits.observed_messages,
            hashed_bytes: limits.observed_body_bytes,
        }
    }

    /// Takes over the exchange that asked for HTTP/2, as stream 1.
    pub(super) fn adopt(
        &mut self,
        exchange: ExchangeId,
        request_body: Body,
        offset: u64,
        at: Stamp,
    ) {
        let seen = HeadSeen { offset, at, end_stream: true, hashed_bytes: self.hashed_bytes };
        self.open.insert(1, Stream::adopted(exchange, request_body, seen));
        self.last_requested = 1;
        self.exchanges = exchange.number;
    }

    /// A header block and its fields: the head of a request or a response, or trailers.
    pub(super) fn block(
        &mut self,
        direction: Direction,
        at: Stamp,
        block: &Block<'_>,
        fields: Vec<Field>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let stream_id = block.stream_id;
        if let Opener::PushPromise { promised } = block.opener {
            return self.promise(direction, at, block, promised, fields, out);
        }
        if direction == Direction::Up && !is_clients(stream_id) {
            return Err(Fault::WrongParity { stream_id });
        }
        match (direction, self.find(stream_id)) {
            (_, Found::Closed) => Ok(()),
            (Direction::Up, Found::Idle) => {
                self.last_requested = stream_id;
                self.request(stream_id, at, block, fields, out)
            }
            (Direction::Down, Found::Idle) => Err(Fault::IdleStream { stream_id }),
            (_, Found::Open(stream)) if stream.has_head(direction) => {
                self.trailers(direction, at, block, fields, out)
            }
            (_, Found::Open(_)) => self.response(at, block, fields, out),
        }
    }

    /// A DATA frame begins.
    pub(super) fn data_begin(
        &mut self,
        direction: Direction,
        at: Stamp,
        stream_id: u32,
        covered: Extent,
    ) -> Result<(), Fault> {
        match self.find(stream_id) {
            Found::Idle => Err(Fault::IdleStream { stream_id }),
            Found::Closed => Ok(()),
            Found::Open(stream) => {
                stream.body(direction)?.cover(covered, at);
                Ok(())
            }
        }
    }

    /// A part of a DATA frame whose beginning was accepted.
    pub(super) fn data(
        &mut self,
        direction: Direction,
        at: Stamp,
        stream_id: u32,
        data: &[u8],
        covered: Extent,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        // It may have been reset by the other side since the frame began.
        if let Some(stream) = self.open.get_mut(&stream_id) {
            let tally = stream.body(direction)?;
            tally.cover(covered, at);
            tally.payload(at, data, out);
        }
        Ok(())
    }

    /// A side has sent all that it sends on a stream.
    pub(super) fn end_stream(
        &mut self,
        direction: Direction,
        at: Stamp,
        stream_id: u32,
        out: &mut Vec<Event>,
    ) {
        if let Some(stream) = self.open.get_mut(&stream_id) {
            stream.end(direction, BodyEnd::Complete, Vec::new());
            self.settle(stream_id, at, out);
        }
    }

    /// RST_STREAM, by either side. It ends both.
    pub(super) fn reset(
        &mut self,
        at: Stamp,
        stream_id: u32,
        code: u32,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        match self.find(stream_id) {
            Found::Idle => return Err(Fault::IdleStream { stream_id }),
            Found::Closed => {}
            Found::Open(stream) => {
                stream.abandon(BodyEnd::Reset(code));
                self.settle(stream_id, at, out);
            }
        }
        Ok(())
    }

    /// The direction has ended: what it had not finished is cut.
    pub(super) fn end_direction(&mut self, direction: Direction, at: Stamp, out: &mut Vec<Event>) {
        self.server_ended |= direction == Direction::Down;
        for stream in self.open.values_mut() {
            stream.end(direction, BodyEnd::Truncated, Vec::new());
        }
        for (_id, stream) in self.open.extract_if(.., |_id, stream| stream.is_over()) {
            self.trailer_bytes = self.trailer_bytes.saturating_sub(stream.trailer_bytes());
            ended(stream, at, out);
        }
    }

    /// Decoding stops: what has not ended will not be followed.
    pub(super) fn abandon(&mut self, at: Stamp, out: &mut Vec<Event>) {
        for (_id, mut stream) in std::mem::take(&mut self.open) {
            stream.abandon(BodyEnd::NotFollowed);
            ended(stream, at, out);
        }
        self.trailer_bytes = 0;
    }

    fn promise(
        &mut self,
        direction: Direction,
        at: Stamp,
        block: &Block<'_>,
        promised: u32,
        fields: Vec<Field>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        if direction == Direction::Up {
            return Err(Fault::PushByClient);
        }
        if promised == 0 || is_clients(promised) {
            return Err(Fault::WrongParity { stream_id: promised });
        }
        if promised <= self.last_promised {
            return Err(Fault::PromisedTwice { stream_id: promised });
        }
        let stream_id = block.stream_id;
        if matches!(self.find(stream_id), Found::Idle) {
            return Err(Fault::IdleStream { stream_id });
        }
        self.last_promised = promised;
        self.request(promised, at, block, fields, out)
    }

    fn request(
        &mut self,
        stream_id: u32,
        at: Stamp,
        block: &Block<'_>,
        fields: Vec<Field>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        if self.open.len() >= self.limit {
            return Err(Fault::TooManyStreams { limit: self.limit });
        }
        let h2_fingerprint = block.fingerprint.as_ref().map(|print| print.text(&fields));
        let Request { method, path, scheme, authority, protocol, fields } =
            Request::from_fields(fields)?;
        self.exchanges = self.exchanges.saturating_add(1);
        let exchange = ExchangeId { connection: self.connection, number: self.exchanges };
        let asked = (method == "CONNECT").then(|| match &protocol {
            Some(protocol) if protocol.eq_ignore_ascii_case(b"websocket") => Upgrade::WebSocket,
            _ => Upgrade::Opaque,
        });
        let is_pushed = !is_clients(stream_id);
        let direction = Direction::Up;
        let place = Place { exchange, direction, at, limit: self.message_limit };
        let messages = MessageFollower::of_body(place, &fields);
        let head = RequestHead {
            at,
            version: HttpVersion::Http2,
            method,
            target: path,
            authority,
            scheme,
            fields,
            extent: block.extent,
            stream_id: Some(stream_id),
            direction: if is_pushed { Direction::Down } else { Direction::Up },
            protocol,
            h2_fingerprint,
        };
        out.push(Event::Request { exchange, head: Box::new(head) });
        // A promised request has no body.
        let end_stream = block.end_stream || is_pushed;
        let hashed_bytes = self.hashed_bytes;
        let seen = HeadSeen { offset: block.extent.end, at, end_stream, hashed_bytes };
        let mut stream = Stream::new(exchange, stream_id, seen, asked);
        if let Some(messages) = messages {
            stream.follow(direction, messages, out);
        }
        if self.server_ended {
            stream.end(Direction::Down, BodyEnd::Truncated, Vec::new());
        }
        self.open.insert(stream_id, stream);
        self.settle(stream_id, at, out);
        Ok(())
    }

    fn response(
        &mut self,
        at: Stamp,
        block: &Block<'_>,
        fields: Vec<Field>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let stream_id = block.stream_id;
        let Some(stream) = self.open.get_mut(&stream_id) else { return Ok(()) };
        let Response { status, fields } = Response::from_fields(fields)?;
        let is_interim = (100..200).contains(&status);
        if is_interim && block.end_stream {
            return Err(Fault::InterimEnd { stream_id });
        }
        let (exchange, limit) = (stream.exchange(), self.message_limit);
        let hashed_bytes = self.hashed_bytes;
        let place = |direction| Place { exchange, direction, at, limit };
        let messages = MessageFollower::of_body(place(Direction::Down), &fields);
        let deflates = permessage_deflate(&fields).is_some();
        let head = ResponseHead {
            at,
            version: HttpVersion::Http2,
            status,
            reason: bytes::Bytes::new(),
            fields,
            extent: block.extent,
        };
        out.push(Event::Response { exchange, head: Box::new(head) });
        if !is_interim {
            let end_stream = block.end_stream;
            let offset = block.extent.end;
            stream.answer(status, HeadSeen { offset, at, end_stream, hashed_bytes });
            if stream.upgrade() == Some(Upgrade::WebSocket) {
                for direction in [Direction::Up, Direction::Down] {
                    let messages = MessageFollower::websocket(place(direction), deflates);
                    stream.follow(direction, messages, out);
                }
            } else if let Some(messages) = messages {
                stream.follow(Direction::Down, messages, out);
            }
            self.settle(stream_id, at, out);
        }
        Ok(())
    }

    fn trailers(
        &mut self,
        direction: Direction,
        at: Stamp,
        block: &Block<'_>,
        fields: Vec<Field>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let stream_id = block.stream_id;
        let Some(stream) = self.open.get_mut(&stream_id) else { return Ok(()) };
        stream.body(direction)?;
        if !block.end_stream {
            return Err(Fault::TrailersWithoutEnd { stream_id });
        }
        let before = stream.trailer_bytes();
        stream.end(direction, BodyEnd::Complete, head::trailers(fields)?);
        self.trailer_bytes += stream.trailer_bytes().saturating_sub(before);
        self.settle(stream_id, at, out);
        if self.trailer_bytes > self.trailer_limit {
            return Err(Fault::TrailersOverLimit { limit: self.trailer_limit });
        }
        Ok(())
    }

    fn find(&mut self, stream_id: u32) -> Found<'_> {
        let last = if is_clients(stream_id) { self.last_requested } else { self.last_promised };
        if stream_id > last {
            return Found::Idle;
        }
        match self.open.get_mut(&stream_id) {
            Some(stream) => Found::Open(stream),
            None => Found::Closed,
        }
    }

    /// Lets go of a stream whose exchange is over.
    fn settle(&mut self, stream_id: u32, at: Stamp, out: &mut Vec<Event>) {
        if self.open.get(&stream_id).is_some_and(Stream::is_over)
            && let Some(stream) = self.open.remove(&stream_id)
        {
            self.trailer_bytes = self.trailer_bytes.saturating_sub(stream.trailer_bytes());
            ended(stream, at, out);
        }
    }
}

fn ended(stream: Stream, at: Stamp, out: &mut Vec<Event>) {
    let exchange = stream.exchange();
    let end = Box::new(stream.finish(at, out));
    out.push(Event::ExchangeEnded { exchange, end });
}

/// Clients open odd streams, servers even ones (RFC 9113 section 5.1.1).
fn is_clients(stream_id: u32) -> bool {
    stream_id % 2 == 1
}
