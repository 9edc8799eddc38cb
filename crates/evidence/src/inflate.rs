//! The content coding `deflate` undone: the zlib format (RFC 9110 section 8.4.1.2), which some
//! servers send bare. Says at the end whether the stream was whole, which the writers of `flate2`
//! do not.

use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, ErrorKind, Write};

/// Decompresses on the way to `sink`.
pub(crate) struct Deflate<W> {
    sink: W,
    /// Which of the two formats it is follows from its first two bytes.
    start: Vec<u8>,
    stream: Option<Decompress>,
    piece: Vec<u8>,
    ended: bool,
}

impl<W: Write> Deflate<W> {
    pub(crate) fn new(sink: W) -> Self {
        let piece = Vec::with_capacity(PIECE_BYTES);
        Self { sink, start: Vec::new(), stream: None, piece, ended: false }
    }

    /// The sink, once the stream has come to its end.
    pub(crate) fn finish(&mut self) -> io::Result<&mut W> {
        if self.ended { Ok(&mut self.sink) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn inflate(&mut self, mut input: &[u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        loop {
            if self.ended {
                return if input.is_empty() { Ok(()) } else { Err(trailing()) };
            }
            self.piece.clear();
            let (read, written) = (stream.total_in(), stream.total_out());
            let status = stream.decompress_vec(input, &mut self.piece, FlushDecompress::None)?;
            let read = usize::try_from(stream.total_in() - read).unwrap_or(usize::MAX);
            input = input.get(read..).unwrap_or_default();
            self.sink.write_all(&self.piece)?;
            self.ended = status == Status::StreamEnd;
            let is_stuck = read == 0 && stream.total_out() == written;
            if is_stuck && !self.ended {
                // All input is used up, and all that follows from it is out.
                return if input.is_empty() { Ok(()) } else { Err(ErrorKind::InvalidData.into()) };
            }
        }
    }
}

impl<W: Write> Write for Deflate<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.stream.is_some() {
            self.inflate(piece)?;
            return Ok(piece.len());
        }
        self.start.extend_from_slice(piece);
        let &[method, flags, ..] = self.start.as_slice() else { return Ok(piece.len()) };
        // RFC 1950 section 2.2: method 8, and the first two bytes a multiple of 31.
        let check = u16::from_be_bytes([method, flags]);
        let is_zlib = method & 0x0f == 8 && check.is_multiple_of(31);
        self.stream = Some(Decompress::new(is_zlib));
        let start = std::mem::take(&mut self.start);
        self.inflate(&start)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// A bare DEFLATE stream (RFC 1951) without an end, as permessage-deflate sends it (RFC 7692).
pub(crate) struct RawInflate {
    stream: Decompress,
    piece: Vec<u8>,
    total: u64,
}

impl RawInflate {
    pub(crate) fn new() -> Self {
        let piece = Vec::with_capacity(PIECE_BYTES);
        Self { stream: Decompress::new(false), piece, total: 0 }
    }

    /// Forgets what has passed.
    pub(crate) fn reset(&mut self) {
        self.stream.reset(false);
    }

    /// Hands on what follows from the next part.
    ///
    /// # Errors
    /// The part is no DEFLATE, or all parts together unfold to more than 1 GiB.
    pub(crate) fn feed(&mut self, part: &[u8], sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        let mut input = part;
        loop {
            self.piece.clear();
            let read = self.stream.total_in();
            let stream = &mut self.stream;
            let status = stream.decompress_vec(input, &mut self.piece, FlushDecompress::Sync)?;
            let read = usize::try_from(stream.total_in() - read).unwrap_or(usize::MAX);
            input = input.get(read..).unwrap_or_default();
            self.total = self.total.saturating_add(self.piece.len() as u64);
            if self.total > MOST_INFLATED_BYTES {
                return Err(io::Error::other("more than 1 GiB in all"));
            }
            sink(&self.piece);
            if status == Status::StreamEnd {
                // A final block: what follows it begins anew (RFC 7692 section 7.2.3.4).
                self.reset();
                if input.is_empty() {
                    return Ok(());
                }
            } else if read == 0 && self.piece.is_empty() {
                // All that follows from the input is out; it may have been read long before.
                return if input.is_empty() { Ok(()) } else { Err(ErrorKind::InvalidData.into()) };
            }
        }
    }
}

fn trailing() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "bytes follow the end of the compressed body")
}

const MOST_INFLATED_BYTES: u64 = 1 << 30;
const PIECE_BYTES: usize = 32 * 1024;
