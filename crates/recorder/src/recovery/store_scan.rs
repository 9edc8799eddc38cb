//! Reading the ends of the stream store's segments: what of them the log commits to, what can be
//! adopted, and what must be cut off.

use super::log_scan::{Committed, LogScan};
use crate::directory::SessionDir;
use crate::error::{Error, Failed};
use crate::frame::{Frame, FrameError, FrameSeed, HEADER_BYTES};
use crate::record::session::Missing;
use crate::record::store::Frames;
use crate::record::value::Count;
use crate::store::Batch;
use flow::stream::StreamKey;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What is to be done with the stream store.
#[derive(Debug, Default)]
pub(super) struct StoreScan {
    /// Records of whole frames beyond what the log commits to.
    pub(super) adopted: Vec<Frames>,
    /// Segments with the length to which each is to be cut.
    pub(super) cuts: Vec<(PathBuf, u64)>,
    /// Frames that the log commits to and that are gone.
    pub(super) missing: Vec<Missing>,
}

impl StoreScan {
    /// Looks at each segment. Without a seed nothing can be adopted, only cut.
    pub(super) fn read(
        directory: &SessionDir,
        seed: Option<&FrameSeed>,
        log: &LogScan,
    ) -> Result<Self, Error> {
        let mut scan = Self::default();
        let mut ends = log.ends.clone();
        let mut next_index = log.segments.values().map(|s| s.next).max().unwrap_or(0);
        let last_committed = log.segments.keys().next_back().copied().unwrap_or(0);
        let mut numbers = existing_segments(directory)?;
        numbers.extend(log.segments.keys());
        for number in numbers {
            let path = directory.segment_file(number);
            let length = match std::fs::metadata(&path) {
                Ok(metadata) => metadata.len(),
                Err(none) if none.kind() == ErrorKind::NotFound => 0,
                Err(source) => return Err(source).failed("read", &path),
            };
            let committed = log.segments.get(&number).copied();
            let end = committed.map_or(0, |committed| committed.end);
            if length < end {
                scan.shortened(&path, length, committed)?;
            } else if length > end {
                // Only the last segment grows; bytes after the end of another are not ours.
                let seed = seed.filter(|_| number >= last_committed);
                let tail = Tail { path: &path, segment: number, from: end, length };
                next_index = scan.grown(&tail, seed, next_index, &mut ends)?;
            }
        }
        Ok(scan)
    }

    /// A segment that is shorter than the log says: what is whole stays, the rest is missing.
    fn shortened(
        &mut self,
        path: &Path,
        length: u64,
        committed: Option<Committed>,
    ) -> Result<(), Error> {
        let Some(Committed { first, next, .. }) = committed else { return Ok(()) };
        let mut index = first;
        let mut whole = 0;
        if length > 0 {
            let mut frames = FrameReader::open(path, 0)?;
            while let Some(frame) = frames.next_frame()? {
                if frame.header.index != index || index >= next {
                    break;
                }
                index += 1;
                whole += frame.raw.len() as u64;
            }
        }
        self.missing.push(Missing { count: Count(next - index), first: Count(index) });
        if whole < length {
            self.cuts.push((path.to_owned(), whole));
        }
        Ok(())
    }

    /// A segment that is longer than the log says. Returns the index of the next frame.
    fn grown(
        &mut self,
        tail: &Tail<'_>,
        seed: Option<&FrameSeed>,
        mut index: u64,
        ends: &mut HashMap<StreamKey, u64>,
    ) -> Result<u64, Error> {
        let mut batch = Batch::default();
        let (mut first, mut offset) = (index, tail.from);
        let mut whole = tail.from;
        if let Some(seed) = seed {
            let mut frames = FrameReader::open(tail.path, tail.from)?;
            while let Some(frame) = frames.next_frame()? {
                let Some((header, _)) = frame.raw.split_first_chunk::<HEADER_BYTES>() else {
                    break;
                };
                if frame.header.index != index {
                    break;
                }
                let start = ends.entry(frame.header.stream).or_default();
                let run = *start..*start + frame.payload.len() as u64;
                *start = run.end;
                let hash = seed.hash(index, header, frame.payload);
                batch.add(hash, frame.header.stream, run);
                index += 1;
                whole += frame.raw.len() as u64;
                if batch.is_full() {
                    let full = std::mem::take(&mut batch);
                    self.adopted.push(full.frames(first, tail.segment, offset));
                    (first, offset) = (index, whole);
                }
            }
        }
        if !batch.is_empty() {
            self.adopted.push(batch.frames(first, tail.segment, offset));
        }
        if whole < tail.length {
            self.cuts.push((tail.path.to_owned(), whole));
        }
        Ok(index)
    }
}

/// The numbers of the segments that are there. The log's largest number is no bound: a damaged log
/// may name any.
fn existing_segments(directory: &SessionDir) -> Result<BTreeSet<u64>, Error> {
    let streams = directory.streams_dir();
    let mut numbers = BTreeSet::new();
    for entry in std::fs::read_dir(&streams).failed("list", &streams)? {
        let path = entry.failed("list", &streams)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem.and_then(|stem| stem.parse().ok());
        // Other spellings of a number are no segments of ours.
        numbers.extend(number.filter(|number| directory.segment_file(*number) == path));
    }
    Ok(numbers)
}

/// The end of a segment, from where the log's commitment ends.
struct Tail<'a> {
    path: &'a Path,
    segment: u64,
    from: u64,
    length: u64,
}

/// Reads a segment frame by frame.
struct FrameReader<'a> {
    path: &'a Path,
    file: BufReader<File>,
    frame: Vec<u8>,
}

impl<'a> FrameReader<'a> {
    fn open(path: &'a Path, from: u64) -> Result<Self, Error> {
        let mut file = File::open(path).failed("read", path)?;
        file.seek(SeekFrom::Start(from)).failed("read", path)?;
        Ok(Self { path, file: BufReader::with_capacity(1 << 16, file), frame: Vec::new() })
    }

    /// The next frame; `None` where there is no whole one.
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        self.frame.clear();
        let mut needed = HEADER_BYTES;
        loop {
            let more = (needed - self.frame.len()) as u64;
            let read = self.file.by_ref().take(more).read_to_end(&mut self.frame);
            if (read.failed("read", self.path)? as u64) < more {
                return Ok(None);
            }
            match Frame::parse(&self.frame) {
                Err(FrameError::Incomplete { needed: all }) => needed = all,
                Err(_) => return Ok(None),
                Ok(_) => break,
            }
        }
        Ok(Frame::parse(&self.frame).ok())
    }
}
