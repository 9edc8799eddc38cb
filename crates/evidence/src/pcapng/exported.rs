//! Exported PDUs: bytes behind tags that tell Wireshark which of its dissectors they are for, and whose
//! they were (`epan/exported_pdu.h` of Wireshark, tags big-endian). No transport around them.

use super::packet::Ends;
use flow::stream::Direction;
use std::net::IpAddr;

/// What reads the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dissector {
    Http1,
    Http2,
    WebSocket,
    /// Nothing that is known.
    Data,
}

impl Dissector {
    fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http",
            Self::Http2 => "http2",
            Self::WebSocket => "websocket",
            Self::Data => "data",
        }
    }
}

/// The tags, then the bytes. The tags take up less than [`MOST_TAG_BYTES`].
pub(super) fn pdu(
    ends: &Ends,
    direction: Direction,
    dissector: Dissector,
    payload: &[u8],
) -> Vec<u8> {
    let (source, destination) = ends.of(direction);
    let mut out = Vec::with_capacity(MOST_TAG_BYTES + payload.len());
    let name = dissector.name().as_bytes();
    let mut padded = name.to_vec();
    padded.resize(name.len().next_multiple_of(4), 0);
    tag(&mut out, DISSECTOR_NAME, &padded);
    for (ip, four, six) in
        [(source.ip(), IPV4_SOURCE, IPV6_SOURCE), (destination.ip(), IPV4_TARGET, IPV6_TARGET)]
    {
        match ip {
            IpAddr::V4(ip) => tag(&mut out, four, &ip.octets()),
            IpAddr::V6(ip) => tag(&mut out, six, &ip.octets()),
        }
    }
    tag(&mut out, PORT_TYPE, &TCP_PORTS.to_be_bytes());
    tag(&mut out, SOURCE_PORT, &u32::from(source.port()).to_be_bytes());
    tag(&mut out, TARGET_PORT, &u32::from(destination.port()).to_be_bytes());
    tag(&mut out, END, &[]);
    out.extend_from_slice(payload);
    out
}

fn tag(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
}

pub(super) const MOST_TAG_BYTES: usize = 128;

const END: u16 = 0;
const DISSECTOR_NAME: u16 = 12;
const IPV4_SOURCE: u16 = 20;
const IPV4_TARGET: u16 = 21;
const IPV6_SOURCE: u16 = 22;
const IPV6_TARGET: u16 = 23;
const PORT_TYPE: u16 = 24;
const SOURCE_PORT: u16 = 25;
const TARGET_PORT: u16 = 26;
const TCP_PORTS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tags_are_those_of_wireshark() {
        let ends = Ends::new("10.0.0.1:5".parse().unwrap(), "10.0.0.2:443".parse().unwrap());
        let pdu = pdu(&ends, Direction::Down, Dissector::Http2, b"x");
        let expected = b"\0\x0c\0\x08http2\0\0\0\0\x14\0\x04\x0a\0\0\x02\0\x15\0\x04\x0a\0\0\x01\
                         \0\x18\0\x04\0\0\0\x02\0\x19\0\x04\0\0\x01\xbb\0\x1a\0\x04\0\0\0\x05\0\0\0\0x";
        assert_eq!(pdu, expected);
        let six = Ends::new("[::1]:5".parse().unwrap(), "[::2]:443".parse().unwrap());
        let tags = super::pdu(&six, Direction::Up, Dissector::WebSocket, b"").len();
        assert!(tags < MOST_TAG_BYTES, "{tags}");
    }
}
