//! Writes an archive, file by file, in the order of their names. Memory is that of the names.

use crate::error::{Error, Fault};
use crate::layout::{Described, end};
use crate::name::Name;
use std::collections::BTreeSet;
use std::io::{Seek, SeekFrom, Write};

/// An archive that is being written.
pub struct Writer<W: Write + Seek> {
    output: W,
    files: Vec<Described>,
    folded: BTreeSet<String>,
    offset: u64,
    hasher: crc32fast::Hasher,
    /// A file is open, of so many bytes by now.
    open: Option<u64>,
}

impl<W: Write + Seek> Writer<W> {
    /// Writes from the output's beginning.
    pub fn new(output: W) -> Self {
        let (files, folded) = (Vec::new(), BTreeSet::new());
        Self { output, files, folded, offset: 0, hasher: crc32fast::Hasher::new(), open: None }
    }

    /// Begins a file with these permission bits; the one before it ends. What is written to the
    /// writer from here on is its content.
    ///
    /// # Errors
    /// [`Fault::Order`] and [`Fault::CaseCollision`] for names that the reader would refuse.
    pub fn begin(&mut self, name: Name, mode: u32) -> Result<(), Error> {
        self.end_file()?;
        let fault = |fault| Err(Error::Fault { offset: self.offset, fault });
        if self.files.last().is_some_and(|last| last.name >= name) {
            return fault(Fault::Order(name.to_string()));
        }
        if !self.folded.insert(name.as_str().to_ascii_lowercase()) {
            return fault(Fault::CaseCollision(name.to_string()));
        }
        let file = Described { name, mode, crc: 0, size: 0, offset: self.offset };
        self.output.write_all(&file.local())?;
        self.offset += file.local_length();
        self.files.push(file);
        self.open = Some(0);
        Ok(())
    }

    /// Ends the last file and the archive, and gives the output back.
    pub fn finish(mut self) -> Result<W, Error> {
        self.end_file()?;
        let offset = self.offset;
        let mut size = 0;
        for file in &self.files {
            let header = file.central();
            self.output.write_all(&header)?;
            size += header.len() as u64;
        }
        self.output.write_all(&end(self.files.len() as u64, offset, size))?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn end_file(&mut self) -> Result<(), Error> {
        let (Some(size), Some(file)) = (self.open.take(), self.files.last_mut()) else {
            return Ok(());
        };
        file.size = size;
        file.crc = std::mem::take(&mut self.hasher).finalize();
        self.output.seek(SeekFrom::Start(file.offset))?;
        self.output.write_all(&file.local())?;
        self.output.seek(SeekFrom::Start(self.offset))?;
        Ok(())
    }
}

/// The content of the file that was begun last.
impl<W: Write + Seek> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let Some(size) = &mut self.open else {
            return Err(std::io::Error::other("no file was begun"));
        };
        let written = self.output.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or(bytes));
        *size += written as u64;
        self.offset += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.output.flush()
    }
}
