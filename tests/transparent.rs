//! Connections that the kernel takes on their way to a server: a phone, a gateway with Landfall and
//! a server in network namespaces, set up by the very commands that `landfall setup transparent`
//! prints. Needs root; without it these tests fail and say so.

use harness::case::Case;
use harness::field::Field;
use harness::network::{Family, PUBLIC_PHONE, Place, V4, V6};
use harness::tool::{self, Output, SHORT};
use std::process::Command;

const HOST: &str = "origin.example";

/// A field with servers of HTTP/1.1 and HTTP/2, and the rules of `mode` in force, made with these
/// further options.
fn field(mode: &str, options: &[&str]) -> Field {
    let mut field = Field::new(&[HOST], mode);
    field.serve_http1();
    field.serve_http2();
    field.enforce(options);
    field
}

fn curl(field: &Field, place: Place, family: Family, url: &str) -> Command {
    let address = if family.server.contains(':') {
        format!("[{}]", family.server)
    } else {
        family.server.to_owned()
    };
    let mut curl = field.network.command(place, "curl");
    curl.args(["--silent", "--show-error", "--fail", "--max-time", "30"]);
    curl.arg("--connect-to").arg(format!("::{address}:")).arg("--cacert").arg(&field.authority);
    curl.arg(url);
    curl
}

#[test]
fn redirect_takes_every_kind_of_connection_of_both_families() {
    check_mode("redirect");
}

#[test]
fn tproxy_takes_every_kind_of_connection_of_both_families() {
    check_mode("tproxy");
}

fn check_mode(mode: &str) {
    let field = field(mode, &[]);
    let landfall = field.start();
    for family in [V4, V6] {
        http1_over_tls(&field, family);
        http2_over_tls(&field, family);
        plain_http(&field, family);
        s_client(&field, family);
        server_speaks_first(&field, family);
        refused_destination(&field, family);
        the_listener_itself(&field, family);
    }
    refused_client(&field);
    landfall.stop();
    for family in [V4, V6] {
        recorded(&field, family, mode);
    }
    undone(&field);
}

fn http1_over_tls(field: &Field, family: Family) {
    let mut curl = curl(field, Place::Phone, family, &format!("https://{HOST}/one"));
    let text = tool::run(curl.arg("--http1.1"), SHORT).expect_success().text();
    assert!(text.starts_with("GET /one HTTP/1.1\n"), "{text}");
}

fn http2_over_tls(field: &Field, family: Family) {
    let mut curl = curl(field, Place::Phone, family, &format!("https://{HOST}:8443/index.html"));
    curl.args(["--http2", "--write-out", " %{http_version}"]);
    assert_eq!(tool::run(&mut curl, SHORT).expect_success().text(), "over HTTP/2 2");
}

/// The request is in origin form already: the server gets it as it was sent.
fn plain_http(field: &Field, family: Family) {
    let mut curl = curl(field, Place::Phone, family, &format!("http://{HOST}/plain"));
    let text = tool::run(&mut curl, SHORT).expect_success().text();
    assert!(text.starts_with("GET /plain HTTP/1.1\n"), "{text}");
    assert!(text.contains("Host: origin.example") && !text.contains("Via:"), "{text}");
}

fn s_client(field: &Field, family: Family) {
    let mut openssl = field.network.command(Place::Phone, "openssl");
    let server = match family.server.contains(':') {
        true => format!("[{}]:443", family.server),
        false => format!("{}:443", family.server),
    };
    openssl.args(["s_client", "-connect", &server, "-servername", "by-openssl.example"]);
    openssl.args(["-verify_return_error", "-CAfile"]).arg(&field.authority);
    // The server's certificate is for another name: it does not verify, and the client is told by
    // an alert, which only a TLS peer can send.
    let said = tool::run(&mut openssl, SHORT);
    assert!(!said.status.success() && said.error_text().contains("alert"), "{said:?}");
}

