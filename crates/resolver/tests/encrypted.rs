//! Look-ups over TLS and HTTPS against servers on loopback: who answered, that connections are kept,
//! and that nothing is ever asked in the clear instead.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test panics")]

mod server;
mod tls_server;

use flow::address::DnsName;
use flow::dns::{Lookup, LookupOutcome, Resolver, Sake, Transport};
use flow::limits::Limits;
use flow::time::{Clock, MonoNanos, Stamp, WallNanos};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use resolver::{Config, NameResolver};
use server::{Asked, Does, Server, reply};
use std::sync::Arc;
use std::time::Duration;
use tls_server::{Authority, DOH, DOT, Manner, TlsServer};

struct Still;

impl Clock for Still {
    fn now(&self) -> Stamp {
        Stamp { wall: WallNanos(0), mono: MonoNanos(0) }
    }
}

fn resolver(authority: &Authority, servers: &[String], time: Duration) -> NameResolver {
    let servers = servers.iter().map(|text| text.parse().unwrap()).collect();
    let config = Config { servers, ..Config::default() };
    let limits = Limits { resolve_time: time, ..Limits::default() };
    NameResolver::new(config, authority.roots(), &limits, Arc::new(Still)).unwrap()
}

/// Time that no test waits for in full.
const LONG: Duration = Duration::from_secs(60);

/// One address, which must be asked for again each time.
fn found(asked: &Asked) -> Does {
    // RFC 8484 section 4.1: equal questions are equal bytes.
    assert!(asked.id == 0 || asked.transport != Transport::Https);
    let records: &[&str] = match asked.kind {
        RecordType::A => &["www.example 0 A 192.0.2.1"],
        _ => &[],
    };
    Does::Answer(reply(asked, ResponseCode::NoError, records, Some(60)))
}

fn url(server: &TlsServer, manner: Manner, name: &str) -> String {
    let name = if name.is_empty() { String::new() } else { format!("#{name}") };
    match manner.alpn {
        [] => format!("tls://{}{name}", server.address),
        _ => format!("https://{}/dns-query{name}", server.address),
    }
}

async fn look_up(resolver: &NameResolver) -> Lookup {
    let name: DnsName = "www.example".parse().unwrap();
    resolver.look_up(&name, Sake::Landfall).await
}

/// Two look-ups at a server of this manner, of which the second takes kept connections.
async fn check_kept(manner: Manner, transport: Transport) -> TlsServer {
    let authority = Authority::new();
    let server = TlsServer::start(&authority, manner, found).await;
    let resolver = resolver(&authority, &[url(&server, manner, "dns.example")], LONG);
    for _ in 0..2 {
        let lookup = look_up(&resolver).await;
        assert_eq!(lookup.outcome, LookupOutcome::Found);
        let name = Some("dns.example".parse().unwrap());
        let expected = Resolver::Server { address: server.address, transport, name };
        assert_eq!(lookup.resolver, expected);
        assert!(!lookup.cached);
    }
    assert_eq!(server.questions(), 4);
    assert!(server.connections() <= 2, "{} connections", server.connections());
    server
}

#[tokio::test]
async fn a_server_over_tls_is_named_and_its_connections_are_kept() {
    check_kept(DOT, Transport::Tls).await;
}

#[tokio::test]
async fn a_server_over_https_is_named_and_its_connections_are_kept() {
    let server = check_kept(DOH, Transport::Https).await;
    let authority = format!("dns.example:{}", server.address.port());
    let expected = format!("POST https://{authority}/dns-query ");
    assert!(server.requests().iter().all(|line| *line == expected), "{:?}", server.requests());
    let server = check_kept(Manner { alpn: &["http/1.1"], ..DOH }, Transport::Https).await;
    let expected = format!("POST /dns-query dns.example:{}", server.address.port());
    assert!(server.requests().iter().all(|line| *line == expected), "{:?}", server.requests());
}

