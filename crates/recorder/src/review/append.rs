//! Writing a review log: one process at a time, one append at a time, each durable and signed before
//! it is reported. What an interruption left behind is put right by the next one to write.

use super::scan::{MOST_BYTES, Scan};
use super::{Reviews, capture};
use crate::checkpoint::Checkpoint;
use crate::directory::{SessionDir, private_dir, private_file, replace_file, sync_dir};
use crate::entropy::{Entropy, Nonces};
use crate::error::{Error, Failed, ReviewFault};
use crate::merkle::Hash;
use crate::opening::ToolFacts;
use crate::openings::{self, OpeningsWriter};
use crate::record::MAX_LINE_BYTES;
use crate::record::review::{ReviewBody, ReviewKey, ReviewOpen, ReviewRecord};
use crate::record::session::Tool;
use crate::record::value::Spelled;
use crate::recovery::cut;
use crate::signer::Signer;
use flow::id::SessionId;
use flow::time::{SharedClock, Stamp};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

/// A review log, held against other writers until it is dropped.
pub struct ReviewWriter {
    directory: SessionDir,
    path: PathBuf,
    session: SessionId,
    file: File,
    scan: Scan,
    signer: Signer,
    clock: SharedClock,
    tool: ToolFacts,
    nonces: Nonces,
    openings: OpeningsWriter,
}

impl fmt::Debug for ReviewWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReviewWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ReviewWriter {
    /// Opens the log of a session, which may still be recorded, and waits for others who write it.
    ///
    /// # Errors
    /// [`Error::ReviewBusy`] when that takes too long; what [`Reviews::read`] refuses, which is left
    /// as it is.
    pub fn open(
        directory: &SessionDir,
        session: SessionId,
        signer: Signer,
        clock: SharedClock,
        tool: ToolFacts,
    ) -> Result<Self, Error> {
        let path = directory.review_file();
        let mut options = private_file();
        let file = options.create(true).truncate(false).open(&path).failed("open", &path)?;
        lock(&file, directory)?;
        sync_dir(&directory.log_dir()).failed("write", &path)?;
        let scan = Scan::read(directory, session)?;
        if scan.torn {
            cut::cut(directory, &path, scan.bytes)?;
        }
        let entropy = Entropy::draw()?;
        let nonces = entropy.nonces();
        let openings = openings_of(directory, scan.tree.size(), entropy.field_seed)?;
        let directory = directory.clone();
        let writer =
            Self { directory, path, session, file, scan, signer, clock, tool, nonces, openings };
        if writer.scan.signed < writer.scan.tree.size() && writer.signs_already() {
            writer.sign()?;
        }
        Ok(writer)
    }

    /// What the log holds so far.
    ///
    /// # Errors
    /// As [`Reviews::read`].
    pub fn reviews(&self) -> Result<Reviews, Error> {
        Reviews::of(&self.directory, self.scan.records.clone())
    }

    /// Appends a record, and before it what must stand there; durable and signed on return.
    ///
    /// # Errors
    /// [`Error::TextTooLong`]; [`Error::File`], after which nothing of it is in the log, or it is
    /// there and the next append signs it.
    pub fn append(&mut self, body: ReviewBody) -> Result<ReviewRecord, Error> {
        let now = self.clock.now();
        let mut bodies = Vec::new();
        if self.scan.records.is_empty() {
            bodies.push(ReviewBody::Open(self.opening()?));
        } else if !self.signs_already() {
            let (key, tool) = (self.signer.public_key().into(), self.tool());
            bodies.push(ReviewBody::Key(ReviewKey { key, tool }));
        }
        bodies.push(body);
        let mut records = Vec::new();
        let mut lines = Vec::new();
        for body in bodies {
            let record = self.record(now, self.scan.tree.size() + records.len() as u64, body);
            let mut sealed = record.clone();
            let opening = self.openings.seal(&sealed.nonce, sealed.seq, &mut sealed.body);
            let line = sealed.line();
            let bytes = line.len().max(opening);
            if bytes as u64 >= MAX_LINE_BYTES {
                self.openings.take_back(usize::MAX);
                let limit = usize::try_from(MAX_LINE_BYTES).unwrap_or(usize::MAX);
                return Err(Error::TextTooLong { bytes, limit });
            }
            lines.extend_from_slice(&line);
            lines.push(b'\n');
            records.push((record, Hash::of_leaf(&line)));
        }
        self.write(&lines)?;
        let last = records.last().map(|(record, _leaf)| record.clone());
        for (record, leaf) in records {
            self.scan.tree.push(leaf);
            self.scan.records.push(record);
        }
        self.scan.key = Some(self.signer.public_key());
        self.sign()?;
        self.scan.signed = self.scan.tree.size();
        last.ok_or(Error::Stopped)
    }

