//! Who may use the proxy, what may be dialled, and whose TLS is opened, left alone or refused. Pure
//! decisions on values; nothing here waits or writes.

use crate::rule::{Destination, Rule};
use flow::address::{Host, unwrapped};
use flow::network::Network;
use flow::treatment::BlockedWhy;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The rules of a run.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Destinations whose TLS is opened whatever else is said of them.
    pub intercept: Vec<Rule>,
    /// Destinations whose TLS is relayed without decryption.
    pub passthrough: Vec<Rule>,
    /// Destinations that are refused.
    pub block: Vec<Rule>,
    pub on_distrust: OnDistrust,
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

    /// What the lists say of a destination, as far as it is known: the rule that names it most
    /// closely, whatever list it stands in; of equally close ones the one that opens least.
    pub(crate) fn verdict(&self, destination: &Destination<'_>) -> Option<Verdict<'_>> {
        let intercept = self.intercept.iter().map(Verdict::Intercept);
        let passthrough = self.passthrough.iter().map(Verdict::Passthrough);
        let block = self.block.iter().map(Verdict::Block);
        intercept
            .chain(passthrough)
            .chain(block)
            .filter(|verdict| verdict.rule().matches(destination))
            // Of equals the last is taken: `block` before `passthrough` before `intercept`.
            .max_by_key(|verdict| verdict.rule().closeness())
    }

    /// The block rule that is about a host by its name, so that it need not be looked up.
    pub(crate) fn host(&self, host: &Host) -> Result<(), BlockedWhy> {
        let name = host.to_string();
        let destination = Destination { names: &[&name], ..Destination::default() };
        match self.verdict(&destination) {
            Some(Verdict::Block(rule)) if rule.is_about_names() => {
                Err(BlockedWhy::Rule(rule.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a rule can be about what the databases say.
    pub(crate) fn needs_origin(&self) -> bool {
        let lists = [&self.intercept, &self.passthrough, &self.block];
        lists.into_iter().flatten().any(Rule::needs_origin)
    }
}

/// What a rule says of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// Intercepted or failed, never left alone by Landfall itself.
    Intercept(&'a Rule),
    Passthrough(&'a Rule),
    Block(&'a Rule),
}

impl<'a> Verdict<'a> {
    fn rule(self) -> &'a Rule {
        match self {
            Self::Intercept(rule) | Self::Passthrough(rule) | Self::Block(rule) => rule,
        }
    }
}

/// `--on-distrust`: what follows for the next connection when a device refuses our leaf with an
/// alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDistrust {
    /// It is relayed without decryption, so that the app works.
    #[default]
    Passthrough,
    /// Nothing: it is intercepted, and may fail again.
    Keep,
    /// It is refused.
    Block,
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
    use crate::rule::Origin;
    use flow::claim::{Asn, Country};

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

    /// Lists as `intercept | passthrough | block`, and what they say of a destination.
    #[track_caller]
    fn verdict(lists: &str, names: &[&str], expected: &str) {
        let mut lists =
            lists.split('|').map(|list| list.split_whitespace().map(|r| r.parse().unwrap()));
        let mut list = || lists.next().unwrap().collect::<Vec<Rule>>();
        let (intercept, passthrough, block) = (list(), list(), list());
        let rules = Rules { intercept, passthrough, block, ..Rules::default() };
        let origin = Origin { asns: vec![Asn(64496)], countries: vec![Country::CN] };
        let destination = Destination {
            names,
            address: Some("203.0.113.9".parse().unwrap()),
            port: Some(993),
            origin: Some(&origin),
        };
        let said = match rules.verdict(&destination) {
            Some(Verdict::Intercept(rule)) => format!("intercept {rule}"),
            Some(Verdict::Passthrough(rule)) => format!("passthrough {rule}"),
            Some(Verdict::Block(rule)) => format!("block {rule}"),
            None => String::new(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn the_closest_rule_decides() {
        verdict("||", &["a.example"], "");
        verdict("| b.example |", &["a.example"], "");
        verdict("| a.example | country:CN", &["a.example"], "passthrough a.example");
        verdict("a.b.example | *.b.example |", &["a.b.example"], "intercept a.b.example");
        verdict("*.a.b.example | *.b.example |", &["x.a.b.example"], "intercept *.a.b.example");
        verdict("| * | port:993", &["a.example"], "block port:993");
        verdict("203.0.113.0/24 | port:993 |", &["a.example"], "intercept 203.0.113.0/24");
        verdict("| 203.0.113.0/24 | 203.0.113.9", &["a.example"], "block 203.0.113.9");
        verdict("AS64496 | * | country:CN", &["a.example"], "intercept AS64496");
    }

    #[test]
    fn of_equally_close_rules_the_one_that_opens_least_decides() {
        verdict("a.example | a.example | a.example", &["a.example"], "block a.example");
        verdict("a.example | a.example |", &["a.example"], "passthrough a.example");
        // The name that was asked for and the one in the ClientHello.
        verdict("a.example | b.example |", &["a.example", "b.example"], "passthrough b.example");
        verdict("a.example | | b.example", &["a.example", "b.example"], "block b.example");
    }

    #[test]
    fn only_a_name_blocks_before_the_look_up() {
        let rules = |block: &str| Rules { block: vec![block.parse().unwrap()], ..Rules::default() };
        let host: Host = "a.b.example".parse().unwrap();
        assert_eq!(
            rules("*.b.example").host(&host),
            Err(BlockedWhy::Rule("*.b.example".to_owned()))
        );
        for later in ["*", "port:443", "country:CN", "192.0.2.1"] {
            assert_eq!(rules(later).host(&host), Ok(()), "{later}");
        }
        let mut rules = rules("*.b.example");
        rules.passthrough.push("a.b.example".parse().unwrap());
        assert_eq!(rules.host(&host), Ok(()));
        assert!(!rules.needs_origin());
        rules.intercept.push("AS1".parse().unwrap());
        assert!(rules.needs_origin());
    }
}
