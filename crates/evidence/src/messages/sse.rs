//! Server-sent events out of a response's body: their data lines joined by line feeds.

use super::payload::{Kept, Payload};
use observe::sse::{Lines, Piece, field};
use std::io::{self, Write};

pub(super) struct Reader {
    kept: Kept,
    lines: Lines,
    line: Vec<u8>,
    event: Option<Payload>,
    has_data: bool,
}

impl Reader {
    pub(super) fn new(kept: Kept) -> Self {
        Self { kept, lines: Lines::default(), line: Vec::new(), event: None, has_data: false }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.feed(bytes, |piece| match piece {
            Piece::Text { at, byte } => self.text(at, byte),
            Piece::End => self.line_end(),
            Piece::Empty { .. } => self.dispatch(),
        });
        self.lines = lines;
    }

    pub(super) fn finish(mut self) -> Kept {
        self.line_end();
        self.dispatch();
        self.kept
    }

    fn text(&mut self, at: u64, byte: u8) {
        self.event.get_or_insert_with(|| Payload { start: at, ..Payload::default() });
        if self.line.len() < MOST_LINE_BYTES {
            self.line.push(byte);
        }
    }

    fn line_end(&mut self) {
        let line = std::mem::take(&mut self.line);
        let Some(event) = &mut self.event else { return };
        match field(&line) {
            (b"data", value) => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.kept.extend(event, b"\n");
                }
                self.kept.extend(event, value);
            }
            (b"event", value) => event.event = Some(value.to_vec()),
            (b"id", value) if !value.contains(&0) => event.id = Some(value.to_vec()),
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let event = self.event.take();
        if std::mem::take(&mut self.has_data) {
            self.kept.payloads.extend(event);
        }
    }
}

impl Write for Reader {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.feed(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Of a longer line the rest is not read.
const MOST_LINE_BYTES: usize = 16 << 20;
