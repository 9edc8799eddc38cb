//! Reads a session as somebody does who does not trust it: every line in its canonical form, the tree
//! over them as it was signed, every frame hashed again, every end accounted for. It says what it finds
//! and changes nothing; whose key it is, and what others say of it, is not decided here.

mod finding;
mod store;
#[cfg(test)]
mod tests;

pub use finding::{Clause, Finding, Findings, Place, Weight};

use crate::checkpoint::Checkpoint;
use crate::checkpoints;
use crate::directory::SessionDir;
use crate::frame::FrameSeed;
use crate::index::IndexError;
use crate::index::log::LogLines;
use crate::merkle::{Hash, Tree};
use crate::openings::{Openings, bytes_of};
use crate::read::ReadError;
use crate::record::session::{CloseWhy, Gap, GapWhy, Missing, SessionClose};
use crate::record::{Body, Record};
use crate::review::Reviews;
use flow::id::{ConnectionId, SessionId};
use flow::stream::{Leg, StreamKey};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use store::Store;

/// What an audit came to.
#[derive(Debug, Default)]
pub struct Audit {
    pub findings: Findings,
    /// Whole records, and how many of them are signed.
    pub records: u64,
    pub signed: u64,
    pub frames: u64,
    /// Bytes of the frames, their headers included.
    pub frame_bytes: u64,
    pub connections: u64,
    /// Records of the review log.
    pub reviews: u64,
    /// Records at the end of the review log that no checkpoint covers, and whether part of one follows.
    pub reviews_unsigned: u64,
    pub reviews_torn: bool,
    /// The keys that the review log names.
    pub review_keys: Vec<[u8; 32]>,
    /// Connections that were intercepted: each has a handshake with its upstream.
    pub intercepted: BTreeSet<ConnectionId>,
    pub session: Option<SessionId>,
    /// The keys that the log names, which signed its checkpoints; the first one first.
    pub keys: Vec<[u8; 32]>,
    /// The last record is its end.
    pub closed: bool,
}

/// Audits the session in a directory.
///
/// # Errors
/// [`ReadError`] where there is no log to read. Everything else is a finding.
pub fn audit(directory: &SessionDir) -> Result<Audit, ReadError> {
    // The checkpoints first: whatever they cover is in the log when that is read after them.
    let mut pass = Pass::new(directory);
    let path = directory.log_file();
    let length = match std::fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(none) if none.kind() == ErrorKind::NotFound => {
            return Err(ReadError::NotASession(directory.path().to_owned()));
        }
        Err(source) => return Err(ReadError::File { doing: "read", path, source }),
    };
    let mut lines = LogLines::open(&path, 0)?;
    let mut openings = Openings::of_records(directory);
    let (mut line, mut read) = (Vec::new(), 0);
    loop {
        let offset = match lines.next(length, &mut line) {
            Ok(Some(offset)) => offset,
            Ok(None) => break,
            Err(error) => {
                pass.in_log(read, error.to_string());
                break;
            }
        };
        let mut record = match Record::parse(&line) {
            Ok(record) => record,
            Err(error) => {
                pass.in_log(offset, format!("{error}; what follows was not looked at"));
                break;
            }
        };
        read = offset + line.len() as u64 + 1;
        if let Err(error) = openings.open(record.seq, &record.nonce, &mut record.body) {
            let what =
                format!("what it commits to is not what is told: {}", IndexError::from(error));
            pass.fails(Clause::Integrity, Place::Record(record.seq), what);
        }
        pass.record(record, &line);
    }
    if read < length && pass.found.worst(Clause::Integrity).is_none() {
        pass.in_log(read, "the last line is not whole".to_owned());
    }
    pass.finish()
}

/// A checkpoint, and what stood there at its size.
struct Signed {
    note: String,
    checkpoint: Option<Checkpoint>,
    root: Option<Hash>,
    key: Option<[u8; 32]>,
}

