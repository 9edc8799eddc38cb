//! One direction of an HTTP/1 connection: heads and bodies in turn, with their offsets. It does not
//! know what a head says; the observer reads that and tells it which body follows.

use super::defect::{Defect, Malformed};
use super::framing::BodyLength;
use super::head_buffer::{Collected, HeadBuffer};
use super::message_body::{Ending, MessageBody};
use crate::messages::MessageFollower;
use crate::tally::BodyTally;
use bytes::Bytes;
use flow::event::Event;
use flow::http::{Body, BodyEnd, Framing};
use flow::stream::{Direction, Extent};
use flow::time::Stamp;

#[derive(Debug)]
pub(super) struct Side {
    direction: Direction,
    /// Offset of the next byte in the stream.
    offset: u64,
    header_limit: usize,
    hashed_bytes: usize,
    reading: Reading,
}

#[derive(Debug)]
enum Reading {
    Head(HeadBuffer),
    Body {
        body: MessageBody,
        tally: Box<BodyTally>,
    },
    /// What comes is HTTP or another protocol, depending on a response that is not there yet. It
    /// is counted; `from` is where the first such byte was.
    Undecided {
        from: Option<u64>,
        tally: Box<BodyTally>,
    },
    /// What comes is passed over.
    Stopped,
    Ended,
}

/// What a step of reading came upon.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    Head { raw: Bytes, extent: Extent },
    Body(Body),
}

/// The side is not between a request to switch protocols and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotHeld;

/// Where in the stream reading failed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) direction: Direction,
    pub(super) offset: u64,
    pub(super) why: Malformed,
}

impl Lost {
    /// The place of a defect in bytes that start at offset `start`.
    pub(super) fn at(direction: Direction, start: u64, defect: Defect) -> Self {
        let offset = start.saturating_add(defect.at as u64);
        Self { direction, offset, why: defect.why }
    }
}

impl Side {
    /// Heads may have `header_limit` bytes; bodies of at most `hashed_bytes` are hashed.
    pub(super) fn new(direction: Direction, header_limit: usize, hashed_bytes: usize) -> Self {
        Self {
            direction,
            offset: 0,
            header_limit,
            hashed_bytes,
            reading: Reading::Head(HeadBuffer::new(header_limit)),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.reading, Reading::Ended)
    }

