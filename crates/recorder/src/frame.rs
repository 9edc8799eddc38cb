//! Frames: how the stream store lays out the bytes of streams. A segment is a sequence of frames
//! with nothing between them; a frame is a fixed header and the bytes of at most one read.
//!
//! This module is the format alone (`docs/FORMAT.md`): it opens no files.

use crate::merkle::Hash;
use aws_lc_rs::hmac;
use flow::id::ConnectionId;
use flow::stream::{Direction, Leg, StreamKey};
use flow::time::{MonoNanos, Stamp, WallNanos};
use std::fmt;

/// What a frame's header says, its length and check sum aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The frame's number in the session, from 0.
    pub index: u64,
    pub stream: StreamKey,
    pub at: Stamp,
}

/// A frame in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub header: Header,
    pub payload: &'a [u8],
    /// Header and payload as they are in the store.
    pub raw: &'a [u8],
}

/// Why there is no frame at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The buffer ends before the frame does; that many bytes are needed in all.
    Incomplete {
        needed: usize,
    },
    /// Not the first bytes of a frame.
    NoMagic,
    /// A field of the header has a value that is never written.
    BadField,
    TooLong,
    /// The check sum is another.
    Corrupt,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incomplete { .. } => "the frame is not complete",
            Self::NoMagic => "no frame begins here",
            Self::BadField => "the frame's header has an impossible value",
            Self::TooLong => "the frame is longer than a frame can be",
            Self::Corrupt => "the frame's check sum is wrong",
        })
    }
}

impl std::error::Error for FrameError {}

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 48;

/// Most bytes of a frame's payload; longer chunks become several frames.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `bytes`; the rest of `bytes` is not looked at.
    ///
    /// # Errors
    /// [`FrameError`]; `Incomplete` first asks for a header, then for the whole frame.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let Some((head, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(FrameError::Incomplete { needed: HEADER_BYTES });
        };
        let mut fields = Fields(head);
        if fields.take::<4>() != MAGIC {
            return Err(FrameError::NoMagic);
        }
        let length = u32::from_be_bytes(fields.take()) as usize;
        if length > MAX_PAYLOAD_BYTES {
            return Err(FrameError::TooLong);
        }
        let index = u64::from_be_bytes(fields.take());
        let connection = ConnectionId(u64::from_be_bytes(fields.take()));
        let wall = WallNanos(u64::from_be_bytes(fields.take()));
        let mono = MonoNanos(u64::from_be_bytes(fields.take()));
        let (leg, direction) = match fields.take::<4>() {
            [leg, direction, 0, 0] => (leg_of(leg)?, direction_of(direction)?),
            _ => return Err(FrameError::BadField),
        };
        let sum = u32::from_be_bytes(fields.take());
        let needed = HEADER_BYTES + length;
        let raw = bytes.get(..needed).ok_or(FrameError::Incomplete { needed })?;
        let payload = raw.get(HEADER_BYTES..).unwrap_or_default();
        let covered = head.get(..SUM_AT).unwrap_or_default();
        if check_sum(covered, payload) != sum {
            return Err(FrameError::Corrupt);
        }
        let stream = StreamKey { connection, leg, direction };
        Ok(Self { header: Header { index, stream, at: Stamp { wall, mono } }, payload, raw })
    }
}

impl Header {
    /// The header of a frame with this payload, of at most [`MAX_PAYLOAD_BYTES`].
    pub fn encode(&self, payload: &[u8]) -> [u8; HEADER_BYTES] {
        debug_assert!(payload.len() <= MAX_PAYLOAD_BYTES, "a chunk that was not split");
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.index.to_be_bytes());
        out.extend_from_slice(&self.stream.connection.0.to_be_bytes());
        out.extend_from_slice(&self.at.wall.0.to_be_bytes());
        out.extend_from_slice(&self.at.mono.0.to_be_bytes());
        out.extend_from_slice(&[leg_code(self.stream.leg), direction_code(self.stream.direction)]);
        out.extend_from_slice(&[0, 0]);
        let sum = check_sum(&out, payload);
        out.extend_from_slice(&sum.to_be_bytes());
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&out);
        header
    }
}

/// The secret from which each frame's salt is derived, so that a frame that is withheld later
/// cannot be guessed from its hash.
pub struct FrameSeed(hmac::Key);

