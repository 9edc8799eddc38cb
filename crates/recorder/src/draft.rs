//! A session's directory before it has its name. It is made and locked under a name that no session
//! can have, and then renamed: whoever finds a session finds it locked, so nobody takes one that has
//! just begun for one whose process is gone. Drafts whose process is gone are swept away.

use crate::directory::{SessionDir, private_dir, sync_dir};
use crate::error::{Error, Failed};
use flow::id::SessionId;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// The directory, and its lock; removed when it is dropped without having got a name.
#[derive(Debug)]
pub(crate) struct Draft {
    directory: SessionDir,
    lock: Option<File>,
}

impl Draft {
    /// Makes one below `sessions`, with what every session's directory holds.
    pub(crate) fn create(sessions: &Path, session: SessionId) -> Result<Self, Error> {
        for attempt in 1.. {
            let name = format!("{DRAFT}{session}-{attempt}");
            match Self::try_create(SessionDir::new(sessions.join(name)), session) {
                // Taken, or swept away between its creation and its lock.
                Err(Error::File { source, .. })
                    if attempt < ATTEMPTS
                        && matches!(
                            source.kind(),
                            ErrorKind::AlreadyExists | ErrorKind::NotFound
                        ) => {}
                created => return created,
            }
        }
        Err(Error::Busy(sessions.to_owned()))
    }

    /// Gives it a name; returns the lock, or the draft when the name is taken.
    pub(crate) fn publish(mut self, to: &SessionDir) -> Result<Result<File, Self>, Error> {
        // An empty directory would be replaced; a session's is not empty.
        if to.path().symlink_metadata().is_ok() {
            return Ok(Err(self));
        }
        match std::fs::rename(self.directory.path(), to.path()) {
            Err(taken) if is_taken(&taken) => return Ok(Err(self)),
            renamed => renamed.failed("create", to.path())?,
        }
        let Some(lock) = self.lock.take() else {
            return Err(Error::Busy(to.path().to_owned()));
        };
        to.path().parent().map_or(Ok(()), sync_dir).failed("write", to.path())?;
        Ok(Ok(lock))
    }

    fn try_create(directory: SessionDir, session: SessionId) -> Result<Self, Error> {
        let path = directory.path().to_owned();
        private_dir().create(&path).failed("create", &path)?;
        let Some(mut lock) = directory.lock()? else { return Err(Error::Busy(path)) };
        lock.write_all(format!("{session}\n").as_bytes())
            .and_then(|()| lock.sync_all())
            .failed("write", &directory.lock_file())?;
        directory.create_parts().failed("create", &path)?;
        Ok(Self { directory, lock: Some(lock) })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // What stays is swept away by a later run.
            drop(std::fs::remove_dir_all(self.directory.path()));
        }
    }
}

/// Whether a directory below `sessions` is none of a session, nor of anything that a person made.
pub(crate) fn is_draft(directory: &SessionDir) -> bool {
    let name = directory.name();
    name.starts_with(DRAFT) || name.starts_with(DEAD)
}

/// Removes a draft whose process is gone; leaves it when somebody is at work on it.
pub(crate) fn sweep(draft: &SessionDir) -> Result<(), Error> {
    let name = draft.name();
    let Some(number) = name.strip_prefix(DRAFT) else {
        return removed(draft.path());
    };
    let lock = match draft.lock() {
        Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(()),
        lock => lock?,
    };
    let Some(_lock) = lock else { return Ok(()) };
    // Its maker may be about to lock it: it must not find the directory while that goes.
    let dead = draft.path().with_file_name(format!("{DEAD}{number}"));
    match std::fs::rename(draft.path(), &dead) {
        // It has got its name since it was listed, or another process sweeps it away.
        Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(()),
        renamed => {
            renamed.failed("remove", draft.path())?;
            removed(&dead)
        }
    }
}

fn removed(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.failed("remove", path),
    }
}

fn is_taken(error: &io::Error) -> bool {
    use ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory)
}

/// How the names of drafts begin; that of a session never begins with a dot.
const DRAFT: &str = ".draft-";
/// How those begin that are being swept away.
const DEAD: &str = ".dead-";
const ATTEMPTS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId([7; 16]);

    #[test]
    fn a_draft_gets_its_name_with_its_lock_held() {
        let temp = tempfile::tempdir().unwrap();
        let named = SessionDir::new(temp.path().join("s"));
        let lock = Draft::create(temp.path(), SESSION).unwrap().publish(&named).unwrap().unwrap();
        assert!(named.lock().unwrap().is_none(), "locked from the first moment");
        let text = std::fs::read_to_string(named.lock_file()).unwrap();
        assert_eq!(text, format!("{SESSION}\n"));
        drop(lock);
        assert!(named.lock().unwrap().is_some() && named.log_dir().is_dir());
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_taken_name_leaves_the_draft_which_goes_when_it_is_given_up() {
        let temp = tempfile::tempdir().unwrap();
        for taken in ["file", "empty", "full"] {
            let taken = SessionDir::new(temp.path().join(taken));
            match taken.name().as_str() {
                "file" => std::fs::write(taken.path(), "x").unwrap(),
                "empty" => std::fs::create_dir(taken.path()).unwrap(),
                _ => std::fs::create_dir_all(taken.log_dir()).unwrap(),
            }
            let draft = Draft::create(temp.path(), SESSION).unwrap().publish(&taken).unwrap();
            assert!(draft.is_err());
        }
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 3, "no draft stays");
    }

    #[test]
    fn drafts_are_swept_away_when_their_process_is_gone() {
        let temp = tempfile::tempdir().unwrap();
        let at_work = Draft::create(temp.path(), SESSION).unwrap();
        let mut dead = Draft::create(temp.path(), SESSION).unwrap();
        dead.lock = None;
        let unlocked = SessionDir::new(temp.path().join(format!("{DRAFT}1")));
        std::fs::create_dir(unlocked.path()).unwrap();
        let half_swept = SessionDir::new(temp.path().join(format!("{DEAD}2")));
        std::fs::create_dir_all(half_swept.log_dir()).unwrap();
        for directory in [&at_work.directory, &dead.directory, &unlocked, &half_swept] {
            assert!(is_draft(directory));
            sweep(directory).unwrap();
            // Twice, as by two processes.
            sweep(directory).unwrap();
        }
        let left: Vec<_> =
            std::fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [at_work.directory.path()]);
    }
}
