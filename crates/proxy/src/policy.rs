//! Who may use the proxy, what may be dialled, and whose TLS is left alone. Pure decisions on
//! values; nothing here waits or writes.

use flow::address::{DnsName, unwrapped};
use flow::network::Network;
use flow::treatment::{BlockedWhy, PassthroughWhy};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The rules of a run.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Hosts whose TLS is relayed without decryption.
    pub passthrough: Vec<HostPattern>,
    /// Networks served beside private, link-local and loopback addresses.
    pub allowed_clients: Vec<Network>,
    /// Networks whose peers must say in a PROXY protocol header for whom they connect.
    pub trusted_forwarders: Vec<Network>,
    /// Permits loopback, link-local and metadata destinations (tests, demonstrations).
    pub allow_local: bool,
}

impl Rules {
    /// Whether a client at this address is served.
    pub(crate) fn client(&self, address: IpAddr) -> Result<(), BlockedWhy> {
        let address = address.to_canonical();
        let near = match address {
            IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
            IpAddr::V6(ip) => {
                ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
            }
        };
        if near || self.allowed_clients.iter().any(|network| network.contains(address)) {
            Ok(())
        } else {
            Err(BlockedWhy::ClientNotAllowed)
        }
    }

    /// Whether a peer at this address tells for whom it connects.
    pub(crate) fn is_trusted_forwarder(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_forwarders.iter().any(|network| network.contains(address))
    }

    /// Whether this address may be dialled. `own` are addresses at which Landfall itself listens.
    pub(crate) fn destination(
        &self,
        address: SocketAddr,
        own: &[SocketAddr],
    ) -> Result<(), BlockedWhy> {
        let ip = unwrapped(address.ip());
        let is_own = |own: &SocketAddr| unwrapped(own.ip()) == ip;
        if own.iter().any(|own| own.port() == address.port() && is_own(own)) {
            return Err(BlockedWhy::OwnListener);
        }
        if ip.is_unspecified() {
            return Err(BlockedWhy::DestinationUnspecified);
        }
        if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(BlockedWhy::DestinationMulticast);
        }
        if self.allow_local {
            return Ok(());
        }
        if METADATA_V4.iter().any(|m| ip == IpAddr::V4(*m)) || ip == IpAddr::V6(METADATA_V6) {
            return Err(BlockedWhy::DestinationMetadata);
        }
        if ip.is_loopback() || own.iter().any(is_own) {
            return Err(BlockedWhy::DestinationLoopback);
        }
        match ip {
            IpAddr::V4(ip) if ip.is_link_local() => Err(BlockedWhy::DestinationLinkLocal),
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Err(BlockedWhy::DestinationLinkLocal),
            _ => Ok(()),
        }
    }

    /// The passthrough pattern that one of the connection's names matches.
    pub(crate) fn passthrough<'a>(
        &self,
        mut names: impl Iterator<Item = &'a str>,
    ) -> Option<PassthroughWhy> {
        names.find_map(|name| {
            let pattern = self.passthrough.iter().find(|pattern| pattern.matches(name))?;
            Some(PassthroughWhy::Rule(pattern.to_string()))
        })
    }
}

/// `example.com` (that name alone), `*.example.com` (all names below it) or an IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exactly(DnsName),
    Below(DnsName),
    Address(IpAddr),
}

impl HostPattern {
    fn matches(&self, name: &str) -> bool {
        match &self.0 {
            Pattern::Exactly(own) => name.parse::<DnsName>().is_ok_and(|name| name == *own),
            Pattern::Below(own) => name
                .parse::<DnsName>()
                .is_ok_and(|name| name != *own && name.is_within(own.as_str())),
            Pattern::Address(own) => name.parse::<IpAddr>().is_ok_and(|ip| ip == *own),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Exactly(name) => name.fmt(f),
            Pattern::Below(name) => write!(f, "*.{name}"),
            Pattern::Address(ip) => ip.fmt(f),
        }
    }
}

/// The text is no host pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAHostPattern;

impl fmt::Display for NotAHostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a host pattern: expected a name, *.name or an IP address")
    }
}

impl std::error::Error for NotAHostPattern {}

impl FromStr for HostPattern {
    type Err = NotAHostPattern;

