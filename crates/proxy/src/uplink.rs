//! Reads how the machine is connected: interfaces and routes as Linux tells them in `/proc` and
//! `/sys`, and which way the system would take. No packet is sent. Other systems are not read, so that
//! nothing is concluded there from round trips.

use crate::dial::set_mark;
use flow::uplink::{DefaultRoute, Interface, InterfaceKind, Uplink};
use socket2::SockRef;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

/// The machine's network as it is now; `None` where the system does not tell. `mark` is that of
/// outgoing sockets, by which rules can choose another way.
pub fn read_uplink(mark: Option<u32>) -> Option<Uplink> {
    let files = Files { proc_net: "/proc/net".into(), sys_net: "/sys/class/net".into() };
    files.read(leaves_by(mark)).ok()
}

/// Where the system tells of its network.
struct Files {
    proc_net: PathBuf,
    sys_net: PathBuf,
}

impl Files {
    fn read(&self, leaves_by: BTreeSet<String>) -> io::Result<Uplink> {
        let routes = fs::read_to_string(self.proc_net.join("route"))?;
        // Where there is no IPv6, there is no such file.
        let routes_v6 = fs::read_to_string(self.proc_net.join("ipv6_route")).unwrap_or_default();
        let routed = routes.lines().filter_map(default_v4);
        let mut default_routes: Vec<_> =
            routed.chain(routes_v6.lines().filter_map(default_v6)).collect();
        default_routes.sort();
        default_routes.dedup();
        default_routes.truncate(MOST_ROUTES);
        let is_way = |name: &str| {
            leaves_by.contains(name) || default_routes.iter().any(|route| route.interface == name)
        };
        let mut interfaces = Vec::new();
        for entry in fs::read_dir(&self.sys_net)? {
            let entry = entry?;
            let name = clean(&entry.file_name().to_string_lossy());
            let kind = kind(&entry.path());
            // The ends of containers come and go, and nothing leaves by them.
            if is_way(&name) || kind.is_tunnel() || entry.path().join("device").exists() {
                interfaces.push(Interface { name, kind });
            }
        }
        interfaces.sort_by_key(|interface| (!is_way(&interface.name), interface.name.clone()));
        interfaces.truncate(MOST_INTERFACES);
        interfaces.sort();
        let leaves_by = leaves_by.into_iter().collect();
        Ok(Uplink { interfaces, default_routes, leaves_by })
    }
}

/// A line of `/proc/net/route`: interface, destination, gateway, flags, …, mask (the 8th), addresses
/// as the machine's words in hexadecimal.
fn default_v4(line: &str) -> Option<DefaultRoute> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [interface, destination, gateway, flags, _, _, _, mask, ..] = *fields.as_slice() else {
        return None;
    };
    let number = |text| u32::from_str_radix(text, 16).ok();
    if number(destination)? != 0 || number(mask)? != 0 || !is_usable(number(flags)?) {
        return None;
    }
    let gateway = Ipv4Addr::from(number(gateway)?.to_ne_bytes());
    let gateway = (!gateway.is_unspecified()).then_some(IpAddr::V4(gateway));
    Some(DefaultRoute { interface: clean(interface), gateway })
}

/// A line of `/proc/net/ipv6_route`: destination, its prefix's length, source, its prefix's length,
/// next hop, metric, two counters, flags, interface, all but the last in hexadecimal.
fn default_v6(line: &str) -> Option<DefaultRoute> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [destination, length, _, _, gateway, _, _, _, flags, interface] = *fields.as_slice() else {
        return None;
    };
    let address = |text| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from_bits);
    let flags = u32::from_str_radix(flags, 16).ok()?;
    if !address(destination)?.is_unspecified() || length != "00" || !is_usable(flags) {
        return None;
    }
    let gateway = address(gateway)?;
    let gateway = (!gateway.is_unspecified()).then_some(IpAddr::V6(gateway));
    Some(DefaultRoute { interface: clean(interface), gateway })
}

/// Up, and no refusal (`RTF_UP`, `RTF_REJECT`).
fn is_usable(flags: u32) -> bool {
    flags & 0x1 != 0 && flags & 0x200 == 0
}

