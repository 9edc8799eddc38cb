//! Reads an archive in place, and only one that the writer would have written.

use crate::error::{Error, Fault};
use crate::layout::{CENTRAL_FIXED, Described, END, END_64, end, is_large};
use crate::name::{BadName, Name};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// An archive whose headers are all as they must be. Contents are checked when they are read.
#[derive(Clone, Debug)]
pub struct Archive {
    file: Arc<File>,
    files: Vec<Entry>,
}

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    described: Described,
}

impl Entry {
    pub fn name(&self) -> &Name {
        &self.described.name
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.described.size
    }
}

impl Archive {
    /// Reads and checks the headers.
    ///
    /// # Errors
    /// [`Error::Fault`] for every archive that is not of the one form; [`Error::Io`].
    pub fn open(file: File) -> Result<Self, Error> {
        let length = file.metadata()?.len();
        let Directory { files, offset, size } = Directory::find(&file, length)?;
        let mut directory = vec![0; usize::try_from(size).map_err(|_wide| too_many(offset))?];
        file.read_exact_at(&mut directory, offset)?;
        let mut rest = directory.as_slice();
        let mut entries: Vec<Entry> = Vec::new();
        let (mut at, mut folded) = (0, BTreeSet::new());
        for _ in 0..files {
            let here = offset + (directory.len() - rest.len()) as u64;
            let fault = |fault| Error::Fault { offset: here, fault };
            let (described, after) = described(rest).map_err(fault)?;
            rest = after;
            if described.offset != at {
                return Err(fault(Fault::Layout));
            }
            if entries.last().is_some_and(|last| *last.name() >= described.name) {
                return Err(fault(Fault::Order(described.name.to_string())));
            }
            if !folded.insert(described.name.as_str().to_ascii_lowercase()) {
                return Err(fault(Fault::CaseCollision(described.name.to_string())));
            }
            let length = described.local_length();
            at = at.saturating_add(length).saturating_add(described.size);
            if at > offset {
                return Err(fault(Fault::Layout));
            }
            let local = described.local();
            let mut found = vec![0; local.len()];
            file.read_exact_at(&mut found, described.offset)?;
            if found != local {
                let fault = Fault::Header("content beside the file than in the directory");
                return Err(Error::Fault { offset: described.offset, fault });
            }
            entries.push(Entry { described });
        }
        if at != offset || !rest.is_empty() {
            return Err(Error::Fault { offset: at, fault: Fault::Layout });
        }
        Ok(Self { file: Arc::new(file), files: entries })
    }

    /// Its files, sorted by name.
    pub fn files(&self) -> &[Entry] {
        &self.files
    }

    /// A file's content from its beginning. Reading to its end fails where the checksum differs.
    pub fn contents(&self, entry: &Entry) -> Contents {
        let name = entry.name().to_string();
        let described = &entry.described;
        Contents {
            window: self.window(entry),
            hasher: Some(crc32fast::Hasher::new()),
            crc: described.crc,
            offset: described.offset,
            name,
        }
    }

    fn window(&self, entry: &Entry) -> Window {
        let begin = entry.described.offset + entry.described.local_length();
        Window { file: Arc::clone(&self.file), begin, length: entry.size(), at: 0 }
    }
}

/// A part of a file, read as if it were one.
#[derive(Debug)]
struct Window {
    file: Arc<File>,
    begin: u64,
    length: u64,
    at: u64,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let read = self.file.read_at(buffer, self.begin + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The content of a file, checked at its end.
#[derive(Debug)]
pub struct Contents {
    window: Window,
    hasher: Option<crc32fast::Hasher>,
    crc: u32,
    offset: u64,
    name: String,
}

impl Read for Contents {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.window.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer.get(..read).unwrap_or_default());
        }
        if self.window.at < self.window.length {
            if read == 0 && !buffer.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            return Ok(read);
        }
        match self.hasher.take().map(crc32fast::Hasher::finalize) {
            Some(crc) if crc != self.crc => {
                let fault = Fault::Sum(self.name.clone());
                Err(io::Error::other(Error::Fault { offset: self.offset, fault }))
            }
            _ => Ok(read),
        }
    }
}

