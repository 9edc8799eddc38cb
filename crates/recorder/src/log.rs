//! Writing the record log: numbers the records, spells them, grows the tree over their lines and
//! makes them durable. What the records say is decided elsewhere.

use crate::directory::{SessionDir, private_file, sync_dir};
use crate::entropy::Nonces;
use crate::error::{Error, Failed};
use crate::merkle::{Hash, Tree};
use crate::record::value::Count;
use crate::record::{Body, Record};
use flow::time::Stamp;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

/// The log of one session, open at its end.
#[derive(Debug)]
pub(crate) struct RecordLog {
    path: PathBuf,
    file: File,
    nonces: Nonces,
    tree: Tree,
    counts: BTreeMap<&'static str, u64>,
    /// Lines that are not written yet. They are held back until the frames that they point into
    /// are durable.
    pending: Vec<u8>,
    committed_bytes: u64,
}

impl RecordLog {
    /// Creates the log of a new session.
    pub(crate) fn create(directory: &SessionDir, nonces: Nonces) -> Result<Self, Error> {
        let path = directory.log_file();
        let file = private_file().create_new(true).open(&path).failed("create", &path)?;
        sync_dir(&directory.log_dir()).failed("write", &path)?;
        Ok(Self {
            path,
            file,
            nonces,
            tree: Tree::default(),
            counts: BTreeMap::new(),
            pending: Vec::new(),
            committed_bytes: 0,
        })
    }

    /// Goes on after `bytes` bytes of whole records, over which `tree` was grown.
    pub(crate) fn resume(
        directory: &SessionDir,
        nonces: Nonces,
        bytes: u64,
        tree: Tree,
        counts: BTreeMap<&'static str, u64>,
    ) -> Result<Self, Error> {
        let path = directory.log_file();
        let mut file = private_file().create(true).open(&path).failed("open", &path)?;
        file.seek(SeekFrom::Start(bytes)).failed("read", &path)?;
        Ok(Self { path, file, nonces, tree, counts, pending: Vec::new(), committed_bytes: bytes })
    }

    /// Appends a record; [`RecordLog::commit`] makes it durable.
    pub(crate) fn append(&mut self, at: Stamp, body: Body) {
        let seq = self.tree.size();
        *self.counts.entry(body.kind()).or_default() += 1;
        let line = Record { at, nonce: self.nonces.of(seq), seq, body }.line();
        self.tree.push(Hash::of_leaf(&line));
        self.pending.extend_from_slice(&line);
        self.pending.push(b'\n');
    }

    /// Writes what is pending and waits until it is durable.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.pending).failed("write", &self.path)?;
        self.file.sync_data().failed("write", &self.path)?;
        self.committed_bytes += self.pending.len() as u64;
        self.pending.clear();
        self.pending.shrink_to(KEPT_CAPACITY_BYTES);
        Ok(())
    }

    /// Bytes of the log that are durable.
    pub(crate) fn committed_bytes(&self) -> u64 {
        self.committed_bytes
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// The tree over all records, pending ones included.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Records per kind.
    pub(crate) fn counts(&self) -> BTreeMap<String, Count> {
        self.counts.iter().map(|(kind, count)| ((*kind).to_owned(), Count(*count))).collect()
    }
}

const KEPT_CAPACITY_BYTES: usize = 1 << 20;
