//! Reading a review log, and finding out whether it is what was signed.

use crate::checkpoint::Checkpoint;
use crate::directory::SessionDir;
use crate::error::{Error, Failed, ReviewFault};
use crate::merkle::{Hash, Tree};
use crate::openings::{OpeningError, Openings};
use crate::record::MAX_LINE_BYTES;
use crate::record::review::{ReviewBody, ReviewRecord};
use flow::id::SessionId;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};

/// The whole records of a review log.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) records: Vec<ReviewRecord>,
    pub(super) tree: Tree,
    /// Bytes of the whole records.
    pub(super) bytes: u64,
    /// Something follows them that is no record: an append was interrupted.
    pub(super) torn: bool,
    /// How many of them a checkpoint covers.
    pub(super) signed: u64,
    /// The key that signs the log, by its last word on it.
    pub(super) key: Option<[u8; 32]>,
}

impl Scan {
    /// Reads the log of a session; one that is not there has no records.
    pub(super) fn read(directory: &SessionDir, session: SessionId) -> Result<Self, Error> {
        // First the checkpoint: whatever it covers is in the log when that is read after it.
        let note = note(directory)?;
        let signed = match &note {
            Some(note) => Some(
                Checkpoint::parse(note)
                    .ok_or_else(|| Error::BadCheckpoint(directory.review_checkpoint_file()))?,
            ),
            None => None,
        };
        let mut scan = Self::default();
        let root_as_signed = scan.lines(directory, signed.as_ref())?;
        let path = directory.review_file();
        let bad = |fault| Error::BadReview { path: path.clone(), fault };
        if let (Some(signed), Some(note)) = (&signed, &note) {
            if root_as_signed != Some(signed.root) {
                let found = scan.tree.size().min(signed.size);
                return Err(Error::RolledBack { path, signed: signed.size, found });
            }
            scan.signed = signed.size;
            let expected = Checkpoint::of_review(session, signed.size, signed.root);
            if *signed != expected {
                return Err(bad(ReviewFault::OtherSession));
            }
            let covered = usize::try_from(signed.size).unwrap_or(usize::MAX);
            let key = key_of(scan.records.get(..covered).unwrap_or_default());
            if !key.is_some_and(|key| expected.is_signed(note, &key)) {
                return Err(bad(ReviewFault::Signature));
            }
        }
        if let Some(ReviewRecord { body: ReviewBody::Open(open), .. }) = scan.records.first()
            && open.session.0 != session
        {
            return Err(bad(ReviewFault::OtherSession));
        }
        let (signed, found) = (scan.signed, scan.tree.size());
        if found.saturating_sub(signed) > MOST_UNSIGNED {
            return Err(bad(ReviewFault::Unsigned { signed, found }));
        }
        scan.key = key_of(&scan.records);
        Ok(scan)
    }

    /// Reads lines up to the end, or up to what is no record in its place. Gives back the root at the
    /// size that was signed.
    fn lines(
        &mut self,
        directory: &SessionDir,
        signed: Option<&Checkpoint>,
    ) -> Result<Option<Hash>, Error> {
        let path = directory.review_file();
        let mut root_as_signed = None;
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(none) if none.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(source).failed("read", &path),
        };
        if file.metadata().failed("read", &path)?.len() > MOST_BYTES {
            let fault = ReviewFault::TooLarge { limit: MOST_BYTES };
            return Err(Error::BadReview { path, fault });
        }
        let mut reader = BufReader::new(file).take(MOST_BYTES);
        let mut openings = Openings::of_reviews(directory);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = reader.by_ref().take(MAX_LINE_BYTES);
            let read = bounded.read_until(b'\n', &mut line).failed("read", &path)?;
            let record = line.split_last().and_then(|(end, text)| {
                let record = ReviewRecord::parse(text).ok().filter(|_record| *end == b'\n')?;
                self.comes_next(&record).then_some((record, Hash::of_leaf(text)))
            });
            let Some((mut record, leaf)) = record else {
                self.torn = !line.is_empty();
                return Ok(root_as_signed);
            };
            self.bytes += read as u64;
            self.tree.push(leaf);
            let ReviewRecord { nonce, seq, body, .. } = &mut record;
            openings.open(*seq, nonce, body).map_err(bad_opening)?;
            self.records.push(record);
            if signed.is_some_and(|signed| signed.size == self.tree.size()) {
                root_as_signed = Some(self.tree.root());
            }
        }
    }

    fn comes_next(&self, record: &ReviewRecord) -> bool {
        let opens = matches!(record.body, ReviewBody::Open(_));
        record.seq == self.tree.size() && opens == (record.seq == 0)
    }
}

fn bad_opening(error: OpeningError) -> Error {
    match error {
        OpeningError::Io { path, source } => Error::File { doing: "read", path, source },
        OpeningError::Fault { path, seq, fault } => Error::BadOpening { path, seq, fault },
    }
}

fn note(directory: &SessionDir) -> Result<Option<String>, Error> {
    let path = directory.review_checkpoint_file();
    match std::fs::read_to_string(&path) {
        Ok(note) => Ok(Some(note)),
        Err(none) if none.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(source).failed("read", &path),
    }
}

/// The key that the records name last.
fn key_of(records: &[ReviewRecord]) -> Option<[u8; 32]> {
    records.iter().rev().find_map(|record| match &record.body {
        ReviewBody::Open(open) => open.key.0.as_ref().try_into().ok(),
        ReviewBody::Key(key) => key.key.0.as_ref().try_into().ok(),
        _ => None,
    })
}

/// Records of two appends: each its own and, before it, `review.open` or `review.key`. An append signs
/// what the one before it left unsigned, at the latest with itself.
const MOST_UNSIGNED: u64 = 4;
/// More than people write.
pub(super) const MOST_BYTES: u64 = 256 << 20;