/// The central directory.
struct Directory {
    files: u64,
    offset: u64,
    size: u64,
}

impl Directory {
    fn find(file: &File, length: u64) -> Result<Self, Error> {
        let no_end = || Error::Fault { offset: length, fault: Fault::NoEnd };
        let mut last = [0; END];
        let at = length.checked_sub(END as u64).ok_or_else(no_end)?;
        file.read_exact_at(&mut last, at)?;
        let mut found = Self {
            files: u64::from(u16_at(&last, 10)),
            size: u64::from(u32_at(&last, 12)),
            offset: u64::from(u32_at(&last, 16)),
        };
        let mut ending = END;
        let wide = found.files == u64::from(u16::MAX);
        if wide || is_large(found.size) || is_large(found.offset) {
            let mut last = [0; END_64];
            ending += END_64;
            let at = length.checked_sub(ending as u64).ok_or_else(no_end)?;
            file.read_exact_at(&mut last, at)?;
            let [files, size, offset] = [24, 40, 48].map(|at| u64_at(&last, at));
            found = Self { files, size, offset };
        }
        let Self { files, size, offset } = found;
        let written = end(files, offset, size);
        let mut stands = vec![0; ending];
        file.read_exact_at(&mut stands, length - ending as u64)?;
        let whole = offset.checked_add(size).and_then(|end| end.checked_add(ending as u64));
        if stands != written || whole != Some(length) {
            return Err(no_end());
        }
        let possible = files.checked_mul(CENTRAL_FIXED as u64).is_some_and(|least| least <= size);
        if size > MOST_DIRECTORY_BYTES || !possible {
            return Err(too_many(offset));
        }
        Ok(found)
    }
}

/// Reads one header of the central directory.
fn described(directory: &[u8]) -> Result<(Described, &[u8]), Fault> {
    let short = || Fault::Header("length");
    let fixed = directory.get(..CENTRAL_FIXED).ok_or_else(short)?;
    let (name_length, extra_length) = (u16_at(fixed, 28), u16_at(fixed, 30));
    let end_of_name = CENTRAL_FIXED + usize::from(name_length);
    let name = directory.get(CENTRAL_FIXED..end_of_name).ok_or_else(short)?;
    let end = end_of_name + usize::from(extra_length);
    let extra = directory.get(end_of_name..end).ok_or_else(short)?;
    let text = String::from_utf8_lossy(name);
    let name = text.parse::<Name>().map_err(|BadName(name)| Fault::Name(BadName(name)))?;
    let mut size = u64::from(u32_at(fixed, 24));
    let mut offset = u64::from(u32_at(fixed, 42));
    let mut wide = extra.get(4..).unwrap_or_default();
    if is_large(size) {
        let (read, rest) = wide.split_at_checked(16).ok_or_else(short)?;
        (size, wide) = (u64_at(read, 0), rest);
    }
    if is_large(offset) {
        offset = u64_at(wide.get(..8).ok_or_else(short)?, 0);
    }
    let mode = (u32_at(fixed, 38) >> 16) & PERMISSIONS;
    let described = Described { name, mode, crc: u32_at(fixed, 16), size, offset };
    let (stands, rest) = directory.split_at_checked(end).ok_or_else(short)?;
    if stands != described.central() {
        return Err(Fault::Header("field"));
    }
    Ok((described, rest))
}

