//! A BagIt 1.0 bag (RFC 8493) with SHA-256 manifests, as an archive or as a directory: the same files
//! either way. Files are given in the order of their names.

use crate::error::Error;
use archive::{Name, Writer};
use geoip::digest::Hashing;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where a bag is written to.
pub struct Sink {
    form: Form,
}

enum Form {
    Archive(Writer<BufWriter<File>>),
    Directory { root: PathBuf, open: Option<BufWriter<File>> },
}

impl Sink {
    /// An empty file, which becomes an archive.
    pub fn archive(file: File) -> Self {
        Self { form: Form::Archive(Writer::new(BufWriter::with_capacity(BUFFER, file))) }
    }

    /// An empty directory.
    pub fn directory(root: &Path) -> Self {
        Self { form: Form::Directory { root: root.to_owned(), open: None } }
    }

    fn begin(&mut self, name: &str) -> Result<(), Error> {
        let checked: Name =
            name.parse().map_err(|bad| Error::Archive(archive::Error::from(bad)))?;
        match &mut self.form {
            Form::Archive(writer) => Ok(writer.begin(checked, FILE_MODE)?),
            Form::Directory { root, open } => {
                finish(open.take())?;
                let path = root.join(checked.as_str());
                let parent = path.parent().unwrap_or(root);
                DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
                let file =
                    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
                *open = Some(BufWriter::with_capacity(BUFFER, file));
                Ok(())
            }
        }
    }

    fn end(self) -> Result<(), Error> {
        match self.form {
            Form::Archive(writer) => {
                let file = writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
                Ok(file.sync_all()?)
            }
            Form::Directory { open, .. } => finish(open),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.form {
            Form::Archive(writer) => writer.write(bytes),
            Form::Directory { open: Some(file), .. } => file.write(bytes),
            Form::Directory { open: None, .. } => Err(io::Error::other("no file was begun")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn finish(file: Option<BufWriter<File>>) -> Result<(), Error> {
    if let Some(file) = file {
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    }
    Ok(())
}

/// A bag that is being written.
pub(super) struct Bag {
    sink: Sink,
    payload: Manifest,
    tags: Manifest,
}

impl Bag {
    /// Begins a bag. `info` are the lines of `bag-info.txt`.
    pub(super) fn begin(sink: Sink, info: &[(&str, String)]) -> Result<Self, Error> {
        let (payload, tags) = (Manifest::default(), Manifest::default());
        let mut bag = Self { sink, payload, tags };
        let lines = info.iter().map(|(key, value)| format!("{key}: {}\n", one_line(value)));
        bag.tag("bag-info.txt", lines.collect::<String>().as_bytes())?;
        bag.tag("bagit.txt", BAGIT.as_bytes())?;
        Ok(bag)
    }

    /// Adds a file below `data/`.
    pub(super) fn add(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let name = format!("{PAYLOAD}{name}");
        let hash = self.file(&name, write)?;
        self.payload.add(&hash, &name);
        Ok(())
    }

    /// Writes the manifests and, over the last of them, what `seal` makes of it: files by name.
    pub(super) fn finish(
        mut self,
        seal: impl FnOnce(&[u8]) -> Result<Vec<(String, Vec<u8>)>, Error>,
    ) -> Result<(), Error> {
        let manifest = std::mem::take(&mut self.payload.lines);
        self.tag(MANIFEST, manifest.as_bytes())?;
        let tags = std::mem::take(&mut self.tags.lines);
        self.file(TAG_MANIFEST, |out| Ok(out.write_all(tags.as_bytes())?))?;
        for (name, bytes) in seal(tags.as_bytes())? {
            self.file(&name, |out| Ok(out.write_all(&bytes)?))?;
        }
        self.sink.end()
    }

    fn tag(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let hash = self.file(name, |out| Ok(out.write_all(bytes)?))?;
        self.tags.add(&hash, name);
        Ok(())
    }

    /// Writes a file and gives its SHA-256, hex.
    fn file(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<String, Error> {
        self.sink.begin(name)?;
        let mut hashing = Hashing::new(&mut self.sink);
        write(&mut hashing)?;
        Ok(hashing.finish())
    }
}

/// The lines of a manifest, sorted as the files come.
#[derive(Default)]
struct Manifest {
    lines: String,
}

impl Manifest {
    fn add(&mut self, hash: &str, name: &str) {
        self.lines.push_str(hash);
        self.lines.push_str("  ");
        self.lines.push_str(name);
        self.lines.push('\n');
    }
}

/// A label has the one line that it is: line breaks in it would be other labels.
fn one_line(value: &str) -> String {
    value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(crate) const BAGIT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
pub(crate) const PAYLOAD: &str = "data/";
pub(crate) const MANIFEST: &str = "manifest-sha256.txt";
pub(crate) const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// Everybody who gets an archive may read it.
pub(crate) const FILE_MODE: u32 = 0o644;
const BUFFER: usize = 1 << 18;