#[tokio::test]
async fn without_a_name_the_certificate_must_have_the_address() {
    let authority = Authority::new();
    for manner in [DOT, DOH] {
        let manner = Manner { name: "127.0.0.1", ..manner };
        let server = TlsServer::start(&authority, manner, found).await;
        let lookup = look_up(&resolver(&authority, &[url(&server, manner, "")], LONG)).await;
        assert_eq!(lookup.outcome, LookupOutcome::Found);
        assert!(matches!(lookup.resolver, Resolver::Server { name: None, .. }));
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let authority = Authority::new();
    for manner in [DOT, Manner { alpn: &["http/1.1"], ..DOH }] {
        let manner = Manner { patience: 1, ..manner };
        let server = TlsServer::start(&authority, manner, found).await;
        let resolver = resolver(&authority, &[url(&server, manner, "dns.example")], LONG);
        for _ in 0..3 {
            assert_eq!(look_up(&resolver).await.outcome, LookupOutcome::Found);
        }
        assert_eq!(server.questions(), 6);
    }
}

/// What a server must not be believed, and the words for it; nothing may be asked in the clear.
async fn check_refused(
    manner: Manner,
    trusted: &Authority,
    does: impl Fn(&Asked) -> Does + Send + Sync + 'static,
    expected: &str,
) {
    let authority = Authority::new();
    // The certificate's name decides, unless the authority is another.
    let (serving, roots) = match expected.contains("UnknownIssuer") {
        true => (&authority, trusted),
        false => (trusted, trusted),
    };
    let server = TlsServer::start(serving, manner, does).await;
    let url = url(&server, manner, "dns.example");
    let lookup = look_up(&resolver(roots, std::slice::from_ref(&url), LONG)).await;
    let told = match &lookup.outcome {
        LookupOutcome::Unreachable(words) => {
            assert!(words.starts_with(&format!("{url}: ")), "{words}");
            assert_eq!(lookup.resolver, Resolver::Unknown);
            words
        }
        LookupOutcome::ServerFailure(words) => words,
        other => panic!("{other:?}"),
    };
    assert!(told.contains(expected), "{told}");
    assert_eq!(lookup.addresses().count(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_who_it_should_be_is_not_asked() {
    let trusted = Authority::new();
    for manner in [DOT, DOH] {
        check_refused(
            manner,
            &trusted,
            found,
            "the server's certificate is refused: UnknownIssuer",
        )
        .await;
        let other = Manner { name: "other.example", ..manner };
        check_refused(other, &trusted, found, "certificate not valid for name \"dns.example\"")
            .await;
    }
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let trusted = Authority::new();
    let cut = |asked: &Asked| {
        let mut message = reply(asked, ResponseCode::NoError, &["www.example 9 A 192.0.2.1"], None);
        message.metadata.truncation = true;
        Does::Answer(message)
    };
    // Of two messages the first one counts, and it is none to this question.
    let foreign = |asked: &Asked| {
        let mut message = reply(asked, ResponseCode::NoError, &["www.example 9 A 192.0.2.1"], None);
        let right = message.to_vec().unwrap();
        assert_eq!(asked.bytes[..2], right[..2]);
        message.metadata.id = asked.id.wrapping_add(1);
        Does::Several(vec![message.to_vec().unwrap(), right])
    };
    for manner in [DOT, DOH] {
        check_refused(manner, &trusted, |_| Does::Bytes(vec![0; 3]), "malformed answer").await;
        check_refused(manner, &trusted, cut, "malformed answer").await;
        check_refused(manner, &trusted, foreign, "malformed answer").await;
        let servfail =
            |asked: &Asked| Does::Answer(reply(asked, ResponseCode::ServFail, &[], None));
        check_refused(manner, &trusted, servfail, "SERVFAIL").await;
    }
    let silent = Manner { patience: 0, ..DOT };
    check_refused(silent, &trusted, found, "the server closed the connection without an").await;
    for alpn in [&["h2"][..], &["http/1.1"]] {
        let manner = Manner { alpn, ..DOH };
        let unwilling = Manner { status: 503, ..manner };
        check_refused(unwilling, &trusted, found, "HTTP 503").await;
        let page = Manner { content_type: "text/html", ..manner };
        check_refused(page, &trusted, found, "HTTP without a DNS message").await;
        let endless = |_: &Asked| Does::Bytes(vec![0; 70_000]);
        check_refused(manner, &trusted, endless, "malformed answer").await;
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_another_one_is_asked() {
    let authority = Authority::new();
    for manner in [DOT, DOH] {
        let silent = TlsServer::start(&authority, manner, |_| Does::Nothing).await;
        if manner.alpn.is_empty() {
            let alone = [url(&silent, manner, "dns.example")];
            let resolver = resolver(&authority, &alone, Duration::from_millis(300));
            assert_eq!(look_up(&resolver).await.outcome, LookupOutcome::TimedOut);
        }
        let plain = Server::start(found).await;
        let both = [format!("tls://{}#other.example", silent.address), plain.address.to_string()];
        let lookup = look_up(&resolver(&authority, &both, LONG)).await;
        assert_eq!(lookup.outcome, LookupOutcome::Found);
        let transport = Transport::Udp;
        let by = Resolver::Server { address: plain.address, transport, name: None };
        assert_eq!(lookup.resolver, by);
        assert!(plain.asked(Transport::Udp) >= 2);
    }
}

/// A look-up that is given up leaves no late answer for the next one.
#[tokio::test]
async fn a_late_answer_is_never_taken_for_that_to_another_question() {
    let authority = Authority::new();
    let late = |asked: &Asked| Does::Late(Duration::from_millis(400), Box::new(found(asked)));
    let server = TlsServer::start(&authority, DOT, late).await;
    let urls = [url(&server, DOT, "dns.example")];
    let resolver = resolver(&authority, &urls, LONG);
    let other: DnsName = "other.example".parse().unwrap();
    let given_up = resolver.look_up(&other, Sake::Landfall);
    assert!(tokio::time::timeout(Duration::from_millis(200), given_up).await.is_err());
    assert_eq!(look_up(&resolver).await.outcome, LookupOutcome::Found);
}
