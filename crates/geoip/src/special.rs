//! Addresses of special purpose, of which no database is asked: the blocks that the IANA
//! special-purpose address registries (RFC 6890) mark as not globally reachable, and multicast,
//! transition and retired blocks whose addresses say nothing of a place.

use crate::source_name;
use flow::claim::{Claim, Source, Statement};
use flow::network::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// The table of special ranges.
#[derive(Debug)]
pub(crate) struct SpecialRanges {
    source: Arc<Source>,
}

impl SpecialRanges {
    pub(crate) fn new() -> Self {
        Self {
            source: Arc::new(Source {
                name: source_name::SPECIAL_RANGE.to_owned(),
                licence: "facts".to_owned(),
                built: None,
                sha256: None,
            }),
        }
    }

    /// The claim that `address`, which must be canonical, lies in a special range.
    pub(crate) fn claim(&self, address: IpAddr) -> Option<Claim> {
        let (network, name) = special_range(address)?;
        Some(Claim {
            source: Arc::clone(&self.source),
            statement: Statement::SpecialRange(name.to_owned()),
            matched: network.to_string(),
        })
    }
}

/// The special range in which the address lies, and its name.
fn special_range(address: IpAddr) -> Option<(Network, &'static str)> {
    let within = |block: IpAddr, prefix: u8, reach| {
        let network = Network::containing(block, prefix)?;
        network.contains(address).then_some((network, reach))
    };
    // Narrow blocks come before the wide ones that contain them: the first match holds.
    let (network, reach) = match address {
        IpAddr::V4(_) => V4.iter().find_map(|(block, prefix, reach)| {
            within(Ipv4Addr::from(*block).into(), *prefix, *reach)
        }),
        IpAddr::V6(_) => V6.iter().find_map(|(block, prefix, reach)| {
            within(Ipv6Addr::from(*block).into(), *prefix, *reach)
        }),
    }?;
    match reach {
        Special(name) => Some((network, name)),
        Global => None,
    }
}

#[derive(Clone, Copy, Debug)]
enum Reach {
    Special(&'static str),
    /// An ordinary part of a special block: databases are asked.
    Global,
}

use Reach::{Global, Special};

const V4: &[([u8; 4], u8, Reach)] = &[
    ([0, 0, 0, 0], 32, Special("unspecified")),
    ([0, 0, 0, 0], 8, Special("this-network")),
    ([10, 0, 0, 0], 8, Special("private")),
    ([100, 64, 0, 0], 10, Special("carrier-grade-nat")),
    ([127, 0, 0, 0], 8, Special("loopback")),
    ([169, 254, 0, 0], 16, Special("link-local")),
    ([172, 16, 0, 0], 12, Special("private")),
    // Port Control Protocol and TURN anycast, RFC 7723 and RFC 8155.
    ([192, 0, 0, 9], 32, Global),
    ([192, 0, 0, 10], 32, Global),
    ([192, 0, 0, 0], 24, Special("protocol-assignments")),
    ([192, 0, 2, 0], 24, Special("documentation")),
    ([192, 88, 99, 0], 24, Special("6to4-relay")),
    ([192, 168, 0, 0], 16, Special("private")),
    ([198, 18, 0, 0], 15, Special("benchmarking")),
    ([198, 51, 100, 0], 24, Special("documentation")),
    ([203, 0, 113, 0], 24, Special("documentation")),
    ([224, 0, 0, 0], 4, Special("multicast")),
    ([255, 255, 255, 255], 32, Special("broadcast")),
    ([240, 0, 0, 0], 4, Special("reserved")),
];

const V6: &[([u16; 8], u8, Reach)] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, Special("unspecified")),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, Special("loopback")),
    // RFC 4291 section 2.5.5.1. MMDB files keep their IPv4 part here and would answer from it.
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, Special("ipv4-compatible")),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, Special("local-nat64")),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, Special("discard")),
    ([0x100, 0, 0, 1, 0, 0, 0, 0], 64, Special("dummy-prefix")),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, Special("teredo")),
    ([0x2001, 1, 0, 0, 0, 0, 0, 1], 128, Global),
    ([0x2001, 1, 0, 0, 0, 0, 0, 2], 128, Global),
    ([0x2001, 1, 0, 0, 0, 0, 0, 3], 128, Global),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, Special("benchmarking")),
    ([0x2001, 3, 0, 0, 0, 0, 0, 0], 32, Global),
    ([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48, Global),
    ([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28, Special("retired-orchid")),
    ([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28, Special("orchid")),
    ([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28, Special("drone-remote-id")),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Special("protocol-assignments")),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Special("documentation")),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Special("6to4")),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Special("documentation")),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, Special("segment-routing")),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Special("unique-local")),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Special("link-local")),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Special("site-local")),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Special("multicast")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &str)>) {
        let found = special_range(text.parse().unwrap());
        let found = found.map(|(network, name)| (network.to_string(), name));
        let expected = expected.map(|(network, name)| (network.to_owned(), name));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn every_block_is_written_without_host_bits_and_found_by_its_first_address() {
        for (block, prefix, reach) in V4 {
            let block = IpAddr::from(*block);
            assert_eq!(Network::containing(block, *prefix).unwrap().address(), block);
            let is_special = matches!(reach, Special(_));
            assert_eq!(special_range(block).is_some(), is_special, "{block}");
        }
        for (block, prefix, reach) in V6 {
            let block = IpAddr::from(*block);
            assert_eq!(Network::containing(block, *prefix).unwrap().address(), block);
            let is_special = matches!(reach, Special(_));
            assert_eq!(special_range(block).is_some(), is_special, "{block}");
        }
    }

    #[test]
    fn edges() {
        for (inside, name, network) in [
            ("10.255.255.255", "private", "10.0.0.0/8"),
            ("172.31.255.255", "private", "172.16.0.0/12"),
            ("192.168.255.255", "private", "192.168.0.0/16"),
            ("100.64.0.0", "carrier-grade-nat", "100.64.0.0/10"),
            ("100.127.255.255", "carrier-grade-nat", "100.64.0.0/10"),
            ("169.254.1.1", "link-local", "169.254.0.0/16"),
            ("198.19.255.255", "benchmarking", "198.18.0.0/15"),
            ("203.0.113.7", "documentation", "203.0.113.0/24"),
            ("239.255.255.255", "multicast", "224.0.0.0/4"),
            ("255.255.255.254", "reserved", "240.0.0.0/4"),
            ("255.255.255.255", "broadcast", "255.255.255.255/32"),
            ("0.0.0.0", "unspecified", "0.0.0.0/32"),
            ("0.0.0.1", "this-network", "0.0.0.0/8"),
            ("::", "unspecified", "::/128"),
            ("::1", "loopback", "::1/128"),
            ("::8.8.8.8", "ipv4-compatible", "::/96"),
            ("fd00::1", "unique-local", "fc00::/7"),
            ("fe80::1", "link-local", "fe80::/10"),
            ("ff02::fb", "multicast", "ff00::/8"),
            ("2001:db8:ffff::1", "documentation", "2001:db8::/32"),
            ("3fff:fff::1", "documentation", "3fff::/20"),
            ("2001::1", "teredo", "2001::/32"),
            ("2001:1::5", "protocol-assignments", "2001::/23"),
            ("64:ff9b:1::1", "local-nat64", "64:ff9b:1::/48"),
        ] {
            check(inside, Some((network, name)));
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.0.9",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:1::1",
            "2001:200::1",
            "2001:db7::1",
            "2001:db9::1",
            "3fff:1000::1",
            "240e::1",
            "fbff::1",
        ] {
            check(outside, None);
        }
    }
}
