//! The checkpoints of a record log on disk: all that were signed, one after the other, and the last one
//! apart. Each is on disk before anything can rest on it, and covers what the one before it covered.
//! What a checkpoint says and how it is signed is [`crate::checkpoint`]'s business.

use crate::checkpoint::Checkpoint;
use crate::directory::{SessionDir, private_file, replace_file, sync_dir};
use crate::error::{Error, Failed};
use crate::merkle::Tree;
use crate::signer::Signer;
use flow::id::SessionId;
use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// The checkpoints of a log that this process writes.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    directory: SessionDir,
    path: PathBuf,
    file: File,
    /// The records that the last one covers.
    signed: u64,
}

impl Checkpoints {
    /// Goes on behind the last whole one; what follows it must have been cut off.
    pub(crate) fn open(directory: &SessionDir) -> Result<Self, Error> {
        let whole = Whole::read(directory)?;
        let path = directory.checkpoints_file();
        let mut options = private_file();
        let mut file = options.create(true).truncate(false).open(&path).failed("open", &path)?;
        file.seek(SeekFrom::Start(whole.bytes)).failed("read", &path)?;
        sync_dir(&directory.log_dir()).failed("write", &path)?;
        let signed = last(directory)?.map_or(0, |last| last.size);
        Ok(Self { directory: directory.clone(), path, file, signed })
    }

    /// Records that the last one covers.
    pub(crate) fn signed(&self) -> u64 {
        self.signed
    }

    /// Signs a log of which all records are durable. A tree that is not larger than the one that was
    /// signed last is not signed again.
    pub(crate) fn sign(
        &mut self,
        session: SessionId,
        tree: &Tree,
        signer: &Signer,
    ) -> Result<(), Error> {
        let last = self.directory.checkpoint_file();
        if tree.size() <= self.signed && last.exists() {
            return Ok(());
        }
        let note = Checkpoint::new(session, tree.size(), tree.root()).sign(signer);
        if tree.size() > self.signed {
            self.file.write_all(note.as_bytes()).failed("write", &self.path)?;
            self.file.sync_data().failed("write", &self.path)?;
            self.signed = tree.size();
        }
        replace_file(&last, note.as_bytes())
    }
}

/// The last checkpoint that was signed, wherever it got to.
pub(crate) fn last(directory: &SessionDir) -> Result<Option<Checkpoint>, Error> {
    let path = directory.checkpoint_file();
    let apart = match std::fs::read_to_string(&path) {
        Ok(note) => Some(Checkpoint::parse(&note).ok_or(Error::BadCheckpoint(path))?),
        Err(none) if none.kind() == ErrorKind::NotFound => None,
        Err(source) => return Err(source).failed("read", &path),
    };
    // An interruption may have come between the two.
    let listed = Whole::read(directory)?.last;
    Ok([apart, listed].into_iter().flatten().max_by_key(|checkpoint| checkpoint.size))
}

/// All notes of the file as it stands, each with what it says; `None` of what is no note.
pub(crate) fn notes(directory: &SessionDir) -> Result<Vec<(String, Option<Checkpoint>)>, Error> {
    let path = directory.checkpoints_file();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(none) if none.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(source).failed("read", &path),
    };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let note = |lines: &[&str]| {
        let note = lines.concat();
        let checkpoint = Checkpoint::parse(&note);
        (note, checkpoint)
    };
    Ok(lines.chunks(NOTE_LINES).map(note).collect())
}

/// Bytes of the whole checkpoints at the start of their file.
pub(crate) fn whole_bytes(directory: &SessionDir) -> Result<u64, Error> {
    Whole::read(directory).map(|whole| whole.bytes)
}

/// The whole checkpoints of a file.
#[derive(Debug, Default)]
struct Whole {
    bytes: u64,
    last: Option<Checkpoint>,
}

impl Whole {
    fn read(directory: &SessionDir) -> Result<Self, Error> {
        let path = directory.checkpoints_file();
        match std::fs::read(&path) {
            Ok(notes) => Ok(Self::of(&notes)),
            Err(none) if none.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(source).failed("read", &path),
        }
    }

    fn of(notes: &[u8]) -> Self {
        let mut whole = Self::default();
        let mut lines = notes.split_inclusive(|byte| *byte == b'\n');
        loop {
            let note: Vec<u8> = lines.by_ref().take(NOTE_LINES).flatten().copied().collect();
            let read = note.strip_suffix(b"\n").and_then(|_whole| std::str::from_utf8(&note).ok());
            let Some(checkpoint) = read.and_then(Checkpoint::parse) else { return whole };
            let size = whole.last.as_ref().map_or(0, |last| last.size);
            if note.iter().filter(|byte| **byte == b'\n').count() < NOTE_LINES
                || checkpoint.size <= size
            {
                return whole;
            }
            whole.bytes += note.len() as u64;
            whole.last = Some(checkpoint);
        }
    }
}

/// Origin, size, root, an empty line, and the signature.
const NOTE_LINES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::Hash;

    #[test]
    fn a_file_is_read_up_to_its_last_whole_checkpoint() {
        let temp = tempfile::tempdir().unwrap();
        let signer = Signer::load_or_create(temp.path()).unwrap();
        let note =
            |size| Checkpoint::new(SessionId([1; 16]), size, Hash::of_leaf(b"x")).sign(&signer);
        let notes = [note(3), note(7), note(8)];
        let all = notes.concat();
        let ends: Vec<u64> = (0..=3).map(|n| notes[..n].concat().len() as u64).collect();
        for cut in 0..=all.len() {
            let whole = Whole::of(&all.as_bytes()[..cut]);
            let count = ends.iter().rposition(|end| *end <= cut as u64).unwrap();
            let size = whole.last.map(|last| last.size);
            let expected = [None, Some(3), Some(7), Some(8)][count];
            assert_eq!((whole.bytes, size), (ends[count], expected), "cut at {cut}");
        }
        // None covers less than the one before it.
        let back = Whole::of([note(7), note(3)].concat().as_bytes());
        assert_eq!(back.last.unwrap().size, 7);
    }
}
