//! Making the index and keeping it up: from the log's lines to the tables, in batches, each batch
//! one transaction that also moves the position. Several processes may do so at once; whoever comes
//! second finds the position moved.

use super::cell::{InsertError, number};
use super::entry::{Entry, Unread};
use super::error::IndexError;
use super::exchange::Pending;
use super::handed::Handed;
use super::insert::insert;
use super::log::{LogLines, line_at};
use super::place::Place;
use super::schema;
use super::writer::is_written;
use crate::directory::{SessionDir, private_file};
use crate::openings::Openings;
use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What an index database is, compared with the log beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No tables yet.
    Empty,
    /// Of this version and this log, as far as it goes.
    Fits { position: u64 },
    /// Of another version or another log.
    Foreign,
}

/// Makes the index of a session anew, beside the old one, and puts it in its place.
///
/// Processes that read the session keep the old one.
///
/// # Errors
/// [`IndexError::Running`] while somebody is recording into the session; otherwise the old index is then still in place.
pub fn reindex(session: &SessionDir) -> Result<(), IndexError> {
    if is_written(session)? {
        return Err(IndexError::Running { path: session.path().to_owned() });
    }
    rebuild(session, log_length(session)?)
}

/// [`reindex`] with the lines up to `committed` bytes of the log.
pub(crate) fn rebuild(session: &SessionDir, committed: u64) -> Result<(), IndexError> {
    let path = session.index_file();
    let fresh = path.with_extension(format!("rebuild-{}", std::process::id()));
    remove(&fresh)?;
    let built = create(&fresh).and_then(|mut db| {
        catch_up(&mut db, &fresh, session, committed, Reading::Checked)?;
        set_journal(&db, &fresh, Journal::Nowhere)?;
        db.close().map_err(|(_, source)| IndexError::Database { path: fresh.clone(), source })
    });
    if let Err(error) = built {
        remove(&fresh)?;
        return Err(error);
    }
    // The old journals belong to the old file: they must not be there beside the new one.
    for journal in journals(&path) {
        remove(&journal)?;
    }
    std::fs::rename(&fresh, &path).map_err(|source| IndexError::Io { path, source })
}

/// Creates an empty index in a file that is not there yet, or opens the one that is.
pub(crate) fn create(path: &Path) -> Result<Connection, IndexError> {
    // SQLite would create it readable for others; its journals take over the file's mode.
    private_file()
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|source| IndexError::Io { path: path.to_owned(), source })?;
    let db = Connection::open(path)
        .map_err(|source| IndexError::Database { path: path.to_owned(), source })?;
    prepare(&db).map_err(|source| IndexError::Database { path: path.to_owned(), source })?;
    Ok(db)
}

/// Settings of every connection to an index. What a crash of the machine loses of it can be made
/// again, so it is never synced.
pub(crate) fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIME)?;
    db.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    db.pragma_update(None, "synchronous", "OFF")?;
    // A damaged or made-up file shall not run code of its own: no functions in views or triggers.
    db.pragma_update(None, "trusted_schema", "OFF")?;
    db.pragma_update(None, "cell_size_check", "ON")
}

/// Compares an index with the log.
pub(crate) fn state(db: &Connection, path: &Path, log: &Path) -> Result<State, IndexError> {
    let failed = |source| IndexError::Database { path: path.to_owned(), source };
    let tables: i64 =
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if tables == 0 {
        return Ok(State::Empty);
    }
    let has_progress: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'progress'", [], |row| {
            row.get(0)
        })
        .map_err(failed)?;
    if has_progress == 0 {
        return Ok(State::Foreign);
    }
    // Read first and alone: other versions may have other columns beside it.
    let version: Option<i64> = db
        .query_row("SELECT version FROM progress", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    if version != Some(schema::VERSION) {
        return Ok(State::Foreign);
    }
    let progress = Progress::read(db).map_err(failed)?;
    let fits = progress.last_sha256.is_empty() || {
        let length = progress.position.saturating_sub(progress.last_offset).saturating_sub(1);
        match line_at(log, progress.last_offset, length) {
            Ok(line) => digest(&SHA256, &line).as_ref() == progress.last_sha256,
            Err(IndexError::Io { source, .. }) if source.kind() == ErrorKind::UnexpectedEof => {
                false
            }
            Err(IndexError::LongLine { .. }) => false,
            Err(error) => return Err(error),
        }
    };
    Ok(if fits { State::Fits { position: progress.position } } else { State::Foreign })
}

