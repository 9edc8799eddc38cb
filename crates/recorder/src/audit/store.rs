//! The stream store beside what the log commits to: every frame is hashed again.

use super::finding::{Clause, Findings, Place, Weight};
use crate::directory::SessionDir;
use crate::frame::{Frame, FrameSeed, HEADER_BYTES};
use crate::read::stretch::Stretch;
use crate::record::session::Missing;
use crate::record::store::Frames;
use crate::store::Batch;
use flow::id::ConnectionId;
use flow::stream::StreamKey;
use flow::time::MonoNanos;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// What is known of the store after the records so far.
pub(super) struct Store<'a> {
    directory: &'a SessionDir,
    /// `None` where the seed is withheld.
    seed: Option<FrameSeed>,
    /// The index of the next frame.
    next: u64,
    /// Where each segment ends.
    segments: BTreeMap<u64, u64>,
    streams: HashMap<StreamKey, Reached>,
    /// What the log said is kept of streams, and in which record.
    told: HashMap<StreamKey, (u64, u64)>,
    /// Stretches that cannot be read, by first frame and count.
    unread: Vec<(u64, u64, PathBuf, String)>,
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

/// How far a stream came.
#[derive(Clone, Copy)]
struct Reached {
    bytes: u64,
    mono: MonoNanos,
}

const NOTHING: Reached = Reached { bytes: 0, mono: MonoNanos(0) };

impl<'a> Store<'a> {
    pub(super) fn new(directory: &'a SessionDir, seed: Option<FrameSeed>) -> Self {
        Self {
            directory,
            seed,
            next: 0,
            segments: BTreeMap::new(),
            streams: HashMap::new(),
            told: HashMap::new(),
            unread: Vec::new(),
            frames: 0,
            bytes: 0,
        }
    }

    /// What one commit appended, by its record.
    pub(super) fn frames(&mut self, seq: u64, frames: &Frames, found: &mut Findings) {
        let mut fails = |what: &str| {
            found.add(Clause::Integrity, Weight::Fails, Place::Record(seq), what);
        };
        let end = self.segments.entry(frames.segment.0).or_default();
        if *end != frames.offset.0 {
            fails("its frames do not begin where those before them end");
        }
        *end = frames.offset.0.saturating_add(frames.bytes.0);
        if self.next != frames.first.0 {
            fails("its frames do not have the numbers that come next");
        }
        self.next = frames.first.0.saturating_add(frames.count.0);
        self.frames += frames.count.0;
        self.bytes += frames.bytes.0;
        if let Err(why) = self.stretch(seq, frames, found) {
            let path = self.directory.segment_file(frames.segment.0);
            if self.unread.len() < MOST_UNREAD {
                self.unread.push((frames.first.0, frames.count.0, path, why));
            }
            for run in &frames.streams {
                let (leg, direction) = (run.leg.into(), run.direction.into());
                let stream = StreamKey { connection: run.connection.0, leg, direction };
                self.streams.entry(stream).or_insert(NOTHING).bytes = run.end.0;
            }
        }
    }

    /// Reads the frames; `Err` says why that is not possible.
    fn stretch(&mut self, seq: u64, of: &Frames, found: &mut Findings) -> Result<(), String> {
        let path = self.directory.segment_file(of.segment.0);
        let unread = |error: crate::read::ReadError| {
            std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
        };
        let mut stretch = Stretch::open(path, of.offset.0, of.bytes.0).map_err(unread)?;
        let (mut batch, mut index) = (Batch::default(), of.first.0);
        let mut back = 0_u64;
        while let Some(frame) = stretch.next().map_err(unread)? {
            if frame.header.index != index {
                return Err(format!("frame {} stands where frame {index} was", frame.header.index));
            }
            let reached = self.streams.entry(frame.header.stream).or_insert(NOTHING);
            back += u64::from(frame.header.at.mono < reached.mono);
            let begin = reached.bytes;
            let bytes = begin.saturating_add(frame.payload.len() as u64);
            *reached = Reached { bytes, mono: frame.header.at.mono };
            if let Some(hash) = self.seed.as_ref().and_then(|seed| hash(seed, &frame)) {
                batch.add(hash, frame.header.stream, begin..bytes);
            }
            index += 1;
        }
        if back > 0 {
            let what = format!("{back} of its frames have an earlier time than those before them");
            found.add(Clause::Order, Weight::Fails, Place::Record(seq), what);
        }
        let again = batch.frames(of.first.0, of.segment.0, of.offset.0);
        if self.seed.is_some() && again != *of {
            let what = "the frames are not those that it commits to";
            found.add(Clause::Integrity, Weight::Fails, Place::Record(seq), what);
        }
        Ok(())
    }

    /// What the log says is kept of a stream; its last frames may still come.
    pub(super) fn told(&mut self, seq: u64, stream: StreamKey, kept: u64) {
        self.told.insert(stream, (seq, kept));
    }

    /// No more bytes of these connections come.
    pub(super) fn forget(&mut self, closed: &[ConnectionId], found: &mut Findings) {
        if closed.is_empty() {
            return;
        }
        let (streams, all) = (&self.streams, closed);
        self.told.retain(|stream, (seq, kept)| {
            let is_closed = all.contains(&stream.connection);
            let stands = streams.get(stream).map_or(0, |reached| reached.bytes);
            if is_closed && stands != *kept {
                let what = format!("{stands} bytes of a stream are there, and it tells of {kept}");
                found.add(Clause::Integrity, Weight::Fails, Place::Record(*seq), what);
            }
            !is_closed
        });
        self.streams.retain(|stream, _| !closed.contains(&stream.connection));
    }

    /// After the last record: `missing` is what recovery said was lost.
    pub(super) fn finish(self, missing: &[Missing], closed: bool, found: &mut Findings) {
        for (first, count, path, why) in &self.unread {
            let told = missing.iter().any(|gone| {
                let last = gone.first.0.saturating_add(gone.count.0);
                gone.first.0 < first.saturating_add(*count) && *first < last
            });
            let place = Place::File { name: name(path), offset: 0 };
            let what = format!("frames from {first} on cannot be read: {why}");
            if told {
                found.add(Clause::Completeness, Weight::NotProven, place, what);
            } else {
                found.add(Clause::Integrity, Weight::Fails, place, what);
            }
        }
        if self.seed.is_none() && self.frames > 0 {
            let what = "the frames cannot be hashed: their seed is withheld";
            found.add(Clause::Integrity, Weight::NotProven, Place::Session, what);
        }
        let Ok(entries) = std::fs::read_dir(self.directory.streams_dir()) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let number =
                self.segments.iter().find(|(n, _)| self.directory.segment_file(**n) == path);
            let length = entry.metadata().map_or(0, |metadata| metadata.len());
            let end = number.map(|(_, end)| *end);
            if end != Some(length) && (closed || end.is_none_or(|end| length < end)) {
                let place = Place::File { name: name(&path), offset: end.unwrap_or(0) };
                let what = "it holds bytes that the log does not tell of";
                found.add(Clause::Integrity, Weight::Fails, place, what);
            }
        }
    }
}

fn hash(seed: &FrameSeed, frame: &Frame<'_>) -> Option<crate::merkle::Hash> {
    let header = frame.raw.first_chunk::<HEADER_BYTES>()?;
    Some(seed.hash(frame.header.index, header, frame.payload))
}

/// `streams/000001.frames`.
fn name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    format!("streams/{file}")
}

/// Unreadable stretches that are told one by one.
const MOST_UNREAD: usize = 1_000;