impl fmt::Debug for FrameSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameSeed(..)")
    }
}

impl FrameSeed {
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, seed))
    }

    /// `SHA-256(0x10 || salt || header || payload)` with `salt = HMAC-SHA256(seed, index)`, the
    /// index as 8 bytes, big-endian.
    pub fn hash(&self, index: u64, header: &[u8; HEADER_BYTES], payload: &[u8]) -> Hash {
        let salt = hmac::sign(&self.0, &index.to_be_bytes());
        Hash::of_parts(&[&[FRAME_PREFIX], salt.as_ref(), header, payload])
    }
}

/// Takes fields off a header, whose size is known.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }
}

fn check_sum(head: &[u8], payload: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(head);
    sum.update(payload);
    sum.finalize()
}

fn leg_code(leg: Leg) -> u8 {
    match leg {
        Leg::Relay => 0,
        Leg::Client => 1,
        Leg::Upstream => 2,
        Leg::ClientTls => 3,
    }
}

fn leg_of(code: u8) -> Result<Leg, FrameError> {
    match code {
        0 => Ok(Leg::Relay),
        1 => Ok(Leg::Client),
        2 => Ok(Leg::Upstream),
        3 => Ok(Leg::ClientTls),
        _ => Err(FrameError::BadField),
    }
}

fn direction_code(direction: Direction) -> u8 {
    match direction {
        Direction::Up => 0,
        Direction::Down => 1,
    }
}

fn direction_of(code: u8) -> Result<Direction, FrameError> {
    match code {
        0 => Ok(Direction::Up),
        1 => Ok(Direction::Down),
        _ => Err(FrameError::BadField),
    }
}

const MAGIC: [u8; 4] = *b"LFf0";
const SUM_AT: usize = HEADER_BYTES - 4;
const FRAME_PREFIX: u8 = 0x10;

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::digest;
    use proptest::prelude::*;

    fn header(index: u64) -> Header {
        Header {
            index,
            stream: StreamKey {
                connection: ConnectionId(0x0102_0304_0506_0708),
                leg: Leg::Upstream,
                direction: Direction::Down,
            },
            at: Stamp { wall: WallNanos(u64::MAX), mono: MonoNanos(5) },
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let bytes = header(7).encode(b"abc");
        assert_eq!(bytes[..8], *b"LFf0\0\0\0\x03");
        assert_eq!(bytes[8..24], *b"\0\0\0\0\0\0\0\x07\x01\x02\x03\x04\x05\x06\x07\x08");
        assert_eq!(bytes[24..40], *b"\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\x05");
        assert_eq!(bytes[40..44], [2, 1, 0, 0]);
        let covered = [&bytes[..44], b"abc"].concat();
        assert_eq!(bytes[44..], crc32fast::hash(&covered).to_be_bytes());
    }

    #[test]
    fn the_frame_hash_is_the_documented_one() {
        let seed = [7; 32];
        let bytes = header(7).encode(b"abc");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &seed);
        let salt = hmac::sign(&key, &7_u64.to_be_bytes());
        let whole = [&[0x10], salt.as_ref(), &bytes, b"abc"].concat();
        let expected = digest::digest(&digest::SHA256, &whole);
        assert_eq!(FrameSeed::new(&seed).hash(7, &bytes, b"abc").as_bytes(), expected.as_ref());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let whole = [&header(7).encode(b"abc")[..], b"abc"].concat();
        assert_eq!(Frame::parse(&whole).unwrap().payload, b"abc");
        for cut in 0..whole.len() {
            let cut_off = Frame::parse(&whole[..cut]);
            assert!(matches!(cut_off, Err(FrameError::Incomplete { .. })), "{cut}");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::parse(&flipped).is_err(), "{bit}");
        }
    }

    proptest! {
        #[test]
        fn frames_survive_and_nothing_panics(
            payload in proptest::collection::vec(any::<u8>(), 0..2_000),
            index: u64,
            noise: Vec<u8>,
        ) {
            let head = header(index).encode(&payload);
            let bytes = [&head[..], &payload, &noise].concat();
            let frame = Frame::parse(&bytes).unwrap();
            prop_assert_eq!(frame.header, header(index));
            prop_assert_eq!(frame.payload, &payload[..]);
            prop_assert!(Frame::parse(&noise).is_err());
        }
    }
}
