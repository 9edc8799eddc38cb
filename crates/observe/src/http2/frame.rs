//! Frames (RFC 9113 section 4): a scanner that cuts a direction's bytes into frames whatever the
//! segmentation, and the removal of padding. It holds no payload and knows no stream.

/// The nine bytes in front of a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of the payload, at most 2^24 - 1.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// Without the reserved bit.
    pub(super) stream_id: u32,
}

/// Frame types (section 6).
pub(super) mod kind {
    pub(in crate::http2) const DATA: u8 = 0;
    pub(in crate::http2) const HEADERS: u8 = 1;
    pub(in crate::http2) const PRIORITY: u8 = 2;
    pub(in crate::http2) const RST_STREAM: u8 = 3;
    pub(in crate::http2) const SETTINGS: u8 = 4;
    pub(in crate::http2) const PUSH_PROMISE: u8 = 5;
    pub(in crate::http2) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::http2) const CONTINUATION: u8 = 9;
}

/// Frame flags (section 6); a bit means different things on different types.
pub(super) mod flag {
    pub(in crate::http2) const ACK: u8 = 0x1;
    pub(in crate::http2) const END_STREAM: u8 = 0x1;
    pub(in crate::http2) const END_HEADERS: u8 = 0x4;
    pub(in crate::http2) const PADDED: u8 = 0x8;
    pub(in crate::http2) const PRIORITY: u8 = 0x20;
}

impl FrameHeader {
    pub(super) const BYTES: usize = 9;

    pub(super) fn parse(bytes: [u8; Self::BYTES]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = bytes;
        Self {
            length: u32::from_be_bytes([0, l0, l1, l2]),
            kind,
            flags,
            stream_id: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        }
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Cuts bytes into frames.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    partial: [u8; FrameHeader::BYTES],
    filled: usize,
    /// Bytes of the payload that are still to come; `None` between frames.
    left: Option<u32>,
}

/// A part of a frame. Each frame is one `Begin`, `Payload`s that are not empty and together have
/// the frame's length, and one `End`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Begin(FrameHeader),
    Payload(&'a [u8]),
    End,
}

impl Scanner {
    /// Takes the next piece off the front of `input`; `None` when all of it is used up.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Piece<'a>> {
        match self.left {
            None => self.header(input).map(Piece::Begin),
            Some(0) => {
                self.left = None;
                Some(Piece::End)
            }
            Some(left) => {
                let (payload, rest) = split_at_most(input, left as usize);
                *input = rest;
                // At most `left`, so the conversion and the difference are exact.
                self.left = Some(left.saturating_sub(payload.len() as u32));
                (!payload.is_empty()).then_some(Piece::Payload(payload))
            }
        }
    }

    /// Whether a frame has begun and not ended.
    pub(super) fn is_inside_frame(&self) -> bool {
        self.left.is_some()
    }

    fn header(&mut self, input: &mut &[u8]) -> Option<FrameHeader> {
        let room = self.partial.get_mut(self.filled..)?;
        let (part, rest) = split_at_most(input, room.len());
        for (slot, byte) in room.iter_mut().zip(part) {
            *slot = *byte;
        }
        *input = rest;
        self.filled += part.len();
        if self.filled < FrameHeader::BYTES {
            return None;
        }
        self.filled = 0;
        let header = FrameHeader::parse(self.partial);
        self.left = Some(header.length);
        Some(header)
    }
}

/// Padding that is as long as the payload or longer, or a field that the payload has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadPadding;

/// Removes the padding of one DATA frame (section 6.1) as its payload passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unpadder {
    /// The pad length field is still to come.
    expects_length: bool,
    /// Bytes of data, and of padding while that is unknown.
    data_left: u32,
}

impl Unpadder {
    pub(super) fn new(header: FrameHeader) -> Result<Self, BadPadding> {
        let expects_length = header.has(flag::PADDED);
        if expects_length && header.length == 0 {
            return Err(BadPadding);
        }
        Ok(Self { expects_length, data_left: header.length })
    }

