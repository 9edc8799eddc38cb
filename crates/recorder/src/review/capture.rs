//! The record log at a moment, for the review log to cite. It is read and not written.

use crate::checkpoint::Checkpoint;
use crate::directory::SessionDir;
use crate::error::{Error, Failed};
use crate::merkle::{Hash, Tree};
use crate::record::MAX_LINE_BYTES;
use crate::record::review::Capture;
use crate::record::value::Count;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};

/// Number and tree head of the whole lines that are there now.
///
/// # Errors
/// [`Error::RolledBack`] when the log is not what its checkpoint signed.
pub(super) fn cite(directory: &SessionDir) -> Result<Capture, Error> {
    let signed = signed(directory)?;
    let path = directory.log_file();
    let file = File::open(&path).failed("read", &path)?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut tree, mut line, mut root_as_signed) = (Tree::default(), Vec::new(), None);
    loop {
        line.clear();
        let mut bounded = reader.by_ref().take(MAX_LINE_BYTES);
        bounded.read_until(b'\n', &mut line).failed("read", &path)?;
        let Some((b'\n', text)) = line.split_last() else { break };
        tree.push(Hash::of_leaf(text));
        if signed.as_ref().is_some_and(|signed| signed.size == tree.size()) {
            root_as_signed = Some(tree.root());
        }
    }
    match signed {
        Some(signed) if root_as_signed != Some(signed.root) => {
            let found = tree.size().min(signed.size);
            Err(Error::RolledBack { path, signed: signed.size, found })
        }
        _ => Ok(Capture { records: Count(tree.size()), root: (*tree.root().as_bytes()).into() }),
    }
}

fn signed(directory: &SessionDir) -> Result<Option<Checkpoint>, Error> {
    let path = directory.checkpoint_file();
    match std::fs::read_to_string(&path) {
        Ok(note) => Checkpoint::parse(&note).map(Some).ok_or(Error::BadCheckpoint(path)),
        Err(none) if none.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(source).failed("read", &path),
    }
}
