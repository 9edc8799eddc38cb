//! Server-sent events in a body (WHATWG HTML, section 9.2.6): lines ended by LF, CR or CRLF, events
//! ended by an empty line. Of a line no more than its beginning is held; data is counted, not kept.

use crate::found::Found;
use bytes::Bytes;
use flow::message::{MessageDefect, MessageEnd, MessageKind, SseEvent};
use flow::stream::Extent;

/// Cuts a body into lines whatever the segmentation. A byte order mark at the beginning belongs to
/// no line.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// The last line was ended by CR: an LF that follows belongs to it.
    after_cr: bool,
    /// Bytes of the byte order mark that have been seen.
    mark: Mark,
    /// Bytes of the body so far.
    offset: u64,
    /// The line has text.
    has_text: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mark {
    #[default]
    Nothing,
    One,
    Two,
    Decided,
}

/// What a line consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A byte of its text, and where the body has it.
    Text { at: u64, byte: u8 },
    /// A line with text ends.
    End,
    /// An empty line, which ends an event; where the body goes on.
    Empty { end: u64 },
}

/// What a byte is.
enum Step {
    /// It belongs to the line.
    Text,
    /// It ends the line.
    End,
    /// It belongs to the end of the line before, or to the byte order mark.
    Nothing,
    /// As `Text`, and so do these bytes of what seemed to be a mark, before it.
    NoMark(&'static [u8]),
}

impl Lines {
    /// Takes in the next bytes of the body and hands out what they are.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Piece)) {
        for byte in bytes {
            let at = self.offset;
            self.offset += 1;
            match self.step(*byte) {
                Step::Nothing => {}
                Step::End => {
                    let has_text = std::mem::take(&mut self.has_text);
                    let end = self.offset;
                    each(if has_text { Piece::End } else { Piece::Empty { end } });
                }
                step => {
                    self.has_text = true;
                    if let Step::NoMark(mark) = step {
                        let begun = at.saturating_sub(mark.len() as u64);
                        mark.iter().for_each(|byte| each(Piece::Text { at: begun, byte: *byte }));
                    }
                    each(Piece::Text { at, byte: *byte });
                }
            }
        }
    }

    fn step(&mut self, byte: u8) -> Step {
        let begun: &'static [u8] = match (self.mark, byte) {
            (Mark::Nothing, 0xef) => {
                self.mark = Mark::One;
                return Step::Nothing;
            }
            (Mark::One, 0xbb) => {
                self.mark = Mark::Two;
                return Step::Nothing;
            }
            (Mark::Two, 0xbf) => {
                self.mark = Mark::Decided;
                return Step::Nothing;
            }
            (Mark::One, _) => b"\xef",
            (Mark::Two, _) => b"\xef\xbb",
            (Mark::Nothing | Mark::Decided, _) => b"",
        };
        self.mark = Mark::Decided;
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if after_cr => Step::Nothing,
            b'\r' | b'\n' => Step::End,
            _ if !begun.is_empty() => Step::NoMark(begun),
            _ => Step::Text,
        }
    }
}

/// A line's field name and value: the part behind the colon, without one space.
pub fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return (line, b"") };
    let (name, value) = line.split_at(colon);
    let value = value.strip_prefix(b":").unwrap_or(value);
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

/// Follows the events of one body.
#[derive(Debug, Default)]
pub(crate) struct SseFollower {
    lines: Lines,
    /// The beginning of the line, and how long it is.
    line: Vec<u8>,
    line_bytes: u64,
    /// Where the event under way begins.
    start: Option<u64>,
    event: SseEvent,
    /// Bytes of its data lines and the line feeds between them; `None` without any.
    data: Option<u64>,
    defect: Option<MessageDefect>,
}

impl SseFollower {
    /// Takes in the next bytes of the body.
    pub(crate) fn feed(&mut self, bytes: &[u8], found: &mut impl FnMut(Found)) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.feed(bytes, |piece| match piece {
            Piece::Text { at, byte } => self.text(at, byte),
            Piece::End => self.line_end(),
            Piece::Empty { end } => self.dispatch(end, MessageEnd::Complete, found),
        });
        self.lines = lines;
    }

    /// The body has ended. What was under way is discarded by its receiver, and recorded as cut.
    pub(crate) fn finish(mut self, found: &mut impl FnMut(Found)) {
        self.line_end();
        self.dispatch(self.lines.offset, MessageEnd::Truncated, found);
    }

    fn text(&mut self, at: u64, byte: u8) {
        self.start.get_or_insert(at);
        self.line_bytes = self.line_bytes.saturating_add(1);
        if self.line.len() < KEPT_LINE_BYTES {
            self.line.push(byte);
        }
    }

    /// Takes in the field of a line that has ended.
    fn line_end(&mut self) {
        let line_bytes = std::mem::take(&mut self.line_bytes);
        let line = std::mem::take(&mut self.line);
        let (name, value) = field(&line);
        let beyond = line_bytes.saturating_sub(line.len() as u64);
        let kept = value.get(..SseEvent::FIELD_BYTES).unwrap_or(value);
        let is_long = beyond > 0 || kept.len() < value.len();
        let mut long_field = is_long.then_some(MessageDefect::LongField);
        match name {
            b"data" => {
                let value_bytes = (value.len() as u64).saturating_add(beyond);
                self.data = Some(match self.data {
                    Some(data) => data.saturating_add(1).saturating_add(value_bytes),
                    None => value_bytes,
                });
                long_field = None;
            }
            b"event" => self.event.event = Some(Bytes::copy_from_slice(kept)),
            // An id with NUL is ignored by receivers.
            b"id" if !value.contains(&0) => self.event.id = Some(Bytes::copy_from_slice(kept)),
            b"retry" => {
                let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
                let text = std::str::from_utf8(value).ok().filter(|_| digits && !is_long);
                self.event.retry = text.and_then(|text| text.parse().ok()).or(self.event.retry);
                long_field = None;
            }
            _ => long_field = None,
        }
        self.defect = self.defect.or(long_field);
        // The buffer goes on to the next line.
        self.line = line;
        self.line.clear();
    }

    /// Tells of the event, if it has data: one without is none (step 2 of dispatching).
    fn dispatch(&mut self, offset: u64, end: MessageEnd, found: &mut impl FnMut(Found)) {
        let event = std::mem::take(&mut self.event);
        let (start, defect) = (self.start.take(), self.defect.take());
        if let (Some(bytes), Some(start)) = (self.data.take(), start) {
            let range = Extent { start, end: offset };
            found(Found { kind: MessageKind::Sse(event), range, bytes, end, defect });
        }
    }
}

