//! The blocks of a PCAPNG file (draft-ietf-opsawg-pcapng): section header, interfaces, decryption secrets
//! and packets, little-endian, times in nanoseconds. It knows nothing of what is in a packet.

use crate::error::Error;
use flow::time::WallNanos;
use std::io::Write;

/// A file that is being written, block by block.
pub(super) struct Blocks<'a> {
    out: &'a mut dyn Write,
    block: Vec<u8>,
}

/// What the packets of an interface begin with. The numbers are those of the list of link types
/// (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// An IPv4 or IPv6 header: `LINKTYPE_RAW`.
    Raw,
    /// Tags that name a dissector: `LINKTYPE_WIRESHARK_UPPER_PDU`.
    Exported,
}

/// One packet.
pub(super) struct Packet<'a> {
    pub(super) link: Link,
    pub(super) at: WallNanos,
    pub(super) bytes: &'a [u8],
    pub(super) comment: &'a str,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, block: Vec::new() }
    }

    /// Begins the file: its one section, and the two interfaces in the order of [`Link`].
    pub(super) fn begin(&mut self, application: &str, comment: &str) -> Result<(), Error> {
        self.block.extend_from_slice(&BYTE_ORDER.to_le_bytes());
        self.block.extend_from_slice(&1_u16.to_le_bytes());
        self.block.extend_from_slice(&0_u16.to_le_bytes());
        // The section's length is not given: it ends with the file.
        self.block.extend_from_slice(&u64::MAX.to_le_bytes());
        self.option(COMMENT, comment.as_bytes());
        self.option(SECTION_APPLICATION, application.as_bytes());
        self.end_of_options();
        self.finish(SECTION)?;
        self.interface(
            Link::Raw,
            "tcp-ip",
            "recorded bytes, in packets that were made around them",
        )?;
        self.interface(Link::Exported, "plaintext", "what was inside TLS, exported by Landfall")
    }

    fn interface(&mut self, link: Link, name: &str, description: &str) -> Result<(), Error> {
        self.block.extend_from_slice(&link.number().to_le_bytes());
        self.block.extend_from_slice(&0_u16.to_le_bytes());
        // No limit of a packet's length.
        self.block.extend_from_slice(&0_u32.to_le_bytes());
        self.option(INTERFACE_NAME, name.as_bytes());
        self.option(INTERFACE_DESCRIPTION, description.as_bytes());
        self.option(INTERFACE_RESOLUTION, &[NANOSECONDS]);
        self.end_of_options();
        self.finish(INTERFACE)
    }

    /// Lines of a TLS key log, which hold for the packets that follow.
    pub(super) fn secrets(&mut self, lines: &[u8]) -> Result<(), Error> {
        self.block.extend_from_slice(&TLS_KEY_LOG.to_le_bytes());
        self.length(lines.len());
        self.padded(lines);
        self.finish(SECRETS)
    }

    pub(super) fn packet(&mut self, packet: &Packet<'_>) -> Result<(), Error> {
        let WallNanos(at) = packet.at;
        self.block.extend_from_slice(&packet.link.interface().to_le_bytes());
        self.block.extend_from_slice(&((at >> 32) as u32).to_le_bytes());
        self.block.extend_from_slice(&(at as u32).to_le_bytes());
        // Kept and original: nothing is cut off a packet.
        self.length(packet.bytes.len());
        self.length(packet.bytes.len());
        self.padded(packet.bytes);
        self.option(COMMENT, packet.comment.as_bytes());
        self.end_of_options();
        self.finish(PACKET)
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.block.extend_from_slice(&code.to_le_bytes());
        self.block.extend_from_slice(&(value.len() as u16).to_le_bytes());
        self.padded(value);
    }

    fn end_of_options(&mut self) {
        self.block.extend_from_slice(&[0; 4]);
    }

    /// A length of at most [`MOST_BYTES`].
    fn length(&mut self, bytes: usize) {
        self.block.extend_from_slice(&(bytes as u32).to_le_bytes());
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
        let padding = bytes.len().next_multiple_of(4) - bytes.len();
        self.block.resize(self.block.len() + padding, 0);
    }

    /// Writes what was put together as a block of this type.
    fn finish(&mut self, kind: u32) -> Result<(), Error> {
        let total = ((self.block.len() + AROUND) as u32).to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&total)?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&total)?;
        self.block.clear();
        Ok(())
    }
}

impl Link {
    fn number(self) -> u16 {
        match self {
            Self::Raw => 101,
            Self::Exported => 252,
        }
    }

    /// The number of its interface in the file.
    fn interface(self) -> u32 {
        match self {
            Self::Raw => 0,
            Self::Exported => 1,
        }
    }
}

/// Bytes of the longest packet that Wireshark reads from such interfaces.
pub(super) const MOST_BYTES: usize = 1 << 18;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const SECRETS: u32 = 10;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const TLS_KEY_LOG: u32 = 0x544c_534b;
const COMMENT: u16 = 1;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_DESCRIPTION: u16 = 3;
const INTERFACE_RESOLUTION: u16 = 9;
/// Powers of ten.
const NANOSECONDS: u8 = 9;
/// Type and the two lengths.
const AROUND: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Blocks<'_>) -> Result<(), Error>) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut Blocks::new(&mut out)).unwrap();
        out
    }

    /// Type and body of each block, whose two lengths agree.
    fn blocks(mut bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            let total = number(&bytes[4..]) as usize;
            assert_eq!(total % 4, 0);
            assert_eq!(number(&bytes[total - 4..]) as usize, total);
            blocks.push((number(bytes), bytes[8..total - 4].to_vec()));
            bytes = &bytes[total..];
        }
        blocks
    }

    #[test]
    fn a_file_begins_with_its_section_and_two_interfaces() {
        let all = blocks(&written(|blocks| blocks.begin("Landfall", "why")));
        let kinds: Vec<_> = all.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [SECTION, INTERFACE, INTERFACE]);
        assert_eq!(all[0].1[..8], *b"\x4d\x3c\x2b\x1a\x01\0\0\0");
        assert_eq!(all[0].1[16..24], *b"\x01\0\x03\0why\0");
        assert_eq!((all[1].1[0], all[2].1[0]), (101, 252));
    }

    #[test]
    fn a_packet_has_its_time_its_bytes_and_its_comment() {
        let at = WallNanos(0x0102_0304_0506_0708);
        let packet = Packet { link: Link::Exported, at, bytes: b"hello", comment: "c" };
        let all = blocks(&written(|blocks| blocks.packet(&packet)));
        let expected = b"\x01\0\0\0\x04\x03\x02\x01\x08\x07\x06\x05\x05\0\0\0\x05\0\0\0hello\0\0\0\
                         \x01\0\x01\0c\0\0\0\0\0\0\0";
        assert_eq!(all, [(PACKET, expected.to_vec())]);
    }

    #[test]
    fn secrets_are_padded_and_say_their_length() {
        let all = blocks(&written(|blocks| blocks.secrets(b"A b c\n")));
        assert_eq!(all, [(SECRETS, b"KSLT\x06\0\0\0A b c\n\0\0".to_vec())]);
    }
}
