//! The frames of one flush, out of its segment. Every frame is checked by its sum; which stream it
//! should be of is the caller's business. Memory is that of one frame.

use super::error::ReadError;
use crate::frame::{Frame, FrameError, HEADER_BYTES};
use flow::stream::StreamKey;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The frames of one flush.
pub(crate) struct Stretch {
    path: PathBuf,
    reader: BufReader<File>,
    /// Where the next frame begins in the segment.
    offset: u64,
    end: u64,
    buffer: Vec<u8>,
}

impl Stretch {
    /// Opens the `bytes` bytes of a segment at `offset`.
    pub(crate) fn open(path: PathBuf, offset: u64, bytes: u64) -> Result<Self, ReadError> {
        let opened = File::open(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(offset))?;
            Ok(BufReader::with_capacity(BUFFER_BYTES, file))
        });
        match opened {
            Ok(reader) => {
                let end = offset.saturating_add(bytes);
                Ok(Self { path, reader, offset, end, buffer: Vec::new() })
            }
            Err(source) => Err(ReadError::File { doing: "open", path, source }),
        }
    }

    /// The next frame; `None` after the last one of the flush.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let offset = self.offset;
        self.buffer.clear();
        let mut needed = HEADER_BYTES;
        loop {
            fill(&mut self.reader, &mut self.buffer, needed, &self.path)?;
            match Frame::parse(&self.buffer) {
                Err(FrameError::Incomplete { needed: more }) if self.buffer.len() == needed => {
                    needed = more;
                }
                Err(source) => {
                    return Err(ReadError::Frame { path: self.path.clone(), offset, source });
                }
                Ok(_) => break,
            }
        }
        self.offset += self.buffer.len() as u64;
        match Frame::parse(&self.buffer) {
            Ok(frame) => Ok(Some(frame)),
            Err(source) => Err(ReadError::Frame { path: self.path.clone(), offset, source }),
        }
    }

    /// The frames that were read are not those that `stream` should have here.
    pub(crate) fn misplaced(self, stream: StreamKey) -> ReadError {
        ReadError::Misplaced { path: self.path, offset: self.offset, stream }
    }
}

/// Reads until `buffer` holds `needed` bytes, or the file ends.
fn fill(
    reader: &mut BufReader<File>,
    buffer: &mut Vec<u8>,
    needed: usize,
    path: &Path,
) -> Result<(), ReadError> {
    let missing = needed.saturating_sub(buffer.len()) as u64;
    match reader.take(missing).read_to_end(buffer) {
        Ok(_) => Ok(()),
        Err(source) => Err(ReadError::File { doing: "read", path: path.to_owned(), source }),
    }
}

const BUFFER_BYTES: usize = 256 * 1024;