/// Takes in the whole lines of the log up to `committed` bytes; `path` is the database's name in
/// errors. Creates the tables when there are none.
///
/// # Errors
/// [`IndexError`]; what came before the line that failed has been taken in.
pub(crate) fn catch_up(
    db: &mut Connection,
    path: &Path,
    session: &SessionDir,
    committed: u64,
    mut reading: Reading,
) -> Result<(), IndexError> {
    let (log, mut openings) = (session.log_file(), Openings::of_records(session));
    let failed = |source| IndexError::Database { path: path.to_owned(), source };
    loop {
        // The position is read inside: another process may have moved it.
        let batch = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let tables: i64 = batch
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(failed)?;
        if tables == 0 {
            batch.execute_batch(schema::CREATE).map_err(failed)?;
            Progress::default().write(&batch).map_err(failed)?;
        }
        let mut progress = Progress::read(&batch).map_err(failed)?;
        let before = progress.position;
        let pending = Pending::default();
        let (reading, openings) = (&mut reading, &mut openings);
        let taken = Batch { db: &batch, path, log: &log, openings, reading, pending }
            .take(&mut progress, committed);
        // A record is taken in whole or not at all; what came before a bad line stays.
        if matches!(taken, Err(IndexError::Database { .. } | IndexError::Number { .. })) {
            return taken;
        }
        progress.write(&batch).map_err(failed)?;
        batch.commit().map_err(failed)?;
        taken?;
        if progress.position == before {
            return Ok(());
        }
    }
}

/// How far the lines of a log are trusted.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Not at all: each must be the one that would be written.
    Checked,
    /// This process has just written them, and has these at hand.
    OwnLines(Handed),
}

/// How an index keeps its journal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Journal {
    /// Beside it, so that readers and the writer do not wait for each other.
    Beside,
    /// Nowhere once nobody writes: one file that can be read on a read-only file system.
    Nowhere,
}

/// Changes the journal. Somebody else who has the index open can prevent it, which is no error:
/// only waiting times and tidiness depend on it.
pub(crate) fn set_journal(
    db: &Connection,
    path: &Path,
    journal: Journal,
) -> Result<(), IndexError> {
    let mode = match journal {
        Journal::Beside => "WAL",
        Journal::Nowhere => "DELETE",
    };
    let changed = db.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(()));
    match changed.map_err(|source| IndexError::Database { path: path.to_owned(), source }) {
        Err(error) if !error.is_busy() => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Bytes of the log, a torn line at its end included.
pub(crate) fn log_length(session: &SessionDir) -> Result<u64, IndexError> {
    let path = session.log_file();
    match std::fs::metadata(&path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(source) => Err(IndexError::Io { path, source }),
    }
}

/// How far the log is taken in.
#[derive(Clone, Debug, Default)]
struct Progress {
    position: u64,
    next_seq: u64,
    last_offset: u64,
    /// Of the last line taken in; empty before the first.
    last_sha256: Vec<u8>,
}

impl Progress {
    fn read(db: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT position, next_seq, last_offset, last_sha256 FROM progress";
        db.query_row(sql, [], |row| {
            let whole = |column: usize| -> rusqlite::Result<u64> {
                Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
            };
            Ok(Self {
                position: whole(0)?,
                next_seq: whole(1)?,
                last_offset: whole(2)?,
                last_sha256: row.get(3)?,
            })
        })
    }

    fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached(
            "INSERT OR REPLACE INTO progress
                 (only, version, position, next_seq, last_offset, last_sha256)
             VALUES (0, ?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            schema::VERSION,
            number(self.position),
            number(self.next_seq),
            number(self.last_offset),
            self.last_sha256
        ])
        .map(|_rows| ())
    }
}

