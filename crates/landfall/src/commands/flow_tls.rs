//! The TLS of one flow for people: what the device offered, what the upstream showed, what both legs
//! agreed on. Says what the records say; judges nothing.

use super::{flow_wire, session};
use crate::output::cell::bytes;
use crate::output::colour::Ink;
use crate::output::page::Page;
use flow::address::{DnsName, Host};
use flow::physics::RoundTrip;
use flow::time::WallNanos;
use geoip::digest::sha256;
use recorder::read::ConnectionDetail;
use recorder::record::network::Rtt;
use recorder::record::sealed::WITHHELD;
use recorder::record::tls::{Agreed, TlsClientHello, TlsRelayed, TlsUpstream};
use recorder::record::value::{Count, Text};
use rustls::{CipherSuite, NamedGroup, ProtocolVersion};
use std::net::IpAddr;
use std::time::Duration;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

/// Fills the sections of both legs.
pub(super) fn fill(page: &mut Page, connection: &ConnectionDetail) {
    if let Some(hello) = &connection.client_hello {
        let asked = connection.target.as_ref().map(|target| target.body.host.0.to_string());
        client_hello(page, &hello.body, asked.as_deref());
    }
    if let Some(client) = &connection.client_tls {
        page.line("agreed", agreed(&client.body.agreed));
    }
    if let Some(relayed) = &connection.relayed_tls {
        let TlsRelayed { version, cipher_suite, shows, .. } = &relayed.body;
        let chosen =
            Agreed { version: *version, cipher_suite: *cipher_suite, alpn: None, group: None };
        let shown = match shows.as_str() {
            "data-sent" => "completed with the server, and application data sent",
            _ => "completed with the server",
        };
        page.line("relayed", format_args!("{}: {shown}, by its record headers", agreed(&chosen)));
    }
    if let Some(leaf) = &connection.leaf {
        leaf_shown(page, &leaf.body.certificate.0);
    }
    if let Some(upstream) = &connection.upstream_tls {
        upstream_tls(page, &upstream.body);
    }
    if let Some(trip) = &connection.round_trip {
        round_trip(page, &trip.body);
    }
    page.some("TLS bytes kept", flow_wire::kept(connection));
}

fn client_hello(page: &mut Page, hello: &TlsClientHello, asked: Option<&str>) {
    page.section("TLS, the device's leg");
    page.some("server name", hello.server_name.as_deref());
    let alpn: Vec<_> = hello.alpn.iter().map(Text::to_string_lossy).collect();
    if !alpn.is_empty() {
        page.line("ALPN offered", alpn.join(", "));
    }
    page.line("JA4", &hello.ja4);
    page.line("JA3", &hello.ja3);
    if hello.encrypted_client_hello {
        page.line("ECH", ech(hello.server_name.as_deref(), asked));
    }
}

/// The leaf that Landfall minted, beside which the upstream's own can be held.
fn leaf_shown(page: &mut Page, der: &[u8]) {
    page.section("Leaf shown to the device");
    page.line("minted by", "Landfall, in the place of the upstream's certificate");
    certificate_lines(page, None, der);
}

/// What a certificate says; of a chain's, with its number.
fn certificate_lines(page: &mut Page, number: Option<usize>, der: &[u8]) {
    if let Some(number) = number {
        page.note(format_args!("certificate {number}"));
    }
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        page.inked_line("unreadable", certificate_text(der), Ink::Notice);
        return;
    };
    let subject = certificate.subject().to_string();
    page.line("subject", if subject.is_empty() { "none".to_owned() } else { subject });
    page.line("issuer", certificate.issuer());
    page.some("names", names(&certificate));
    let validity = certificate.validity();
    let [from, to] = [validity.not_before, validity.not_after].map(moment);
    page.line("valid", format_args!("{from} to {to}"));
    page.line("serial", certificate.raw_serial_as_string());
    page.line("key", key_text(&certificate));
    page.line("SHA-256", sha256(der));
}

/// The subject's alternative names.
fn names(certificate: &X509Certificate<'_>) -> Option<String> {
    let extension = certificate.subject_alternative_name().ok().flatten()?;
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(octets) => address(octets),
        other => other.to_string(),
    };
    let all: Vec<_> = extension.value.general_names.iter().map(name).collect();
    let shown = all.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    Some(match all.len().checked_sub(MOST_NAMES) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    })
}

fn address(octets: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(octets).map(IpAddr::from);
    match v4.or(v6) {
        Ok(address) => address.to_string(),
        Err(_) => "an address of no family".to_owned(),
    }
}

fn moment(time: ASN1Time) -> String {
    let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
    session::time(WallNanos(seconds.saturating_mul(1_000_000_000)))
}

