//! IPv4 and IPv6 packets with TCP segments or UDP datagrams, made around bytes that passed. Headers and
//! check sums (RFC 791, 8200, 9293, 768, 1071); no connection is kept here.

use flow::stream::Direction;
use std::net::{IpAddr, SocketAddr};

/// The two ends of a conversation, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    client: SocketAddr,
    server: SocketAddr,
}

impl Ends {
    /// An IPv4 address that talks to an IPv6 one is written as an IPv4-mapped one.
    pub(super) fn new(client: SocketAddr, server: SocketAddr) -> Self {
        if client.is_ipv4() == server.is_ipv4() {
            return Self { client, server };
        }
        let mapped = |end: SocketAddr| match end.ip() {
            IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), end.port()),
            IpAddr::V6(_) => end,
        };
        Self { client: mapped(client), server: mapped(server) }
    }

    /// Who sends in a direction, and who receives.
    pub(super) fn of(&self, direction: Direction) -> (SocketAddr, SocketAddr) {
        match direction {
            Direction::Up => (self.client, self.server),
            Direction::Down => (self.server, self.client),
        }
    }
}

/// What a segment's header says, its ports aside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) sequence: u32,
    pub(super) acknowledged: u32,
    pub(super) flags: u8,
}

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const PSH: u8 = 8;
pub(super) const ACK: u8 = 16;

/// Payload bytes of the largest segment that is made.
pub(super) const MOST_SEGMENT_BYTES: usize = 16 << 10;

/// A TCP segment with at most [`MOST_SEGMENT_BYTES`] of payload.
pub(super) fn tcp(ends: &Ends, direction: Direction, segment: Segment, payload: &[u8]) -> Vec<u8> {
    let options: &[u8] = if segment.flags & SYN == 0 { &[] } else { &SYN_OPTIONS };
    let (source, destination) = ends.of(direction);
    let mut transport = Vec::with_capacity(TCP_HEADER + options.len() + payload.len());
    transport.extend_from_slice(&source.port().to_be_bytes());
    transport.extend_from_slice(&destination.port().to_be_bytes());
    transport.extend_from_slice(&segment.sequence.to_be_bytes());
    transport.extend_from_slice(&segment.acknowledged.to_be_bytes());
    let words = (TCP_HEADER + options.len()) / 4;
    transport.extend_from_slice(&[(words as u8) << 4, segment.flags]);
    transport.extend_from_slice(&WINDOW.to_be_bytes());
    // Check sum and urgent pointer.
    transport.extend_from_slice(&[0; 4]);
    transport.extend_from_slice(options);
    transport.extend_from_slice(payload);
    let sum = transport_sum(source.ip(), destination.ip(), TCP, &transport);
    put(&mut transport, TCP_SUM, sum);
    in_ip(source.ip(), destination.ip(), TCP, &transport)
}

/// A UDP datagram. What no datagram can hold is left out.
pub(super) fn udp(ends: &Ends, direction: Direction, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = ends.of(direction);
    let payload = payload.get(..MOST_DATAGRAM_BYTES).unwrap_or(payload);
    let length = UDP_HEADER + payload.len();
    let mut transport = Vec::with_capacity(length);
    transport.extend_from_slice(&source.port().to_be_bytes());
    transport.extend_from_slice(&destination.port().to_be_bytes());
    transport.extend_from_slice(&(length as u16).to_be_bytes());
    transport.extend_from_slice(&[0; 2]);
    transport.extend_from_slice(payload);
    // Zero would say that there is none.
    let sum = match transport_sum(source.ip(), destination.ip(), UDP, &transport) {
        0 => u16::MAX,
        sum => sum,
    };
    put(&mut transport, UDP_SUM, sum);
    in_ip(source.ip(), destination.ip(), UDP, &transport)
}

fn in_ip(source: IpAddr, destination: IpAddr, protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(IPV6_HEADER + transport.len());
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let total = IPV4_HEADER + transport.len();
            packet.extend_from_slice(&[0x45, 0]);
            packet.extend_from_slice(&(total as u16).to_be_bytes());
            // No identification, as it is not to be fragmented.
            packet.extend_from_slice(&[0, 0, 0x40, 0, HOPS, protocol, 0, 0]);
            packet.extend_from_slice(&source.octets());
            packet.extend_from_slice(&destination.octets());
            let sum = !folded(sum(0, &packet));
            put(&mut packet, IPV4_SUM, sum);
        }
        (source, destination) => {
            packet.extend_from_slice(&[0x60, 0, 0, 0]);
            packet.extend_from_slice(&(transport.len() as u16).to_be_bytes());
            packet.extend_from_slice(&[protocol, HOPS]);
            packet.extend_from_slice(&octets(source));
            packet.extend_from_slice(&octets(destination));
        }
    }
    packet.extend_from_slice(transport);
    packet
}

