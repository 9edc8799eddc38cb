//! A session from its beginning to its end: the records in the order of the log, and what each commit
//! appended to the stream store in the order in which it arrived. Memory is that of one record and one
//! frame. Sealed values are opened as far as they are there. It judges no hashes.

use super::error::ReadError;
use super::session::Session;
use super::stretch::Stretch;
use crate::frame::Frame;
use crate::index::IndexError;
use crate::index::build::log_length;
use crate::index::log::LogLines;
use crate::openings::Openings;
use crate::record::Record;
use crate::record::store::Frames;
use std::path::PathBuf;

/// The records of a session, one by one.
pub struct Passage {
    path: PathBuf,
    lines: LogLines,
    committed: u64,
    line: Vec<u8>,
    openings: Openings,
    /// What cannot be read ends the log, as it does in listings.
    ends_at_damage: bool,
}

/// The frames of one commit, one by one.
pub struct Committed(Stretch);

impl Session {
    /// The records from the first one on, as far as the log was written when this was called.
    pub fn passage(&self) -> Result<Passage, ReadError> {
        let path = self.directory().log_file();
        Ok(Passage {
            lines: LogLines::open(&path, 0)?,
            committed: log_length(self.directory())?,
            line: Vec::new(),
            openings: Openings::of_records(self.directory()),
            ends_at_damage: self.damage().is_some(),
            path,
        })
    }

    /// The frames that a `frames` record commits to.
    ///
    /// # Errors
    /// [`ReadError`] where the segment is not there.
    pub fn committed(&self, frames: &Frames) -> Result<Committed, ReadError> {
        let segment = self.directory().segment_file(frames.segment.0);
        Stretch::open(segment, frames.offset.0, frames.bytes.0).map(Committed)
    }
}

impl Passage {
    /// The next record; `None` after the last one.
    ///
    /// # Errors
    /// [`ReadError::Index`] for a line that is no record.
    pub fn next_record(&mut self) -> Result<Option<Record>, ReadError> {
        match self.read() {
            Err(_) if self.ends_at_damage => Ok(None),
            read => Ok(read?),
        }
    }

    fn read(&mut self) -> Result<Option<Record>, IndexError> {
        let Some(offset) = self.lines.next(self.committed, &mut self.line)? else {
            return Ok(None);
        };
        let failed = |source| IndexError::Record { path: self.path.clone(), offset, source };
        let mut record = Record::parse(&self.line).map_err(failed)?;
        self.openings.open(record.seq, &record.nonce, &mut record.body)?;
        Ok(Some(record))
    }
}

impl Committed {
    /// The next frame, checked by its sum; `None` after the last one of the commit.
    ///
    /// # Errors
    /// [`ReadError`] for a frame that is damaged or not there.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        self.0.next()
    }
}
