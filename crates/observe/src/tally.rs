//! The running account of one body: its extent in the stream, its length and the messages in it. It
//! knows no framing: whoever follows the framing tells it what is payload and what is covered. What
//! is hashed of it, and salted before it is recorded, is [`crate::chunks`]' business.

use crate::chunks::ChunkHasher;
use crate::messages::{MessageFollower, SENT_BEFORE_ANSWER};
use flow::event::Event;
use flow::http::{Body, BodyEnd, Field, Framing};
use flow::stream::Extent;
use flow::time::Stamp;

/// One body while it passes.
pub(crate) struct BodyTally {
    framing: Framing,
    extent: Extent,
    bytes: u64,
    hasher: ChunkHasher,
    at: Stamp,
    messages: Option<Box<MessageFollower>>,
}

impl BodyTally {
    /// A body without a byte so far, at `offset` of its stream; it is hashed if it turns out to have
    /// at most `hashed_bytes`.
    pub(crate) fn new(framing: Framing, offset: u64, at: Stamp, hashed_bytes: usize) -> Self {
        let extent = Extent { start: offset, end: offset };
        let hasher = ChunkHasher::new(hashed_bytes);
        Self { framing, extent, bytes: 0, hasher, at, messages: None }
    }

    /// Reads the body as messages as well. One of which something has passed already can no longer
    /// be cut into them, which is told.
    pub(crate) fn follow(&mut self, mut messages: MessageFollower, events: &mut Vec<Event>) {
        if self.bytes > 0 {
            messages.lose(0, SENT_BEFORE_ANSWER, events);
        }
        self.messages = Some(Box::new(messages));
    }

    /// Takes in payload: bytes of the body with the framing removed.
    pub(crate) fn payload(&mut self, at: Stamp, bytes: &[u8], events: &mut Vec<Event>) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.hasher.feed(bytes);
        if let Some(messages) = &mut self.messages {
            messages.feed(at, bytes, events);
        }
    }

    /// Extends the extent over `covered`, framing included. The first non-empty range sets its
    /// start; later ones only its end.
    pub(crate) fn cover(&mut self, covered: Extent, at: Stamp) {
        if covered.is_empty() {
            return;
        }
        if self.extent.is_empty() {
            self.extent.start = covered.start;
        }
        self.extent.end = self.extent.end.max(covered.end);
        self.at = at;
    }

    /// The account of what has passed.
    pub(crate) fn finish(
        self,
        end: BodyEnd,
        trailers: Vec<Field>,
        events: &mut Vec<Event>,
    ) -> Body {
        Body {
            framing: self.framing,
            extent: self.extent,
            bytes: self.bytes,
            end,
            trailers,
            messages: self.messages.map(|messages| messages.finish(events)),
            digests: self.hasher.finish(),
            at: self.at,
        }
    }
}

impl std::fmt::Debug for BodyTally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyTally")
            .field("framing", &self.framing)
            .field("extent", &self.extent)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::time::{MonoNanos, WallNanos};

    fn at(nanos: u64) -> Stamp {
        Stamp { wall: WallNanos(nanos), mono: MonoNanos(nanos) }
    }

    #[test]
    fn the_extent_spans_from_the_first_to_the_last_range_and_the_length_is_the_payload() {
        let mut tally = BodyTally::new(Framing::Http2 { stream_id: 1 }, 5, at(1), 1 << 20);
        tally.cover(Extent { start: 100, end: 112 }, at(2));
        let mut events = Vec::new();
        tally.payload(at(2), b"abc", &mut events);
        tally.cover(Extent { start: 300, end: 309 }, at(3));
        tally.cover(Extent { start: 400, end: 400 }, at(4));
        let body = tally.finish(BodyEnd::Complete, Vec::new(), &mut events);
        assert_eq!((body.extent, body.bytes, body.at), (Extent { start: 100, end: 309 }, 3, at(3)));
    }

    #[test]
    fn a_body_without_a_byte_is_an_empty_extent_where_it_would_have_begun() {
        let tally = BodyTally::new(Framing::None, 7, at(1), 1 << 20);
        let body = tally.finish(BodyEnd::Complete, Vec::new(), &mut Vec::new());
        assert_eq!((body.extent, body.bytes), (Extent { start: 7, end: 7 }, 0));
    }
}
