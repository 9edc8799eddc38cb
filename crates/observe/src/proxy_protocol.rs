//! Reads the header by which a forwarder says for whom it connects: the PROXY protocol, versions 1
//! and 2 (<https://www.haproxy.org/download/3.1/doc/proxy-protocol.txt>, sections 2.1 and 2.2).
//! Whom to believe is decided elsewhere; extensions (TLVs) are passed over.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the header says of the connection's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Nothing: the forwarder's own connection (LOCAL), or an origin that is no TCP over IP.
    Peer,
    /// The address that the forwarder was connected from.
    Source(SocketAddr),
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Neither version's first bytes.
    NoHeader,
    /// Version 1: not one line of at most 107 bytes.
    NoLine,
    /// Version 1: a field that its definition does not allow.
    Field,
    /// Version 2: another version number or command; the byte.
    Command(u8),
    /// Version 2: shorter than its addresses.
    Length(u16),
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader => f.write_str("no PROXY protocol header"),
            Self::NoLine => f.write_str("PROXY protocol line without an end"),
            Self::Field => f.write_str("PROXY protocol line with a malformed field"),
            Self::Command(byte) => write!(f, "PROXY protocol command {byte:#04x}"),
            Self::Length(length) => write!(f, "PROXY protocol header of {length} bytes"),
        }
    }
}

impl std::error::Error for Defect {}

/// Reads the header at the start of `bytes` and its length; `None` while it is not complete, which
/// it is with at most [`MOST_BYTES`].
///
/// # Errors
/// [`Defect`], as soon as the bytes cannot become a header.
pub fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Defect> {
    if begins(bytes, LINE_START) {
        line(bytes)
    } else if begins(bytes, SIGNATURE) {
        binary(bytes)
    } else {
        Err(Defect::NoHeader)
    }
}

/// Whether the bytes are, or can still become, ones that begin with `start`.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    bytes.starts_with(start) || start.starts_with(bytes)
}

/// `PROXY TCP4 source destination source-port destination-port\r\n`.
fn line(bytes: &[u8]) -> Result<Option<(Header, usize)>, Defect> {
    let seen = bytes.get(..MOST_LINE_BYTES).unwrap_or(bytes);
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        return if seen.len() < MOST_LINE_BYTES { Ok(None) } else { Err(Defect::NoLine) };
    };
    let text = seen.get(LINE_START.len()..end).ok_or(Defect::Field)?;
    let text = str::from_utf8(text).map_err(|_not_utf8| Defect::Field)?;
    let mut fields = text.split(' ');
    let header = match fields.next() {
        Some("UNKNOWN") => Header::Peer,
        Some("TCP4") => Header::Source(addresses::<Ipv4Addr>(fields)?),
        Some("TCP6") => Header::Source(addresses::<Ipv6Addr>(fields)?),
        _ => return Err(Defect::Field),
    };
    Ok(Some((header, end + 2)))
}

/// The source, when all four fields are as they must be and nothing comes after them.
fn addresses<'a, Ip>(fields: impl Iterator<Item = &'a str>) -> Result<SocketAddr, Defect>
where
    Ip: std::str::FromStr + Into<IpAddr>,
{
    let fields: Vec<&str> = fields.take(5).collect();
    let &[source, destination, source_port, destination_port] = fields.as_slice() else {
        return Err(Defect::Field);
    };
    let address = |text: &str| text.parse::<Ip>().map_err(|_syntax| Defect::Field);
    address(destination)?;
    port(destination_port)?;
    Ok(SocketAddr::new(address(source)?.into(), port(source_port)?))
}

/// Digits alone, without leading zeros.
fn port(text: &str) -> Result<u16, Defect> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().map_err(|_syntax| Defect::Field)?;
    if plain && (text.len() == 1 || !text.starts_with('0')) { Ok(port) } else { Err(Defect::Field) }
}

fn binary(bytes: &[u8]) -> Result<Option<(Header, usize)>, Defect> {
    let Some((&command, rest)) = bytes.get(SIGNATURE.len()..).and_then(<[u8]>::split_first) else {
        return Ok(None);
    };
    if command != LOCAL && command != PROXY {
        return Err(Defect::Command(command));
    }
    let Some(([family, high, low], rest)) = rest.split_first_chunk() else { return Ok(None) };
    let length = u16::from_be_bytes([*high, *low]);
    let needed = match (command, *family) {
        (PROXY, TCP_IPV4) => 12,
        (PROXY, TCP_IPV6) => 36,
        _ => 0,
    };
    if length < needed {
        return Err(Defect::Length(length));
    }
    let Some(body) = rest.get(..usize::from(length)) else { return Ok(None) };
    let source = match needed {
        12 => v4(body),
        36 => v6(body),
        _ => None,
    };
    let header = source.map_or(Header::Peer, Header::Source);
    Ok(Some((header, FIXED_BYTES + usize::from(length))))
}

