//! gRPC messages out of one direction's body, decompressed as `grpc-encoding` says.

use super::payload::{Kept, Payload};
use crate::decode::decoder;
use observe::grpc::{Piece, Scanner};
use std::io::Write;

pub(super) struct Reader {
    kept: Kept,
    /// The value of `grpc-encoding`.
    encoding: String,
    scanner: Scanner,
    offset: u64,
    open: Option<Open>,
}

struct Open {
    payload: Payload,
    is_compressed: bool,
}

impl Reader {
    pub(super) fn new(kept: Kept, encoding: String) -> Self {
        Self { kept, encoding, scanner: Scanner::default(), offset: 0, open: None }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        loop {
            let before = input.len();
            let piece = self.scanner.next(&mut input);
            self.offset += (before - input.len()) as u64;
            match piece {
                None => return,
                Some(Piece::Begin { flags, .. }) => {
                    let start = self.offset.saturating_sub(PREFIX_BYTES);
                    let payload = Payload { start, ..Payload::default() };
                    self.open = Some(Open { payload, is_compressed: flags & 1 != 0 });
                }
                Some(Piece::Payload(part)) => {
                    if let Some(open) = &mut self.open {
                        self.kept.extend(&mut open.payload, part);
                    }
                }
                Some(Piece::End) => self.end(),
            }
        }
    }

    pub(super) fn finish(mut self) -> Kept {
        self.end();
        self.kept
    }

    fn end(&mut self) {
        let Some(Open { mut payload, is_compressed }) = self.open.take() else { return };
        if is_compressed {
            self.decompress(&mut payload);
        }
        self.kept.payloads.push(payload);
    }

    /// Puts the decompressed payload in the compressed one's place, where all of that was kept.
    fn decompress(&mut self, payload: &mut Payload) {
        if payload.is_cut() {
            payload.problem = Some("too long to be decompressed here".to_owned());
            return;
        }
        let compressed = std::mem::take(&mut payload.bytes);
        self.kept.left = self.kept.left.saturating_add(compressed.len());
        payload.total = 0;
        let sink = Sink { kept: &mut self.kept, payload };
        let decompressed = match decoder(&self.encoding, sink) {
            Ok(mut decoder) => {
                let written = decoder.write_all(&compressed);
                written.and_then(|()| decoder.finish()).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = decompressed {
            payload.problem = Some(format!("it cannot be decompressed: {why}"));
        }
    }
}

struct Sink<'a> {
    kept: &'a mut Kept,
    payload: &'a mut Payload,
}

impl Write for Sink<'_> {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.kept.extend(self.payload, piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const PREFIX_BYTES: u64 = 5;
