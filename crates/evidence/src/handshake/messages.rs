//! Handshake messages out of the records of one direction, and the two that come first. Messages may
//! be spread over records and records may hold several.

use super::key_schedule::Opener;
use super::proof::Unproven;
use super::records::{self, Records};
use bytes::Bytes;

/// Whose bytes they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// The messages of one direction, in order.
pub(super) struct Messages<'a> {
    records: Records<'a>,
    side: Side,
    waiting: Vec<u8>,
    /// Opens what comes from here on.
    opener: Option<Opener>,
}

/// A whole message with its header of four bytes: what goes into the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) raw: Bytes,
}

impl Message {
    pub(super) fn body(&self) -> &[u8] {
        self.raw.get(HEADER..).unwrap_or_default()
    }
}

impl<'a> Messages<'a> {
    pub(super) fn new(bytes: &'a [u8], side: Side) -> Self {
        Self { records: Records::new(bytes), side, waiting: Vec::new(), opener: None }
    }

    /// From the next record on everything is encrypted. No message may span the change (RFC 8446
    /// section 5.1).
    pub(super) fn open_with(&mut self, opener: Opener) -> Result<(), Unproven> {
        if !self.waiting.is_empty() {
            return Err(Unproven::Malformed("a message across a change of keys"));
        }
        self.opener = Some(opener);
        Ok(())
    }

    /// The next message.
    pub(super) fn next(&mut self) -> Result<Message, Unproven> {
        loop {
            if let Some(message) = self.whole()? {
                return Ok(message);
            }
            let record = self.records.next()?;
            match (record.content_type, &mut self.opener) {
                (records::HANDSHAKE, None) => self.waiting.extend_from_slice(record.fragment),
                // Middlebox compatibility (RFC 8446 appendix D.4).
                (records::CHANGE_CIPHER_SPEC, _) if record.fragment == [1] => {}
                (records::APPLICATION_DATA, Some(opener)) => {
                    let (content_type, content) = opener.open(&record)?;
                    if content_type != records::HANDSHAKE {
                        return Err(Unproven::Incomplete);
                    }
                    self.waiting.extend_from_slice(&content);
                }
                (records::ALERT, _) => return Err(Unproven::Incomplete),
                // Early data of the client and what comes after the handshake.
                (records::APPLICATION_DATA, None) if self.side == Side::Client => {
                    return Err(Unproven::Incomplete);
                }
                _ => return Err(Unproven::Malformed("a record out of place")),
            }
        }
    }

    /// The next message, which must be of this kind.
    pub(super) fn next_of(&mut self, kind: u8) -> Result<Message, Unproven> {
        let message = self.next()?;
        if message.kind == kind { Ok(message) } else { Err(OUT_OF_PLACE) }
    }

    fn whole(&mut self) -> Result<Option<Message>, Unproven> {
        let Some([kind, a, b, c]) = self.waiting.first_chunk::<HEADER>().copied() else {
            return Ok(None);
        };
        let length = HEADER + u32::from_be_bytes([0, a, b, c]) as usize;
        if length > MOST_MESSAGE {
            return Err(Unproven::Malformed("a message that is too long"));
        }
        if self.waiting.len() < length {
            return Ok(None);
        }
        let rest = self.waiting.split_off(length);
        let raw = Bytes::from(std::mem::replace(&mut self.waiting, rest));
        Ok(Some(Message { kind, raw }))
    }
}

/// What a ServerHello decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) random: [u8; RANDOM],
    pub(super) suite: u16,
    pub(super) version: u16,
}

impl Hello {
    /// RFC 8446 section 4.1.3.
    pub(super) fn of_server(message: &Message) -> Result<Self, Unproven> {
        let mut reader = Reader(message.body());
        let legacy = reader.u16()?;
        let random = reader.array()?;
        reader.vector8()?;
        let suite = reader.u16()?;
        reader.take(1)?;
        let mut version = legacy;
        if !reader.0.is_empty() {
            let mut extensions = Reader(reader.vector16()?);
            while !extensions.0.is_empty() {
                let kind = extensions.u16()?;
                let body = extensions.vector16()?;
                if kind == SUPPORTED_VERSIONS {
                    version = Reader(body).u16()?;
                }
            }
        }
        Ok(Self { random, suite, version })
    }

    /// The random of a ClientHello, by which key logs know a handshake.
    pub(super) fn random_of_client(message: &Message) -> Result<[u8; RANDOM], Unproven> {
        let mut reader = Reader(message.body());
        reader.take(2)?;
        reader.array()
    }

    /// A HelloRetryRequest is a ServerHello with this random (RFC 8446 section 4.1.3).
    pub(super) fn is_retry(&self) -> bool {
        self.random == RETRY
    }
}

/// Reads what TLS's notation calls vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Unproven> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(LAYOUT)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Unproven> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(LAYOUT)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Unproven> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn vector8(&mut self) -> Result<&'a [u8], Unproven> {
        let [length] = self.array()?;
        self.take(usize::from(length))
    }

    pub(super) fn vector16(&mut self) -> Result<&'a [u8], Unproven> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    pub(super) fn vector24(&mut self) -> Result<&'a [u8], Unproven> {
        let [a, b, c] = self.array()?;
        self.take(u32::from_be_bytes([0, a, b, c]) as usize)
    }
}

/// A certificate list of TLS 1.2 (`extensions` false) or 1.3.
pub(super) fn certificates(list: &[u8], extensions: bool) -> Result<Vec<Bytes>, Unproven> {
    let mut list = Reader(list);
    let mut chain = Vec::new();
    while !list.0.is_empty() {
        chain.push(Bytes::copy_from_slice(list.vector24()?));
        if extensions {
            list.vector16()?;
        }
    }
    Ok(chain)
}

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(super) const CERTIFICATE_REQUEST: u8 = 13;
pub(super) const CERTIFICATE_VERIFY: u8 = 15;
pub(super) const FINISHED: u8 = 20;
pub(super) const CERTIFICATE_STATUS: u8 = 22;
pub(super) const COMPRESSED_CERTIFICATE: u8 = 25;

pub(super) const OUT_OF_PLACE: Unproven = Unproven::Malformed("a handshake message out of place");
const LAYOUT: Unproven = Unproven::Malformed("a length inside a handshake message does not fit");
const SUPPORTED_VERSIONS: u16 = 43;
pub(super) const RANDOM: usize = 32;
const HEADER: usize = 4;
/// Chains of a few hundred kilobytes have been seen.
const MOST_MESSAGE: usize = 1 << 20;
const RETRY: [u8; RANDOM] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
