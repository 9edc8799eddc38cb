//! Undoing the compression in which publishers ship databases: gzip, xz, zstd or none, told by the
//! first bytes. What comes out has a bound, and so has the memory that it takes.

use std::io::{self, BufRead, Read};

/// The file as published, uncompressed. Reading fails where the file is cut or damaged, and a byte
/// after `most` bytes.
pub(crate) fn unpacked<'a>(
    mut packed: impl BufRead + 'a,
    most: u64,
) -> io::Result<Bounded<Box<dyn Read + 'a>>> {
    let first = packed.fill_buf()?;
    let inner: Box<dyn Read> = if first.starts_with(b"\x1f\x8b") {
        Box::new(flate2::bufread::MultiGzDecoder::new(packed))
    } else if first.starts_with(b"\xfd7zXZ\0") {
        Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, MOST_MEMORY_KIB))
    } else if first.starts_with(b"\x28\xb5\x2f\xfd") {
        let mut decoder = zstd::Decoder::with_buffer(packed)?;
        decoder.window_log_max(MOST_WINDOW_LOG)?;
        Box::new(decoder)
    } else {
        Box::new(packed)
    };
    Ok(Bounded { inner, left: most })
}

/// A reader that fails after so many bytes.
pub(crate) struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large unpacked")),
        }
    }
}

/// IPFire compresses with a dictionary of 64 MiB.
const MOST_MEMORY_KIB: u32 = 80 * 1024;
/// 64 MiB.
const MOST_WINDOW_LOG: u32 = 26;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(packed: &[u8], most: u64) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        unpacked(packed, most)?.read_to_end(&mut out).map(|_| out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// `echo -n "a database" | xz`.
    const XZ: &[u8] =
        b"\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\
        \x74\x2f\xe5\xa3\x01\x00\x09\x61\x20\x64\x61\x74\x61\x62\x61\x73\x65\x00\x00\x00\
        \x8e\x4b\xba\x1a\x99\x2f\x7a\x8e\x00\x01\x22\x0a\x15\x1a\xe1\x67\x1f\xb6\xf3\x7d\
        \x01\x00\x00\x00\x00\x04\x59\x5a";

    #[test]
    fn each_form_gives_the_same() {
        let bytes = b"a database";
        for packed in [gzip(bytes), XZ.to_vec(), zstd::encode_all(&bytes[..], 3).unwrap()] {
            assert_eq!(read(&packed, 100).unwrap(), bytes);
            assert_eq!(read(&packed, 10).unwrap(), bytes);
            assert_eq!(read(&packed, 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        }
        assert_eq!(read(bytes, 10).unwrap(), bytes);
        assert!(read(bytes, 9).is_err());
    }

    #[test]
    fn a_cut_file_is_an_error() {
        let bytes = b"a database that is long enough to be cut in many places";
        for packed in [gzip(bytes), XZ.to_vec(), zstd::encode_all(&bytes[..], 3).unwrap()] {
            for length in 6..packed.len() {
                assert!(read(&packed[..length], 100).is_err(), "{length} of {}", packed.len());
            }
        }
    }

    #[test]
    fn a_bomb_is_cut_off() {
        let zeroes = vec![0; 8 << 20];
        for packed in [gzip(&zeroes), zstd::encode_all(&zeroes[..], 3).unwrap()] {
            assert!(packed.len() < 64 << 10);
            assert_eq!(read(&packed, 1 << 20).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        }
    }

    #[test]
    fn an_xz_file_that_wants_a_huge_dictionary_is_refused_before_it_gets_one() {
        // The block's header says 4 GiB; its checksum is right.
        let mut packed = XZ.to_vec();
        let at = packed.windows(2).position(|w| w == [0x21, 0x01]).unwrap() + 2;
        packed[at] = 40;
        let mut crc = flate2::Crc::new();
        crc.update(&packed[12..20]);
        packed[20..24].copy_from_slice(&crc.sum().to_le_bytes());
        let error = read(&packed, 100).unwrap_err();
        assert!(error.to_string().contains("mem"), "{error}");
    }
}
