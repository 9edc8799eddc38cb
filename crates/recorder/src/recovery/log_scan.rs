//! Reading a log up to where it stops being one, and what recovery needs to know of it.

use crate::checkpoint::Checkpoint;
use crate::directory::SessionDir;
use crate::error::{Error, Failed};
use crate::merkle::{Hash, Tree};
use crate::record::store::Frames;
use crate::record::value::{Base64, Spelled};
use crate::record::{Body, MAX_LINE_BYTES, Record, RecordError};
use flow::id::{ConnectionId, SessionId};
use flow::stream::StreamKey;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

/// The whole records at the start of a log.
#[derive(Debug, Default)]
pub(super) struct LogScan {
    /// Bytes of the whole records.
    pub(super) bytes: u64,
    pub(super) tree: Tree,
    pub(super) counts: BTreeMap<&'static str, u64>,
    /// `None` when the first record is lost.
    pub(super) session: Option<SessionId>,
    /// The key that signs the log, by its last word on it.
    pub(super) key: Option<Base64>,
    /// What the log commits to, by segment.
    pub(super) segments: BTreeMap<u64, Committed>,
    /// Where the streams of connections end that may still have frames to come.
    pub(super) ends: HashMap<StreamKey, u64>,
    /// Connections that are not closed.
    pub(super) open: BTreeSet<ConnectionId>,
    /// `session.close` is there.
    pub(super) closed: bool,
    /// The root that the tree had at the size that was signed.
    pub(super) root_as_signed: Option<Hash>,
    /// Connections closed since the last `frames` record, whose last frames may not be committed.
    closing: Vec<ConnectionId>,
}

/// The frames of a segment that the log commits to: indexes `first` to `next - 1`, bytes up to
/// `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    pub(super) first: u64,
    pub(super) next: u64,
    pub(super) end: u64,
}

impl LogScan {
    /// Reads the log to its end, or to the first bytes that are no record in its place.
    pub(super) fn read(directory: &SessionDir, signed: Option<&Checkpoint>) -> Result<Self, Error> {
        let mut scan = Self::default();
        scan.note_signed(signed);
        let path = directory.log_file();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(none) if none.kind() == ErrorKind::NotFound => return Ok(scan),
            Err(source) => return Err(source).failed("read", &path),
        };
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = reader.by_ref().take(MAX_LINE_BYTES);
            let read = bounded.read_until(b'\n', &mut line).failed("read", &path)?;
            let Some((b'\n', text)) = line.split_last() else { return Ok(scan) };
            let Some(record) = scan.next_record(directory, text)? else { return Ok(scan) };
            scan.bytes += read as u64;
            scan.tree.push(Hash::of_leaf(text));
            scan.note_signed(signed);
            *scan.counts.entry(record.body.kind()).or_default() += 1;
            scan.take(record.body);
        }
    }

    /// The record of a line, if that is what comes next.
    ///
    /// # Errors
    /// [`Error::OtherVersion`]: what this program cannot read it must not cut off.
    fn next_record(&self, directory: &SessionDir, line: &[u8]) -> Result<Option<Record>, Error> {
        let record = match Record::parse(line) {
            Ok(record) if record.seq == self.tree.size() => record,
            Err(RecordError::Version(version)) => {
                let path = directory.path().to_owned();
                return Err(Error::OtherVersion { path, version });
            }
            Ok(_) | Err(_) => return Ok(None),
        };
        let first = match &record.body {
            Body::SessionOpen(_) => true,
            Body::Recovery(recovery) => recovery.session.is_some(),
            _ => false,
        };
        Ok((first == (record.seq == 0) && !self.closed).then_some(record))
    }

    /// The first `most` of the connections that are not closed.
    pub(super) fn first_open(&self, most: usize) -> Vec<Spelled<ConnectionId>> {
        self.open.iter().take(most).copied().map(Spelled).collect()
    }

    /// The key of whoever signs from here on, where the log does not name it yet.
    pub(super) fn other_key(&self, key: &[u8; 32]) -> Option<Base64> {
        let named = self.key.as_ref().is_some_and(|named| named.0[..] == key[..]);
        (!named).then(|| (*key).into())
    }

    fn note_signed(&mut self, signed: Option<&Checkpoint>) {
        if signed.is_some_and(|signed| signed.size == self.tree.size()) {
            self.root_as_signed = Some(self.tree.root());
        }
    }

    fn take(&mut self, body: Body) {
        match body {
            Body::SessionOpen(open) => {
                self.session = Some(open.session.0);
                self.key = Some(open.key);
            }
            Body::Recovery(recovery) => {
                self.key = recovery.key.or(self.key.take());
                self.session = self.session.or(recovery.session.map(|session| session.0));
            }
            Body::ConnectionOpen(open) => {
                self.open.insert(open.connection.0);
            }
            Body::ConnectionClose(close) => {
                self.open.remove(&close.connection.0);
                self.closing.push(close.connection.0);
            }
            Body::Frames(frames) => self.frames(&frames),
            Body::SessionClose(_) => self.closed = true,
            _ => {}
        }
    }

    fn frames(&mut self, frames: &Frames) {
        let next = frames.first.0.saturating_add(frames.count.0);
        let end = frames.offset.0.saturating_add(frames.bytes.0);
        let fresh = Committed { first: frames.first.0, next, end };
        let segment = self.segments.entry(frames.segment.0).or_insert(fresh);
        (segment.next, segment.end) = (next, end);
        for run in &frames.streams {
            let (leg, direction) = (run.leg.into(), run.direction.into());
            let stream = StreamKey { connection: run.connection.0, leg, direction };
            self.ends.insert(stream, run.end.0);
        }
        let closing: BTreeSet<_> = self.closing.drain(..).collect();
        if !closing.is_empty() {
            self.ends.retain(|stream, _| !closing.contains(&stream.connection));
        }
    }
}

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With its `session.close`, as the last of so many records.
    Closed { records: u64 },
    /// With a record of another format version. Whoever wrote it had signed it where there is a
    /// checkpoint: it needs nothing, least of all from this program.
    OtherVersion,
    /// In any other way.
    Open,
}

/// Looks at the end of the file only.
pub(super) fn end(directory: &SessionDir) -> Result<End, Error> {
    let path = directory.log_file();
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(none) if none.kind() == ErrorKind::NotFound => return Ok(End::Open),
        Err(source) => return Err(source).failed("read", &path),
    };
    let length = file.metadata().failed("read", &path)?.len();
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(END_BYTES)))
        .and_then(|_at| file.take(END_BYTES).read_to_end(&mut end))
        .failed("read", &path)?;
    let Some((b'\n', lines)) = end.split_last() else { return Ok(End::Open) };
    let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(match Record::parse(last) {
        Ok(Record { seq, body: Body::SessionClose(_), .. }) => End::Closed { records: seq + 1 },
        Err(RecordError::Version(_)) => End::OtherVersion,
        Ok(_) | Err(_) => End::Open,
    })
}

/// More than the line of a `session.close`.
const END_BYTES: u64 = 1 << 16;
