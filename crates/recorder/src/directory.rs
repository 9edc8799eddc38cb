//! A session's directory: where each of its files is, and how it is created and locked. What is
//! in the files is the business of the modules that write them.

use crate::error::{Error, Failed};
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The paths of one session. Making one touches nothing on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDir {
    path: PathBuf,
}

impl SessionDir {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory below which all sessions of a data directory are.
    pub fn all_below(data_dir: &Path) -> PathBuf {
        data_dir.join("sessions")
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last component of the path: the session's name.
    pub fn name(&self) -> String {
        self.path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned()
    }

    /// Held with an exclusive lock by whoever writes the session; holds the session's id.
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("session.lock")
    }

    pub fn log_file(&self) -> PathBuf {
        self.path.join("log").join("records.jsonl")
    }

    /// The values that the log commits to and does not hold.
    pub fn openings_file(&self) -> PathBuf {
        self.path.join("log").join("openings.jsonl")
    }

    pub fn checkpoint_file(&self) -> PathBuf {
        self.path.join("log").join("checkpoint")
    }

    /// All checkpoints that were signed while the log was written, in order.
    pub fn checkpoints_file(&self) -> PathBuf {
        self.path.join("log").join("checkpoints")
    }

    /// The second log: what people made of the session.
    pub fn review_file(&self) -> PathBuf {
        self.path.join("log").join("review.jsonl")
    }

    pub fn review_openings_file(&self) -> PathBuf {
        self.path.join("log").join("review.openings.jsonl")
    }

    pub fn review_checkpoint_file(&self) -> PathBuf {
        self.path.join("log").join("review.checkpoint")
    }

    /// The segment with this number, from 1.
    pub fn segment_file(&self, number: u64) -> PathBuf {
        self.path.join("streams").join(format!("{number:06}.frames"))
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(crate) fn streams_dir(&self) -> PathBuf {
        self.path.join("streams")
    }

    pub(crate) fn secrets_dir(&self) -> PathBuf {
        self.path.join("secrets")
    }

    /// What recovery cut off the other files.
    pub(crate) fn cut_dir(&self) -> PathBuf {
        self.path.join("cut")
    }

    pub fn seed_file(&self) -> PathBuf {
        self.path.join("secrets").join("frame.seed")
    }

    /// What the salts of the values are made of that the record log commits to.
    pub fn field_seed_file(&self) -> PathBuf {
        self.path.join("secrets").join("field.seed")
    }

    /// What the salts of the bodies are made of that the record log commits to.
    pub fn body_seed_file(&self) -> PathBuf {
        self.path.join("secrets").join("body.seed")
    }

    /// What [`Self::field_seed_file`] is to the record log, to the review log, which other installations may write.
    pub fn review_seed_file(&self) -> PathBuf {
        self.path.join("secrets").join("review.seed")
    }

    pub fn key_log_file(&self) -> PathBuf {
        self.path.join("secrets").join("keylog.txt")
    }

    /// Derived from the log alone; may be deleted at any time.
    pub fn index_file(&self) -> PathBuf {
        self.path.join("index.sqlite")
    }

    /// Creates the subdirectories.
    pub(crate) fn create_parts(&self) -> io::Result<()> {
        for part in ["log", "streams", "secrets"] {
            private_dir().create(self.path.join(part))?;
        }
        sync_dir(&self.path)
    }

    /// Takes the session's lock, which ends with the returned file; `None` when somebody has it.
    /// Readers take it for a moment to learn whether somebody writes, so one try is not enough.
    pub(crate) fn lock(&self) -> Result<Option<File>, Error> {
        let path = self.lock_file();
        let mut options = private_file();
        let file = options.create(true).truncate(false).open(&path).failed("open", &path)?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) if attempt < LOCK_ATTEMPTS => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(source).failed("lock", &path),
            }
        }
        Ok(None)
    }
}

/// Creates directories with mode 0700.
pub(crate) fn private_dir() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Opens files for reading and writing; new ones get the mode 0600.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Puts `bytes` in place of what is at `path`: durably, and whole or not at all.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let draft = path.with_extension("draft");
    let mut options = private_file();
    let mut file = options.create(true).truncate(true).open(&draft).failed("create", &draft)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).failed("write", &draft)?;
    std::fs::rename(&draft, path).failed("replace", path)?;
    path.parent().map_or(Ok(()), sync_dir).failed("write", path)
}

/// Together about 100 ms, in which every reader has let go.
const LOCK_ATTEMPTS: u32 = 21;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_who_asks_whether_somebody_writes_does_not_take_the_lock_away() {
        let temp = tempfile::tempdir().unwrap();
        let directory = SessionDir::new(temp.path().join("s"));
        std::fs::create_dir(directory.path()).unwrap();
        drop(directory.lock().unwrap().unwrap());
        let asking = File::open(directory.lock_file()).unwrap();
        asking.try_lock_shared().unwrap();
        let reader = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(asking);
        });
        let lock = directory.lock().unwrap();
        assert!(lock.is_some());
        reader.join().unwrap();
        assert!(directory.lock().unwrap().is_none(), "somebody who writes keeps it");
    }
}