fn too_many(offset: u64) -> Error {
    Error::Fault { offset, fault: Fault::TooMany }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let found = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    found.map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    found.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    found.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

const PERMISSIONS: u32 = 0o777;
/// Of some million files.
const MOST_DIRECTORY_BYTES: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::Writer;
    use proptest::prelude::*;
    use std::io::{Cursor, Write};

    fn written(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut writer = Writer::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            writer.begin(name.parse().unwrap(), 0o644).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn opened(bytes: &[u8]) -> Result<Archive, Error> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Archive::open(file)
    }

    type Named = Vec<(String, Vec<u8>)>;

    /// The names and contents; or what is wrong with the archive, its contents included.
    fn read(bytes: &[u8]) -> Result<Named, Box<dyn std::error::Error>> {
        let archive = opened(bytes)?;
        let mut files = Vec::new();
        for entry in archive.files() {
            let mut content = Vec::new();
            archive.contents(entry).read_to_end(&mut content)?;
            files.push((entry.name().to_string(), content));
        }
        Ok(files)
    }

    fn some() -> Named {
        let file = |name: &str, content: &[u8]| (name.to_owned(), content.to_vec());
        vec![file("a/empty", b""), file("a/one", b"1"), file("b", b"bytes"), file("c.txt", b"\n")]
    }

    #[test]
    fn no_flipped_missing_or_added_byte_passes() {
        let archive = written(&some());
        assert_eq!(read(&archive).unwrap(), some());
        for at in 0..archive.len() {
            for bit in 0..8 {
                let mut flipped = archive.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(found) = read(&flipped) {
                    // Permissions are said in one place alone.
                    assert_eq!(found, some(), "byte {at}");
                    assert_ne!(
                        opened(&flipped).unwrap().files(),
                        opened(&archive).unwrap().files()
                    );
                }
            }
            let mut cut = archive.clone();
            cut.remove(at);
            assert!(read(&cut).is_err(), "byte {at} removed");
            let mut more = archive.clone();
            more.insert(at, 0);
            assert!(read(&more).is_err(), "a byte at {at} added");
        }
        assert!(read(&[archive.as_slice(), b"\0"].concat()).is_err());
        assert!(read(&[b"#!/bin/sh\n", archive.as_slice()].concat()).is_err());
        assert!(read(b"").is_err());
    }

    #[test]
    fn names_that_collide_or_stand_out_of_order_are_refused() {
        let mut writer = Writer::new(Cursor::new(Vec::new()));
        writer.begin("b".parse().unwrap(), 0o644).unwrap();
        for name in ["a", "b"] {
            let error = writer.begin(name.parse().unwrap(), 0o644).unwrap_err();
            assert!(matches!(error, Error::Fault { fault: Fault::Order(_), .. }), "{error}");
        }
        let mut writer = Writer::new(Cursor::new(Vec::new()));
        writer.begin("README".parse().unwrap(), 0o644).unwrap();
        let error = writer.begin("readme".parse().unwrap(), 0o644).unwrap_err();
        assert!(matches!(error, Error::Fault { fault: Fault::CaseCollision(_), .. }), "{error}");
    }

    #[test]
    fn an_archive_of_more_files_than_16_bits_count_is_read() {
        let files: Vec<_> = (0..70_000).map(|n| (format!("f{n:05}"), Vec::new())).collect();
        let archive = written(&files);
        assert_eq!(read(&archive).unwrap(), files);
    }

    #[test]
    fn a_file_beyond_32_bits_is_read() {
        // Sparse: no byte of it is written.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large.zip");
        let size = u64::from(u32::MAX) + 10;
        let name = |name: &str| name.parse::<Name>().unwrap();
        let large = Described { name: name("a"), mode: 0o644, crc: 0, size, offset: 0 };
        let offset = large.local_length() + size;
        let small = Described { name: name("b"), mode: 0o644, crc: 0, size: 0, offset };
        let directory = offset + small.local_length();
        let central = [large.central(), small.central()].concat();
        let file = File::create_new(&path).unwrap();
        file.write_all_at(&large.local(), 0).unwrap();
        file.write_all_at(&small.local(), offset).unwrap();
        file.write_all_at(&central, directory).unwrap();
        let last = end(2, directory, central.len() as u64);
        file.write_all_at(&last, directory + central.len() as u64).unwrap();
        let archive = Archive::open(File::open(&path).unwrap()).unwrap();
        let sizes: Vec<u64> = archive.files().iter().map(Entry::size).collect();
        assert_eq!(sizes, [size, 0]);
        assert_eq!(archive.files()[1].name().as_str(), "b");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(contents in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let files: Vec<_> = contents
                .into_iter()
                .enumerate()
                .map(|(n, content)| (format!("d/f{n}"), content))
                .collect();
            let archive = written(&files);
            prop_assert_eq!(&written(&files), &archive);
            prop_assert_eq!(read(&archive).unwrap(), files);
        }

        #[test]
        fn other_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
            prop_assert!(read(&bytes).is_err());
        }
    }
}
