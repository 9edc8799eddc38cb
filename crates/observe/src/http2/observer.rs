//! The observer of one HTTP/2 connection: joins the two directions, and stops for good where it
//! can no longer be sure of what it reads.

use super::expansion::Expansion;
use super::fault::Fault;
use super::hpack::Decoder;
use super::inbound::{Inbound, Signal};
use super::settings::Settings;
use super::streams::Streams;
use flow::event::Event;
use flow::http::{Body, LostSync};
use flow::id::{ConnectionId, ExchangeId};
use flow::limits::Limits;
use flow::stream::Direction;
use flow::time::Stamp;

/// Follows both directions of one HTTP/2 connection from the client's preface on.
///
/// What passed upwards must be fed before what it caused downwards, and the reverse, as a relay
/// does that feeds bytes before it passes them on.
///
/// - A pushed request is in the downward direction: its head's extent is in that stream, its
///   stream identifier is even, and it has no body.
/// - RST_STREAM ends an exchange on both sides; what was in flight then is not followed.
/// - GOAWAY ends nothing by itself: some servers go on to answer, and what they send counts.
/// - What passes on a stream of an extended or plain CONNECT is the exchange's two bodies.
#[derive(Debug)]
pub struct Http2Observer {
    connection: ConnectionId,
    up: Side,
    down: Side,
    streams: Streams,
    stopped: bool,
}

/// One direction: the bytes of its sender.
#[derive(Debug)]
struct Side {
    inbound: Inbound,
    decoder: Decoder,
    expansion: Expansion,
    ended: bool,
}

/// An HTTP/1 exchange whose connection goes on as HTTP/2 (RFC 7540 section 3.2).
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) exchange: ExchangeId,
    pub(crate) request_body: Body,
    /// Where in each direction HTTP/2 begins.
    pub(crate) up_offset: u64,
    pub(crate) down_offset: u64,
    /// The client's settings, which came in the request.
    pub(crate) settings: Option<Vec<u8>>,
    pub(crate) at: Stamp,
}

impl Http2Observer {
    /// An observer of `connection`, bounded by `observed_header_bytes` (each header block on the
    /// wire, each decoded one, each HPACK table) and `observed_streams` of `limits`, and by what
    /// [`Expansion`] lets a direction's header blocks unfold to.
    pub fn new(connection: ConnectionId, limits: &Limits) -> Self {
        Self {
            connection,
            up: Side::new(Direction::Up, 0, limits),
            down: Side::new(Direction::Down, 0, limits),
            streams: Streams::new(connection, limits),
            stopped: false,
        }
    }

    /// As [`Http2Observer::new`], for a connection that became HTTP/2 by an Upgrade. The exchange
    /// that asked for it is stream 1, and its request has ended.
    pub(crate) fn upgraded(connection: ConnectionId, limits: &Limits, upgraded: Upgraded) -> Self {
        let Upgraded { exchange, request_body, up_offset, down_offset, settings, at } = upgraded;
        let mut observer = Self {
            up: Side::new(Direction::Up, up_offset, limits),
            down: Side::new(Direction::Down, down_offset, limits),
            ..Self::new(connection, limits)
        };
        let settings = settings.and_then(|payload| Settings::parse(&payload).ok());
        if let Some(bytes) = settings.and_then(|settings| settings.header_table_size) {
            observer.down.decoder.allow_table_size(bytes);
        }
        observer.streams.adopt(exchange, request_body, down_offset, at);
        observer
    }

    /// Takes in the next bytes of a direction and appends what follows from them to `out`. After a
    /// [`Event::LostSync`] and the ends of the open exchanges, nothing more follows.
    pub fn feed(&mut self, direction: Direction, at: Stamp, bytes: &[u8], out: &mut Vec<Event>) {
        let mut input = bytes;
        while !self.stopped {
            match self.step(direction, at, &mut input, out) {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => self.lose(direction, at, fault, out),
            }
        }
    }

    /// The direction has ended. Bodies that it had not finished are truncated; with the end of the
    /// second direction every exchange ends.
    pub fn end(&mut self, direction: Direction, at: Stamp, out: &mut Vec<Event>) {
        let side = match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        };
        if self.stopped || side.ended {
            return;
        }
        side.ended = true;
        self.streams.end_direction(direction, at, out);
        if self.up.ended && self.down.ended {
            for (direction, side) in [(Direction::Up, &self.up), (Direction::Down, &self.down)] {
                if let Some(fault) = side.inbound.cut() {
                    out.push(lost_sync(self.connection, direction, at, side, fault));
                }
            }
            self.stopped = true;
        }
    }

    /// Whether bytes are still decoded: neither sync was lost nor have both directions ended.
    pub fn is_following(&self) -> bool {
        !self.stopped
    }

    /// Takes one signal off the front of `input`; `false` when all of it is used up.
    fn step(
        &mut self,
        direction: Direction,
        at: Stamp,
        input: &mut &[u8],
        out: &mut Vec<Event>,
    ) -> Result<bool, Fault> {
        let (own, peer) = match direction {
            Direction::Up => (&mut self.up, &mut self.down),
            Direction::Down => (&mut self.down, &mut self.up),
        };
        let Some(signal) = own.inbound.next(input)? else { return Ok(false) };
        match signal {
            Signal::Block(block) => {
                // Whatever becomes of the block, the table that it changes is the connection's.
                let fields = own.decoder.decode(block.fragment)?;
                own.expansion.count(block.extent, &fields)?;
                self.streams.block(direction, at, &block, fields, out)?;
            }
            Signal::DataBegin { stream_id, covered } => {
                self.streams.data_begin(direction, at, stream_id, covered)?;
            }
            Signal::Data { stream_id, data, covered } => {
                self.streams.data(direction, at, stream_id, data, covered, out)?;
            }
            Signal::DataEnd { stream_id, end_stream: true } => {
                self.streams.end_stream(direction, at, stream_id, out);
            }
            Signal::DataEnd { end_stream: false, .. } => {}
            Signal::Reset { stream_id, code } => self.streams.reset(at, stream_id, code, out)?,
            Signal::Settings(settings) => {
                // What an endpoint announces is about what it receives.
                if let Some(bytes) = settings.header_table_size {
                    peer.decoder.allow_table_size(bytes);
                }
                if let Some(bytes) = settings.max_frame_size {
                    peer.inbound.allow_frame(bytes);
                }
            }
        }
        Ok(true)
    }

    fn lose(&mut self, direction: Direction, at: Stamp, fault: Fault, out: &mut Vec<Event>) {
        let side = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        out.push(lost_sync(self.connection, direction, at, side, fault));
        self.streams.abandon(at, out);
        self.stopped = true;
    }
}

impl Side {
    fn new(direction: Direction, offset: u64, limits: &Limits) -> Self {
        Self {
            inbound: Inbound::new(direction, offset, limits.observed_header_bytes),
            decoder: Decoder::new(limits.observed_header_bytes),
            expansion: Expansion::default(),
            ended: false,
        }
    }
}

fn lost_sync(
    connection: ConnectionId,
    direction: Direction,
    at: Stamp,
    side: &Side,
    fault: Fault,
) -> Event {
    let offset = side.inbound.unit_start();
    Event::LostSync {
        connection,
        lost: LostSync { at, direction, exchange: None, offset, reason: fault.to_string() },
    }
}