fn server_speaks_first(field: &Field, family: Family) {
    let script = format!(
        "exec 3<>/dev/tcp/{}/25; read -t 30 a <&3; echo \"$a\"; echo HELO >&3; read -t 30 b <&3; echo \"$b\"",
        family.server
    );
    let text = bash(field, &script).expect_success().text();
    assert!(text.contains("220 mail.example") && text.contains("250 HELO"), "{text}");
}

/// Nobody listens on the port: the phone sees its connection reset, as by the server.
fn refused_destination(field: &Field, family: Family) {
    let mut curl = curl(field, Place::Phone, family, &format!("http://{HOST}:9/"));
    is_reset(&tool::run(&mut curl, SHORT));
}

/// Curl meets the reset when it has just connected (7), sends (55) or receives (56).
#[track_caller]
fn is_reset(curl: &Output) {
    assert!(matches!(curl.status.code(), Some(7 | 55 | 56)), "{}", curl.error_text());
}

fn the_listener_itself(field: &Field, family: Family) {
    let script = format!("exec 3<>/dev/tcp/{}/8081; read -t 30 a <&3", family.gateway);
    let said = bash(field, &script);
    assert!(said.error_text().contains("reset by peer"), "{}", said.error_text());
}

fn refused_client(field: &Field) {
    let mut curl = curl(field, Place::Phone, V4, &format!("http://{HOST}/"));
    is_reset(&tool::run(curl.args(["--interface", PUBLIC_PHONE]), SHORT));
}

fn bash(field: &Field, script: &str) -> Output {
    tool::run(field.network.command(Place::Phone, "bash").args(["-c", script]), SHORT)
}

fn recorded(field: &Field, family: Family, mode: &str) {
    let flows = |filter: &str| {
        let device = family.phone;
        field.case.flow(&format!("device:{device} {filter}"))
    };
    for (filter, treatment, protocol) in [
        ("port:443 path:/one", "intercepted", "http/1.1"),
        ("port:8443", "intercepted", "h2"),
        ("port:80", "plaintext", "http/1.1"),
        ("port:25", "plaintext", "tcp"),
    ] {
        let flow = flows(filter);
        assert_eq!(flow["treatment"], treatment, "{flow:#}");
        assert_eq!(flow["protocol"], protocol, "{flow:#}");
        assert_eq!(flow["address"], family.server, "{flow:#}");
        // What the device calls the address, where it does.
        let host = if protocol == "tcp" { family.server } else { HOST };
        assert_eq!(flow["host"], host, "{flow:#}");
        let open = &field.detail(&flow)["connection"]["open"];
        assert_eq!(open["ingress"], mode, "{open:#}");
    }
    let (refused, detail) = field.flow(family, 9);
    assert_eq!(refused["treatment"], "failed", "{refused:#}");
    let close = &detail["connection"]["close"];
    assert_eq!(close["outcome"], "not-relayed-reset", "{detail:#}");
    let other = flows("host:by-openssl.example");
    assert_eq!((&other["treatment"], &other["address"]), (&"failed".into(), &family.server.into()));
    let looped = flows("port:8081");
    assert_eq!(looped["treatment"], "blocked", "{looped:#}");
    assert_eq!(looped["why"], "destination is Landfall itself", "{looped:#}");
    let client = field.case.flow(&format!("device:{PUBLIC_PHONE}"));
    assert_eq!((&client["treatment"], &client["host"]), (&"blocked".into(), &V4.server.into()));
}

/// Without the rules the phone sees the server's own certificate.
fn undone(field: &Field) {
    let undo = field.rules(&["--undo"]);
    field.network.shell(Place::Gateway, &undo);
    let rest = field.network.shell(Place::Gateway, "nft list ruleset; ip rule; ip -6 rule").text();
    assert!(!rest.contains("landfall") && !rest.contains("19526"), "{rest}");
    for family in [V4, V6] {
        let mut curl = curl(field, Place::Phone, family, &format!("https://{HOST}/direct"));
        curl.arg("--cacert").arg(field.case.path("upstream-ca.pem"));
        tool::run(&mut curl, SHORT).expect_success();
    }
}