/// The check sum of a segment or datagram with its pseudo header.
fn transport_sum(source: IpAddr, destination: IpAddr, protocol: u8, transport: &[u8]) -> u16 {
    let addresses = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            sum(sum(0, &source.octets()), &destination.octets())
        }
        (source, destination) => sum(sum(0, &octets(source)), &octets(destination)),
    };
    let length = sum(addresses, &(transport.len() as u32).to_be_bytes());
    !folded(sum(sum(length, &[0, protocol]), transport))
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Adds 16-bit words; a last single byte counts as the higher one.
fn sum(start: u64, bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| match *pair {
        [high, low] => u64::from(u16::from_be_bytes([high, low])),
        [high] => u64::from(u16::from_be_bytes([high, 0])),
        _ => 0,
    };
    bytes.chunks(2).fold(start, |sum, pair| sum + word(pair))
}

fn folded(mut sum: u64) -> u16 {
    while sum > u64::from(u16::MAX) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    for (place, byte) in bytes.iter_mut().skip(at).zip(value.to_be_bytes()) {
        *place = byte;
    }
}

/// The largest segment; a window scaled by 2^7, so that none ever looks full.
const SYN_OPTIONS: [u8; 8] = [2, 4, 0x40, 0, 1, 3, 3, 7];
const WINDOW: u16 = u16::MAX;
const TCP: u8 = 6;
const UDP: u8 = 17;
const HOPS: u8 = 64;
const IPV4_HEADER: usize = 20;
const IPV4_SUM: usize = 10;
const IPV6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;
const TCP_SUM: usize = 16;
const UDP_HEADER: usize = 8;
const UDP_SUM: usize = 6;
/// In IPv4, whose length field counts its header as well.
const MOST_DATAGRAM_BYTES: usize = u16::MAX as usize - IPV4_HEADER - UDP_HEADER;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ends(client: &str, server: &str) -> Ends {
        Ends::new(client.parse().unwrap(), server.parse().unwrap())
    }

    #[test]
    fn the_sum_is_that_of_the_example_in_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(folded(sum(0, &bytes)), 0xddf2);
        assert_eq!(folded(sum(0, &[0x12])), 0x1200);
    }

    #[test]
    fn a_syn_is_as_it_should_be_byte_for_byte() {
        let segment = Segment { sequence: 1, acknowledged: 0, flags: SYN };
        let ends = ends("192.0.2.1:1024", "198.51.100.7:443");
        let packet = tcp(&ends, Direction::Up, segment, &[]);
        let ip = [0x45, 0, 0, 48, 0, 0, 0x40, 0, 64, 6, 0x4e, 0x8c];
        assert_eq!(packet[..12], ip, "{packet:02x?}");
        assert_eq!(packet[12..24], [192, 0, 2, 1, 198, 51, 100, 7, 4, 0, 1, 0xbb]);
        assert_eq!(packet[24..36], [0, 0, 0, 1, 0, 0, 0, 0, 0x70, 2, 0xff, 0xff]);
        assert_eq!(packet[36..40], [0x57, 0xd4, 0, 0]);
    }

    #[test]
    fn families_that_differ_are_mapped() {
        let (client, server) = ends("10.0.0.1:5", "[2001:db8::1]:443").of(Direction::Up);
        assert_eq!(client.to_string(), "[::ffff:10.0.0.1]:5");
        assert_eq!(server.to_string(), "[2001:db8::1]:443");
    }

    /// A receiver adds everything, the sum included, and gets all ones.
    #[track_caller]
    fn check(packet: &[u8]) {
        let four = packet[0] == 0x45;
        let (pseudo, transport, protocol) = if four {
            assert_eq!(folded(sum(0, &packet[..20])), 0xffff);
            (&packet[12..20], &packet[20..], packet[9])
        } else {
            (&packet[8..40], &packet[40..], packet[6])
        };
        let start = sum(transport.len() as u64 + u64::from(protocol), pseudo);
        assert_eq!(folded(sum(start, transport)), 0xffff);
    }

    proptest! {
        #[test]
        fn every_receiver_finds_the_sums_right(
            payload in proptest::collection::vec(any::<u8>(), 0..2_000),
            sequence: u32,
            one: SocketAddr,
            other: SocketAddr,
        ) {
            let segment = Segment { sequence, acknowledged: !sequence, flags: PSH | ACK };
            let ends = Ends::new(one, other);
            check(&tcp(&ends, Direction::Down, segment, &payload));
            check(&udp(&ends, Direction::Up, &payload));
        }
    }
}
