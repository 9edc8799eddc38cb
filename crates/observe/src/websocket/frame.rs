//! Frames (RFC 6455 section 5.2): a scanner that cuts a direction's bytes into frames whatever the
//! segmentation. It holds no payload and knows no message.

/// What stands before a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub fin: bool,
    /// RSV1, RSV2 and RSV3, the first one the highest of three bits.
    pub rsv: u8,
    pub opcode: u8,
    pub mask: Option<[u8; 4]>,
    /// Bytes of the payload, at most 2^63 - 1.
    pub length: u64,
    /// The length takes as few bytes as it can.
    pub is_minimal: bool,
    /// Bytes of the header itself.
    pub bytes: u64,
}

/// Opcodes (section 11.8).
pub mod opcode {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

/// RSV1: the frame begins a compressed message (RFC 7692 section 7.2.3).
pub const RSV1: u8 = 0b100;

impl FrameHeader {
    /// A header's bytes of length [`header_bytes`].
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (length, is_minimal, rest) = match second & 0x7f {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                let length = u16::from_be_bytes(*length);
                (u64::from(length), length >= 126, rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                let length = u64::from_be_bytes(*length);
                (length, length > u64::from(u16::MAX), rest)
            }
            short => (u64::from(short), true, rest),
        };
        Some(Self {
            fin: first & 0x80 != 0,
            rsv: (first >> 4) & 0b111,
            opcode: first & 0x0f,
            mask: rest.first_chunk().copied(),
            length,
            is_minimal,
            bytes: bytes.len() as u64,
        })
    }

    /// A frame that may stand between the fragments of a message (section 5.5).
    pub fn is_control(&self) -> bool {
        self.opcode & 0x8 != 0
    }
}

/// Bytes of the header that begins with these two.
fn header_bytes(second: u8) -> usize {
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 != 0 { 4 } else { 0 }
}

/// Cuts bytes into frames.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    head: [u8; MOST_HEADER_BYTES],
    filled: usize,
    /// Bytes of the payload that are still to come; `None` between frames.
    left: Option<u64>,
}

/// A part of a frame. Each frame is one `Begin`, `Payload`s that are not empty and together have
/// the frame's length, and one `End`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Begin(FrameHeader),
    Payload(&'a [u8]),
    End,
}

/// A length with its highest bit set, which no frame can have: where the next one begins is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLength;

impl Scanner {
    /// Takes the next piece off the front of `input`; `None` when all of it is used up.
    ///
    /// # Errors
    /// [`BadLength`]; nothing can be scanned after it.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, BadLength> {
        match self.left {
            None => self.header(input),
            Some(0) => {
                self.left = None;
                Ok(Some(Piece::End))
            }
            Some(left) => {
                let most = usize::try_from(left).unwrap_or(usize::MAX);
                let (payload, rest) = input.split_at(input.len().min(most));
                *input = rest;
                self.left = Some(left - payload.len() as u64);
                Ok((!payload.is_empty()).then_some(Piece::Payload(payload)))
            }
        }
    }

    /// Bytes of a header that is not complete.
    pub fn held(&self) -> u64 {
        self.filled as u64
    }

    fn header<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, BadLength> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            if let Some(slot) = self.head.get_mut(self.filled) {
                *slot = *byte;
            }
            self.filled += 1;
            let [_, second, ..] = self.head;
            if self.filled < 2 || self.filled < header_bytes(second) {
                continue;
            }
            let header = self.head.get(..self.filled).and_then(FrameHeader::parse);
            let header = header.filter(|header| header.length >> 63 == 0).ok_or(BadLength)?;
            self.filled = 0;
            self.left = Some(header.length);
            return Ok(Some(Piece::Begin(header)));
        }
        Ok(None)
    }
}

/// The masking of one frame's payload (section 5.3), undone as it passes.
#[derive(Clone, Copy, Debug)]
pub struct Unmask {
    key: [u8; 4],
}

impl Unmask {
    /// Of a frame without a mask it changes nothing.
    pub fn new(mask: Option<[u8; 4]>) -> Self {
        Self { key: mask.unwrap_or_default() }
    }

    /// Unmasks the next part of the payload in place.
    pub fn apply(&mut self, part: &mut [u8]) {
        if self.key == [0; 4] {
            return;
        }
        for (byte, key) in part.iter_mut().zip(self.key.iter().cycle()) {
            *byte ^= key;
        }
        self.key.rotate_left(part.len() % 4);
    }
}

const MOST_HEADER_BYTES: usize = 14;
