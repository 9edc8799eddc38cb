//! The commands by which a Linux gateway hands connections to Landfall, and those that take it
//! back, as text for a shell. Pure: nothing is run and nothing of the machine is asked.
//!
//! Connections to the gateway itself are left alone, so that it stays reachable. The rules have a
//! table of their own, which is replaced as a whole: running them twice changes nothing.

use crate::config::TransparentMode;
use std::net::SocketAddr;

/// What the rules are to do.
pub(super) struct Rules {
    pub(super) mode: TransparentMode,
    /// The interface that devices are behind; `None` for all but loopback.
    pub(super) interface: Option<InterfaceName>,
    /// Where Landfall listens, by family.
    pub(super) port_v4: Option<u16>,
    pub(super) port_v6: Option<u16>,
    /// Whose connections of the gateway's own are left alone; `None` leaves all of them alone.
    pub(super) except: Option<Except>,
}

/// How Landfall's own connections are known.
#[derive(Clone, Copy)]
pub(super) enum Except {
    User(u32),
    Mark(u32),
}

/// A name that needs no quoting: as Linux allows them, without what a shell reads.
pub(super) struct InterfaceName(String);

impl InterfaceName {
    pub(super) fn new(name: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-@".contains(&byte);
        let sound = (1..=15).contains(&name.len()) && name.bytes().all(plain);
        (sound && !name.starts_with('-')).then(|| Self(name.to_owned()))
    }
}

