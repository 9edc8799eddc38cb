//! SHA-256 as lower-case hex: the form in which manifests, claims and records carry it.

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};
use std::fmt::Write as _;
use std::io::{self, Read, Write};

/// The hash of bytes in memory.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&digest(&SHA256, bytes))
}

/// The hash of everything that `from` yields, read in pieces.
///
/// # Errors
/// What reading fails with.
pub fn sha256_of(from: &mut impl Read) -> io::Result<String> {
    let mut hashing = Hashing::new(io::sink());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(hashing.finish()),
            n => hashing.write_all(piece.get(..n).unwrap_or_default())?,
        }
    }
}

/// A writer that hashes what passes through it.
pub struct Hashing<W> {
    inner: W,
    context: Context,
}

impl<W: Write> Hashing<W> {
    pub fn new(inner: W) -> Self {
        Self { inner, context: Context::new(&SHA256) }
    }

    /// The hash of what passed.
    pub fn finish(self) -> String {
        hex(&self.context.finish())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.context.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn hex(digest: &Digest) -> String {
    digest.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

const PIECE_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_vector() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        assert_eq!(sha256_of(&mut &b"abc"[..]).unwrap(), abc);
    }
}
