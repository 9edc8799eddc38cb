//! Writing the stream store: frames are appended to a segment as they come, and each commit says
//! what was appended since the one before ([`Frames`]).

use crate::directory::{SessionDir, private_file, sync_dir};
use crate::error::{Error, Failed};
use crate::frame::{FrameSeed, HEADER_BYTES, Header, MAX_PAYLOAD_BYTES};
use crate::merkle::{Hash, Tree};
use crate::record::store::{Frames, Run};
use crate::record::value::{Count, Spelled};
use flow::id::ConnectionId;
use flow::stream::{Direction, Leg, StreamKey};
use flow::time::Stamp;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

/// The stream store of one session, open at its end.
#[derive(Debug)]
pub(crate) struct StreamStore {
    directory: SessionDir,
    seed: FrameSeed,
    segment: Option<Segment>,
    next_index: u64,
    batch: Batch,
    /// Where each stream of an open connection ends.
    ends: HashMap<StreamKey, u64>,
    /// A segment that has reached this size is followed by a new one.
    pub(crate) segment_bytes: u64,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    path: PathBuf,
    file: File,
    /// Bytes, those that are not written yet included.
    length: u64,
    pending: Vec<u8>,
}

/// What was appended since the last commit.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    hashes: Tree,
    bytes: u64,
    runs: BTreeMap<StreamKey, Range<u64>>,
}

impl StreamStore {
    pub(crate) fn new(directory: SessionDir, seed: FrameSeed) -> Self {
        Self {
            directory,
            seed,
            segment: None,
            next_index: 0,
            batch: Batch::default(),
            ends: HashMap::new(),
            segment_bytes: SEGMENT_BYTES,
        }
    }

    /// Appends bytes to a stream; [`StreamStore::commit`] makes them durable.
    pub(crate) fn append(
        &mut self,
        stream: StreamKey,
        at: Stamp,
        bytes: &[u8],
    ) -> Result<(), Error> {
        for payload in bytes.chunks(MAX_PAYLOAD_BYTES) {
            let index = self.next_index;
            let header = Header { index, stream, at }.encode(payload);
            let segment = self.segment()?;
            segment.pending.extend_from_slice(&header);
            segment.pending.extend_from_slice(payload);
            segment.length += (HEADER_BYTES + payload.len()) as u64;
            if segment.pending.len() >= WRITE_BYTES {
                segment.write()?;
            }
            let hash = self.seed.hash(index, &header, payload);
            let start = self.ends.entry(stream).or_default();
            let run = *start..*start + payload.len() as u64;
            *start = run.end;
            self.batch.add(hash, stream, run);
            self.next_index += 1;
        }
        Ok(())
    }

    /// Hands what is pending to the operating system, so that a commit has less to wait for and
    /// a process that is killed loses less.
    pub(crate) fn write(&mut self) -> Result<(), Error> {
        self.segment.as_mut().map_or(Ok(()), Segment::write)
    }

    /// Makes everything durable and says what was appended; `None` when nothing was.
    pub(crate) fn commit(&mut self) -> Result<Option<Frames>, Error> {
        let Some(segment) = &mut self.segment else { return Ok(None) };
        if self.batch.is_empty() {
            return Ok(None);
        }
        segment.write()?;
        segment.file.sync_data().failed("write", &segment.path)?;
        let offset = segment.length - self.batch.bytes;
        let first = self.next_index - self.batch.hashes.size();
        let frames = std::mem::take(&mut self.batch).frames(first, segment.number, offset);
        Ok(Some(frames))
    }

    /// Whether a commit is due for its size alone: what a `frames` record says is bounded, and so
    /// is the time that a commit takes.
    pub(crate) fn wants_commit(&self) -> bool {
        self.batch.is_full()
    }

    /// Bytes kept of a stream.
    pub(crate) fn kept(&self, stream: StreamKey) -> u64 {
        self.ends.get(&stream).copied().unwrap_or_default()
    }

    /// The connection has ended: nothing will be appended to its streams.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        for leg in [Leg::Relay, Leg::Client, Leg::Upstream, Leg::ClientTls] {
            for direction in [Direction::Up, Direction::Down] {
                self.ends.remove(&StreamKey { connection, leg, direction });
            }
        }
    }

    /// The segment that takes the next frame. A batch lies in one segment, so a full one is left
    /// only between batches.
    fn segment(&mut self) -> Result<&mut Segment, Error> {
        let full = self.segment.as_ref().is_none_or(|open| open.length >= self.segment_bytes);
        if full && self.batch.is_empty() {
            let number = self.segment.as_ref().map_or(1, |open| open.number + 1);
            self.segment = None;
            return Ok(self.segment.insert(Segment::create(&self.directory, number)?));
        }
        match &mut self.segment {
            Some(segment) => Ok(segment),
            none => Ok(none.insert(Segment::create(&self.directory, 1)?)),
        }
    }
}

impl Segment {
    fn create(directory: &SessionDir, number: u64) -> Result<Self, Error> {
        let path = directory.segment_file(number);
        let file = private_file().create_new(true).open(&path).failed("create", &path)?;
        sync_dir(&directory.streams_dir()).failed("write", &path)?;
        Ok(Self { number, path, file, length: 0, pending: Vec::new() })
    }

    fn write(&mut self) -> Result<(), Error> {
        self.file.write_all(&self.pending).failed("write", &self.path)?;
        self.pending.clear();
        Ok(())
    }
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.size() == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.runs.len() >= BATCH_RUNS
    }

    /// Adds a frame that holds the range `run` of its stream.
    pub(crate) fn add(&mut self, hash: Hash, stream: StreamKey, run: Range<u64>) {
        self.hashes.push(hash);
        self.bytes += HEADER_BYTES as u64 + (run.end - run.start);
        self.runs.entry(stream).and_modify(|range| range.end = run.end).or_insert(run);
    }

    /// The record of the batch, whose first frame has the index `first` and lies at `offset`.
    pub(crate) fn frames(self, first: u64, segment: u64, offset: u64) -> Frames {
        let run = |(stream, range): (StreamKey, Range<u64>)| Run {
            connection: Spelled(stream.connection),
            direction: stream.direction.into(),
            end: Count(range.end),
            leg: stream.leg.into(),
            start: Count(range.start),
        };
        Frames {
            bytes: Count(self.bytes),
            count: Count(self.hashes.size()),
            first: Count(first),
            offset: Count(offset),
            root: (*self.hashes.root().as_bytes()).into(),
            segment: Count(segment),
            streams: self.runs.into_iter().map(run).collect(),
        }
    }
}

const SEGMENT_BYTES: u64 = 256 << 20;
/// Frames are handed to the operating system in pieces of at least this size, or at a batch's end.
const WRITE_BYTES: usize = 1 << 20;
const BATCH_BYTES: u64 = 64 << 20;
const BATCH_RUNS: usize = 1_000;