    /// Reads up to the next head's or body's end; returns how many bytes that took.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        at: Stamp,
        events: &mut Vec<Event>,
    ) -> Result<(usize, Found), Lost> {
        let start = self.offset;
        let direction = self.direction;
        let lost = |defect: Defect| Lost::at(direction, start, defect);
        match &mut self.reading {
            Reading::Head(buffer) => match buffer.feed(bytes).map_err(lost)? {
                Collected::NeedMore => Ok((self.advance(bytes.len()), Found::Nothing)),
                Collected::Head { head, taken, .. } => {
                    let end = start + taken as u64;
                    let extent = Extent { start: end.saturating_sub(head.len() as u64), end };
                    Ok((self.advance(taken), Found::Head { raw: head, extent }))
                }
            },
            Reading::Body { body, tally } => {
                let result = body.feed(bytes, &mut |payload| tally.payload(at, payload, events));
                let taken = result.unwrap_or_else(|defect| defect.at);
                tally.cover(Extent { start, end: start + taken as u64 }, at);
                result.map_err(lost)?;
                self.advance(taken);
                let done = self.body_if_done(events);
                Ok((taken, done.map_or(Found::Nothing, Found::Body)))
            }
            Reading::Undecided { from, tally } => {
                from.get_or_insert(start);
                tally.payload(at, bytes, events);
                tally.cover(Extent { start, end: start + bytes.len() as u64 }, at);
                Ok((self.advance(bytes.len()), Found::Nothing))
            }
            Reading::Stopped | Reading::Ended => Ok((self.advance(bytes.len()), Found::Nothing)),
        }
    }

    /// After a head: follows its body from here. One of no bytes is given back at once.
    pub(super) fn expect_body(
        &mut self,
        length: BodyLength,
        trailer_limit: usize,
        messages: Option<MessageFollower>,
        at: Stamp,
        events: &mut Vec<Event>,
    ) -> Option<Body> {
        let mut tally = Box::new(self.tally(length.framing(), at));
        if let Some(messages) = messages {
            tally.follow(messages, events);
        }
        let body = MessageBody::new(length, trailer_limit);
        self.reading = Reading::Body { body, tally };
        self.body_if_done(events)
    }

    fn tally(&self, framing: Framing, at: Stamp) -> BodyTally {
        BodyTally::new(framing, self.offset, at, self.hashed_bytes)
    }

    /// Decides nothing about what comes until [`Side::decide_for_http`] or [`Side::switch`].
    pub(super) fn hold(&mut self, at: Stamp) {
        let tally = Box::new(self.tally(Framing::Identity, at));
        self.reading = Reading::Undecided { from: None, tally };
    }

    /// What comes after [`Side::hold`] is another protocol: all of it is one body. `false` when
    /// this side was not held, and nothing changes.
    pub(super) fn switch(
        &mut self,
        messages: Option<MessageFollower>,
        events: &mut Vec<Event>,
    ) -> bool {
        match std::mem::replace(&mut self.reading, Reading::Stopped) {
            Reading::Undecided { mut tally, .. } => {
                if let Some(messages) = messages {
                    tally.follow(messages, events);
                }
                let body = MessageBody::new(BodyLength::UntilClose, 0);
                self.reading = Reading::Body { body, tally };
                true
            }
            other => {
                self.reading = other;
                false
            }
        }
    }

    /// Where the first byte after [`Side::hold`] was; `Err` when this side was not held.
    pub(super) fn held_from(&self) -> Result<Option<u64>, NotHeld> {
        match self.reading {
            Reading::Undecided { from, .. } => Ok(from),
            _ => Err(NotHeld),
        }
    }

    /// Offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// What comes after [`Side::hold`] is HTTP after all.
    pub(super) fn decide_for_http(&mut self) -> Result<(), Lost> {
        match self.reading {
            Reading::Undecided { from: Some(offset), .. } => {
                Err(Lost { direction: self.direction, offset, why: Malformed::SwitchRefused })
            }
            Reading::Undecided { from: None, .. } => {
                self.reading = Reading::Head(HeadBuffer::new(self.header_limit));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Nothing more comes: gives back the body that was under way.
    pub(super) fn end(
        &mut self,
        ending: Ending,
        events: &mut Vec<Event>,
    ) -> Result<Option<Body>, Lost> {
        match std::mem::replace(&mut self.reading, Reading::Ended) {
            Reading::Head(buffer) if !buffer.is_empty() => {
                let offset = self.offset.saturating_sub(buffer.len() as u64);
                Err(Lost { direction: self.direction, offset, why: Malformed::EndedInsideHead })
            }
            Reading::Body { body, tally } => {
                let end = body.end(ending);
                Ok(Some(tally.finish(end, body.into_trailers(), events)))
            }
            Reading::Head(_) | Reading::Undecided { .. } | Reading::Stopped | Reading::Ended => {
                Ok(None)
            }
        }
    }

    /// Gives back the body that was under way when decoding stopped.
    pub(super) fn abandon(&mut self, events: &mut Vec<Event>) -> Option<Body> {
        match std::mem::replace(&mut self.reading, Reading::Stopped) {
            Reading::Body { tally, .. } => {
                Some(tally.finish(BodyEnd::NotFollowed, Vec::new(), events))
            }
            Reading::Head(_) | Reading::Undecided { .. } | Reading::Stopped => None,
            Reading::Ended => {
                self.reading = Reading::Ended;
                None
            }
        }
    }

    fn advance(&mut self, taken: usize) -> usize {
        self.offset = self.offset.saturating_add(taken as u64);
        taken
    }

    fn body_if_done(&mut self, events: &mut Vec<Event>) -> Option<Body> {
        if !matches!(&self.reading, Reading::Body { body, .. } if body.is_done()) {
            return None;
        }
        let next = Reading::Head(HeadBuffer::new(self.header_limit));
        match std::mem::replace(&mut self.reading, next) {
            Reading::Body { body, tally } => {
                Some(tally.finish(BodyEnd::Complete, body.into_trailers(), events))
            }
            Reading::Head(_) | Reading::Undecided { .. } | Reading::Stopped | Reading::Ended => {
                None
            }
        }
    }
}