struct Pass<'a> {
    directory: &'a SessionDir,
    notes: Vec<Signed>,
    /// How many of the notes are of trees that were there by now.
    reached: usize,
    tree: Tree,
    counts: BTreeMap<&'static str, u64>,
    store: Store<'a>,
    audit: Audit,
    found: Findings,
    open: BTreeSet<ConnectionId>,
    /// Closed since the last `frames` record, which may hold the last of their bytes.
    closing: Vec<ConnectionId>,
    /// Connections of which not all bytes were kept, and the log says so.
    gaps: BTreeSet<ConnectionId>,
    missing: Vec<Missing>,
    /// The highest connection, and the assessments that were told.
    last_connection: u64,
    assessments: u64,
    end: Option<CloseWhy>,
}

impl<'a> Pass<'a> {
    fn new(directory: &'a SessionDir) -> Self {
        let notes = checkpoints::notes(directory).unwrap_or_default();
        let signed = |(note, checkpoint)| Signed { note, checkpoint, root: None, key: None };
        let seed: Option<Result<[u8; 32], _>> =
            std::fs::read(directory.seed_file()).ok().map(TryInto::try_into);
        let is_no_seed = matches!(seed, Some(Err(_)));
        let seed = seed.and_then(Result::ok).map(|seed| FrameSeed::new(&seed));
        let mut pass = Self {
            directory,
            notes: notes.into_iter().map(signed).collect(),
            reached: 0,
            tree: Tree::default(),
            counts: BTreeMap::new(),
            store: Store::new(directory, seed),
            audit: Audit::default(),
            found: Findings::default(),
            open: BTreeSet::new(),
            closing: Vec::new(),
            gaps: BTreeSet::new(),
            missing: Vec::new(),
            last_connection: 0,
            assessments: 0,
            end: None,
        };
        if is_no_seed {
            let place = Place::File { name: "secrets/frame.seed".to_owned(), offset: 0 };
            pass.fails(Clause::Integrity, place, "it is no seed");
        }
        pass.note_signed();
        pass
    }

    fn fails(&mut self, clause: Clause, place: Place, what: impl Into<String>) {
        self.found.add(clause, Weight::Fails, place, what);
    }

    fn unproven(&mut self, clause: Clause, place: Place, what: impl Into<String>) {
        self.found.add(clause, Weight::NotProven, place, what);
    }

    fn in_log(&mut self, offset: u64, what: String) {
        let place = Place::File { name: "log/records.jsonl".to_owned(), offset };
        self.fails(Clause::Integrity, place, what);
    }

