//! Reads what a SOCKS5 client sends: greeting, password, request and the header of a datagram (RFC
//! 1928 sections 3, 4 and 7; RFC 1929 section 2). It takes one message from the start of the bytes;
//! what is answered, and whether a command is served, is decided elsewhere.

use flow::address::{Host, HostError, Target};
use std::fmt;
use std::net::IpAddr;

/// A message and its length in bytes; `None` while it is not complete, which it is with at most
/// [`MOST_BYTES`].
pub type Parsed<T> = Result<Option<(T, usize)>, Defect>;

/// Why bytes are not the message that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Another version of the protocol, or of its password message.
    Version(u8),
    /// A kind of address that there is not.
    AddressType(u8),
    Host(HostError),
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "SOCKS5 message of version {version}"),
            Self::AddressType(kind) => write!(f, "SOCKS5 has no address type {kind}"),
            Self::Host(error) => write!(f, "SOCKS5 address: {error}"),
        }
    }
}

impl std::error::Error for Defect {}

/// Which of the two known methods the client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    pub no_authentication: bool,
    pub password: bool,
}

/// User name and password, as sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Login<'a> {
    pub user: &'a [u8],
    pub password: &'a [u8],
}

/// What the client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// 1 CONNECT, 2 BIND, 3 UDP ASSOCIATE; others are not assigned.
    pub command: u8,
    /// The port may be 0, which means something for UDP ASSOCIATE alone.
    pub target: Target,
}

/// The header of a datagram; the payload follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatagramHeader {
    /// 0 for a datagram that stands alone.
    pub fragment: u8,
    pub target: Target,
}

/// Reads the version and the methods offered.
pub fn greeting(bytes: &[u8]) -> Parsed<Greeting> {
    let mut bytes = Reader::new(bytes);
    version(&mut bytes, VERSION)?;
    let Some(methods) = bytes.counted() else { return Ok(None) };
    let greeting = Greeting {
        no_authentication: methods.contains(&NO_AUTHENTICATION),
        password: methods.contains(&PASSWORD),
    };
    Ok(Some((greeting, bytes.taken)))
}

/// Reads the password message.
pub fn login(bytes: &[u8]) -> Parsed<Login<'_>> {
    let mut bytes = Reader::new(bytes);
    version(&mut bytes, LOGIN_VERSION)?;
    let (Some(user), Some(password)) = (bytes.counted(), bytes.counted()) else { return Ok(None) };
    Ok(Some((Login { user, password }, bytes.taken)))
}

/// Reads the request.
pub fn request(bytes: &[u8]) -> Parsed<Request> {
    let mut bytes = Reader::new(bytes);
    version(&mut bytes, VERSION)?;
    let Some(&[command, _reserved]) = bytes.array() else { return Ok(None) };
    let Some(target) = target(&mut bytes)? else { return Ok(None) };
    Ok(Some((Request { command, target }, bytes.taken)))
}

/// Reads the header of a datagram. One that is not complete never will be.
pub fn datagram(bytes: &[u8]) -> Parsed<DatagramHeader> {
    let mut bytes = Reader::new(bytes);
    let Some(&[_, _, fragment]) = bytes.array() else { return Ok(None) };
    let Some(target) = target(&mut bytes)? else { return Ok(None) };
    Ok(Some((DatagramHeader { fragment, target }, bytes.taken)))
}

fn version(bytes: &mut Reader<'_>, expected: u8) -> Result<(), Defect> {
    match bytes.array() {
        Some(&[version]) if version != expected => Err(Defect::Version(version)),
        _ => Ok(()),
    }
}

fn target(bytes: &mut Reader<'_>) -> Result<Option<Target>, Defect> {
    let Some(&[kind]) = bytes.array() else { return Ok(None) };
    let host = match kind {
        IPV4 => bytes.array::<4>().map(|octets| Host::Ip(IpAddr::from(*octets))),
        IPV6 => bytes.array::<16>().map(|octets| Host::Ip(IpAddr::from(*octets).to_canonical())),
        NAME => match bytes.counted() {
            None => None,
            Some(name) => Some(host(name)?),
        },
        other => return Err(Defect::AddressType(other)),
    };
    let Some(host) = host else { return Ok(None) };
    let port = bytes.array().map(|octets| u16::from_be_bytes(*octets));
    Ok(port.map(|port| Target { host, port }))
}

