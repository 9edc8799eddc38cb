//! Closing a session whose process stopped without doing so: torn tails of the log and of the
//! stream store are cut off (and kept beside them), with openings of records that are not there, whole frames that no record had committed to
//! are adopted, and the log says all of it before it is closed and signed.
//!
//! Each step can be interrupted and repeated. A log that was signed and is not as it was signed is
//! refused: recovery repairs crashes, it does not cover up changes.

pub(crate) mod cut;
mod log_scan;
mod store_scan;

use crate::checkpoint::Checkpoint;
use crate::checkpoints::{self, Checkpoints};
use crate::directory::{SessionDir, private_dir, sync_dir};
use crate::draft;
use crate::entropy::Entropy;
use crate::error::{Error, Failed};
use crate::frame::FrameSeed;
use crate::log::RecordLog;
use crate::opening::ToolFacts;
use crate::openings::{self, OpeningsWriter};
use crate::record::Body;
use crate::record::session::{CloseWhy, Recovery, SessionClose, Tool};
use crate::record::value::{Count, Spelled};
use crate::signer::Signer;
use cut::Cuts;
use flow::id::SessionId;
use flow::time::SharedClock;
use log_scan::{End, LogScan};
use std::io::ErrorKind;
use std::path::Path;
use store_scan::StoreScan;

/// What was done to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// It was closed; this is its `recovery` record.
    Closed(Recovery),
    /// It had been closed, only its checkpoint was missing.
    Signed,
}

/// The result for one session of a data directory.
#[derive(Debug)]
pub struct RecoveryReport {
    pub directory: SessionDir,
    /// An error concerns this session alone, which is left as it is.
    pub result: Result<Recovered, Error>,
}

/// Recovers every session of a data directory that needs it and that nobody is writing, in the
/// order of their names. They are signed with the key of OpenSSH's that is named, else with the
/// installation's.
///
/// # Errors
/// [`Error`] when the key or the list of sessions cannot be read.
pub fn recover_all(
    data_dir: &Path,
    key: Option<&Path>,
    clock: &SharedClock,
    tool: &ToolFacts,
) -> Result<Vec<RecoveryReport>, Error> {
    let sessions = SessionDir::all_below(data_dir);
    let entries = match std::fs::read_dir(&sessions) {
        Ok(entries) => entries,
        Err(none) if none.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(source).failed("list", &sessions),
    };
    let mut directories = Vec::new();
    for entry in entries {
        let directory = SessionDir::new(entry.failed("list", &sessions)?.path());
        if draft::is_draft(&directory) {
            // One that cannot be removed is in nobody's way.
            if let Err(error) = draft::sweep(&directory) {
                tracing::warn!(%error, "Could not remove what an interrupted start had left");
            }
        } else if directory.log_dir().is_dir() {
            directories.push(directory);
        }
    }
    directories.sort_by_key(SessionDir::name);
    let signer = Signer::load(data_dir, key)?;
    let report = |directory: SessionDir| {
        let result = recover(&directory, &signer, clock, tool).transpose()?;
        Some(RecoveryReport { directory, result })
    };
    Ok(directories.into_iter().filter_map(report).collect())
}

