//! Derives the exchanges of a session again from its stream store, and compares them with what its
//! log tells of them: the streams are the evidence, exchanges a view of it (`docs/FORMAT.md`).
//!
//! One pass over the log and the segments side by side, without the index; memory is that of the
//! observers that were there while the session was recorded, and of a connection with missing bytes
//! the numbers of the exchanges that they cut. It judges no hashes: whether the
//! stores are what was committed to is another question.

mod difference;
mod outcome;
mod pairs;
mod protocol;
mod replay;
#[cfg(test)]
mod tests;

pub use difference::Difference;
pub use outcome::Reobserved;

use crate::body::BodySecret;
use crate::directory::SessionDir;
use crate::index::IndexError;
use crate::index::build::log_length;
use crate::index::log::LogLines;
use crate::openings::Openings;
use crate::read::ReadError;
use crate::read::stretch::Stretch;
use crate::record::session::{Gap, GapWhy};
use crate::record::store::Frames;
use crate::record::{Body, Record};
use flow::id::ConnectionId;
use flow::limits::Limits;
use flow::stream::Leg;
use pairs::Found;
use replay::Replay;
use std::collections::BTreeMap;
use std::io::ErrorKind;

/// Derives the exchanges again and hands each difference to `each`, connection by connection in the
/// order in which they ended. `limits` are those with which the session was recorded.
///
/// # Errors
/// [`ReadError`] for a log that cannot be read; what `each` returns.
pub fn reobserve(
    directory: &SessionDir,
    limits: &Limits,
    each: &mut dyn FnMut(&Difference) -> Result<(), ReadError>,
) -> Result<Reobserved, ReadError> {
    let path = directory.log_file();
    let committed = log_length(directory)?;
    let mut lines = LogLines::open(&path, 0)?;
    let mut openings = Openings::of_records(directory);
    let bodies = secret(directory)?;
    let mut pass = Pass {
        directory,
        limits,
        open: BTreeMap::new(),
        closing: Vec::new(),
        cut: Vec::new(),
        found: Found { totals: Reobserved::default(), bodies: bodies.as_ref(), each },
    };
    let mut line = Vec::new();
    while let Some(offset) = lines.next(committed, &mut line)? {
        let mut record = Record::parse(&line).map_err(|source| IndexError::Record {
            path: path.clone(),
            offset,
            source,
        })?;
        openings.open(record.seq, &record.nonce, &mut record.body).map_err(IndexError::from)?;
        pass.record(record)?;
    }
    pass.finish()
}

struct Pass<'a> {
    directory: &'a SessionDir,
    limits: &'a Limits,
    open: BTreeMap<ConnectionId, Replay>,
    /// Closed in the log; their last bytes may be in the next `frames` record.
    closing: Vec<ConnectionId>,
    /// Cut in the log; the last bytes that were kept may be in the next `frames` record.
    cut: Vec<ConnectionId>,
    found: Found<'a>,
}

impl Pass<'_> {
    fn record(&mut self, record: Record) -> Result<(), ReadError> {
        let at = record.at;
        match record.body {
            Body::Frames(frames) => return self.frames(&frames),
            Body::ConnectionOpen(open) => {
                self.open.insert(open.connection.0, Replay::new(open.connection.0));
            }
            body => {
                let Some((connection, _)) = body.subject() else { return Ok(()) };
                let Some(replay) = self.open.get_mut(&connection) else { return Ok(()) };
                match body {
                    Body::TlsUpstream(tls) => replay.agreed(tls.agreed.and_then(|a| a.alpn)),
                    Body::ConnectionTreatment(treatment) => replay.treated(&treatment, self.limits),
                    Body::StreamEnd(end) => replay.ended(end.direction.into(), at),
                    Body::StreamClose(close) if Leg::from(close.leg) == Leg::Relay => {
                        replay.kept(close.direction.into(), close.kept.0);
                    }
                    Body::Gap(gap) => {
                        let all_later = missing(replay, gap);
                        self.cut.extend(all_later.then_some(connection));
                    }
                    Body::ConnectionClose(_) => {
                        replay.closed(at);
                        if replay.is_whole() {
                            return self.end(connection);
                        }
                        self.closing.push(connection);
                    }
                    body if body.is_derived() => replay.recorded(at, body, &mut self.found)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Hands what one commit appended to the observers.
    fn frames(&mut self, frames: &Frames) -> Result<(), ReadError> {
        let runs = || frames.streams.iter().filter(|run| Leg::from(run.leg) == Leg::Relay);
        for run in runs() {
            if let Some(replay) = self.open.get_mut(&run.connection.0) {
                replay.expect(run.direction.into(), run.start.0);
            }
        }
        let path = self.directory.segment_file(frames.segment.0);
        // Bytes that are not there any more, or damaged, cut what is derived from them.
        if let Ok(mut stretch) = Stretch::open(path, frames.offset.0, frames.bytes.0) {
            while let Ok(Some(frame)) = stretch.next() {
                let stream = frame.header.stream;
                if stream.leg == Leg::Relay
                    && let Some(replay) = self.open.get_mut(&stream.connection)
                {
                    let (direction, at) = (stream.direction, frame.header.at);
                    self.found.totals.bytes += frame.payload.len() as u64;
                    replay.passed(direction, at, frame.payload, self.limits, &mut self.found)?;
                }
            }
        }
        for run in runs() {
            if let Some(replay) = self.open.get_mut(&run.connection.0) {
                replay.expect(run.direction.into(), run.end.0);
            }
        }
        for connection in std::mem::take(&mut self.cut) {
            if let Some(replay) = self.open.get_mut(&connection) {
                replay.nothing_follows();
            }
        }
        for connection in std::mem::take(&mut self.closing) {
            self.end(connection)?;
        }
        Ok(())
    }

    fn end(&mut self, connection: ConnectionId) -> Result<(), ReadError> {
        match self.open.remove(&connection) {
            Some(replay) => replay.finish(&mut self.found),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Reobserved, ReadError> {
        for (_, replay) in std::mem::take(&mut self.open) {
            replay.finish(&mut self.found)?;
        }
        Ok(self.found.totals)
    }
}

/// What the salts of the bodies are made of, where it is not withheld.
fn secret(directory: &SessionDir) -> Result<Option<BodySecret>, ReadError> {
    let path = directory.body_seed_file();
    match std::fs::read(&path) {
        Ok(secret) => Ok(<[u8; 32]>::try_from(secret).ok().map(BodySecret::new)),
        Err(none) if none.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError::File { doing: "read", path, source }),
    }
}

/// Notes what was left out; true when it is all later bytes of the connection.
fn missing(replay: &mut Replay, gap: Gap) -> bool {
    match (gap.why, gap.record) {
        (GapWhy::RecordTooLong, Some(kind)) => {
            replay.unrecorded(kind);
            false
        }
        _ => {
            replay.cut();
            true
        }
    }
}
