//! Appending openings: they are durable before the lines that need them, so that a log never lacks
//! one after a crash.

use crate::directory::{private_file, replace_file};
use crate::error::{Error, Failed};
use crate::record::sealed::HasSealed;
use crate::seal::FieldSeed;
use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file of openings, open at its end.
#[derive(Debug)]
pub(crate) struct OpeningsWriter {
    path: PathBuf,
    file: File,
    seed: FieldSeed,
    /// Bytes that are written.
    bytes: u64,
    /// What is not written yet.
    pending: Vec<u8>,
    scratch: Vec<u8>,
}

impl OpeningsWriter {
    /// Opens the file to go on after its first `bytes` bytes; creates it when it is not there.
    pub(crate) fn open(path: PathBuf, seed: FieldSeed, bytes: u64) -> Result<Self, Error> {
        let mut options = private_file();
        let mut file = options.create(true).truncate(false).open(&path).failed("open", &path)?;
        file.seek(SeekFrom::Start(bytes)).failed("read", &path)?;
        Ok(Self { path, file, seed, bytes, pending: Vec::new(), scratch: Vec::new() })
    }

    /// Seals the values of a record; returns the bytes of its opening, which is 0 without values.
    pub(crate) fn seal(
        &mut self,
        nonce: &[u8; 16],
        seq: u64,
        record: &mut impl HasSealed,
    ) -> usize {
        let before = self.pending.len();
        self.seed.seal(nonce, seq, record, &mut self.scratch, &mut self.pending);
        self.scratch.shrink_to(KEPT_CAPACITY_BYTES);
        self.pending.len() - before
    }

    /// Takes the last `bytes` bytes back: the record is left out.
    pub(crate) fn take_back(&mut self, bytes: usize) {
        self.pending.truncate(self.pending.len().saturating_sub(bytes));
    }

    /// Writes what is pending and waits until it is durable.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.pending).failed("write", &self.path)?;
        self.file.sync_data().failed("write", &self.path)?;
        self.bytes += self.pending.len() as u64;
        self.pending.clear();
        self.pending.shrink_to(KEPT_CAPACITY_BYTES);
        Ok(())
    }

    /// Bytes that are written.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes back what was written after the first `bytes` bytes: the lines that needed it could not
    /// be. What fails here is cut by the next one to write.
    pub(crate) fn unwrite(&mut self, bytes: u64) {
        self.pending.clear();
        if self.file.set_len(bytes).and_then(|()| self.file.seek(SeekFrom::Start(bytes))).is_ok() {
            self.bytes = bytes;
        }
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.len()
    }
}

/// The seed in a file, which is `fresh` where there is none yet.
pub(crate) fn seed_or(path: &Path, fresh: [u8; 32]) -> Result<FieldSeed, Error> {
    match std::fs::read(path) {
        Ok(bytes) => match <[u8; 32]>::try_from(bytes) {
            Ok(seed) => Ok(FieldSeed::new(seed)),
            Err(_length) => Err(std::io::Error::from(ErrorKind::InvalidData)).failed("read", path),
        },
        Err(none) if none.kind() == ErrorKind::NotFound => {
            replace_file(path, &fresh)?;
            Ok(FieldSeed::new(fresh))
        }
        Err(source) => Err(source).failed("read", path),
    }
}

const KEPT_CAPACITY_BYTES: usize = 1 << 20;
