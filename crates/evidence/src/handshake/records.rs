//! TLS records, one after the other (RFC 8446 section 5.1; the same in TLS 1.2).

use super::proof::Unproven;

/// One record: its header, for the AEAD, and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) content_type: u8,
    pub(super) header: [u8; HEADER],
    pub(super) fragment: &'a [u8],
}

/// The records of one direction.
#[derive(Clone, Debug)]
pub(super) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next whole record.
    pub(super) fn next(&mut self) -> Result<Record<'a>, Unproven> {
        let (header, after) =
            self.rest.split_first_chunk::<HEADER>().ok_or(Unproven::Incomplete)?;
        let [content_type, major, _, high, low] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if major != 3 || !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&content_type) {
            return Err(Unproven::Malformed("a record that TLS does not know"));
        }
        if length > MOST_FRAGMENT {
            return Err(Unproven::Malformed("a record longer than TLS allows"));
        }
        let (fragment, rest) = after.split_at_checked(length).ok_or(Unproven::Incomplete)?;
        self.rest = rest;
        Ok(Record { content_type, header: *header, fragment })
    }
}

pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;
const HEADER: usize = 5;
/// Of an encrypted record (RFC 5246 section 6.2.3); TLS 1.3 allows less.
const MOST_FRAGMENT: usize = (1 << 14) + 2048;
