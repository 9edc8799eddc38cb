//! Writes a ZIP archive of a few small files (PKWARE APPNOTE 6.3.3): stored, not compressed, with a
//! fixed time, so that equal contents give equal bytes.

use crate::error::Error;

/// A file of an archive.
pub(super) struct Entry<'a> {
    /// ASCII, with `/` between directories.
    pub(super) name: &'a str,
    /// Permission bits.
    pub(super) mode: u32,
    pub(super) bytes: &'a [u8],
}

/// The archive.
pub(super) fn archive(entries: &[Entry<'_>]) -> Result<Vec<u8>, Error> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = narrow::<u32>(out.len())?;
        let common = common(entry)?;
        push(&mut out, &[b"PK\x03\x04", &common, &[0; 2], entry.name.as_bytes(), entry.bytes]);
        // No extra field, no comment, first disk, no internal attributes.
        let external = (REGULAR_FILE | entry.mode) << 16;
        push(&mut directory, &[b"PK\x01\x02", &[VERSION, UNIX], &common, &[0; 8]]);
        push(&mut directory, &[&external.to_le_bytes(), &offset.to_le_bytes()]);
        directory.extend_from_slice(entry.name.as_bytes());
    }
    let offset = narrow::<u32>(out.len())?.to_le_bytes();
    let size = narrow::<u32>(directory.len())?.to_le_bytes();
    let count = narrow::<u16>(entries.len())?.to_le_bytes();
    push(&mut out, &[&directory, b"PK\x05\x06\0\0\0\0", &count, &count, &size, &offset, &[0; 2]]);
    Ok(out)
}

/// The fields that local header and directory share, up to the length of the name; the length of
/// the extra field follows.
fn common(entry: &Entry<'_>) -> Result<Vec<u8>, Error> {
    let size = narrow::<u32>(entry.bytes.len())?.to_le_bytes();
    let mut fields = vec![VERSION, 0, 0, 0, 0, 0];
    push(&mut fields, &[&TIME, &crc32fast::hash(entry.bytes).to_le_bytes(), &size, &size]);
    fields.extend_from_slice(&narrow::<u16>(entry.name.len())?.to_le_bytes());
    Ok(fields)
}

fn narrow<T: TryFrom<usize>>(number: usize) -> Result<T, Error> {
    T::try_from(number).map_err(|_wide| Error::TooLarge)
}

fn push(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Version 2.0: files in directories.
const VERSION: u8 = 20;
/// The attributes are those of Unix.
const UNIX: u8 = 3;
const REGULAR_FILE: u32 = 0o100_000;
/// Midnight of 1 January 1980, the format's first.
const TIME: [u8; 4] = [0, 0, 0x21, 0];