    fn record(&self, at: Stamp, seq: u64, body: ReviewBody) -> ReviewRecord {
        ReviewRecord { at, nonce: self.nonces.of(seq), seq, body }
    }

    fn opening(&self) -> Result<ReviewOpen, Error> {
        Ok(ReviewOpen {
            capture: capture::cite(&self.directory)?,
            key: self.signer.public_key().into(),
            session: Spelled(self.session),
            tool: self.tool(),
        })
    }

    fn tool(&self) -> Tool {
        Tool { sha256: self.tool.binary_sha256.clone(), version: self.tool.version.clone() }
    }

    /// Whether the log names this installation's key as the one that signs it.
    fn signs_already(&self) -> bool {
        self.scan.key == Some(self.signer.public_key())
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), Error> {
        let begin = self.scan.bytes;
        let end = begin + lines.len() as u64;
        if end > MOST_BYTES {
            let fault = ReviewFault::TooLarge { limit: MOST_BYTES };
            self.openings.take_back(usize::MAX);
            return Err(Error::BadReview { path: self.path.clone(), fault });
        }
        let opened = self.openings.bytes();
        self.openings.commit()?;
        let written = self
            .file
            .seek(SeekFrom::Start(begin))
            .and_then(|_at| self.file.write_all(lines))
            .and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Half a line would be cut by the next one to write anyway.
            drop(self.file.set_len(begin));
            self.openings.unwrite(opened);
        }
        written.failed("write", &self.path)?;
        self.scan.bytes = end;
        Ok(())
    }

    fn sign(&self) -> Result<(), Error> {
        let tree = &self.scan.tree;
        let note = Checkpoint::of_review(self.session, tree.size(), tree.root()).sign(&self.signer);
        replace_file(&self.directory.review_checkpoint_file(), note.as_bytes())
    }
}

/// The openings, without those of an append that was interrupted.
fn openings_of(
    directory: &SessionDir,
    records: u64,
    fresh_seed: [u8; 32],
) -> Result<OpeningsWriter, Error> {
    let secrets = directory.secrets_dir();
    private_dir().recursive(true).create(&secrets).failed("create", &secrets)?;
    let seed = openings::seed_or(&directory.review_seed_file(), fresh_seed)?;
    let path = directory.review_openings_file();
    let bytes = openings::bytes_of(&path, records).failed("read", &path)?;
    cut::cut(directory, &path, bytes)?;
    let writer = OpeningsWriter::open(path, seed, bytes)?;
    sync_dir(&directory.log_dir()).failed("write", &directory.log_dir())?;
    Ok(writer)
}

/// Takes the lock, which ends with the file.
fn lock(file: &File, directory: &SessionDir) -> Result<(), Error> {
    for attempt in 1.. {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if attempt < LOCK_ATTEMPTS => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::ReviewBusy(directory.path().to_owned()));
            }
            Err(TryLockError::Error(source)) => {
                return Err(source).failed("lock", &directory.review_file());
            }
        }
    }
    Ok(())
}

/// Together about ten seconds, in which whoever writes is done.
const LOCK_ATTEMPTS: u32 = 1_000;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
