//! One connection whose bytes are observed again: in the order and with the times of the frames,
//! ended and cut where the log says so.

use super::pairs::{Found, Pairs};
use super::protocol::Protocol;
use crate::read::ReadError;
use crate::record::Body;
use crate::record::connection::ConnectionTreatment;
use crate::record::value::Text;
use flow::event::Event;
use flow::id::ConnectionId;
use flow::limits::Limits;
use flow::stream::Direction;
use flow::time::Stamp;
use observe::Observer;
use std::collections::VecDeque;

/// The state of one connection in the pass over a session.
#[derive(Debug)]
pub(super) struct Replay {
    connection: ConnectionId,
    alpn: Option<Text>,
    protocol: Option<Protocol>,
    observer: Option<Observer>,
    /// What the upstream sent before the device's first bytes said how to read it.
    early: Vec<(Stamp, Vec<u8>)>,
    early_bytes: usize,
    up: Stream,
    down: Stream,
    /// Orderly ends that are still to be told to the observer.
    ends: VecDeque<(Stamp, Direction)>,
    closed: Option<Stamp>,
    /// Later bytes were not kept.
    is_cut: bool,
    /// Bytes are missing that should be there: what follows them cannot be read.
    has_hole: bool,
    unrecorded: Vec<String>,
    pairs: Pairs,
    events: Vec<Event>,
}

/// What there is of one direction of the relay leg.
#[derive(Debug, Default)]
struct Stream {
    passed: u64,
    kept: u64,
}

impl Replay {
    pub(super) fn new(connection: ConnectionId) -> Self {
        Self {
            connection,
            alpn: None,
            protocol: None,
            observer: None,
            early: Vec::new(),
            early_bytes: 0,
            up: Stream::default(),
            down: Stream::default(),
            ends: VecDeque::new(),
            closed: None,
            is_cut: false,
            has_hole: false,
            unrecorded: Vec::new(),
            pairs: Pairs::new(connection),
            events: Vec::new(),
        }
    }

    /// The protocol that the upstream chose.
    pub(super) fn agreed(&mut self, alpn: Option<Text>) {
        self.alpn = alpn;
    }

    /// The first treatment under which bytes can pass says how they were read; a later one tells
    /// what became of the connection.
    pub(super) fn treated(&mut self, treatment: &ConnectionTreatment, limits: &Limits) {
        if self.protocol.is_none() {
            self.protocol = Protocol::of(treatment, self.alpn.as_ref());
            self.observer =
                self.protocol.and_then(|protocol| protocol.observer(self.connection, limits));
        }
    }

    pub(super) fn ended(&mut self, direction: Direction, at: Stamp) {
        self.ends.push_back((at, direction));
    }

    /// The stream holds so many bytes in all.
    pub(super) fn kept(&mut self, direction: Direction, bytes: u64) {
        self.stream(direction).kept = bytes;
    }

    pub(super) fn closed(&mut self, at: Stamp) {
        self.closed = Some(at);
    }

    /// Later bytes of the connection were not kept.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// A record of this kind was left out of the log.
    pub(super) fn unrecorded(&mut self, kind: String) {
        self.unrecorded.push(kind);
    }

    /// Whether all that was kept of a closed connection has passed again.
    pub(super) fn is_whole(&self) -> bool {
        self.up.passed == self.up.kept && self.down.passed == self.down.kept
    }

    /// So many bytes of the stream must have passed by now.
    pub(super) fn expect(&mut self, direction: Direction, bytes: u64) {
        if self.stream(direction).passed != bytes {
            self.lose();
        }
    }

    /// All that was kept of a connection that was cut has passed.
    pub(super) fn nothing_follows(&mut self) {
        self.pairs.cut();
    }

    pub(super) fn recorded(
        &mut self,
        at: Stamp,
        body: Body,
        found: &mut Found<'_>,
    ) -> Result<(), ReadError> {
        self.pairs.recorded((at, body), found)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.pairs.waiting()
    }

    /// The bytes of one frame.
    pub(super) fn passed(
        &mut self,
        direction: Direction,
        at: Stamp,
        bytes: &[u8],
        limits: &Limits,
        found: &mut Found<'_>,
    ) -> Result<(), ReadError> {
        self.stream(direction).passed += bytes.len() as u64;
        if self.has_hole {
            return Ok(());
        }
        if self.observer.is_none() && self.protocol == Some(Protocol::ByFirstBytes) {
            match direction {
                Direction::Up => self.begin(Protocol::by_first_bytes(bytes), limits),
                Direction::Down => self.hold(at, bytes),
            }
        }
        while let Some((end, direction)) = self.ends.pop_front_if(|(end, _)| end.mono < at.mono) {
            self.end(direction, end);
        }
        if let Some(observer) = &mut self.observer {
            observer.feed(direction, at, bytes, &mut self.events);
        }
        self.compare(found)
    }

    /// The log tells no more of the connection.
    pub(super) fn finish(mut self, found: &mut Found<'_>) -> Result<(), ReadError> {
        self.has_hole |= self.closed.is_some() && !self.is_whole();
        let closed = self.closed.filter(|_| !self.is_cut && !self.has_hole);
        if let Some(at) = closed {
            while let Some((end, direction)) = self.ends.pop_front() {
                self.end(direction, end);
            }
            if let Some(observer) = &mut self.observer {
                observer.cut(Direction::Up, at, &mut self.events);
                observer.cut(Direction::Down, at, &mut self.events);
            }
            self.compare(found)?;
        }
        found.totals.connections += u64::from(self.observer.as_ref().is_some_and(Observer::reads));
        self.pairs.finish(closed.is_some(), self.unrecorded, found)
    }

    fn begin(&mut self, protocol: Protocol, limits: &Limits) {
        let mut observer = protocol.observer(self.connection, limits);
        if let Some(observer) = &mut observer {
            for (at, bytes) in self.early.drain(..) {
                observer.feed(Direction::Down, at, &bytes, &mut self.events);
            }
        }
        self.observer = observer;
    }

    /// What comes from here on cannot be read.
    fn lose(&mut self) {
        self.has_hole = true;
        self.early = Vec::new();
        self.pairs.cut();
    }

    fn hold(&mut self, at: Stamp, bytes: &[u8]) {
        self.early_bytes += bytes.len();
        if self.early_bytes > MOST_EARLY_BYTES {
            self.lose();
        } else {
            self.early.push((at, bytes.to_owned()));
        }
    }

    fn end(&mut self, direction: Direction, at: Stamp) {
        if let Some(observer) = &mut self.observer {
            observer.end(direction, at, &mut self.events);
        }
    }

    fn compare(&mut self, found: &mut Found<'_>) -> Result<(), ReadError> {
        let pairs = &mut self.pairs;
        for event in self.events.drain(..) {
            if let Some(derived) = Body::derived(&event, found.bodies) {
                pairs.derived(derived, found)?;
            }
        }
        Ok(())
    }

    fn stream(&mut self, direction: Direction) -> &mut Stream {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

/// An upstream of plain HTTP speaks before its client in a race alone, and says little in it.
const MOST_EARLY_BYTES: usize = 1 << 20;
