//! The chunked transfer coding (RFC 9112 section 7.1), undone piece by piece. Strict about line
//! endings and sizes, because lenient readers of them disagree with one another; chunk extensions
//! are passed over; trailer lines are handed on unread.

use super::defect::{Defect, Malformed};

/// Follows one chunked body through slices of any size.
#[derive(Clone, Debug)]
pub(crate) struct ChunkedDecoder {
    state: State,
}

/// A part of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Payload(&'a [u8]),
    /// Bytes of the trailer section, its final empty line included.
    Trailer(&'a [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a size line of which `seen` bytes have passed.
    Size {
        part: SizePart,
        size: u64,
        seen: usize,
    },
    Data {
        left: u64,
    },
    /// After a chunk's data: CR, then LF.
    DataEnd {
        cr: bool,
    },
    Trailer {
        line_empty: bool,
        cr: bool,
    },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SizePart {
    /// No digit yet.
    Start,
    Digits,
    /// Spaces after the digits, which some servers pad with.
    Padding,
    Extension,
    Cr,
}

impl ChunkedDecoder {
    pub(crate) fn new() -> Self {
        Self { state: NEXT_CHUNK }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads from the start of `bytes` up to the body's end; returns how many bytes belong to it.
    ///
    /// # Errors
    /// At the first byte that the coding does not allow. What came before it was handed on.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Result<usize, Defect> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.state {
                State::Done => break,
                State::Data { left } => {
                    let length = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    sink(Piece::Payload(rest.get(..length).unwrap_or_default()));
                    at += length;
                    let left = left - length as u64;
                    self.state =
                        if left == 0 { State::DataEnd { cr: false } } else { State::Data { left } };
                }
                State::Trailer { .. } => at += self.trailer(rest, at, sink)?,
                State::Size { part, size, seen } => {
                    let byte = rest.first().copied().unwrap_or_default();
                    let next = size_line(part, size, seen, byte);
                    self.state = next.map_err(|why| Defect { at, why })?;
                    at += 1;
                }
                State::DataEnd { cr } => {
                    self.state = match (cr, rest.first()) {
                        (false, Some(b'\r')) => State::DataEnd { cr: true },
                        (true, Some(b'\n')) => NEXT_CHUNK,
                        _ => return Err(Defect { at, why: Malformed::ChunkDataEnd }),
                    };
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    /// Reads trailer lines through the empty one; returns how many bytes they take.
    fn trailer(
        &mut self,
        rest: &[u8],
        at: usize,
        sink: &mut impl FnMut(Piece<'_>),
    ) -> Result<usize, Defect> {
        let mut taken = 0;
        let mut result = Ok(());
        for byte in rest {
            let State::Trailer { line_empty, cr } = self.state else { break };
            self.state = match (cr, byte) {
                (true, b'\n') if line_empty => State::Done,
                (true, b'\n') => NEXT_TRAILER,
                (false, b'\r') => State::Trailer { line_empty, cr: true },
                (true, _) | (false, b'\n') => {
                    result = Err(Defect { at: at + taken, why: Malformed::TrailerLineEnd });
                    break;
                }
                (false, _) => State::Trailer { line_empty: false, cr: false },
            };
            taken += 1;
        }
        sink(Piece::Trailer(rest.get(..taken).unwrap_or_default()));
        result.map(|()| taken)
    }
}

/// The state after one more byte of a size line.
fn size_line(part: SizePart, size: u64, seen: usize, byte: u8) -> Result<State, Malformed> {
    let to = |part| Ok(State::Size { part, size, seen: seen + 1 });
    if seen >= MOST_LINE_BYTES {
        return Err(Malformed::ChunkLineTooLong(MOST_LINE_BYTES));
    }
    match (part, byte) {
        (SizePart::Start | SizePart::Digits, digit) if digit.is_ascii_hexdigit() => {
            let digit = char::from(digit).to_digit(16).unwrap_or_default();
            let size = size.checked_mul(16).ok_or(Malformed::ChunkSizeOverflow)? + u64::from(digit);
            Ok(State::Size { part: SizePart::Digits, size, seen: seen + 1 })
        }
        (SizePart::Start, _) => Err(Malformed::ChunkSize),
        (SizePart::Cr, b'\n') if size == 0 => Ok(NEXT_TRAILER),
        (SizePart::Cr, b'\n') => Ok(State::Data { left: size }),
        (SizePart::Cr, _) => Err(Malformed::ChunkLineEnd),
        (_, b'\r') => to(SizePart::Cr),
        (_, b'\n' | 0) => Err(Malformed::ChunkLineEnd),
        (SizePart::Extension, _) | (_, b';') => to(SizePart::Extension),
        (SizePart::Digits | SizePart::Padding, b' ' | b'\t') => to(SizePart::Padding),
        (SizePart::Digits | SizePart::Padding, _) => Err(Malformed::ChunkSize),
    }
}

const NEXT_CHUNK: State = State::Size { part: SizePart::Start, size: 0, seen: 0 };
const NEXT_TRAILER: State = State::Trailer { line_empty: true, cr: false };

/// Bytes of a size line with its extensions. Extensions are unused in practice; the bound keeps a
/// body of nothing but extensions from passing as one.
const MOST_LINE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Payload, trailer bytes, and bytes taken or the defect.
    type Read = (Vec<u8>, Vec<u8>, Result<usize, Defect>);

    fn read(decoder: &mut ChunkedDecoder, pieces: &[&[u8]]) -> Read {
        let (mut payload, mut trailer, mut taken) = (Vec::new(), Vec::new(), 0);
        for piece in pieces {
            let result = decoder.feed(piece, &mut |piece| match piece {
                Piece::Payload(bytes) => payload.extend_from_slice(bytes),
                Piece::Trailer(bytes) => trailer.extend_from_slice(bytes),
            });
            match result {
                Ok(more) => taken += more,
                Err(defect) => {
                    let defect = Defect { at: taken + defect.at, ..defect };
                    return (payload, trailer, Err(defect));
                }
            }
        }
        (payload, trailer, Ok(taken))
    }

    #[track_caller]
    fn check(
        input: &[u8],
        payload: &str,
        trailer: &str,
        expected: Result<usize, (usize, Malformed)>,
    ) {
        let bytewise: Vec<&[u8]> = input.chunks(1).collect();
        for pieces in [&[input][..], &bytewise[..]] {
            let mut decoder = ChunkedDecoder::new();
            let (got, got_trailer, result) = read(&mut decoder, pieces);
            assert_eq!(result.map_err(|defect| (defect.at, defect.why)), expected, "{input:?}");
            assert_eq!(got, payload.as_bytes(), "{input:?}");
            assert_eq!(decoder.is_done(), expected.is_ok(), "{input:?}");
            if expected.is_ok() {
                assert_eq!(got_trailer, trailer.as_bytes(), "{input:?}");
            }
        }
    }

    #[test]
    fn bodies() {
        check(b"0\r\n\r\nrest", "", "\r\n", Ok(5));
        check(b"3\r\nabc\r\n0\r\n\r\n", "abc", "\r\n", Ok(13));
        check(b"A;x=\"y\";z\r\n0123456789\r\n000\r\n\r\n", "0123456789", "\r\n", Ok(30));
        check(b"1  ;a\r\nb\r\n0\t\r\n\r\n", "b", "\r\n", Ok(16));
        check(b"2\r\n\r\n\r\n0\r\nA: b\r\nC: d\r\n\r\nX", "\r\n", "A: b\r\nC: d\r\n\r\n", Ok(24));
    }

    #[test]
    fn refused_bodies() {
        use Malformed as M;
        check(b"\r\n", "", "", Err((0, M::ChunkSize)));
        check(b" 3\r\nabc", "", "", Err((0, M::ChunkSize)));
        check(b"-3\r\nabc", "", "", Err((0, M::ChunkSize)));
        check(b"0x3\r\nabc", "", "", Err((1, M::ChunkSize)));
        check(b"3 3\r\nabc", "", "", Err((2, M::ChunkSize)));
        check(b"3\nabc", "", "", Err((1, M::ChunkLineEnd)));
        check(b"3\rabc", "", "", Err((2, M::ChunkLineEnd)));
        check(b"3;a\nabc", "", "", Err((3, M::ChunkLineEnd)));
        check(b"3;a\0\r\nabc", "", "", Err((3, M::ChunkLineEnd)));
        check(b"3\r\nabcd\r\n", "abc", "", Err((6, M::ChunkDataEnd)));
        check(b"3\r\nabc\n", "abc", "", Err((6, M::ChunkDataEnd)));
        check(b"3\r\nabc\r0", "abc", "", Err((7, M::ChunkDataEnd)));
        check(b"0\r\nA: b\n\r\n", "", "", Err((7, M::TrailerLineEnd)));
        check(b"0\r\n\n", "", "", Err((3, M::TrailerLineEnd)));
        check(b"10000000000000000\r\n", "", "", Err((16, M::ChunkSizeOverflow)));
        let long = [b"1;", &[b'a'; MOST_LINE_BYTES][..]].concat();
        check(&long, "", "", Err((MOST_LINE_BYTES, M::ChunkLineTooLong(MOST_LINE_BYTES))));
    }

    #[test]
    fn the_largest_size_is_followed_without_overflow() {
        let mut decoder = ChunkedDecoder::new();
        let (payload, _, taken) = read(&mut decoder, &[b"FFFFFFFFFFFFFFFF\r\nabc"]);
        assert_eq!((&payload[..], taken), (&b"abc"[..], Ok(21)));
        assert!(!decoder.is_done());
    }

    proptest! {
        #[test]
        fn what_is_chunked_comes_back(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..30), 0..6),
            cuts in prop::collection::vec(1..9_usize, 1..9),
        ) {
            let mut coded = Vec::new();
            for chunk in &chunks {
                coded.extend_from_slice(format!("{:X};e\r\n", chunk.len()).as_bytes());
                coded.extend_from_slice(chunk);
                coded.extend_from_slice(b"\r\n");
            }
            coded.extend_from_slice(b"0\r\nT: 1\r\n\r\n");
            let (mut rest, mut pieces) = (&coded[..], Vec::new());
            for cut in cuts.iter().cycle() {
                let (piece, next) = rest.split_at(rest.len().min(*cut));
                pieces.push(piece);
                rest = next;
                if rest.is_empty() { break; }
            }
            let (payload, trailer, taken) = read(&mut ChunkedDecoder::new(), &pieces);
            prop_assert_eq!(payload, chunks.concat());
            prop_assert_eq!(&trailer[..], &b"T: 1\r\n\r\n"[..]);
            prop_assert_eq!(taken, Ok(coded.len()));
        }

        #[test]
        fn cuts_do_not_matter(
            bytes in prop::collection::vec(prop::sample::select(b"0123a;\r\n\r\n: ".to_vec()), 0..40),
        ) {
            let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
            let whole = read(&mut ChunkedDecoder::new(), &[&bytes]);
            let parts = read(&mut ChunkedDecoder::new(), &bytewise);
            prop_assert_eq!((whole.0, whole.2), (parts.0, parts.2));
        }
    }
}