/// Source and destination address, source and destination port.
fn v4(body: &[u8]) -> Option<SocketAddr> {
    let source = body.first_chunk::<4>()?;
    let port = body.get(8..)?.first_chunk()?;
    Some(SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*port)))
}

fn v6(body: &[u8]) -> Option<SocketAddr> {
    let source = body.first_chunk::<16>()?;
    let port = body.get(32..)?.first_chunk()?;
    Some(SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*port)))
}

/// Bytes of the longest header, which is one of version 2 with extensions.
pub const MOST_BYTES: usize = FIXED_BYTES + u16::MAX as usize;
const LINE_START: &[u8] = b"PROXY ";
/// The longest line that version 1 allows, CRLF included.
const MOST_LINE_BYTES: usize = 107;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED_BYTES: usize = 16;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP_IPV4: u8 = 0x11;
const TCP_IPV6: u8 = 0x21;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<&str, Defect>) {
        let got = parse(&[bytes, b"GET "].concat());
        let shown = |header| match header {
            Header::Peer => "peer".to_owned(),
            Header::Source(source) => source.to_string(),
        };
        let wanted = expected.map(|text| Some((text.to_owned(), bytes.len())));
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(got.map(|found| found.map(|(h, length)| (shown(h), length))), wanted, "{text}");
        if expected.is_ok() {
            for length in 0..bytes.len() {
                assert_eq!(parse(&bytes[..length]), Ok(None), "{length} bytes of {text}");
            }
        }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, body].concat()
    }

    #[test]
    fn lines() {
        check(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", Ok("192.0.2.7:56324"));
        check(b"PROXY TCP6 2001:db8::7 ::1 1 0\r\n", Ok("[2001:db8::7]:1"));
        check(b"PROXY UNKNOWN\r\n", Ok("peer"));
        check(b"PROXY UNKNOWN ffff::1 x 1 2 3\r\n", Ok("peer"));
        for bad in [
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 \r\n",
            "PROXY TCP4 192.0.2.7  198.51.100.1 56324 443\r\n",
            "PROXY TCP4 192.0.2.7 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 01 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 +1 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
            "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
            "PROXY \r\n",
        ] {
            check(bad.as_bytes(), Err(Defect::Field));
        }
        check(&[b"PROXY UNKNOWN".as_slice(), &[b' '; 200]].concat(), Err(Defect::NoLine));
        check(b"CONNECT a.example:443 HTTP/1.1\r\n", Err(Defect::NoHeader));
        check(b"PROXX", Err(Defect::NoHeader));
    }

    #[test]
    fn binary_headers() {
        let four = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 4, 1, 187];
        check(&v2(PROXY, TCP_IPV4, &four), Ok("192.0.2.7:56324"));
        check(&v2(PROXY, TCP_IPV4, &[&four[..], &[4, 0, 1, 9]].concat()), Ok("192.0.2.7:56324"));
        let mut six = [0; 36];
        six[15] = 1;
        six[33] = 7;
        check(&v2(PROXY, TCP_IPV6, &six), Ok("[::1]:7"));
        check(&v2(LOCAL, TCP_IPV4, &four), Ok("peer"));
        check(&v2(LOCAL, 0, &[]), Ok("peer"));
        check(&v2(PROXY, 0x31, &[0; 216]), Ok("peer"));
        check(&v2(PROXY, TCP_IPV4, &four[..11]), Err(Defect::Length(11)));
        check(&v2(0x11, TCP_IPV4, &four), Err(Defect::Command(0x11)));
        check(&v2(0x22, TCP_IPV4, &four), Err(Defect::Command(0x22)));
    }

    proptest! {
        #[test]
        fn more_bytes_do_not_change_a_verdict(
            start in prop::sample::select(vec![&b""[..], LINE_START, b"PROXY TCP4 ", SIGNATURE]),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [start, &bytes].concat();
            let whole = parse(&bytes);
            for length in 0..bytes.len() {
                let part = parse(&bytes[..length]);
                prop_assert!(part == Ok(None) || part == whole);
            }
            if let Ok(Some((_, length))) = whole {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