    /// The data in the next part of the payload; empty where it is padding.
    pub(super) fn take<'a>(&mut self, mut payload: &'a [u8]) -> Result<&'a [u8], BadPadding> {
        if self.expects_length {
            let Some((pad_length, rest)) = payload.split_first() else { return Ok(payload) };
            self.expects_length = false;
            let taken = 1 + u32::from(*pad_length);
            self.data_left = self.data_left.checked_sub(taken).ok_or(BadPadding)?;
            payload = rest;
        }
        let (data, _padding) = split_at_most(payload, self.data_left as usize);
        self.data_left = self.data_left.saturating_sub(data.len() as u32);
        Ok(data)
    }
}

/// The payload of a HEADERS or PUSH_PROMISE frame without its pad length and padding.
pub(super) fn unpadded(header: FrameHeader, payload: &[u8]) -> Result<&[u8], BadPadding> {
    if !header.has(flag::PADDED) {
        return Ok(payload);
    }
    let (pad_length, rest) = payload.split_first().ok_or(BadPadding)?;
    let kept = rest.len().checked_sub(usize::from(*pad_length)).ok_or(BadPadding)?;
    rest.get(..kept).ok_or(BadPadding)
}

fn split_at_most(bytes: &[u8], most: usize) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.len().min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A DATA frame's payload, whole and byte by byte.
    #[track_caller]
    fn check_data(flags: u8, payload: &[u8], expected: Result<&[u8], BadPadding>) {
        let header =
            FrameHeader { length: payload.len() as u32, kind: kind::DATA, flags, stream_id: 1 };
        for size in [payload.len().max(1), 1] {
            let got = Unpadder::new(header).and_then(|mut unpadder| {
                payload.chunks(size).try_fold(Vec::new(), |mut data, part| {
                    data.extend_from_slice(unpadder.take(part)?);
                    Ok(data)
                })
            });
            assert_eq!(got.as_deref(), expected.as_ref().map(|data| *data), "parts of {size}");
        }
    }

    #[test]
    fn padding_of_data() {
        check_data(0, b"", Ok(b""));
        check_data(0, b"\x03abc", Ok(b"\x03abc"));
        check_data(flag::PADDED, b"\x00abc", Ok(b"abc"));
        check_data(flag::PADDED, b"\x02abc\0\0", Ok(b"abc"));
        check_data(flag::PADDED, b"\x03\0\0\0", Ok(b""));
        check_data(flag::PADDED, b"\x00", Ok(b""));
        check_data(flag::PADDED, b"", Err(BadPadding));
        check_data(flag::PADDED, b"\x01", Err(BadPadding));
        check_data(flag::PADDED, b"\x04abc", Err(BadPadding));
    }

    #[test]
    fn padding_of_headers() {
        let check = |flags, payload, expected| {
            let header = FrameHeader { length: 0, kind: kind::HEADERS, flags, stream_id: 1 };
            assert_eq!(unpadded(header, payload), expected);
        };
        check(0, &b"\x02a"[..], Ok(&b"\x02a"[..]));
        check(flag::PADDED, b"\x01a\0", Ok(b"a"));
        check(flag::PADDED, b"\x02a\0", Ok(b""));
        check(flag::PADDED, b"\x03a\0", Err(BadPadding));
        check(flag::PADDED, b"", Err(BadPadding));
    }

    #[test]
    fn the_reserved_bit_is_no_part_of_the_stream() {
        let header = FrameHeader::parse([0, 1, 2, 3, 4, 0xff, 0, 0, 5]);
        assert_eq!(
            header,
            FrameHeader { length: 0x102, kind: 3, flags: 4, stream_id: 0x7f00_0005 }
        );
    }

    #[test]
    fn pieces_are_the_same_however_the_bytes_arrive() {
        let bytes = [0, 0, 2, 0, 1, 0, 0, 0, 1, b'a', b'b', 0, 0, 0, 4, 1, 0, 0, 0, 0];
        for size in 1..=bytes.len() {
            let mut scanner = Scanner::default();
            let mut seen = Vec::new();
            for mut part in bytes.chunks(size) {
                while let Some(piece) = scanner.next(&mut part) {
                    match piece {
                        Piece::Begin(header) => seen.push(format!("{}", header.kind)),
                        Piece::Payload(part) => seen.extend(part.iter().map(u8::to_string)),
                        Piece::End => seen.push("end".to_owned()),
                    }
                }
            }
            assert_eq!(seen, ["0", "97", "98", "end", "4", "end"], "parts of {size}");
        }
    }
}
