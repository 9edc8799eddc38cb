//! How the machine that measures is connected to the network, as far as round trips depend on it. As
//! long as it stays the same, one **epoch** of the network lasts: times of different epochs are never
//! added up. Values only; how they are read is `proxy`'s business.

use crate::time::Stamp;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// From here on the network of the machine is this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// From 1, in order.
    pub number: u64,
    pub at: Stamp,
    /// `None`: the system does not tell.
    pub uplink: Option<Uplink>,
    /// Connections leave through another proxy, but for exceptions.
    pub upstream_proxy: bool,
}

/// The ways out of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uplink {
    /// Hardware, tunnels, and whatever a way out leads through, in order of their names.
    pub interfaces: Vec<Interface>,
    /// The default routes of the routing tables, in order.
    pub default_routes: Vec<DefaultRoute>,
    /// The interfaces that the system chose when it was asked for a way to any far address, which
    /// rules and routes to halves of all addresses can make others than those of default routes.
    pub leaves_by: Vec<String>,
}

impl Uplink {
    /// The tunnel that a way out leads into, if one does.
    pub fn tunnel(&self) -> Option<&str> {
        let routed = self.default_routes.iter().map(|route| route.interface.as_str());
        let ways: Vec<&str> = routed.chain(self.leaves_by.iter().map(String::as_str)).collect();
        let is_way = |interface: &&Interface| ways.contains(&interface.name.as_str());
        self.interfaces.iter().filter(is_way).find(|i| i.kind.is_tunnel()).map(|i| &*i.name)
    }
}

/// A way into the network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface {
    pub name: String,
    pub kind: InterfaceKind,
}

/// A route that leads everywhere else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DefaultRoute {
    pub interface: String,
    /// `None` where the interface itself is the way.
    pub gateway: Option<IpAddr>,
}

/// What an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InterfaceKind {
    Loopback,
    Ethernet,
    Wireless,
    /// PPP: a modem, or a tunnel.
    Ppp,
    /// A TUN or TAP device of a program, such as a VPN.
    Tun,
    WireGuard,
    /// A tunnel of the kernel's: IPIP, GRE, SIT and the like.
    Tunnel,
    Other,
}

impl InterfaceKind {
    const ALL: [Self; 8] = [
        Self::Loopback,
        Self::Ethernet,
        Self::Wireless,
        Self::Ppp,
        Self::Tun,
        Self::WireGuard,
        Self::Tunnel,
        Self::Other,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Ethernet => "ethernet",
            Self::Wireless => "wireless",
            Self::Ppp => "ppp",
            Self::Tun => "tun",
            Self::WireGuard => "wireguard",
            Self::Tunnel => "tunnel",
            Self::Other => "other",
        }
    }

    /// What goes in here may come out anywhere.
    pub fn is_tunnel(self) -> bool {
        matches!(self, Self::Ppp | Self::Tun | Self::WireGuard | Self::Tunnel)
    }
}

impl fmt::Display for InterfaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for InterfaceKind {
    type Err = NotAnInterfaceKind;

    fn from_str(word: &str) -> Result<Self, NotAnInterfaceKind> {
        Self::ALL.into_iter().find(|kind| kind.word() == word).ok_or(NotAnInterfaceKind)
    }
}

/// A word that is none of [`InterfaceKind`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnInterfaceKind;

impl fmt::Display for NotAnInterfaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no kind of interface")
    }
}

impl std::error::Error for NotAnInterfaceKind {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: InterfaceKind, routed: &str, leaves_by: &str, expected: Option<&str>) {
        let other = Interface { name: "eth0".to_owned(), kind: InterfaceKind::Ethernet };
        let uplink = Uplink {
            interfaces: vec![other, Interface { name: "x0".to_owned(), kind }],
            default_routes: vec![DefaultRoute { interface: routed.to_owned(), gateway: None }],
            leaves_by: vec![leaves_by.to_owned()],
        };
        assert_eq!(uplink.tunnel(), expected, "{kind} {routed} {leaves_by}");
    }

    #[test]
    fn a_tunnel_counts_when_a_way_out_leads_into_it() {
        for kind in [InterfaceKind::Ppp, InterfaceKind::Tun, InterfaceKind::WireGuard] {
            check(kind, "x0", "x0", Some("x0"));
            // Two routes to halves of all addresses, or a rule, leave the default route as it was.
            check(kind, "eth0", "x0", Some("x0"));
            check(kind, "x0", "eth0", Some("x0"));
            check(kind, "eth0", "eth0", None);
        }
        check(InterfaceKind::Wireless, "x0", "x0", None);
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in InterfaceKind::ALL {
            assert_eq!(kind.word().parse(), Ok(kind));
        }
        assert_eq!("vpn".parse::<InterfaceKind>(), Err(NotAnInterfaceKind));
    }
}