/// What `/sys/class/net/<name>` says that the interface is.
fn kind(directory: &Path) -> InterfaceKind {
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
    let uevent = read("uevent");
    let device = uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
    if directory.join("tun_flags").exists() {
        return InterfaceKind::Tun;
    }
    match device {
        Some("wireguard") => return InterfaceKind::WireGuard,
        Some("wlan") => return InterfaceKind::Wireless,
        Some("ppp") => return InterfaceKind::Ppp,
        _ => {}
    }
    // The hardware types of `linux/if_arp.h`.
    match read("type").trim().parse() {
        Ok(1_u32) if directory.join("phy80211").exists() => InterfaceKind::Wireless,
        Ok(1) => InterfaceKind::Ethernet,
        Ok(512) => InterfaceKind::Ppp,
        Ok(768 | 769 | 776 | 778 | 823) => InterfaceKind::Tunnel,
        Ok(772) => InterfaceKind::Loopback,
        // Without a header of its own: that of a modem's hardware, else of a program or the kernel.
        Ok(65_534) if !directory.join("device").exists() => InterfaceKind::Tunnel,
        _ => InterfaceKind::Other,
    }
}

/// The interfaces by which far addresses are reached, as the system says when it is asked to connect
/// a datagram socket, for which nothing is sent.
fn leaves_by(mark: Option<u32>) -> BTreeSet<String> {
    let sources: Vec<IpAddr> = FAR.iter().filter_map(|far| source(*far, mark).ok()).collect();
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let chosen = interfaces.into_iter().filter(|interface| sources.contains(&interface.ip()));
    chosen.map(|interface| clean(&interface.name)).collect()
}

fn source(far: IpAddr, mark: Option<u32>) -> io::Result<IpAddr> {
    let any: IpAddr = match far {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    if let Some(mark) = mark {
        set_mark(&SockRef::from(&socket), mark)?;
    }
    socket.connect(SocketAddr::new(far, 443))?;
    Ok(socket.local_addr()?.ip())
}

fn clean(name: &str) -> String {
    name.replace(char::is_control, "\u{fffd}")
}

/// In both halves of the addresses of IPv4, and one of IPv6; where it can be, for documentation alone
/// (RFC 5737, RFC 3849), which routes treat as any other.
const FAR: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V4(Ipv4Addr::new(100, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];
const MOST_INTERFACES: usize = 32;
const MOST_ROUTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
        wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\n\
        wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\n\
        tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\n";
    const ROUTES_V6: &str = "\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
        fe800000000000000000000000000001 00000400 00000002 00000000 00450003 wlan0\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
        00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n\
        garbage\n";

    fn interface(files: &Files, name: &str, parts: &[(&str, &str)]) {
        let directory = files.sys_net.join(name);
        fs::create_dir_all(&directory).unwrap();
        for (file, text) in parts {
            fs::write(directory.join(file), text).unwrap();
        }
    }

    #[test]
    fn routes_and_kinds_are_read() {
        let temp = tempfile::tempdir().unwrap();
        let files = Files { proc_net: temp.path().into(), sys_net: temp.path().join("sys") };
        assert!(files.read(BTreeSet::new()).is_err(), "the system does not tell");
        fs::write(temp.path().join("route"), ROUTES).unwrap();
        fs::write(temp.path().join("ipv6_route"), ROUTES_V6).unwrap();
        interface(&files, "lo", &[("type", "772\n")]);
        interface(&files, "veth7", &[("type", "1\n")]);
        interface(&files, "eth0", &[("type", "1\n"), ("device", "")]);
        interface(&files, "wlan0", &[("type", "1\n"), ("uevent", "DEVTYPE=wlan\n")]);
        interface(&files, "tun0", &[("type", "65534\n"), ("tun_flags", "0x1001\n")]);
        interface(&files, "wg0", &[("type", "65534\n"), ("uevent", "DEVTYPE=wireguard\n")]);
        interface(&files, "wwan0", &[("type", "65534\n"), ("device", "")]);
        let uplink = files.read(BTreeSet::from(["wlan0".to_owned()])).unwrap();
        let kinds: Vec<_> =
            uplink.interfaces.iter().map(|i| format!("{} {}", i.name, i.kind)).collect();
        let expected =
            ["eth0 ethernet", "tun0 tun", "wg0 wireguard", "wlan0 wireless", "wwan0 other"];
        assert_eq!(kinds, expected);
        let gateways: Vec<_> = uplink.default_routes.iter().map(|r| r.gateway).collect();
        let expected: [IpAddr; 2] = ["192.168.1.1".parse().unwrap(), "fe80::1".parse().unwrap()];
        assert_eq!(gateways, expected.map(Some));
        assert_eq!(uplink.tunnel(), None, "tun0 has a route to half of the addresses only");
        let uplink = files.read(BTreeSet::from(["tun0".to_owned()])).unwrap();
        assert_eq!(uplink.tunnel(), Some("tun0"), "but the system chose it");
    }

    #[test]
    fn the_machine_that_runs_this_can_be_read() {
        if cfg!(target_os = "linux") {
            read_uplink(None).unwrap();
        }
    }
}
