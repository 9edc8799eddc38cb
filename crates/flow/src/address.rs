//! Names and addresses. Newtypes keep the device's, the target's and the dialled address apart.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A DNS host name in canonical form: ASCII, lower case, no trailing dot, labels of 1 to 63 of
/// `a-z 0-9 - _`, at most 253 bytes. Internationalised names are their A-labels.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(Box<str>);

impl DnsName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is `suffix` or lies below it: `a.b.example` is within `b.example`.
    pub fn is_within(&self, suffix: &str) -> bool {
        match self.0.strip_suffix(suffix) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostError {
    Empty,
    TooLong,
    BadLabel,
    BadPort,
    MissingPort,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the host is empty",
            Self::TooLong => "the host name is longer than 253 bytes",
            Self::BadLabel => "the host name has an empty, over-long or non-ASCII label",
            Self::BadPort => "the port is not a number from 1 to 65535",
            Self::MissingPort => "the port is missing",
        })
    }
}

impl std::error::Error for HostError {}

impl FromStr for DnsName {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err(HostError::Empty);
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(HostError::TooLong);
        }
        let label_ok = |label: &str| {
            (1..=MAX_LABEL_BYTES).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if !name.split('.').all(label_ok) {
            return Err(HostError::BadLabel);
        }
        Ok(Self(name.to_ascii_lowercase().into_boxed_str()))
    }
}

/// A host as asked for: a name or a literal address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    Name(DnsName),
    Ip(IpAddr),
}

impl Host {
    pub fn name(&self) -> Option<&DnsName> {
        match self {
            Self::Name(name) => Some(name),
            Self::Ip(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    /// Accepts a name, an IPv4 address, or an IPv6 address with or without brackets.
    fn from_str(text: &str) -> Result<Self, HostError> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        match bare.parse::<IpAddr>() {
            Ok(ip) => Ok(Self::Ip(ip.to_canonical())),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

/// Whom the client asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    pub host: Host,
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

impl Target {
    /// Parses `host:port` (RFC 9110 section 7.2, the authority form). Without a port,
    /// `default_port` is taken, and where there is none either, the text is refused.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, HostError> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0).ok_or(HostError::BadPort)?
            }
            Some(_) => return Err(HostError::BadPort),
            None => default_port.ok_or(HostError::MissingPort)?,
        };
        Ok(Self { host: host.parse()?, port })
    }
}

/// The device's end of a connection, as we saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceAddr(pub SocketAddr);

impl fmt::Display for DeviceAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whom we dialled for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// The address that stands for the target: what claims are asked of.
    pub address: SocketAddr,
    /// The socket that was dialled in its place under a `[dial]` simulation.
    pub simulated_by: Option<SocketAddr>,
}

impl Upstream {
    /// The socket address that is really dialled.
    pub fn dialled(&self) -> SocketAddr {
        self.simulated_by.unwrap_or(self.address)
    }
}

/// An upstream proxy on the way to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    pub kind: HopKind,
    /// The proxy's socket address that was dialled.
    pub address: SocketAddr,
}

/// How an upstream proxy is asked for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HopKind {
    /// HTTP `CONNECT` with the host as the client gave it (RFC 9110 section 9.3.6).
    Http,
    /// SOCKS5 (RFC 1928) with an address that Landfall resolved.
    Socks5,
    /// SOCKS5 with the host as the client gave it.
    Socks5h,
}

impl HopKind {
    /// The scheme of the proxy's URL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }
}

/// The address that another one stands for: unwraps IPv4-mapped addresses (`::ffff:a.b.c.d`, RFC
/// 4291 section 2.5.5.2) and those of the well-known NAT64 prefix (`64:ff9b::/96`, RFC 6052
/// section 2.1).
pub fn unwrapped(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => nat64(ip).map_or(IpAddr::V6(ip), IpAddr::V4),
        v4 => v4,
    }
}

fn nat64(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, default_port: Option<u16>, expected: Result<&str, HostError>) {
        let got = Target::parse(text, default_port).map(|target| target.to_string());
        assert_eq!(got, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn targets() {
        check("Example.COM.:443", None, Ok("example.com:443"));
        check("example.com", Some(80), Ok("example.com:80"));
        check("1.2.3.4:8443", None, Ok("1.2.3.4:8443"));
        check("[2001:db8::1]:443", None, Ok("[2001:db8::1]:443"));
        check("[::ffff:1.2.3.4]:443", None, Ok("1.2.3.4:443"));
        check("_dmarc.example.com:1", None, Ok("_dmarc.example.com:1"));
        check("example.com", None, Err(HostError::MissingPort));
        check("example.com:0", None, Err(HostError::BadPort));
        check("example.com:+80", None, Err(HostError::BadPort));
        check("example.com:65536", None, Err(HostError::BadPort));
        check(":443", None, Err(HostError::Empty));
        check("a..b:443", None, Err(HostError::BadLabel));
        check("a b:443", None, Err(HostError::BadLabel));
        check("exa\u{301}mple:443", None, Err(HostError::BadLabel));
        check("user@host:443", None, Err(HostError::BadLabel));
    }

    #[test]
    fn suffixes_match_whole_labels() {
        let name: DnsName = "cdn.alicdn.com".parse().unwrap();
        assert!(name.is_within("alicdn.com") && name.is_within("cdn.alicdn.com"));
        assert!(!name.is_within("icdn.com") && !name.is_within("x.cdn.alicdn.com"));
    }

    #[test]
    fn wrapped_addresses() {
        for (text, expected) in [
            ("8.8.8.8", "8.8.8.8"),
            ("::ffff:8.8.8.8", "8.8.8.8"),
            ("64:ff9b::8.8.8.8", "8.8.8.8"),
            ("64:ff9b::808:8ff", "8.8.8.255"),
            ("64:ff9b:1::8.8.8.8", "64:ff9b:1::808:808"),
            ("64:ff9b::1:8.8.8.8", "64:ff9b::1:808:808"),
            ("::8.8.8.8", "::8.8.8.8"),
            ("240e::1", "240e::1"),
        ] {
            let unwrapped = unwrapped(text.parse().unwrap());
            assert_eq!(unwrapped, expected.parse::<IpAddr>().unwrap(), "{text}");
        }
    }
}
