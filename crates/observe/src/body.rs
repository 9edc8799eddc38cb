//! Takes a body out of the recorded stream again: the bytes of its extent in, the body out. Content
//! encodings are kept. Damaged framing ends the body; it is never an error, because the observer
//! has already said where it stopped.

use crate::http1::{ChunkedDecoder, Piece};
use crate::http2::body::DataReader;
use flow::http::Framing;

/// Reads one body, fed with consecutive pieces of its extent.
#[derive(Debug)]
pub struct BodyReader {
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    /// No body, or one whose framing broke.
    Nothing,
    Identity,
    Chunked(ChunkedDecoder),
    Http2(DataReader),
}

impl BodyReader {
    pub fn new(framing: Framing) -> Self {
        let reader = match framing {
            Framing::None => Reader::Nothing,
            Framing::Identity => Reader::Identity,
            Framing::Chunked => Reader::Chunked(ChunkedDecoder::new()),
            Framing::Http2 { stream_id } => Reader::Http2(DataReader::new(stream_id)),
        };
        Self { reader }
    }

    /// Appends what `bytes` holds of the body to `out`: at most `bytes.len()` bytes.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match &mut self.reader {
            Reader::Nothing => {}
            Reader::Identity => out.extend_from_slice(bytes),
            Reader::Chunked(decoder) => {
                let result = decoder.feed(bytes, &mut |piece| {
                    if let Piece::Payload(payload) = piece {
                        out.extend_from_slice(payload);
                    }
                });
                if result.is_err() {
                    self.reader = Reader::Nothing;
                }
            }
            Reader::Http2(reader) => reader.feed(bytes, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(framing: Framing, extent: &[u8], expected: &[u8]) {
        for piece_bytes in [1, 2, 1000] {
            let mut reader = BodyReader::new(framing);
            let mut out = Vec::new();
            extent.chunks(piece_bytes).for_each(|piece| reader.feed(piece, &mut out));
            assert_eq!(out, expected, "{framing:?} in pieces of {piece_bytes}");
        }
    }

    #[test]
    fn bodies_come_back_without_their_framing() {
        check(Framing::None, b"abc", b"");
        check(Framing::Identity, b"abc", b"abc");
        check(Framing::Chunked, b"1;x\r\na\r\n2\r\nbc\r\n0\r\nT: u\r\n\r\n", b"abc");
        check(Framing::Chunked, b"1\r\na\r\n5\r\nbc", b"abc");
        check(Framing::Chunked, b"1\r\na\r\nX\r\n1\r\nb\r\n", b"a");
        let frames =
            b"\0\0\x02\0\0\0\0\0\x01ab\0\0\x01\0\0\0\0\0\x03z\0\0\x03\0\x09\0\0\0\x01\x01c\0";
        check(Framing::Http2 { stream_id: 1 }, frames, b"abc");
        check(Framing::Http2 { stream_id: 3 }, frames, b"z");
    }
}
