//! The address that databases are asked about, when another address stands for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Unwraps IPv4-mapped addresses (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2) and those of the
/// well-known NAT64 prefix (`64:ff9b::/96`, RFC 6052 section 2.1).
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            let canonical = canonical(text.parse().unwrap());
            assert_eq!(canonical, expected.parse::<IpAddr>().unwrap(), "{text}");
        }
    }
}
