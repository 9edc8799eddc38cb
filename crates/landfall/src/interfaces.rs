//! The machine's own addresses: what a person types into the phone's proxy settings.

use std::net::IpAddr;

/// All addresses of the machine.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.into_iter().map(|interface| interface.ip()).collect()
}

/// Addresses at which another machine can reach a listener on `listen`, with their interfaces:
/// all of the family where it is the unspecified address, IPv4 first.
pub(crate) fn reachable(listen: IpAddr) -> Vec<(String, IpAddr)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let all = interfaces.into_iter().map(|interface| (interface.name.clone(), interface.ip()));
    let mut reachable: Vec<_> = all.filter(|(_, ip)| serves(listen, *ip)).collect();
    reachable.sort_by_key(|(name, ip)| (ip.is_ipv6(), name.clone(), *ip));
    reachable.dedup();
    reachable
}

/// Whether a listener on `listen` answers at `ip`, and a phone can be told so: link-local IPv6
/// needs a zone, which no phone takes.
fn serves(listen: IpAddr, ip: IpAddr) -> bool {
    let usable = match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    };
    let same = match listen {
        IpAddr::V4(any) if any.is_unspecified() => ip.is_ipv4(),
        // Unspecified IPv6 listeners take both families on the systems that we run on.
        IpAddr::V6(any) if any.is_unspecified() => true,
        one => one == ip,
    };
    usable && same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listen: &str, ip: &str, expected: bool) {
        assert_eq!(serves(listen.parse().unwrap(), ip.parse().unwrap()), expected, "{listen} {ip}");
    }

    #[test]
    fn addresses_a_phone_can_use() {
        check("0.0.0.0", "192.168.1.7", true);
        check("0.0.0.0", "127.0.0.1", false);
        check("0.0.0.0", "2001:db8::1", false);
        check("::", "2001:db8::1", true);
        check("::", "192.168.1.7", true);
        check("::", "fe80::1", false);
        check("192.168.1.7", "192.168.1.7", true);
        check("192.168.1.7", "10.0.0.1", false);
        check("127.0.0.1", "127.0.0.1", false);
    }
}