/// The gateway's own connections, but not Landfall's: else it would take those too, without end.
#[test]
fn the_mark_keeps_landfall_s_own_connections_out() {
    let mut field = field("redirect", &["--mark", "0x4c46"]);
    field.case.flag("--transparent-mark=0x4c46");
    let landfall = field.start();
    for family in [V4, V6] {
        http1_over_tls_at(&field, Place::Gateway, family);
    }
    landfall.stop();
    let flows = field.case.flows("");
    assert_eq!(flows.len(), 2, "{flows:#?}");
    assert!(flows.iter().all(|flow| flow["treatment"] == "intercepted"), "{flows:#?}");
}

/// Datagrams and look-ups leave with the mark too, whatever is done with what has none.
#[test]
fn datagrams_and_look_ups_have_the_mark() {
    const COUNTED: &str = "
        table inet counted {
          chain out {
            type filter hook output priority 0; policy accept;
            oifname != servers accept
            udp dport 5353 meta mark 0x4c46 counter accept comment \"datagrams\"
            udp dport 53 meta mark 0x4c46 counter accept comment \"look-ups\"
            tcp dport 53 meta mark 0x4c46 counter accept comment \"look-ups over TCP\"
            meta l4proto { udp, tcp } counter accept comment \"without mark\"
          }
        }";
    let mut field = Field::new(&[HOST], "redirect");
    field.serve_names();
    field.case.flag("--transparent-mark=0x4c46");
    field.case.setting("[resolver]\nservers = [\"10.77.2.2:53\"]");
    field.network.shell(Place::Gateway, &format!("nft -f - <<'END'{COUNTED}\nEND\n"));
    let landfall = field.start();
    let proxy = landfall.proxy().to_string();
    let mut send = field.python(Place::Gateway, "marked.py");
    tool::run(send.args(["send", &proxy, V4.server, "sought.example"]), SHORT).expect_success();
    landfall.stop();
    let counted = field.network.shell(Place::Gateway, "nft list table inet counted").text();
    let packets = |what: &str| {
        let line = counted.lines().find(|line| line.ends_with(&format!("comment \"{what}\"")));
        let words: Vec<_> = line.unwrap_or_default().split(' ').collect();
        let at =
            words.iter().position(|word| *word == "packets").unwrap_or_else(|| panic!("{counted}"));
        words[at + 1].parse::<u32>().unwrap()
    };
    assert_eq!(packets("without mark"), 0, "{counted}");
    for what in ["datagrams", "look-ups", "look-ups over TCP"] {
        assert!(packets(what) > 0, "{what}: {counted}");
    }
}

fn http1_over_tls_at(field: &Field, place: Place, family: Family) {
    let mut curl = curl(field, place, family, &format!("https://{HOST}/one"));
    tool::run(&mut curl, SHORT).expect_success();
}

#[test]
fn rules_are_printed_and_nothing_is_changed() {
    let case = Case::new();
    let printed = case.cli(&["setup", "transparent", "--interface", "wlan0"]).expect_success();
    assert!(printed.text().contains("redirect to :8081"), "{}", printed.text());
    assert!(printed.error_text().contains("nothing was changed"), "{}", printed.error_text());
    for (arguments, says) in [
        (&["--interface", "a;b"][..], "--interface"),
        (&["--mode", "tproxy", "--uid", "1000"], "--uid"),
        (&["--listen", "0.0.0.0:0"], "--listen"),
        (&["--uid", "1", "--mark", "2"], "--mark"),
    ] {
        let refused = case.cli(&[&["setup", "transparent"], arguments].concat());
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(refused.error_text().contains(says), "{refused:?}");
        assert!(refused.error_text().contains("hint: "), "{refused:?}");
    }
}
