//! The bytes of headers. Writer and reader share them: the one writes what the other compares with.

use crate::name::Name;

/// What the headers say of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: Name,
    pub(crate) mode: u32,
    pub(crate) crc: u32,
    pub(crate) size: u64,
    /// Where its local header begins.
    pub(crate) offset: u64,
}

impl Described {
    /// The local header (section 4.3.7). Its length does not depend on the size, which is not known
    /// before the file was written.
    pub(crate) fn local(&self) -> Vec<u8> {
        let large = is_large(self.size);
        let mut header = b"PK\x03\x04".to_vec();
        self.common(&mut header, LOCAL_EXTRA as u16);
        header.extend_from_slice(self.name.as_str().as_bytes());
        if large {
            let sizes = [self.size, self.size].map(u64::to_le_bytes).concat();
            extra(&mut header, ZIP64, &sizes);
        } else {
            extra(&mut header, PADDING, &[0; LOCAL_EXTRA - 4]);
        }
        header
    }

    /// Bytes from the local header's beginning to the content.
    pub(crate) fn local_length(&self) -> u64 {
        (LOCAL_FIXED + self.name.as_str().len() + LOCAL_EXTRA) as u64
    }

    /// The header in the central directory (section 4.3.12).
    pub(crate) fn central(&self) -> Vec<u8> {
        let mut wide = Vec::new();
        if is_large(self.size) {
            wide.extend_from_slice(&[self.size, self.size].map(u64::to_le_bytes).concat());
        }
        if is_large(self.offset) {
            wide.extend_from_slice(&self.offset.to_le_bytes());
        }
        let extra_length = if wide.is_empty() { 0 } else { wide.len() + 4 };
        let mut header = [b"PK\x01\x02", [VERSION_64, UNIX].as_slice()].concat();
        self.common(&mut header, extra_length as u16);
        // No comment, first disk, no internal attributes.
        header.extend_from_slice(&[0; 6]);
        header.extend_from_slice(&((REGULAR_FILE | self.mode) << 16).to_le_bytes());
        header.extend_from_slice(&narrow(self.offset).to_le_bytes());
        header.extend_from_slice(self.name.as_str().as_bytes());
        if !wide.is_empty() {
            extra(&mut header, ZIP64, &wide);
        }
        header
    }

    fn common(&self, header: &mut Vec<u8>, extra_length: u16) {
        let version = if is_large(self.size) { VERSION_64 } else { VERSION };
        let size = narrow(self.size).to_le_bytes();
        // No flags, method 0: stored.
        header.extend_from_slice(&[version, 0, 0, 0, 0, 0]);
        header.extend_from_slice(&TIME);
        header.extend_from_slice(&self.crc.to_le_bytes());
        header.extend_from_slice(&size);
        header.extend_from_slice(&size);
        header.extend_from_slice(&(self.name.as_str().len() as u16).to_le_bytes());
        header.extend_from_slice(&extra_length.to_le_bytes());
    }
}

/// The end of an archive: of the central directory's files, place and size.
pub(crate) fn end(files: u64, offset: u64, size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let few = u16::try_from(files).ok().filter(|few| *few < u16::MAX);
    if few.is_none() || is_large(offset) || is_large(size) {
        // Sections 4.3.14 and 4.3.15.
        bytes.extend_from_slice(b"PK\x06\x06");
        bytes.extend_from_slice(&44_u64.to_le_bytes());
        bytes.extend_from_slice(&[VERSION_64, UNIX, VERSION_64, 0]);
        bytes.extend_from_slice(&[0; 8]);
        for number in [files, files, size, offset] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        bytes.extend_from_slice(&offset.saturating_add(size).to_le_bytes());
        bytes.extend_from_slice(&1_u32.to_le_bytes());
    }
    let few = few.unwrap_or(u16::MAX).to_le_bytes();
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    bytes.extend_from_slice(&few);
    bytes.extend_from_slice(&few);
    bytes.extend_from_slice(&narrow(size).to_le_bytes());
    bytes.extend_from_slice(&narrow(offset).to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes
}

/// Whether a number stands in a 64-bit field.
pub(crate) fn is_large(number: u64) -> bool {
    number >= u64::from(u32::MAX)
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn extra(header: &mut Vec<u8>, id: u16, body: &[u8]) {
    header.extend_from_slice(&id.to_le_bytes());
    header.extend_from_slice(&(body.len() as u16).to_le_bytes());
    header.extend_from_slice(body);
}

/// Bytes of a local header before its name.
pub(crate) const LOCAL_FIXED: usize = 30;
/// Bytes of a directory's header before its name.
pub(crate) const CENTRAL_FIXED: usize = 46;
/// Bytes of the end without its 64-bit form, and of that form.
pub(crate) const END: usize = 22;
pub(crate) const END_64: usize = 56 + 20;
/// Room for two sizes of 64 bits, used or not.
const LOCAL_EXTRA: usize = 20;
const ZIP64: u16 = 0x0001;
/// Not registered; readers leave what they do not know out.
const PADDING: u16 = 0x464c;
/// Version 2.0: files in directories. 4.5: numbers of 64 bits.
const VERSION: u8 = 20;
const VERSION_64: u8 = 45;
/// The attributes are those of Unix.
const UNIX: u8 = 3;
const REGULAR_FILE: u32 = 0o100_000;
/// Midnight of 1 January 1980, the format's first.
const TIME: [u8; 4] = [0, 0, 0x21, 0];
