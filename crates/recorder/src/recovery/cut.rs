//! Cutting the end off a file. What is cut is first kept in the session's directory `cut`, under
//! a name made of the file's, the offset and a digest of the bytes: `records.jsonl.1234.0a1b…`.
//! A cut that is interrupted and repeated gives the same file, and what was cut is never lost.

use crate::directory::{SessionDir, private_dir, private_file, sync_dir};
use crate::error::{Error, Failed};
use crate::merkle::Hash;
use aws_lc_rs::digest;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Cuts a file to `length` bytes; nothing happens when it is not longer.
pub(crate) fn cut(directory: &SessionDir, path: &Path, length: u64) -> Result<(), Error> {
    let mut file = match private_file().open(path) {
        Ok(file) => file,
        Err(none) if none.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(source).failed("open", path),
    };
    if file.metadata().failed("read", path)?.len() <= length {
        return Ok(());
    }
    keep(directory, path, &mut file, length)?;
    file.set_len(length).and_then(|()| file.sync_all()).failed("cut", path)
}

/// Copies the bytes from `length` on to the directory of cuts.
fn keep(directory: &SessionDir, path: &Path, file: &mut File, length: u64) -> Result<(), Error> {
    let cuts = directory.cut_dir();
    private_dir().recursive(true).create(&cuts).failed("create", &cuts)?;
    sync_dir(directory.path()).failed("write", &cuts)?;
    let draft = cuts.join(DRAFT);
    let mut options = private_file();
    let mut copy = options.create(true).truncate(true).open(&draft).failed("create", &draft)?;
    file.seek(SeekFrom::Start(length)).failed("read", path)?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut piece).failed("read", path)?;
        let bytes = piece.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        context.update(bytes);
        copy.write_all(bytes).failed("write", &draft)?;
    }
    copy.sync_all().failed("write", &draft)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digest = format!("{:?}", Hash::from_digest(&context.finish()));
    let kept = cuts.join(format!("{name}.{length}.{digest}"));
    std::fs::rename(&draft, &kept).failed("write", &kept)?;
    sync_dir(&cuts).failed("write", &kept)
}

/// Bytes that were cut so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cuts {
    pub(super) log_bytes: u64,
    pub(super) opening_bytes: u64,
    pub(super) store_bytes: u64,
}

impl Cuts {
    /// Adds up what is kept, by this recovery and by those that were interrupted before it.
    pub(super) fn of(directory: &SessionDir) -> Result<Self, Error> {
        let mut sum = Self::default();
        let cuts = directory.cut_dir();
        let entries = match std::fs::read_dir(&cuts) {
            Ok(entries) => entries,
            Err(none) if none.kind() == ErrorKind::NotFound => return Ok(sum),
            Err(source) => return Err(source).failed("list", &cuts),
        };
        for entry in entries {
            let entry = entry.failed("list", &cuts)?;
            let bytes = entry.metadata().failed("list", &cuts)?.len();
            match entry.file_name().to_string_lossy() {
                name if name.starts_with("records.jsonl.") => sum.log_bytes += bytes,
                name if name.starts_with("openings.jsonl.") => sum.opening_bytes += bytes,
                name if name.contains(".frames.") => sum.store_bytes += bytes,
                // A draft that an interruption left behind: its bytes are still in their file.
                _ => {}
            }
        }
        Ok(sum)
    }
}

const DRAFT: &str = "draft";
const PIECE_BYTES: usize = 1 << 16;
