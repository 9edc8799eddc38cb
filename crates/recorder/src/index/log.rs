//! Reads whole lines of the record log, from an offset up to a length that is known to be
//! committed. It parses nothing.

use super::error::IndexError;
use crate::record::MAX_LINE_BYTES;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A position in the log, at the start of a line.
pub(crate) struct LogLines {
    path: PathBuf,
    reader: BufReader<File>,
    offset: u64,
}

impl LogLines {
    /// Opens the log to read from `offset` on.
    pub(crate) fn open(path: &Path, offset: u64) -> Result<Self, IndexError> {
        let failed = |source| IndexError::Io { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(file), offset })
    }

    /// Reads the next line into `line`, without its newline. `None` when no whole line ends within
    /// `committed` bytes; the position then stays, and a later call with more may succeed.
    pub(crate) fn next(
        &mut self,
        committed: u64,
        line: &mut Vec<u8>,
    ) -> Result<Option<u64>, IndexError> {
        line.clear();
        let start = self.offset;
        let most = committed.saturating_sub(start);
        let read = self.read_line(most, line)?;
        if line.pop() == Some(b'\n') {
            self.offset += read;
            return Ok(Some(start));
        }
        if read >= MAX_LINE_BYTES {
            let limit = MAX_LINE_BYTES;
            return Err(IndexError::LongLine { path: self.path.clone(), offset: start, limit });
        }
        let back = |source| IndexError::Io { path: self.path.clone(), source };
        self.reader.seek(SeekFrom::Start(start)).map_err(back)?;
        Ok(None)
    }

    /// Leaves the lines up to `offset`, where one begins, out.
    pub(crate) fn skip_to(&mut self, offset: u64) -> Result<(), IndexError> {
        if offset != self.offset {
            let failed = |source| IndexError::Io { path: self.path.clone(), source };
            self.reader.seek(SeekFrom::Start(offset)).map_err(failed)?;
            self.offset = offset;
        }
        Ok(())
    }

    fn read_line(&mut self, most: u64, line: &mut Vec<u8>) -> Result<u64, IndexError> {
        let mut within = (&mut self.reader).take(most.min(MAX_LINE_BYTES));
        match within.read_until(b'\n', line) {
            Ok(read) => Ok(read as u64),
            Err(source) => Err(IndexError::Io { path: self.path.clone(), source }),
        }
    }
}

/// Reads `length` bytes of the log at `offset`: one line that the index knows.
pub(crate) fn line_at(path: &Path, offset: u64, length: u64) -> Result<Vec<u8>, IndexError> {
    let failed = |source| IndexError::Io { path: path.to_owned(), source };
    if length > MAX_LINE_BYTES {
        let limit = MAX_LINE_BYTES;
        return Err(IndexError::LongLine { path: path.to_owned(), offset, limit });
    }
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut line = Vec::new();
    file.take(length).read_to_end(&mut line).map_err(failed)?;
    if line.len() as u64 == length {
        return Ok(line);
    }
    Err(failed(ErrorKind::UnexpectedEof.into()))
}