/// A field name, its colon and space, and a value of the bounded size.
const KEPT_LINE_BYTES: usize = SseEvent::FIELD_BYTES + 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(parts: &[&[u8]]) -> Vec<Found> {
        let mut follower = SseFollower::default();
        let mut all = Vec::new();
        for part in parts {
            follower.feed(part, &mut |found| all.push(found));
        }
        follower.finish(&mut |found| all.push(found));
        all
    }

    fn shown(found: &Found) -> String {
        let MessageKind::Sse(event) = &found.kind else { panic!("{found:?}") };
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let mut line = format!("{:?} {} {:?}", found.range.range(), found.bytes, found.end);
        for (key, value) in [("event", &event.event), ("id", &event.id)] {
            if let Some(value) = value {
                line += &format!(" {key}={}", text(value));
            }
        }
        line += &event.retry.map_or(String::new(), |retry| format!(" retry={retry}"));
        line + &found.defect.map_or(String::new(), |defect| format!(" {defect}"))
    }

    #[track_caller]
    fn check(body: &[u8], expected: &[&str]) {
        let bytewise: Vec<&[u8]> = body.chunks(1).collect();
        for parts in [&[body][..], &bytewise] {
            assert_eq!(read(parts).iter().map(shown).collect::<Vec<_>>(), expected, "{body:?}");
        }
    }

    #[test]
    fn events_as_in_the_standard() {
        check(b"", &[]);
        check(b"data: hello\n\n", &["0..13 5 Complete"]);
        check(b"data:YHOO\ndata: +2\ndata\n\n", &["0..25 8 Complete"]);
        check(b": comment\n\ndata\n\n", &["11..17 0 Complete"]);
        check(
            b"event: add\nid: 7\nretry: 10\ndata: x\n\ndata: y\n\n",
            &["0..36 1 Complete event=add id=7 retry=10", "36..45 1 Complete"],
        );
        check(b"id\ndata: a\n\n", &["0..12 1 Complete id="]);
        check(b"id: a\0b\nretry: 1x\ndata: a\n\n", &["0..27 1 Complete"]);
        check(b"event: only\n\ndata: a\n\n", &["13..22 1 Complete"]);
        check(b"data: cut\n", &["0..10 3 Truncated"]);
        check(b"data: cut", &["0..9 3 Truncated"]);
    }

    #[test]
    fn every_line_end_counts_and_crlf_is_one() {
        // The LF of a CRLF belongs to the empty line, but the event ended before it.
        check(
            b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n",
            &["0..19 3 Complete", "20..30 1 Complete"],
        );
        check(b"data: a\rdata: b\r\rdata: c\n\r", &["0..17 3 Complete", "17..26 1 Complete"]);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_once() {
        check(b"\xef\xbb\xbfdata: a\n\n", &["3..12 1 Complete"]);
        check(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", &[]);
        check(b"\xefdata: a\n\ndata: b\n\n", &["10..19 1 Complete"]);
        check(b"\n\xef\xbb\xbfdata: a\n\n", &[]);
    }

    #[test]
    fn long_fields_are_cut_and_said_so() {
        let long = "x".repeat(SseEvent::FIELD_BYTES + 1);
        let body = format!("event: {long}\ndata: {long}{long}\n\n");
        let all = read(&[body.as_bytes()]);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].bytes, 2 * long.len() as u64);
        assert_eq!(all[0].defect, Some(MessageDefect::LongField));
        let MessageKind::Sse(event) = &all[0].kind else { panic!("{all:?}") };
        assert_eq!(event.event.as_ref().unwrap().len(), SseEvent::FIELD_BYTES);
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            body in prop::collection::vec(
                prop::sample::select(b"data:id event\r\n\n\r \xef\xbb\xbf1".to_vec()), 0..60),
            size in 1..7_usize,
        ) {
            let parts: Vec<&[u8]> = body.chunks(size).collect();
            prop_assert_eq!(read(&[&body]), read(&parts));
        }
    }
}
