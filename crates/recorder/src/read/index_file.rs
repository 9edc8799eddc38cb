//! Which index a reader uses: the one beside the log when somebody else keeps it up or it can be
//! brought up, else a private one in a temporary file.

use super::error::ReadError;
use super::rows::SessionState;
use crate::directory::SessionDir;
use crate::index::IndexError;
use crate::index::build::{self, Journal, Reading, State};
use crate::index::writer::is_written;
use rusqlite::{Connection, OpenFlags};
use std::io::ErrorKind;

/// An index to read from.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) db: Connection,
    /// Somebody was writing the session when it was opened.
    running: bool,
    /// Why the log could only be read up to a point.
    pub(super) damage: Option<IndexError>,
}

impl Opened {
    pub(super) fn state(&self, closed: bool) -> SessionState {
        match (closed, self.running) {
            (true, _) => SessionState::Closed,
            (false, true) => SessionState::Running,
            (false, false) => SessionState::Interrupted,
        }
    }
}

/// Opens the best index there is.
pub(super) fn open(session: &SessionDir) -> Result<Opened, ReadError> {
    let length = match build::log_length(session) {
        Ok(length) => length,
        Err(IndexError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Err(ReadError::NotASession(session.path().to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(db) = open_as_it_is(session, length) {
        // Only an index of a session that is not closed is asked who writes it.
        let running = !is_closed(&db) && is_written(session)?;
        return checked(session, Opened { db, running, damage: None });
    }
    let running = is_written(session)?;
    if running {
        if let Some(db) = open_beside_its_writer(session) {
            return checked(session, Opened { db, running, damage: None });
        }
    } else if let Some((db, damage)) = bring_up(session, length) {
        return checked(session, Opened { db, running, damage });
    }
    let (db, damage) = temporary(session, length)?;
    checked(session, Opened { db, running, damage })
}

/// An index of its own, whatever lies beside the log.
pub(super) fn apart(session: &SessionDir) -> Result<Opened, ReadError> {
    let length = build::log_length(session)?;
    let running = is_written(session)?;
    let (db, damage) = temporary(session, length)?;
    checked(session, Opened { db, running, damage })
}

/// An index that holds the whole log already; `None` when there is none or it is behind.
fn open_as_it_is(session: &SessionDir, length: u64) -> Option<Connection> {
    let db = open_to_read(session)?;
    match build::state(&db, &session.index_file(), &session.log_file()) {
        Ok(State::Fits { position }) if position == length => Some(db),
        // The caller tries other ways, which tell what is wrong.
        Ok(_) | Err(_) => None,
    }
}

/// The index that the session's writer keeps up, however far it is.
fn open_beside_its_writer(session: &SessionDir) -> Option<Connection> {
    let db = open_to_read(session)?;
    let state = build::state(&db, &session.index_file(), &session.log_file());
    matches!(state, Ok(State::Fits { .. })).then_some(db).filter(has_session)
}

fn open_to_read(session: &SessionDir) -> Option<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(session.index_file(), flags).ok()?;
    build::prepare(&db).ok()?;
    Some(db)
}

/// Completes or replaces the index in its place; `None` when it cannot be written there.
fn bring_up(session: &SessionDir, length: u64) -> Option<(Connection, Option<IndexError>)> {
    let (path, log) = (session.index_file(), session.log_file());
    let mut db = match build::create(&path) {
        Ok(db) => match build::state(&db, &path, &log) {
            Ok(State::Empty | State::Fits { .. }) => db,
            Ok(State::Foreign) => replaced(session, length)?,
            Err(error) if error.is_corruption() => replaced(session, length)?,
            Err(_) => return None,
        },
        Err(error) if error.is_corruption() => replaced(session, length)?,
        Err(_) => return None,
    };
    match build::catch_up(&mut db, &path, session, length, Reading::Checked) {
        // Its writer may have left a journal beside it.
        Ok(()) => build::set_journal(&db, &path, Journal::Nowhere).ok().map(|()| (db, None)),
        Err(error) if is_damage(&error) => Some((db, Some(error))),
        Err(error) if error.is_corruption() => {
            let mut db = replaced(session, length)?;
            match build::catch_up(&mut db, &path, session, length, Reading::Checked) {
                Ok(()) => Some((db, None)),
                Err(error) if is_damage(&error) => Some((db, Some(error))),
                Err(_) => None,
            }
        }
        Err(_) => None,
    }
}

fn replaced(session: &SessionDir, length: u64) -> Option<Connection> {
    match build::rebuild(session, length) {
        Ok(()) => build::create(&session.index_file()).ok(),
        Err(_) => None,
    }
}

/// An index of its own in a file that SQLite deletes when it is closed.
fn temporary(
    session: &SessionDir,
    length: u64,
) -> Result<(Connection, Option<IndexError>), ReadError> {
    let path = session.index_file();
    let failed = |source| IndexError::Database { path: path.clone(), source };
    let mut db = Connection::open("").map_err(failed)?;
    build::prepare(&db).map_err(failed)?;
    match build::catch_up(&mut db, &path, session, length, Reading::Checked) {
        Ok(()) => Ok((db, None)),
        Err(error) if is_damage(&error) => Ok((db, Some(error))),
        Err(error) => Err(error.into()),
    }
}

/// Whether an error is about the log and not about the index: then what came before it counts.
fn is_damage(error: &IndexError) -> bool {
    match error {
        IndexError::Record { .. }
        | IndexError::Opening { .. }
        | IndexError::Sequence { .. }
        | IndexError::LongLine { .. }
        | IndexError::Number { .. } => true,
        IndexError::Io { .. }
        | IndexError::Database { .. }
        | IndexError::Running { .. }
        | IndexError::ThreadGone => false,
    }
}

/// Refuses an index without a session: the log has no first record.
fn checked(session: &SessionDir, opened: Opened) -> Result<Opened, ReadError> {
    if has_session(&opened.db) {
        return Ok(opened);
    }
    match opened.damage {
        Some(damage) => Err(damage.into()),
        None => Err(ReadError::NotASession(session.path().to_owned())),
    }
}

fn has_session(db: &Connection) -> bool {
    db.query_row("SELECT count(*) FROM session", [], |row| row.get(0)).is_ok_and(|n: i64| n > 0)
}

fn is_closed(db: &Connection) -> bool {
    let closed = db.query_row("SELECT closed IS NOT NULL FROM session", [], |row| row.get(0));
    closed.unwrap_or(false)
}
