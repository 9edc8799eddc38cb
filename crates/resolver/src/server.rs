//! A DNS server as it is configured: its address, over what it is asked, and who must answer there.
//! Nothing is asked here.

use flow::address::DnsName;
use flow::dns::Transport;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// One DNS server, as in `192.0.2.53`, `192.0.2.53:5353`, `tls://192.0.2.53#dns.example` or
/// `https://192.0.2.53/dns-query#dns.example`. It always has an address, because looking up the name
/// of an encrypted server would tell another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub address: SocketAddr,
    pub over: Over,
}

/// How a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// UDP, and TCP where UDP does not do.
    Plain,
    /// DNS over TLS (RFC 7858), strictly: never without.
    Tls { identity: Identity },
    /// DNS over HTTPS (RFC 8484), strictly.
    Https { identity: Identity, path: Path },
}

/// Who must answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Somebody with a certificate for the server's address.
    Address,
    /// Somebody with a certificate for this name.
    Name(DnsName),
}

/// The path of a URL, without query: printable ASCII that begins with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(String);

/// Why a text is no server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAServer {
    /// A name, or nothing, stands where the address must be.
    Address,
    Scheme(String),
    /// What follows `#` is no host name.
    Name,
    /// A path where none belongs, or one that no URL has.
    Path,
    /// A name for a server that shows no certificate.
    NameWithoutTls,
}

impl Server {
    /// A server that is asked in the clear.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, over: Over::Plain }
    }

    pub fn is_encrypted(&self) -> bool {
        self.over != Over::Plain
    }

    /// The name that its certificate must have, where one was given.
    pub(crate) fn name(&self) -> Option<&DnsName> {
        match &self.over {
            Over::Plain => None,
            Over::Tls { identity } | Over::Https { identity, .. } => match identity {
                Identity::Address => None,
                Identity::Name(name) => Some(name),
            },
        }
    }

    /// The transport that it is asked over first.
    pub(crate) fn transport(&self) -> Transport {
        match self.over {
            Over::Plain => Transport::Udp,
            Over::Tls { .. } => Transport::Tls,
            Over::Https { .. } => Transport::Https,
        }
    }
}

impl Path {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Server {
    type Err = NotAServer;

    fn from_str(text: &str) -> Result<Self, NotAServer> {
        let Some((scheme, rest)) = text.split_once("://") else {
            if text.contains('#') {
                return Err(NotAServer::NameWithoutTls);
            }
            return Ok(Self::plain(socket(text, DNS_PORT)?));
        };
        let (place, name) = match rest.split_once('#') {
            Some((place, name)) => (place, Some(name)),
            None => (rest, None),
        };
        let identity = match name {
            None => Identity::Address,
            Some(name) => Identity::Name(name.parse().map_err(|_host| NotAServer::Name)?),
        };
        match scheme {
            "tls" if place.contains('/') => Err(NotAServer::Path),
            "tls" => Ok(Self { address: socket(place, TLS_PORT)?, over: Over::Tls { identity } }),
            "https" => {
                let (place, path) = match place.split_once('/') {
                    Some((place, path)) => (place, path.parse::<Path>()?),
                    None => (place, Path(DEFAULT_PATH.to_owned())),
                };
                let address = socket(place, HTTPS_PORT)?;
                Ok(Self { address, over: Over::Https { identity, path } })
            }
            other => Err(NotAServer::Scheme(other.to_owned())),
        }
    }
}

impl FromStr for Path {
    type Err = NotAServer;

    /// Reads what comes after the first slash.
    fn from_str(text: &str) -> Result<Self, NotAServer> {
        let of_a_path = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'{' | b'}' | b'"');
        match text.bytes().all(of_a_path) {
            true => Ok(Self(format!("/{text}"))),
            false => Err(NotAServer::Path),
        }
    }
}

/// An address, with or without a port; one of IPv6 with a port stands in brackets.
fn socket(text: &str, port: u16) -> Result<SocketAddr, NotAServer> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match (text.parse::<SocketAddr>(), bare.parse::<IpAddr>()) {
        (Ok(socket), _) => Ok(socket),
        (Err(_), Ok(address)) => Ok(SocketAddr::new(address, port)),
        (Err(_), Err(_)) => Err(NotAServer::Address),
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.over {
            Over::Plain => write!(f, "{}", self.address),
            Over::Tls { identity } => write!(f, "tls://{}{identity}", self.address),
            Over::Https { identity, path } => {
                write!(f, "https://{}{}{identity}", self.address, path.0)
            }
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => Ok(()),
            Self::Name(name) => write!(f, "#{name}"),
        }
    }
}

impl fmt::Display for NotAServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("no address of a DNS server"),
            Self::Scheme(scheme) => write!(f, "DNS servers are not asked over {scheme:?}"),
            Self::Name => f.write_str("what follows # is no host name"),
            Self::Path => f.write_str("the path is none of a DNS server"),
            Self::NameWithoutTls => f.write_str("a server without tls:// or https:// has no name"),
        }
    }
}

impl std::error::Error for NotAServer {}

const DNS_PORT: u16 = 53;
/// RFC 7858 section 3.1.
const TLS_PORT: u16 = 853;
const HTTPS_PORT: u16 = 443;
/// Of the examples in RFC 8484, and of every large public server.
const DEFAULT_PATH: &str = "/dns-query";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, NotAServer>) {
        let server = text.parse::<Server>();
        assert_eq!(server.clone().map(|s| s.to_string()), expected.map(str::to_owned));
        if let Ok(server) = server {
            assert_eq!(server.to_string().parse(), Ok(server), "{text}");
        }
    }

    #[test]
    fn each_form_has_an_address_and_at_most_a_name() {
        check("192.0.2.53", Ok("192.0.2.53:53"));
        check("192.0.2.53:5353", Ok("192.0.2.53:5353"));
        check("2001:db8::53", Ok("[2001:db8::53]:53"));
        check("[2001:db8::53]:5353", Ok("[2001:db8::53]:5353"));
        check("tls://192.0.2.53", Ok("tls://192.0.2.53:853"));
        check("tls://192.0.2.53#DNS.example", Ok("tls://192.0.2.53:853#dns.example"));
        check("tls://[2001:db8::53]:8853#a.b", Ok("tls://[2001:db8::53]:8853#a.b"));
        check("tls://[2001:db8::53]", Ok("tls://[2001:db8::53]:853"));
        check("https://192.0.2.53#a.b", Ok("https://192.0.2.53:443/dns-query#a.b"));
        check("https://192.0.2.53:8443/", Ok("https://192.0.2.53:8443/"));
        check("https://192.0.2.53/x/y@z#a.b", Ok("https://192.0.2.53:443/x/y@z#a.b"));
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for text in ["", "dns.example", "tls://dns.example", "https://dns.example/dns-query"] {
            check(text, Err(NotAServer::Address));
        }
        check("tls://192.0.2.53/dns-query", Err(NotAServer::Path));
        check("https://192.0.2.53/dns-query{?dns}", Err(NotAServer::Path));
        check("https://192.0.2.53/a b", Err(NotAServer::Path));
        check("tls://192.0.2.53#", Err(NotAServer::Name));
        check("192.0.2.53#dns.example", Err(NotAServer::NameWithoutTls));
        check("http://192.0.2.53/dns-query", Err(NotAServer::Scheme("http".to_owned())));
        check("quic://192.0.2.53", Err(NotAServer::Scheme("quic".to_owned())));
    }
}