/// Lines of the log that are taken in together.
struct Batch<'a> {
    db: &'a Connection,
    path: &'a Path,
    log: &'a Path,
    openings: &'a mut Openings,
    reading: &'a mut Reading,
    pending: Pending,
}

impl Batch<'_> {
    /// Takes in lines from the position on. What came before a bad line is taken in.
    fn take(&mut self, progress: &mut Progress, committed: u64) -> Result<(), IndexError> {
        if progress.position >= committed {
            return Ok(());
        }
        let begin = progress.position;
        let taken = self.take_lines(progress, committed);
        if progress.position > begin {
            let length = progress.position.saturating_sub(progress.last_offset).saturating_sub(1);
            let last = line_at(self.log, progress.last_offset, length)?;
            progress.last_sha256 = digest(&SHA256, &last).as_ref().to_vec();
        }
        let flushed = self.pending.flush(self.db);
        flushed.map_err(|error| self.failed(error, progress.next_seq))?;
        taken
    }

    fn take_lines(&mut self, progress: &mut Progress, committed: u64) -> Result<(), IndexError> {
        let begin = progress.position;
        let mut lines = LogLines::open(self.log, begin)?;
        let mut line = Vec::new();
        while progress.position - begin < BATCH_BYTES {
            let next = self.next(&mut lines, &mut line, progress.position, committed)?;
            let Some((place, entry)) = next else { break };
            let (seq, offset) = (entry.seq, place.offset);
            if seq != progress.next_seq {
                let (path, expected, found) = (self.log.to_owned(), progress.next_seq, seq);
                return Err(IndexError::Sequence { path, offset, expected, found });
            }
            insert(self.db, &mut self.pending, entry, place)
                .map_err(|error| self.failed(error, seq))?;
            progress.position = place.end();
            progress.next_seq += 1;
            progress.last_offset = offset;
        }
        Ok(())
    }

    /// What the line at the position says, where a whole one is committed.
    fn next(
        &mut self,
        lines: &mut LogLines,
        line: &mut Vec<u8>,
        position: u64,
        committed: u64,
    ) -> Result<Option<(Place, Entry)>, IndexError> {
        if let Reading::OwnLines(handed) = self.reading
            && let Some(entry) = handed.take(position, committed)
        {
            return Ok(Some(entry));
        }
        lines.skip_to(position)?;
        let Some(offset) = lines.next(committed, line)? else { return Ok(None) };
        let entry = match self.reading {
            Reading::Checked => Entry::checked(line, self.openings),
            Reading::OwnLines(_) => Entry::own(line, self.openings),
        };
        let failed = |why: Unread| match why {
            Unread::Record(source) => {
                IndexError::Record { path: self.log.to_owned(), offset, source }
            }
            Unread::Opening(error) => error.into(),
        };
        Ok(Some((Place { offset, length: line.len() as u64 }, entry.map_err(failed)?)))
    }

    fn failed(&self, error: InsertError, seq: u64) -> IndexError {
        match error {
            InsertError::Database(source) => {
                IndexError::Database { path: self.path.to_owned(), source }
            }
            InsertError::Number(number) => IndexError::Number { seq, number },
        }
    }
}

fn journals(path: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

fn remove(path: &Path) -> Result<(), IndexError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(IndexError::Io { path: path.to_owned(), source }),
    }
}

/// Bytes of the log per transaction: a few thousand records.
const BATCH_BYTES: u64 = 2 * 1024 * 1024;

/// Time to wait for another process's transaction.
const BUSY_TIME: Duration = Duration::from_secs(10);

/// More than there are different statements.
const CACHED_STATEMENTS: usize = 64;