/// Some clients send literal addresses as names.
fn host(name: &[u8]) -> Result<Host, Defect> {
    let text = str::from_utf8(name).map_err(|_not_utf8| Defect::Host(HostError::BadLabel))?;
    text.parse().map_err(Defect::Host)
}

/// Takes fields from the front.
struct Reader<'a> {
    rest: &'a [u8],
    taken: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, taken: 0 }
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        self.taken += N;
        Some(taken)
    }

    /// A field whose first byte is its length.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let &[length] = self.array()?;
        let (taken, rest) = self.rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        self.taken += taken.len();
        Some(taken)
    }
}

/// Bytes of the longest message, that with user name and password.
pub const MOST_BYTES: usize = 3 + 2 * 255;
const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every prefix is incomplete, and what follows the message is not looked at.
    #[track_caller]
    fn check<T: fmt::Debug + PartialEq>(
        parse: impl Fn(&[u8]) -> Parsed<T>,
        bytes: &[u8],
        expected: T,
    ) {
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), Ok(None), "{length} bytes of {bytes:?}");
        }
        let more = [bytes, b"more"].concat();
        assert_eq!(parse(&more), Ok(Some((expected, bytes.len()))), "{bytes:?}");
    }

    fn to(target: &str) -> Target {
        Target::parse(target, None).unwrap()
    }

    #[test]
    fn greetings() {
        let greeting_of = |no_authentication, password| Greeting { no_authentication, password };
        check(greeting, b"\x05\x00", greeting_of(false, false));
        check(greeting, b"\x05\x01\x00", greeting_of(true, false));
        check(greeting, b"\x05\x03\x00\x01\x02", greeting_of(true, true));
        assert_eq!(greeting(b"\x04\x01"), Err(Defect::Version(4)));
    }

    #[test]
    fn requests_and_datagrams() {
        let connect = |target| Request { command: 1, target };
        check(request, b"\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb", connect(to("192.0.2.1:443")));
        check(request, b"\x05\x01\x00\x03\x09a.example\x00\x50", connect(to("a.example:80")));
        check(request, b"\x05\x01\x00\x03\x071.2.3.4\x00\x50", connect(to("1.2.3.4:80")));
        let v6 = b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50";
        check(request, v6, connect(to("[2001:db8::1]:80")));
        assert_eq!(request(b"\x05\x01\x00\x02"), Err(Defect::AddressType(2)));
        assert_eq!(
            request(b"\x05\x01\x00\x03\x01 \x00\x50"),
            Err(Defect::Host(HostError::BadLabel))
        );
        let header = |fragment| DatagramHeader { fragment, target: to("192.0.2.1:53") };
        check(datagram, b"\0\0\x00\x01\xc0\x00\x02\x01\x00\x35", header(0));
        check(datagram, b"\0\0\x81\x01\xc0\x00\x02\x01\x00\x35", header(0x81));
    }

    #[test]
    fn logins() {
        let bytes = b"\x01\x03app\x06secret";
        let (read, length) = login(bytes).unwrap().unwrap();
        assert_eq!((read.user, read.password, length), (&b"app"[..], &b"secret"[..], bytes.len()));
        assert!(login(&bytes[..6]).unwrap().is_none());
        assert!(matches!(login(b"\x05"), Err(Defect::Version(5))));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_bounded_verdict_that_more_bytes_do_not_change(
            bytes in prop::collection::vec(any::<u8>(), 0..600), kind in 0_u8..6,
        ) {
            let mut bytes = bytes;
            for (at, byte) in [(0, 5), (3, kind)] {
                if let Some(slot) = bytes.get_mut(at) {
                    *slot = byte;
                }
            }
            let whole = request(&bytes);
            prop_assert!(whole != Ok(None) || bytes.len() < MOST_BYTES);
            for length in 0..bytes.len() {
                let part = request(&bytes[..length]);
                prop_assert!(part == Ok(None) || part == whole);
            }
        }
    }
}