/// Recovers one session; `None` when it needs nothing, or is being written.
///
/// # Errors
/// [`Error`], among others [`Error::RolledBack`] when the log is not what was signed.
pub fn recover(
    directory: &SessionDir,
    signer: &Signer,
    clock: &SharedClock,
    tool: &ToolFacts,
) -> Result<Option<Recovered>, Error> {
    if is_finished(directory)? {
        return Ok(None);
    }
    let Some(_lock) = directory.lock()? else { return Ok(None) };
    // Whoever wrote it may have closed it in between.
    if is_finished(directory)? {
        return Ok(None);
    }
    complete_directory(directory)?;
    let signed = checkpoints::last(directory)?;
    let log = LogScan::read(directory, signed.as_ref())?;
    check_signed(directory, signed.as_ref(), &log)?;
    let entropy = Entropy::draw()?;
    let named = log.session.or_else(|| session_of_lock(directory));
    let session = named.unwrap_or(SessionId(entropy.session));
    cut::cut(directory, &directory.checkpoints_file(), checkpoints::whole_bytes(directory)?)?;
    let opened = cut_openings(directory, &log)?;
    if log.closed {
        cut::cut(directory, &directory.log_file(), log.bytes)?;
        Checkpoints::open(directory)?.sign(session, &log.tree, signer)?;
        return Ok(Some(Recovered::Signed));
    }
    let store = StoreScan::read(directory, seed(directory)?.as_ref(), &log)?;
    for (path, at) in &store.cuts {
        cut::cut(directory, path, *at)?;
    }
    cut::cut(directory, &directory.log_file(), log.bytes)?;
    let cuts = Cuts::of(directory)?;
    let recovery = Recovery {
        adopted_frames: Count(store.adopted.iter().map(|frames| frames.count.0).sum()),
        cut_log_bytes: Count(cuts.log_bytes),
        cut_opening_bytes: Count(cuts.opening_bytes),
        cut_store_bytes: Count(cuts.store_bytes),
        key: log.other_key(&signer.public_key()),
        missing_frames: store.missing,
        open_connections: Count(log.open.len() as u64),
        open_listed: log.first_open(SessionClose::OPEN_LISTED),
        session: (log.tree.size() == 0).then_some(Spelled(session)),
        tool: Tool { sha256: tool.binary_sha256.clone(), version: tool.version.clone() },
    };
    let LogScan { bytes, tree, counts, .. } = log;
    let seed = openings::seed_or(&directory.field_seed_file(), entropy.field_seed)?;
    let openings = OpeningsWriter::open(directory.openings_file(), seed, opened)?;
    let nonces = entropy.nonces();
    let mut log = RecordLog::resume(directory, nonces, openings, bytes, tree, counts)?;
    // The recovery comes first: if writing is cut short here, the next one still knows what this
    // one adopted, or adopts it again.
    log.append(clock.now(), Body::Recovery(recovery.clone()));
    for frames in store.adopted {
        log.append(clock.now(), Body::Frames(frames));
    }
    let close = SessionClose {
        counts: log.counts(),
        // The recovery's record tells of them.
        open_connections: None,
        open_listed: Vec::new(),
        why: CloseWhy::Recovered,
    };
    log.append(clock.now(), Body::SessionClose(close));
    log.commit()?;
    Checkpoints::open(directory)?.sign(session, log.tree(), signer)?;
    Ok(Some(Recovered::Closed(recovery)))
}

/// Whether the session is closed and signed, judged by the end of its log alone.
pub(crate) fn is_finished(directory: &SessionDir) -> Result<bool, Error> {
    let path = directory.checkpoint_file();
    let note = match std::fs::read_to_string(&path) {
        Ok(note) => note,
        Err(none) if none.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(source).failed("read", &path),
    };
    Ok(match log_scan::end(directory)? {
        End::Closed { records } => {
            // One that was signed while it ran covers less.
            Checkpoint::parse(&note).is_none_or(|signed| signed.size >= records)
        }
        End::OtherVersion => true,
        End::Open => false,
    })
}

/// Cuts off the openings that no record of the log needs; returns the bytes of the others.
fn cut_openings(directory: &SessionDir, log: &LogScan) -> Result<u64, Error> {
    let path = directory.openings_file();
    let bytes = openings::bytes_of(&path, log.tree.size()).failed("read", &path)?;
    cut::cut(directory, &path, bytes)?;
    Ok(bytes)
}

/// The process may have stopped before it had created everything.
fn complete_directory(directory: &SessionDir) -> Result<(), Error> {
    for part in [directory.streams_dir(), directory.secrets_dir()] {
        private_dir().recursive(true).create(&part).failed("create", &part)?;
    }
    sync_dir(directory.path()).failed("write", directory.path())
}

fn check_signed(
    directory: &SessionDir,
    signed: Option<&Checkpoint>,
    log: &LogScan,
) -> Result<(), Error> {
    match signed {
        Some(signed) if log.root_as_signed != Some(signed.root) => Err(Error::RolledBack {
            path: directory.log_file(),
            signed: signed.size,
            found: log.tree.size(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// The id that was written beside the lock, for a log that has lost its first record.
fn session_of_lock(directory: &SessionDir) -> Option<SessionId> {
    std::fs::read_to_string(directory.lock_file()).ok()?.trim_end().parse().ok()
}

/// The seed of the frames' salts; without it no frame can be adopted.
fn seed(directory: &SessionDir) -> Result<Option<FrameSeed>, Error> {
    let path = directory.seed_file();
    match std::fs::read(&path) {
        Ok(seed) => Ok(<[u8; 32]>::try_from(seed).ok().map(|seed| FrameSeed::new(&seed))),
        Err(none) if none.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(source).failed("read", &path),
    }
}

#[cfg(test)]
mod tests;
