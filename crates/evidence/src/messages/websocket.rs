//! WebSocket messages out of one direction's body: masks taken off, fragments joined, compressed
//! ones inflated in the order in which they passed, since each may refer to those before it.

use super::payload::{Kept, Payload};
use crate::inflate::RawInflate;
use observe::websocket::frame::{Piece, RSV1, Scanner, Unmask, opcode};

/// Whether a compressed message may refer to the ones before it (RFC 7692 section 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takeover {
    Keeps,
    Resets,
}

pub(super) struct Reader {
    kept: Kept,
    takeover: Takeover,
    scanner: Scanner,
    offset: u64,
    inflate: RawInflate,
    /// Why no more compressed messages can be read.
    broken: Option<String>,
    frame: Option<Frame>,
    data: Option<Open>,
    control: Option<Open>,
    is_lost: bool,
}

struct Frame {
    is_control: bool,
    is_last: bool,
    unmask: Unmask,
}

struct Open {
    payload: Payload,
    is_compressed: bool,
}

impl Reader {
    pub(super) fn new(kept: Kept, takeover: Takeover) -> Self {
        Self {
            kept,
            takeover,
            scanner: Scanner::default(),
            offset: 0,
            inflate: RawInflate::new(),
            broken: None,
            frame: None,
            data: None,
            control: None,
            is_lost: false,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        while !self.is_lost {
            let before = input.len();
            let Ok(piece) = self.scanner.next(&mut input) else {
                self.is_lost = true;
                return;
            };
            self.offset += (before - input.len()) as u64;
            match piece {
                None => return,
                Some(Piece::Begin(header)) => {
                    let payload = Payload {
                        start: self.offset.saturating_sub(header.bytes),
                        ..Payload::default()
                    };
                    let is_control = header.is_control();
                    let is_compressed = header.rsv & RSV1 != 0 && !is_control;
                    let open = Open { payload, is_compressed };
                    if is_control {
                        self.control = Some(open);
                    } else if header.opcode != opcode::CONTINUATION || self.data.is_none() {
                        self.close_data();
                        self.data = Some(open);
                    }
                    let is_last = header.fin || is_control;
                    let unmask = Unmask::new(header.mask);
                    self.frame = Some(Frame { is_control, is_last, unmask });
                }
                Some(Piece::Payload(part)) => self.payload(part),
                Some(Piece::End) => {
                    if let Some(frame) = self.frame.take().filter(|frame| frame.is_last) {
                        if frame.is_control {
                            let control = self.control.take().map(|open| open.payload);
                            self.kept.payloads.extend(control);
                        } else {
                            self.close_data();
                        }
                    }
                }
            }
        }
    }

    pub(super) fn finish(mut self) -> Kept {
        let control = self.control.take().map(|open| open.payload);
        self.kept.payloads.extend(control);
        if let Some(open) = self.data.take() {
            self.kept.payloads.push(open.payload);
        }
        self.kept
    }

    fn payload(&mut self, part: &[u8]) {
        let Some(frame) = &mut self.frame else { return };
        let open = if frame.is_control { &mut self.control } else { &mut self.data };
        let Some(open) = open else { return };
        let mut plain = part.to_vec();
        frame.unmask.apply(&mut plain);
        if open.is_compressed {
            inflate(&mut self.inflate, &mut self.broken, &mut self.kept, &mut open.payload, &plain);
        } else {
            self.kept.extend(&mut open.payload, &plain);
        }
    }

    /// A data message has ended.
    fn close_data(&mut self) {
        let Some(mut open) = self.data.take() else { return };
        if open.is_compressed {
            let payload = &mut open.payload;
            inflate(&mut self.inflate, &mut self.broken, &mut self.kept, payload, &FLUSH);
            if self.takeover == Takeover::Resets {
                self.inflate.reset();
                self.broken = None;
            }
        }
        self.kept.payloads.push(open.payload);
    }
}

fn inflate(
    inflate: &mut RawInflate,
    broken: &mut Option<String>,
    kept: &mut Kept,
    payload: &mut Payload,
    part: &[u8],
) {
    if broken.is_none() {
        let inflated = inflate.feed(part, &mut |plain| kept.extend(payload, plain));
        *broken = inflated.err().map(|error| format!("the compression is broken: {error}"));
    }
    if payload.problem.is_none() {
        payload.problem.clone_from(broken);
    }
}

/// What a sender takes off the end of each compressed message (RFC 7692 section 7.2.1).
const FLUSH: [u8; 4] = [0, 0, 0xff, 0xff];

#[cfg(test)]
mod tests {
    use super::super::payload::Keep;
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    fn deflate(compress: &mut Compress, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 200);
        compress.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&FLUSH));
        out.truncate(out.len() - FLUSH.len());
        out
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        assert!(payload.len() < 126);
        [&[first, payload.len() as u8], payload].concat()
    }

    fn read(takeover: Takeover, keep: Keep, body: &[u8], size: usize) -> Vec<Payload> {
        let kept = Kept { keep, left: keep.all, payloads: Vec::new() };
        let mut reader = Reader::new(kept, takeover);
        body.chunks(size).for_each(|part| reader.feed(part));
        reader.finish().payloads
    }

    #[track_caller]
    fn check(takeover: Takeover, body: &[u8], expected: &[&str]) {
        for size in [1, 3, usize::MAX] {
            let payloads = read(takeover, Keep::WHOLE, body, size);
            let texts: Vec<_> =
                payloads.iter().map(|p| String::from_utf8_lossy(&p.bytes).into_owned()).collect();
            assert_eq!(texts, expected);
            assert!(payloads.iter().all(|payload| payload.problem.is_none()), "{payloads:?}");
        }
    }

    #[test]
    fn both_takeover_modes_and_fragments() {
        let text = b"the same words, the same words, again and again";
        let mut compress = Compress::new(Compression::default(), false);
        let (first, second) = (deflate(&mut compress, text), deflate(&mut compress, text));
        assert!(second.len() < first.len(), "the second refers to the first");
        let shown = std::str::from_utf8(text).unwrap();
        let (a, b) = second.split_at(second.len() / 2);
        let body = [
            frame(0xc1, &first),
            frame(0x81, b"plain"),
            frame(0x41, a),
            frame(0x89, b"ping"),
            frame(0x80, b),
            frame(0xc1, b"\0"),
        ]
        .concat();
        check(Takeover::Keeps, &body, &[shown, "plain", "ping", shown, ""]);
        let body = [frame(0xc1, &first), frame(0xc1, &first)].concat();
        check(Takeover::Resets, &body, &[shown, shown]);
    }

    #[test]
    fn output_that_comes_long_after_its_input_was_taken_for_damage() {
        let mut compress = Compress::new(Compression::default(), false);
        let long = vec![b'x'; 65_535];
        let body = [
            frame(0xc1, &deflate(&mut compress, &long)),
            frame(0xc1, &deflate(&mut compress, b"after")),
        ]
        .concat();
        check(Takeover::Keeps, &body, &[std::str::from_utf8(&long).unwrap(), "after"]);
    }

    #[test]
    fn a_bomb_is_counted_and_not_kept() {
        let mut compress = Compress::new(Compression::best(), false);
        let bomb = deflate(&mut compress, &vec![0; 100_000]);
        let payloads = read(
            Takeover::Keeps,
            Keep { each: 10, all: 15 },
            &[frame(0xc2, &bomb[..bomb.len().min(125)]), frame(0x81, b"0123456789")].concat(),
            7,
        );
        assert_eq!((payloads[0].bytes.len(), payloads[1].bytes.len()), (10, 5));
        assert!(payloads[0].total > 10_000 && payloads[0].is_cut());
    }

    #[test]
    fn broken_compression_is_said_of_what_depends_on_it() {
        let body = [frame(0xc1, b"\xff\xff"), frame(0xc1, b"\0"), frame(0x81, b"x")].concat();
        let payloads = read(Takeover::Keeps, Keep::WHOLE, &body, 2);
        let broken: Vec<bool> = payloads.iter().map(|p| p.problem.is_some()).collect();
        assert_eq!(broken, [true, true, false]);
    }
}
