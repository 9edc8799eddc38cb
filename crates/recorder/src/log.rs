//! Writing the record log: numbers the records, seals what they hold that may have to be withheld,
//! spells them, grows the tree over their lines and makes them durable. What the records say is decided elsewhere.

use crate::directory::{SessionDir, private_file, sync_dir};
use crate::entropy::Nonces;
use crate::error::{Error, Failed};
use crate::index::Handed;
use crate::merkle::{Hash, Tree};
use crate::openings::OpeningsWriter;
use crate::record::session::{Gap, GapWhy, SessionOpen};
use crate::record::value::{Count, Spelled};
use crate::record::{Body, MAX_LINE_BYTES, Record};
use crate::seal::FieldSeed;
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
    /// The values that the lines commit to.
    openings: OpeningsWriter,
    committed_bytes: u64,
    /// What the index need not read again.
    handed: Handed,
}

impl RecordLog {
    /// Creates the log of a new session.
    pub(crate) fn create(
        directory: &SessionDir,
        nonces: Nonces,
        seed: FieldSeed,
    ) -> Result<Self, Error> {
        let path = directory.log_file();
        let file = private_file().create_new(true).open(&path).failed("create", &path)?;
        let openings = OpeningsWriter::open(directory.openings_file(), seed, 0)?;
        sync_dir(&directory.log_dir()).failed("write", &path)?;
        Ok(Self {
            path,
            file,
            nonces,
            tree: Tree::default(),
            counts: BTreeMap::new(),
            pending: Vec::new(),
            openings,
            committed_bytes: 0,
            handed: Handed::default(),
        })
    }

    /// Goes on after `bytes` bytes of whole records, over which `tree` was grown.
    pub(crate) fn resume(
        directory: &SessionDir,
        nonces: Nonces,
        openings: OpeningsWriter,
        bytes: u64,
        tree: Tree,
        counts: BTreeMap<&'static str, u64>,
    ) -> Result<Self, Error> {
        let path = directory.log_file();
        let mut file = private_file().create(true).open(&path).failed("open", &path)?;
        file.seek(SeekFrom::Start(bytes)).failed("read", &path)?;
        let (pending, handed) = (Vec::new(), Handed::default());
        let committed_bytes = bytes;
        Ok(Self { path, file, nonces, tree, counts, pending, openings, committed_bytes, handed })
    }

    /// Appends a record; [`RecordLog::commit`] makes it durable. In place of a record whose line
    /// would be longer than [`MAX_LINE_BYTES`] stands a `gap` that says so.
    pub(crate) fn append(&mut self, at: Stamp, body: Body) {
        let (kind, subject) = (body.kind(), body.subject());
        let Err(bytes) = self.push(at, body) else { return };
        tracing::error!(kind, bytes, "A record is too long and left out");
        let gap = Gap {
            connection: subject.map(|(connection, _)| Spelled(connection)),
            limit: Count(MAX_LINE_BYTES),
            record: Some(kind.to_owned()),
            why: GapWhy::RecordTooLong,
        };
        let fits = self.push(at, Body::Gap(gap));
        debug_assert!(fits.is_ok(), "what a gap says is short");
    }

    /// Appends the first record, without which a log is none.
    ///
    /// # Errors
    /// [`Error::TextTooLong`] where its line would be longer than [`MAX_LINE_BYTES`].
    pub(crate) fn append_first(&mut self, at: Stamp, open: SessionOpen) -> Result<(), Error> {
        let limit = usize::try_from(MAX_LINE_BYTES).unwrap_or(usize::MAX);
        self.push(at, Body::SessionOpen(Box::new(open)))
            .map_err(|bytes| Error::TextTooLong { bytes, limit })
    }

    /// Spells a record into what is pending; gives back the bytes of a line or an opening that is
    /// too long, and the record is left out.
    fn push(&mut self, at: Stamp, body: Body) -> Result<(), usize> {
        let (kind, seq) = (body.kind(), self.tree.size());
        let begin = self.pending.len();
        let mut record = Record { at, nonce: self.nonces.of(seq), seq, body };
        // The index takes the values from here, while they are there.
        let entry = self.handed.entry(&record);
        let opening = self.openings.seal(&record.nonce, seq, &mut record.body);
        record.write_line(&mut self.pending);
        let line = self.pending.get(begin..).unwrap_or_default();
        if !fits(line.len()) || !fits(opening.saturating_sub(1)) {
            let bytes = line.len().max(opening);
            self.pending.truncate(begin);
            self.openings.take_back(opening);
            return Err(bytes);
        }
        self.tree.push(Hash::of_leaf(line));
        if let Some(entry) = entry {
            let (offset, length) = (self.committed_bytes + begin as u64, line.len() as u64);
            self.handed.add(entry, offset, length, opening as u64);
        }
        self.pending.push(b'\n');
        *self.counts.entry(kind).or_default() += 1;
        Ok(())
    }

    /// Writes what is pending and waits until it is durable: first the openings that the lines need.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.openings.commit()?;
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

    /// What was appended since the last call, as far as it is kept for the index.
    pub(crate) fn hand_over(&mut self) -> Handed {
        std::mem::take(&mut self.handed)
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.len() + self.openings.pending_bytes()
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

/// Whether a line of so many bytes, to which a newline comes, is not too long.
fn fits(bytes: usize) -> bool {
    (bytes as u64) < MAX_LINE_BYTES
}

const KEPT_CAPACITY_BYTES: usize = 1 << 20;
