//! Follows one message body of a known [`BodyLength`]: which bytes of a slice belong to it, what of
//! them is payload, and where it ends. It holds nothing but the trailer section, which is bounded.

use super::chunked::{ChunkedDecoder, Piece};
use super::defect::{Defect, Malformed};
use super::framing::BodyLength;
use super::head::parse_fields;
use bytes::Bytes;
use flow::http::{BodyEnd, Field};

/// A body while it passes.
#[derive(Debug)]
pub struct MessageBody {
    state: State,
    trailers: Vec<Field>,
}

/// How a direction of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The sender said that nothing more comes: close_notify, or FIN where there is no TLS.
    Orderly,
    /// A reset, a FIN without close_notify, or our own doing: something may be missing.
    Cut,
}

#[derive(Debug)]
enum State {
    Done,
    Known { left: u64 },
    UntilClose,
    Chunked { decoder: ChunkedDecoder, section: Vec<u8>, limit: usize },
}

impl MessageBody {
    /// A body that has yet to pass; its trailer section may have `trailer_limit` bytes.
    pub fn new(length: BodyLength, trailer_limit: usize) -> Self {
        let state = match length {
            BodyLength::None | BodyLength::Known(0) => State::Done,
            BodyLength::Known(left) => State::Known { left },
            BodyLength::UntilClose => State::UntilClose,
            BodyLength::Chunked => State::Chunked {
                decoder: ChunkedDecoder::new(),
                section: Vec::new(),
                limit: trailer_limit,
            },
        };
        Self { state, trailers: Vec::new() }
    }

    /// Reads from the start of `bytes` up to the body's end and returns how many bytes belong to
    /// it; `payload` gets those that are no framing. The rest of `bytes` is the next message's.
    ///
    /// # Errors
    /// Where the chunked coding is broken; what came before `at` was handed on. A trailer section is
    /// read once it is complete, so for a bad field in it `at` is the end of the section.
    pub fn feed(&mut self, bytes: &[u8], payload: &mut impl FnMut(&[u8])) -> Result<usize, Defect> {
        match &mut self.state {
            State::Done => Ok(0),
            State::UntilClose => {
                payload(bytes);
                Ok(bytes.len())
            }
            State::Known { left } => {
                let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                payload(bytes.get(..length).unwrap_or_default());
                *left -= length as u64;
                if *left == 0 {
                    self.state = State::Done;
                }
                Ok(length)
            }
            State::Chunked { decoder, section, limit } => {
                let mut excess = 0;
                let result = decoder.feed(bytes, &mut |piece| match piece {
                    Piece::Payload(bytes) => payload(bytes),
                    Piece::Trailer(bytes) => {
                        excess = (section.len() + bytes.len()).saturating_sub(*limit);
                        let kept = bytes.len().saturating_sub(excess);
                        section.extend_from_slice(bytes.get(..kept).unwrap_or_default());
                    }
                });
                if excess > 0 {
                    let reached = result.unwrap_or_else(|defect| defect.at);
                    let at = reached.saturating_sub(excess);
                    return Err(Defect { at, why: Malformed::HeadTooLong(*limit) });
                }
                let taken = result?;
                if decoder.is_done() {
                    let section = Bytes::from(std::mem::take(section));
                    self.state = State::Done;
                    self.trailers = parse_fields(&section, 0, &mut Vec::new())
                        .map_err(|defect| Defect { at: taken, ..defect })?;
                }
                Ok(taken)
            }
        }
    }

    /// Whether the body has passed. One that is delimited by the connection's end never has.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// How the body ended when nothing more comes.
    pub fn end(&self, ending: Ending) -> BodyEnd {
        match (&self.state, ending) {
            (State::Done, _) | (State::UntilClose, Ending::Orderly) => BodyEnd::Complete,
            _ => BodyEnd::Truncated,
        }
    }

    /// The trailer fields of a chunked body that is done.
    pub fn into_trailers(self) -> Vec<Field> {
        self.trailers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        length: BodyLength,
        input: &str,
        payload: &str,
        expected: Result<(usize, BodyEnd), (usize, Malformed)>,
    ) {
        for piece_bytes in [1, 3, 1000] {
            let mut body = MessageBody::new(length, 12);
            let (mut got, mut taken) = (Vec::new(), 0);
            let mut failed = None;
            for piece in input.as_bytes().chunks(piece_bytes) {
                match body.feed(piece, &mut |bytes| got.extend_from_slice(bytes)) {
                    Ok(more) => taken += more,
                    Err(defect) => {
                        failed = Some((taken + defect.at, defect.why));
                        break;
                    }
                }
            }
            let result = failed.map_or(Ok((taken, body.end(Ending::Orderly))), Err);
            assert_eq!(result, expected, "{input:?} in pieces of {piece_bytes}");
            assert_eq!(got, payload.as_bytes());
        }
    }

    #[test]
    fn bodies_take_what_is_theirs() {
        use BodyEnd::{Complete, Truncated};
        check(BodyLength::None, "next", "", Ok((0, Complete)));
        check(BodyLength::Known(0), "next", "", Ok((0, Complete)));
        check(BodyLength::Known(3), "abcnext", "abc", Ok((3, Complete)));
        check(BodyLength::Known(9), "abcnext", "abcnext", Ok((7, Truncated)));
        check(BodyLength::UntilClose, "abc", "abc", Ok((3, Complete)));
        check(BodyLength::Chunked, "1\r\na\r\n0\r\n\r\nnext", "a", Ok((11, Complete)));
        check(BodyLength::Chunked, "1\r\na\r\n0\r\n\r", "a", Ok((10, Truncated)));
        check(BodyLength::Chunked, "0\r\nA: 12345\r\n\r\nnext", "", Ok((15, Complete)));
    }

    #[test]
    fn trailer_sections_are_bounded_and_read() {
        let too_long = Malformed::HeadTooLong(12);
        check(BodyLength::Chunked, "0\r\nA: 123456\r\n\r\nnext", "", Err((15, too_long)));
        check(BodyLength::Chunked, "0\r\nA: 1234567890", "", Err((15, too_long)));
        let line_end = Malformed::TrailerLineEnd;
        check(BodyLength::Chunked, "0\r\nA: 123456789\nB", "", Err((15, line_end)));
        check(BodyLength::Chunked, "0\r\nA b: c\r\n\r\n", "", Err((13, Malformed::FieldName)));
        let mut body = MessageBody::new(BodyLength::Chunked, 100);
        assert_eq!(body.feed(b"0\r\nA: 1\r\na:2\r\n\r\n", &mut |_| {}), Ok(16));
        let trailers = body.into_trailers();
        let shown: Vec<_> = trailers.iter().map(|f| (&f.name[..], &f.value[..])).collect();
        assert_eq!(shown, [(&b"A"[..], &b"1"[..]), (b"a", b"2")]);
    }

    #[test]
    fn a_cut_never_completes_a_body_that_only_the_end_delimits() {
        let body = MessageBody::new(BodyLength::UntilClose, 0);
        assert_eq!(body.end(Ending::Cut), BodyEnd::Truncated);
        assert_eq!(MessageBody::new(BodyLength::None, 0).end(Ending::Cut), BodyEnd::Complete);
    }
}