impl Rules {
    /// The commands that set it up, then, as comments, those that take it back.
    pub(super) fn set_up(&self) -> String {
        let mut text = format!(
            "# Hands the devices' TCP connections to Landfall ({}). For root, on the gateway.\n\
             # {}\nnft -f - <<'RULES'\ntable inet landfall\ndelete table inet landfall\n\
             table inet landfall {{\n",
            self.mode.word(),
            self.own()
        );
        match self.mode {
            TransparentMode::Redirect => self.redirect(&mut text),
            TransparentMode::Tproxy => self.tproxy(&mut text),
        }
        let from = self.from();
        let quic = [
            "  # HTTP/3 is refused, so that apps take HTTP/2: Landfall does not read it."
                .to_owned(),
            "  chain forward {".to_owned(),
            "    type filter hook forward priority filter; policy accept;".to_owned(),
            format!("    {from} udp dport 443 reject"),
            "  }\n}\nRULES".to_owned(),
        ];
        quic.iter().for_each(|line| push(&mut text, line));
        if self.mode == TransparentMode::Tproxy {
            self.routes("replace", &mut text);
        }
        push(&mut text, "# What is not taken (DNS, say) is forwarded if the machine forwards:");
        push(&mut text, "#   sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        push(&mut text, "# To take it back:");
        self.undo().lines().for_each(|line| push(&mut text, &format!("#   {line}")));
        text
    }

    /// What becomes of the connections of the gateway itself.
    fn own(&self) -> String {
        match self.except.filter(|_| self.mode == TransparentMode::Redirect) {
            None => "This machine's own connections, Landfall's among them, are left alone.".into(),
            Some(Except::User(uid)) => {
                format!("This machine's own connections are taken, but for those of user {uid}.")
            }
            Some(Except::Mark(mark)) => {
                format!("This machine's own connections are taken, but for those marked {mark:#x}.")
            }
        }
    }

    /// The commands that take it back.
    pub(super) fn undo(&self) -> String {
        let mut text = "nft delete table inet landfall\n".to_owned();
        if self.mode == TransparentMode::Tproxy {
            self.routes("del", &mut text);
        }
        text
    }

    fn redirect(&self, text: &mut String) {
        push(text, "  chain prerouting {");
        push(text, "    type nat hook prerouting priority dstnat; policy accept;");
        for (family, port) in self.ports() {
            let (from, to_others) = (self.from(), TO_OTHERS);
            push(text, &format!("    {from} {family} {to_others} redirect to :{port}"));
        }
        push(text, "  }");
        let Some(except) = self.except else { return };
        push(text, "  chain output {");
        push(text, "    type nat hook output priority -100; policy accept;");
        push(
            text,
            &match except {
                Except::User(uid) => format!("    meta skuid {uid} return"),
                Except::Mark(mark) => format!("    meta mark {mark:#x} return"),
            },
        );
        for (family, port) in self.ports() {
            push(text, &format!("    oifname != \"lo\" {family} {TO_OTHERS} redirect to :{port}"));
        }
        push(text, "  }");
    }

    fn tproxy(&self, text: &mut String) {
        push(text, "  chain prerouting {");
        push(text, "    type filter hook prerouting priority mangle; policy accept;");
        for (family, port) in self.ports() {
            let (from, word) = (self.from(), if family == V4 { "ip" } else { "ip6" });
            push(
                text,
                &format!(
                    "    {from} {family} {TO_OTHERS} tproxy {word} to :{port} meta mark set {MARK:#x} accept"
                ),
            );
        }
        push(text, "  }");
    }

    /// Routing delivers what the rules have marked to this machine.
    fn routes(&self, verb: &str, text: &mut String) {
        for (family, _) in self.ports() {
            let ip = if family == V4 { "ip" } else { "ip -6" };
            let rule = format!("{ip} rule del fwmark {MARK:#x} lookup {TABLE}");
            if verb == "del" {
                push(text, &rule);
            } else {
                // There is no `replace` for rules, and `add` adds another one each time.
                push(text, &format!("{rule} 2>/dev/null || true"));
                push(text, &format!("{ip} rule add fwmark {MARK:#x} lookup {TABLE}"));
            }
            push(text, &format!("{ip} route {verb} local default dev lo table {TABLE}"));
        }
    }

    fn from(&self) -> String {
        match &self.interface {
            Some(InterfaceName(name)) => format!("iifname \"{name}\""),
            None => "iifname != \"lo\"".to_owned(),
        }
    }

    fn ports(&self) -> impl Iterator<Item = (&'static str, u16)> + use<> {
        let ports = [(V4, self.port_v4), (V6, self.port_v6)];
        ports.into_iter().filter_map(|(family, port)| Some((family, port?)))
    }
}

/// The first port of a family among the addresses.
pub(super) fn port(listen: &[SocketAddr], is_v4: bool) -> Option<u16> {
    listen.iter().find(|address| address.is_ipv4() == is_v4).map(SocketAddr::port)
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

const V4: &str = "meta nfproto ipv4";
const V6: &str = "meta nfproto ipv6";
/// TCP to anybody but this machine, on whatever addresses it has at the time.
const TO_OTHERS: &str = "meta l4proto tcp fib daddr type != local";
/// Of packets on their way to Landfall ("LF"), and the number of the routing table for them.
const MARK: u32 = 0x4c46;
const TABLE: u32 = 0x4c46;

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(mode: TransparentMode) -> Rules {
        let interface = InterfaceName::new("wlan0");
        Rules { mode, interface, port_v4: Some(8081), port_v6: Some(8082), except: None }
    }

    #[track_caller]
    fn has(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|l| l.trim() == *line), "{line} is missing from\n{text}");
        }
    }

    #[test]
    fn both_families_are_taken_from_the_devices_interface() {
        let text = rules(TransparentMode::Redirect).set_up();
        has(
            &text,
            &[
                "iifname \"wlan0\" meta nfproto ipv4 meta l4proto tcp fib daddr type != local redirect to :8081",
                "iifname \"wlan0\" meta nfproto ipv6 meta l4proto tcp fib daddr type != local redirect to :8082",
                "#   nft delete table inet landfall",
            ],
        );
        assert!(!text.contains("hook output") && !text.contains("ip rule"), "{text}");
    }

    #[test]
    fn landfall_s_own_connections_are_left_alone() {
        let except = Some(Except::User(1000));
        let text = Rules { except, ..rules(TransparentMode::Redirect) }.set_up();
        let (returns, takes) = text.split_once("meta skuid 1000 return").unwrap();
        assert!(returns.contains("hook output") && takes.contains("redirect to :8081"), "{text}");
        let except = Some(Except::Mark(7));
        let text = Rules { except, ..rules(TransparentMode::Redirect) }.set_up();
        has(&text, &["meta mark 0x7 return"]);
    }

    #[test]
    fn what_routing_sets_up_is_taken_back() {
        let rules = Rules { port_v6: None, ..rules(TransparentMode::Tproxy) };
        has(
            &rules.set_up(),
            &[
                "ip rule add fwmark 0x4c46 lookup 19526",
                "ip route replace local default dev lo table 19526",
            ],
        );
        assert_eq!(
            rules.undo(),
            "nft delete table inet landfall\nip rule del fwmark 0x4c46 lookup 19526\n\
             ip route del local default dev lo table 19526\n"
        );
    }

    #[test]
    fn an_interface_s_name_is_no_shell_code() {
        for name in ["eth0", "br-lan", "wlan0.7", "a@b"] {
            assert!(InterfaceName::new(name).is_some(), "{name}");
        }
        for name in ["", "a b", "$(x)", "a\"", "a;b", "-x", "a\nb", "0123456789abcdef"] {
            assert!(InterfaceName::new(name).is_none(), "{name}");
        }
    }
}
