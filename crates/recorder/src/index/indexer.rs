//! The thread that follows a log while it is written. Its owner only says how far the log is
//! committed, which never waits; how far behind the index is does not matter to anybody.

use super::build::{self, Journal, Reading, State};
use super::error::IndexError;
use super::handed::Handed;
use crate::directory::SessionDir;
use rusqlite::Connection;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Keeps `index.sqlite` of one session up while the session is recorded. Dropping it ends the
/// thread without waiting for it.
#[derive(Debug)]
pub struct Indexer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), IndexError>>>,
}

impl Indexer {
    /// Starts the thread. An index that is there and fits the log is continued, another one is
    /// replaced.
    ///
    /// # Errors
    /// [`IndexError::Io`] when no thread can be started. What goes wrong in it is the result of
    /// [`Indexer::finish`], and logged when it happens.
    pub fn start(session: &SessionDir) -> Result<Self, IndexError> {
        let shared = Arc::new(Shared { wanted: Mutex::default(), changed: Condvar::new() });
        let run = {
            let (shared, session) = (Arc::clone(&shared), session.clone());
            move || {
                let result = follow(&shared, &session);
                if let Err(error) = &result {
                    tracing::warn!(
                        error = error as &dyn std::error::Error,
                        hint = error.hint(),
                        "The index is not kept up any more; nothing recorded is lost"
                    );
                }
                result
            }
        };
        let thread = std::thread::Builder::new()
            .name("index".to_owned())
            .spawn(run)
            .map_err(|source| IndexError::Io { path: session.index_file(), source })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Says that the first `committed` bytes of the log are whole lines and stay, and hands over what
    /// need not be read of them.
    pub(crate) fn notify(&self, committed: u64, handed: Handed) {
        let mut wanted = self.shared.lock();
        wanted.committed = wanted.committed.max(committed);
        wanted.handed.extend(handed);
        self.shared.changed.notify_one();
    }

    /// Waits until everything committed is in the index, and ends the thread.
    ///
    /// # Errors
    /// What stopped the thread.
    pub fn finish(mut self) -> Result<(), IndexError> {
        self.end();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(IndexError::ThreadGone),
        }
    }

    fn end(&self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Debug)]
struct Shared {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

/// The latest wish; older ones are covered by it, so that nothing queues up beyond what
/// [`Handed`] holds.
#[derive(Debug, Default)]
struct Wanted {
    committed: u64,
    handed: Handed,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Wanted> {
        // Each part is consistent by itself.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a wish beyond `done`, or the end.
    fn next(&self, done: u64) -> Wanted {
        let waiting = |wanted: &mut Wanted| wanted.committed <= done && !wanted.ended;
        let mut wanted =
            self.changed.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        let handed = std::mem::take(&mut wanted.handed);
        Wanted { committed: wanted.committed, handed, ended: wanted.ended }
    }
}

fn follow(shared: &Shared, session: &SessionDir) -> Result<(), IndexError> {
    let path = session.index_file();
    let mut db: Option<Connection> = None;
    let mut done = 0;
    loop {
        let wanted = shared.next(done);
        if wanted.committed > done {
            let open = match db.take() {
                Some(open) => open,
                None => open_to_follow(session, wanted.committed)?,
            };
            let (to, reading) = (wanted.committed, Reading::OwnLines(wanted.handed));
            match build::catch_up(db.insert(open), &path, session, to, reading) {
                Ok(()) => done = wanted.committed,
                // Somebody holds it; there is time until the end.
                Err(error) if error.is_busy() && !wanted.ended => {}
                Err(error) => return Err(error),
            }
        } else if wanted.ended {
            return match &db {
                Some(db) => build::set_journal(db, &path, Journal::Nowhere),
                None => Ok(()),
            };
        }
    }
}

/// Opens the index for writing beside readers; one that does not fit is made anew.
fn open_to_follow(session: &SessionDir, committed: u64) -> Result<Connection, IndexError> {
    let path = session.index_file();
    let usable = build::create(&path).and_then(|db| {
        let state = build::state(&db, &path, &session.log_file())?;
        Ok((db, state))
    });
    let db = match usable {
        Ok((db, State::Empty | State::Fits { .. })) => db,
        Ok((_, State::Foreign)) => {
            build::rebuild(session, committed)?;
            build::create(&path)?
        }
        Err(error) if error.is_corruption() => {
            build::rebuild(session, committed)?;
            build::create(&path)?
        }
        Err(error) => return Err(error),
    };
    build::set_journal(&db, &path, Journal::Beside)?;
    Ok(db)
}