fn key_text(certificate: &X509Certificate<'_>) -> String {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA, {} bits", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("EC, {} bits", point.key_size()),
        _ => format!("of the algorithm {}", certificate.public_key().algorithm.algorithm),
    }
}

fn upstream_tls(page: &mut Page, upstream: &TlsUpstream) {
    page.section("TLS, the upstream's leg");
    page.line("server name", &upstream.server_name);
    if let Some(parameters) = &upstream.agreed {
        page.line("agreed", agreed(parameters));
    }
    let (chain, ink) = chain(&upstream.verification, upstream.chain.len());
    page.inked_line("chain", chain, ink);
    if !upstream.chain.is_empty() {
        page.some("because", upstream.reason.as_deref());
    }
    page.line("certificates", upstream.chain.len());
    for (number, der) in (1..).zip(&upstream.chain) {
        certificate_lines(page, Some(number), &der.0);
    }
    match &upstream.ocsp {
        Some(staple) => page.line("OCSP staple", bytes(staple.0.len() as u64)),
        None => page.line("OCSP staple", "no"),
    }
    if let Some(leaf) = upstream.chain.first() {
        timestamps(page, &leaf.0);
    }
    if let Some(ours) = &upstream.ours {
        page.line("our JA4", &ours.ja4);
        page.line("our JA3", &ours.ja3);
    }
    match &upstream.client_certificate {
        Some(der) => page.line(
            "client certificate",
            match der.open() {
                Some(der) => certificate_text(&der.0),
                None => WITHHELD.to_owned(),
            },
        ),
        None if upstream.asked_for_certificate => {
            page.inked_line("client certificate", "requested, none sent", Ink::Notice);
        }
        None => {}
    }
    if let Some(cut) = upstream.handshake_not_kept {
        page.inked_line("handshake", format_args!("{} not kept", bytes(cut.0)), Ink::Notice);
    }
}

/// What the handshake took; whether anything follows is for the destination to say.
fn round_trip(page: &mut Page, trip: &Rtt) {
    let time = RoundTrip(Duration::from_nanos(trip.signature_ns.0));
    let how = match (trip.simulated, trip.retried) {
        (true, _) => "simulated",
        (false, true) => "from the first of two ClientHellos to the server's signature",
        (false, false) => "from ClientHello to the server's signature",
    };
    page.line("round trip", format_args!("{time}, {how}; chain: {}", trip.chain.0));
    let told = |what: &str, time: Option<Count>| {
        time.map(|time| format!("{what} {}", RoundTrip(Duration::from_nanos(time.0))))
    };
    let beside = [
        told("connected in", trip.connect_ns),
        told("TCP at least", trip.tcp_min_rtt_ns),
        told("TCP mean", trip.tcp_rtt_ns),
    ];
    let beside: Vec<String> = beside.into_iter().flatten().collect();
    if !beside.is_empty() {
        page.line("", format_args!("{}; these refute nothing", beside.join(", ")));
    }
}

/// What came of the check of a chain of so many certificates.
fn chain(verification: &str, certificates: usize) -> (&'static str, Ink) {
    match verification {
        // Nothing was there to verify.
        _ if certificates == 0 => {
            ("no certificate was shown: the handshake ended before it", Ink::Notice)
        }
        "verified" => ("verified", Ink::Good),
        "recorded" => ("did not verify; let through by --upstream-verify record", Ink::Bad),
        _ => ("did not verify; refused", Ink::Bad),
    }
}

/// What the extension `encrypted_client_hello` is, where the names tell.
fn ech(server_name: Option<&str>, asked: Option<&str>) -> String {
    let names = server_name.and_then(|outer| Some((outer.parse::<DnsName>().ok()?, asked?)));
    match names.and_then(|(outer, asked)| Some((outer, asked.parse::<Host>().ok()?))) {
        Some((outer, Host::Name(asked))) if outer != asked => {
            format!("ECH: the ClientHello names {outer} where the client asked for {asked}")
        }
        Some((_, Host::Name(_))) => {
            "ECH or GREASE: it names the host that was asked for, as GREASE does".to_owned()
        }
        Some((_, Host::Ip(_))) | None => {
            "ECH or GREASE: the ClientHello alone does not tell".to_owned()
        }
    }
}

/// The signed certificate timestamps in the leaf (RFC 6962 section 3.3).
fn timestamps(page: &mut Page, der: &[u8]) {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return };
    let lists = certificate.extensions().iter().filter_map(|e| match e.parsed_extension() {
        ParsedExtension::SCT(list) => Some(list),
        _ => None,
    });
    let times: Vec<_> = lists.flatten().map(|sct| sct_text(sct.id.key_id, sct.timestamp)).collect();
    page.line("SCTs", times.len());
    for text in times {
        page.line("SCT", text);
    }
}

