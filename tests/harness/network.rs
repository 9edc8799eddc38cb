//! A phone, a gateway and a server as network namespaces of this machine, wired phone to gateway to
//! server, IPv4 and IPv6 (Linux, root). They go when the network is dropped.

use crate::tool::{self, Output, SHORT};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Three namespaces. The gateway forwards, and reaches the phone by its interface `phones`.
pub struct Network {
    name: String,
}

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Phone,
    Gateway,
    Server,
}

/// Addresses of one family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub phone: &'static str,
    /// The gateway's, on the phone's side.
    pub gateway: &'static str,
    pub server: &'static str,
}

pub const V4: Family = Family { phone: "10.77.1.2", gateway: "10.77.1.1", server: "10.77.2.2" };
pub const V6: Family = Family { phone: "fd77:1::2", gateway: "fd77:1::1", server: "fd77:2::2" };
/// An address of the phone that is in no range that is served unasked (RFC 5737).
pub const PUBLIC_PHONE: &str = "203.0.113.9";

impl Network {
    /// # Panics
    /// With what is missing, where namespaces cannot be made.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let uid = tool::run(tool::command("id").arg("-u"), SHORT).expect_success().text();
        assert_eq!(uid.trim(), "0", "network namespaces need root: run this test as root");
        // Named here so that what is missing is said before anything is made.
        tool::command("nft");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let network = Self { name: format!("lf{}-{number}", std::process::id()) };
        for place in [Place::Phone, Place::Gateway, Place::Server] {
            let made = ip(&["netns", "add", &network.namespace(place)]);
            assert!(
                made.status.success(),
                "this machine makes no network namespaces (container without CAP_SYS_ADMIN?): {}",
                made.error_text()
            );
            network.ip(place, "link set lo up");
        }
        network.wire(
            Place::Phone,
            "10.77.1.2/24",
            "fd77:1::2/64",
            "phones",
            V4.gateway,
            V6.gateway,
        );
        network.wire(
            Place::Server,
            V4.server_net(),
            V6.server_net(),
            "servers",
            "10.77.2.1",
            "fd77:2::1",
        );
        network.ip(Place::Phone, &format!("address add {PUBLIC_PHONE}/32 dev uplink"));
        network.ip(Place::Gateway, &format!("route add {PUBLIC_PHONE}/32 dev phones"));
        let forward = ["-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];
        tool::run(network.command(Place::Gateway, "sysctl").args(forward), SHORT).expect_success();
        network
    }

    /// A program in one of the places.
    pub fn command(&self, place: Place, program: &str) -> Command {
        let mut command = self.exec(place);
        command.arg(program);
        command
    }

    /// What starts a program in one of the places, still without the program.
    pub fn exec(&self, place: Place) -> Command {
        let mut command = tool::command("ip");
        command.args(["netns", "exec", &self.namespace(place)]);
        command
    }

    /// Runs the commands of a text, as a person would by `| sh`.
    #[track_caller]
    pub fn shell(&self, place: Place, text: &str) -> Output {
        let mut shell = self.command(place, "sh");
        let mut child = shell
            .arg("-e")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Output { status: output.status, stdout: output.stdout, stderr: output.stderr }
            .expect_success()
    }

    /// Waits until something listens on a port of the place.
    #[track_caller]
    pub fn wait_for(&self, place: Place, port: u16) {
        let script = format!(
            "for i in $(seq 600); do (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && exit 0; sleep 0.05; done; exit 1"
        );
        tool::run(self.command(place, "bash").args(["-c", &script]), SHORT).expect_success();
    }

    fn namespace(&self, place: Place) -> String {
        format!("{}-{place:?}", self.name).to_lowercase()
    }

    fn ip(&self, place: Place, line: &str) {
        let namespace = self.namespace(place);
        let words = ["-n", namespace.as_str()].into_iter().chain(line.split(' '));
        ip(&words.collect::<Vec<_>>()).expect_success();
    }

    /// A cable from `place`, where it is `uplink`, to the gateway, where it is `name`.
    fn wire(&self, place: Place, v4: &str, v6: &str, name: &str, via_v4: &str, via_v6: &str) {
        let gateway = self.namespace(Place::Gateway);
        self.ip(place, &format!("link add name uplink type veth peer name {name} netns {gateway}"));
        for (at, interface, v4, v6) in [
            (place, "uplink", v4, v6),
            (Place::Gateway, name, &*format!("{via_v4}/24"), &*format!("{via_v6}/64")),
        ] {
            self.ip(at, &format!("address add {v4} dev {interface}"));
            self.ip(at, &format!("address add {v6} dev {interface} nodad"));
            self.ip(at, &format!("link set {interface} up"));
        }
        self.ip(place, &format!("route add default via {via_v4}"));
        self.ip(place, &format!("-6 route add default via {via_v6}"));
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Family {
    fn server_net(&self) -> &'static str {
        if self.server.contains(':') { "fd77:2::2/64" } else { "10.77.2.2/24" }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for place in [Place::Phone, Place::Gateway, Place::Server] {
            // One that was not made is none to remove.
            ip(&["netns", "delete", &self.namespace(place)]);
        }
    }
}

fn ip(arguments: &[&str]) -> Output {
    tool::run(tool::command("ip").args(arguments), SHORT)
}
