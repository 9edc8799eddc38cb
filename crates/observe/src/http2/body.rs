//! Taking a body out of its recorded stream again.

use super::frame::{Piece, Scanner, Unpadder, kind};

/// Reads the DATA of one stream, without padding, out of an extent of an HTTP/2 direction that
/// begins at a frame header. Frames of other types and streams are passed over; what is malformed
/// yields nothing. It holds no payload.
#[derive(Debug)]
pub struct DataReader {
    stream_id: u32,
    scanner: Scanner,
    /// The frame in hand, where it is DATA of the stream.
    unpadder: Option<Unpadder>,
}

impl DataReader {
    pub fn new(stream_id: u32) -> Self {
        Self { stream_id, scanner: Scanner::default(), unpadder: None }
    }

    /// Appends the body bytes in the next part of the extent to `out`.
    pub fn feed(&mut self, mut part: &[u8], out: &mut Vec<u8>) {
        while let Some(piece) = self.scanner.next(&mut part) {
            match piece {
                Piece::Begin(header) => {
                    let ours = header.kind == kind::DATA && header.stream_id == self.stream_id;
                    self.unpadder = if ours { Unpadder::new(header).ok() } else { None };
                }
                Piece::Payload(payload) => {
                    match self.unpadder.as_mut().map(|unpadder| unpadder.take(payload)) {
                        Some(Ok(data)) => out.extend_from_slice(data),
                        Some(Err(_bad_padding)) => self.unpadder = None,
                        None => {}
                    }
                }
                Piece::End => self.unpadder = None,
            }
        }
    }
}