    fn from_str(text: &str) -> Result<Self, NotAHostPattern> {
        if let Ok(ip) = text.parse() {
            return Ok(Self(Pattern::Address(ip)));
        }
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let name: DnsName = name.parse().map_err(|_syntax| NotAHostPattern)?;
        Ok(Self(if below { Pattern::Below(name) } else { Pattern::Exactly(name) }))
    }
}

/// Metadata services of AWS, Azure and Google Cloud, of Alibaba Cloud, and of Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// AWS's metadata service over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn destination(address: &str, allow_local: bool, expected: Result<(), BlockedWhy>) {
        let rules = Rules { allow_local, ..Rules::default() };
        let own = ["192.168.1.5:8080".parse().unwrap(), "127.0.0.1:8080".parse().unwrap()];
        assert_eq!(rules.destination(address.parse().unwrap(), &own), expected, "{address}");
    }

    #[test]
    fn destinations() {
        destination("8.8.8.8:443", false, Ok(()));
        destination("192.168.1.6:443", false, Ok(()));
        destination("192.168.1.5:443", false, Err(BlockedWhy::DestinationLoopback));
        destination("192.168.1.5:443", true, Ok(()));
        destination("192.168.1.5:8080", true, Err(BlockedWhy::OwnListener));
        destination("[::ffff:127.0.0.1]:8080", true, Err(BlockedWhy::OwnListener));
        destination("127.0.0.1:80", false, Err(BlockedWhy::DestinationLoopback));
        destination("[::ffff:127.0.0.1]:80", false, Err(BlockedWhy::DestinationLoopback));
        destination("[::1]:80", false, Err(BlockedWhy::DestinationLoopback));
        destination("127.0.0.1:80", true, Ok(()));
        destination("169.254.1.1:80", false, Err(BlockedWhy::DestinationLinkLocal));
        destination("[fe80::1]:80", false, Err(BlockedWhy::DestinationLinkLocal));
        destination("169.254.169.254:80", false, Err(BlockedWhy::DestinationMetadata));
        destination("[64:ff9b::a9fe:a9fe]:80", false, Err(BlockedWhy::DestinationMetadata));
        destination("[fd00:ec2::254]:80", false, Err(BlockedWhy::DestinationMetadata));
        destination("0.0.0.0:80", true, Err(BlockedWhy::DestinationUnspecified));
        destination("224.0.0.1:80", true, Err(BlockedWhy::DestinationMulticast));
    }

    #[test]
    fn clients_outside_the_ranges_are_refused_unless_allowed() {
        let mut rules = Rules::default();
        for near in ["127.0.0.1", "192.168.7.7", "10.0.0.1", "::1", "fd00::7", "fe80::1"] {
            assert_eq!(rules.client(near.parse().unwrap()), Ok(()), "{near}");
        }
        let far: IpAddr = "203.0.113.9".parse().unwrap();
        assert_eq!(rules.client(far), Err(BlockedWhy::ClientNotAllowed));
        assert!(rules.client("100.64.0.9".parse().unwrap()).is_err());
        rules.allowed_clients.push("203.0.113.0/24".parse().unwrap());
        assert_eq!(rules.client(far), Ok(()));
        assert_eq!(rules.client("::ffff:203.0.113.9".parse().unwrap()), Ok(()));
    }

    #[track_caller]
    fn pattern(pattern: &str, name: &str, expected: bool) {
        let rules = Rules { passthrough: vec![pattern.parse().unwrap()], ..Rules::default() };
        let why = rules.passthrough([name].into_iter());
        assert_eq!(why.is_some(), expected, "{pattern} {name}");
    }

    #[test]
    fn host_patterns() {
        pattern("bank.example", "bank.example", true);
        pattern("bank.example", "BANK.example.", true);
        pattern("bank.example", "a.bank.example", false);
        pattern("*.bank.example", "a.b.bank.example", true);
        pattern("*.bank.example", "bank.example", false);
        pattern("*.bank.example", "mybank.example", false);
        pattern("192.0.2.1", "192.0.2.1", true);
        assert_eq!("*".parse::<HostPattern>(), Err(NotAHostPattern));
        assert_eq!("a*.example".parse::<HostPattern>(), Err(NotAHostPattern));
    }
}