/// The log's id, and when it promised to take the certificate in.
fn sct_text(log: &[u8], millis: u64) -> String {
    let at = WallNanos(millis.saturating_mul(1_000_000));
    let log: String = log.iter().take(LOG_ID_SHOWN_BYTES).map(|b| format!("{b:02x}")).collect();
    format!("{}, log {log}", session::time(at))
}

/// Subject and fingerprint.
fn certificate_text(der: &[u8]) -> String {
    let sha256 = sha256(der);
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => format!("{}, SHA-256 {sha256}", certificate.subject()),
        Err(_) => format!("SHA-256 {sha256}"),
    }
}

/// Names of one certificate that a page has.
const MOST_NAMES: usize = 8;
const LOG_ID_SHOWN_BYTES: usize = 8;

fn agreed(agreed: &Agreed) -> String {
    let version = match ProtocolVersion::from(agreed.version) {
        ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
        _ => format!("TLS version {:#06x}", agreed.version),
    };
    let suite = match CipherSuite::from(agreed.cipher_suite).as_str() {
        Some(name) => name.replacen("TLS13_", "TLS_", 1),
        None => format!("suite {:#06x}", agreed.cipher_suite),
    };
    let group = agreed.group.map(|group| match NamedGroup::from(group).as_str() {
        Some(name) => name.to_owned(),
        None => format!("group {group:#06x}"),
    });
    let alpn = agreed.alpn.as_ref().map(|alpn| format!("ALPN {}", alpn.to_string_lossy()));
    let parts: Vec<_> = [Some(version), Some(suite), group, alpn].into_iter().flatten().collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_that_ended_before_any_certificate_read_as_a_refused_chain() {
        assert!(chain("refused", 0).0.starts_with("no certificate was shown"));
        assert_eq!(chain("refused", 2).0, "did not verify; refused");
        assert_eq!(chain("verified", 2).0, "verified");
    }

    #[test]
    fn handshakes_are_named_as_in_the_registries() {
        let shape = Agreed {
            alpn: Some(Text("h2".into())),
            cipher_suite: 0x1301,
            group: Some(0x001d),
            version: 0x0304,
        };
        assert_eq!(agreed(&shape), "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, ALPN h2");
        let unknown = Agreed { alpn: None, cipher_suite: 0xfdfd, group: None, version: 0x0303 };
        assert_eq!(agreed(&unknown), "TLS 1.2, suite 0xfdfd");
        let unknown = Agreed { version: 0x7f1c, ..unknown };
        assert_eq!(agreed(&unknown), "TLS version 0x7f1c, suite 0xfdfd");
    }

    #[test]
    fn names_tell_ech_from_grease_where_they_can() {
        let told = |outer, asked| ech(outer, asked).split(':').next().unwrap().to_owned();
        assert_eq!(told(Some("public.example"), Some("secret.example")), "ECH");
        assert_eq!(told(Some("A.example"), Some("a.example")), "ECH or GREASE");
        assert_eq!(told(Some("a.example"), Some("192.0.2.1")), "ECH or GREASE");
        assert_eq!(told(None, Some("a.example")), "ECH or GREASE");
    }

    #[test]
    fn the_leaf_is_told_as_the_upstream_s_certificate_is() {
        let directory = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now();
        let authority =
            certs::Authority::load_or_create(directory.path(), certs::KeyKind::P256, now).unwrap();
        let name = authority.name().to_string();
        let leaves = certs::LeafMinter::new(std::sync::Arc::new(authority), 1).unwrap();
        let leaf = leaves.leaf(&"a.example".parse().unwrap(), certs::KeyKind::P256, now).unwrap();
        let mut page = Page::new(false);
        leaf_shown(&mut page, leaf.cert.first().unwrap());
        let text = page.text();
        for line in [
            "minted by",
            "subject",
            "names             a.example\n",
            "key               EC, 256 bits\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let issuer = text.lines().find(|line| line.contains("issuer")).unwrap();
        assert!(issuer.contains(&name), "{text}");
        assert!(text.contains("valid ") && text.contains("serial ") && text.contains("SHA-256 "));
    }

    #[test]
    fn a_timestamp_is_a_time_and_a_log() {
        let text = sct_text(&[0xab; 32], 1_700_000_000_000);
        assert!(text.starts_with("2023-11-14"), "{text}");
        assert!(text.ends_with("log abababababababab"), "{text}");
    }
}