    fn note_signed(&mut self) {
        let size = self.tree.size();
        while let Some(signed) = self.notes.get_mut(self.reached)
            && signed.checkpoint.as_ref().is_none_or(|checkpoint| checkpoint.size <= size)
        {
            if signed.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.size == size) {
                signed.root = Some(self.tree.root());
                signed.key = self.audit.keys.last().copied();
            }
            self.reached += 1;
        }
    }

    fn record(&mut self, record: Record, line: &[u8]) {
        let seq = self.tree.size();
        let at = Place::Record(seq);
        if record.seq != seq {
            let what = format!("it has the number {}", record.seq);
            self.fails(Clause::Integrity, at.clone(), what);
        }
        if self.end.is_some() {
            self.fails(Clause::Order, at.clone(), "it stands behind the end of the session");
        }
        let opens = match &record.body {
            Body::SessionOpen(_) => true,
            Body::Recovery(recovery) => recovery.session.is_some(),
            _ => false,
        };
        if opens != (seq == 0) {
            self.fails(Clause::Order, at, "the session's first record, and only that, opens it");
        }
        self.tree.push(Hash::of_leaf(line));
        self.subject(seq, &record.body);
        let kind = record.body.kind();
        self.body(seq, record.body);
        // A record that names the key is covered by what that key signs.
        self.note_signed();
        *self.counts.entry(kind).or_default() += 1;
    }

    /// A record about a connection comes between that one's opening and its end.
    fn subject(&mut self, seq: u64, body: &Body) {
        let Some((connection, _)) = body.subject() else { return };
        if let Body::ConnectionOpen(_) = body {
            if connection.0 <= self.last_connection {
                let what = format!("{connection} is opened behind a later one, or again");
                self.fails(Clause::Order, Place::Record(seq), what);
            }
            self.last_connection = self.last_connection.max(connection.0);
            self.open.insert(connection);
            self.audit.connections += 1;
        } else if !self.open.contains(&connection) {
            let what = format!("it is about {connection}, which is not open");
            self.fails(Clause::Order, Place::Record(seq), what);
        }
    }

    fn body(&mut self, seq: u64, body: Body) {
        match body {
            Body::SessionOpen(open) => {
                self.audit.session = Some(open.session.0);
                self.audit.keys.extend(<[u8; 32]>::try_from(open.key.0.as_ref()).ok());
            }
            Body::Recovery(recovery) => {
                self.audit.session = self.audit.session.or(recovery.session.map(|id| id.0));
                self.missing.extend(recovery.missing_frames);
                let key = recovery.key.and_then(|key| <[u8; 32]>::try_from(key.0.as_ref()).ok());
                self.audit.keys.extend(key);
                let lost = recovery.cut_log_bytes.0 + recovery.cut_store_bytes.0;
                let open = recovery.open_connections.0;
                let what = format!(
                    "the recording was interrupted: {open} connections without an end, {lost} bytes \
                     that were not written completely"
                );
                self.unproven(Clause::Completeness, Place::Record(seq), what);
            }
            Body::Frames(frames) => {
                self.store.frames(seq, &frames, &mut self.found);
                self.store.forget(&std::mem::take(&mut self.closing), &mut self.found);
            }
            Body::StreamClose(close) => {
                let (leg, direction) = (close.leg.into(), close.direction.into());
                let stream = StreamKey { connection: close.connection.0, leg, direction };
                let told = (stream, close.kept.0, close.relayed.0);
                self.stream_closed(seq, told);
            }
            Body::ConnectionClose(close) => {
                self.open.remove(&close.connection.0);
                self.closing.push(close.connection.0);
                self.gaps.remove(&close.connection.0);
            }
            Body::ConnectionTreatment(treatment) => {
                let connection = treatment.connection.0;
                match treatment.treatment.as_str() {
                    "intercepted" => self.audit.intercepted.insert(connection),
                    _ => self.audit.intercepted.remove(&connection),
                };
            }
            Body::Gap(gap) => self.gap(seq, &gap),
            Body::Claims(claims) => self.told(seq, claims.assessment.0, true),
            Body::Assessment(told) => self.told(seq, told.assessment.0, false),
            Body::ConnectionDial(dial) => self.cites(seq, dial.assessment.map(|number| number.0)),
            Body::ConnectionTarget(target) => {
                self.cites(seq, target.assessment.map(|number| number.0));
            }
            Body::SessionClose(close) => self.closed(seq, &close),
            _ => {}
        }
    }

    fn stream_closed(&mut self, seq: u64, (stream, kept, relayed): (StreamKey, u64, u64)) {
        self.store.told(seq, stream, kept);
        if kept < relayed && stream.leg == Leg::Relay && !self.gaps.contains(&stream.connection) {
            let what = format!("{} bytes passed and are not kept", relayed - kept);
            self.fails(Clause::Completeness, Place::Record(seq), what);
        }
    }

    fn gap(&mut self, seq: u64, gap: &Gap) {
        self.gaps.extend(gap.connection.map(|connection| connection.0));
        let what = match gap.why {
            GapWhy::ConnectionLimit => "what a connection relayed beyond a limit was not kept",
            GapWhy::DiskFloor => "the disk was full: nothing was recorded from here on",
            GapWhy::RecordTooLong => "a record was too long and left out",
        };
        self.unproven(Clause::Completeness, Place::Record(seq), what);
    }

    /// `claims` and `assessment` follow each other, with the numbers in order.
    fn told(&mut self, seq: u64, number: u64, first: bool) {
        let expected = if first { self.assessments + 1 } else { self.assessments };
        if number != expected {
            let what = format!("it has the number {number} where {expected} comes next");
            self.fails(Clause::Order, Place::Record(seq), what);
        }
        self.assessments = self.assessments.max(number);
    }

    fn cites(&mut self, seq: u64, assessment: Option<u64>) {
        if let Some(number) = assessment.filter(|number| !(1..=self.assessments).contains(number)) {
            let what = format!("it cites the assessment {number}, which is not there");
            self.fails(Clause::Trace, Place::Record(seq), what);
        }
    }

    fn closed(&mut self, seq: u64, close: &SessionClose) {
        let told: BTreeMap<&str, u64> =
            close.counts.iter().map(|(kind, count)| (kind.as_str(), count.0)).collect();
        let counted: BTreeMap<&str, u64> =
            self.counts.iter().map(|(kind, count)| (*kind, *count)).collect();
        if told != counted {
            let what = "it tells of other numbers of records than there are";
            self.fails(Clause::Completeness, Place::Record(seq), what);
        }
        let open = self.open.len() as u64;
        let told = close.open_connections.map_or(0, |count| count.0);
        if close.why != CloseWhy::Recovered && told != open {
            let what = format!("{open} connections have no end, and it tells of {told}");
            self.fails(Clause::Completeness, Place::Record(seq), what);
        } else if open > 0 && close.why != CloseWhy::Recovered {
            let what = format!("{open} connections were still open when the recording ended");
            self.unproven(Clause::Completeness, Place::Record(seq), what);
        }
        self.end = Some(close.why);
    }

    fn finish(mut self) -> Result<Audit, ReadError> {
        let records = self.tree.size();
        if records == 0 && self.found.kept().is_empty() {
            return Err(ReadError::NotASession(self.directory.path().to_owned()));
        }
        self.audit.records = records;
        self.audit.closed = self.end.is_some();
        if self.end.is_none() {
            let what = "the log has no end: it is still being recorded, or was interrupted";
            self.unproven(Clause::Completeness, Place::Session, what);
        }
        self.signatures();
        self.openings();
        self.reviews();
        self.names();
        let closing = std::mem::take(&mut self.closing);
        self.store.forget(&closing, &mut self.found);
        self.audit.frames = self.store.frames;
        self.audit.frame_bytes = self.store.bytes;
        let mut audit = self.audit;
        audit.findings = self.found;
        self.store.finish(&self.missing, audit.closed, &mut audit.findings);
        Ok(audit)
    }

    /// Every checkpoint is of the log as it was, signed by the key that the log named by then.
    fn signatures(&mut self) {
        let records = self.audit.records;
        let notes = std::mem::take(&mut self.notes);
        let last = std::fs::read_to_string(self.directory.checkpoint_file()).ok();
        let Some(newest) = notes.last() else {
            let (what, there) = ("there is no checkpoint", last.is_some());
            return match there || self.audit.closed {
                true => self.fails(Clause::Integrity, checkpoint(), what),
                false => self.unproven(Clause::Integrity, checkpoint(), what),
            };
        };
        if last.as_ref() != Some(&newest.note) && self.audit.closed {
            let what = "it is not the last one of log/checkpoints";
            self.fails(Clause::Integrity, checkpoint(), what);
        }
        let mut before = 0;
        for (number, signed) in notes.iter().enumerate() {
            let what = match (&signed.checkpoint, self.audit.session) {
                (Some(checkpoint), Some(session)) => {
                    let expected = Checkpoint::new(session, checkpoint.size, checkpoint.root);
                    let is_good =
                        signed.key.is_some_and(|key| expected.is_signed(&signed.note, &key));
                    let covers = checkpoint.size > before;
                    before = checkpoint.size;
                    if signed.root != Some(checkpoint.root) {
                        Some("its records are not those that were signed")
                    } else if *checkpoint != expected || !is_good {
                        Some("it is not signed by the key that the log names")
                    } else {
                        (!covers).then_some("it covers no more than the one before it")
                    }
                }
                _ => Some("it is none"),
            };
            if let Some(what) = what {
                let name = "log/checkpoints".to_owned();
                let what = format!("note {}: {what}", number + 1);
                self.fails(Clause::Integrity, Place::File { name, offset: 0 }, what);
            }
        }
        self.audit.signed = before.min(records);
        if before < records {
            let what = format!("the last {} records are not signed", records - before);
            match self.audit.closed {
                true => self.fails(Clause::Integrity, checkpoint(), what),
                false => self.unproven(Clause::Integrity, checkpoint(), what),
            }
        }
    }

    /// Every line of the openings belongs to a record; what is withheld is said to be.
    fn openings(&mut self) {
        let directory = self.directory;
        let reviewed = directory.review_file().exists();
        let withheld = [
            ("log/openings.jsonl", directory.openings_file(), true),
            ("secrets/field.seed", directory.field_seed_file(), true),
            ("secrets/body.seed", directory.body_seed_file(), true),
            ("log/review.openings.jsonl", directory.review_openings_file(), reviewed),
            ("secrets/review.seed", directory.review_seed_file(), reviewed),
        ];
        for (name, path, wanted) in withheld {
            if wanted && !path.exists() {
                let place = Place::File { name: name.to_owned(), offset: 0 };
                let what = "it is withheld: what it opens is not checked";
                self.unproven(Clause::Completeness, place, what);
            }
        }
        let length = |path: &Path| std::fs::metadata(path).map_or(SEED_BYTES, |file| file.len());
        if length(&directory.body_seed_file()) != SEED_BYTES {
            let place = Place::File { name: "secrets/body.seed".to_owned(), offset: 0 };
            self.fails(Clause::Integrity, place, "it is no seed");
        }
        let path = directory.openings_file();
        let Ok(metadata) = std::fs::metadata(&path) else { return };
        let whole = bytes_of(&path, self.audit.records).unwrap_or(0);
        if whole != metadata.len() && self.audit.closed {
            let place = Place::File { name: "log/openings.jsonl".to_owned(), offset: whole };
            self.fails(Clause::Integrity, place, "it holds what belongs to no record");
        }
    }

    /// The review log is what was signed.
    fn reviews(&mut self) {
        let (Some(session), path) = (self.audit.session, self.directory.review_file()) else {
            return;
        };
        let note = self.directory.review_checkpoint_file();
        if !path.exists() && !note.exists() {
            return;
        }
        match Reviews::read(self.directory, session) {
            Ok(reviews) => {
                self.audit.reviews = reviews.records().len() as u64;
                self.audit.reviews_unsigned = reviews.unsigned();
                self.audit.reviews_torn = reviews.is_torn();
                self.audit.review_keys = reviews.keys().collect();
            }
            Err(error) => {
                let place = Place::File { name: "log/review.jsonl".to_owned(), offset: 0 };
                self.fails(Clause::Integrity, place, error.to_string());
            }
        }
    }

    /// Nothing lies in the session's directories that does not belong there.
    fn names(&mut self) {
        let parts =
            [(self.directory.log_dir(), LOG_FILES), (self.directory.secrets_dir(), SECRET_FILES)];
        for (path, known) in parts {
            for name in others(&path, known) {
                let place = Place::File { name, offset: 0 };
                self.fails(Clause::Integrity, place, "no such file belongs to a session");
            }
        }
    }
}

fn checkpoint() -> Place {
    Place::File { name: "log/checkpoint".to_owned(), offset: 0 }
}

/// The names in a directory that are not among the known ones.
fn others(directory: &Path, known: &[&str]) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !known.contains(&name.as_str()))
        .collect()
}

const SEED_BYTES: u64 = 32;
const LOG_FILES: &[&str] = &[
    "checkpoint",
    "checkpoints",
    "openings.jsonl",
    "records.jsonl",
    "review.openings.jsonl",
    "review.checkpoint",
    "review.jsonl",
];
const SECRET_FILES: &[&str] =
    &["body.seed", "field.seed", "frame.seed", "keylog.txt", "review.seed"];
