//! Look-ups against DNS servers on loopback, over real UDP and TCP.

#![expect(clippy::unwrap_used, reason = "a failing test panics")]

mod server;

use flow::address::DnsName;
use flow::dns::{AnswerData, Dnssec, Lookup, LookupOutcome, Resolver, Sake, Transport};
use flow::id::{ConnectionId, LookupId};
use flow::limits::Limits;
use flow::time::{Clock, MonoNanos, Stamp, WallNanos};
use hickory_resolver::proto::op::{Edns, ResponseCode};
use hickory_resolver::proto::rr::RecordType;
use hickory_resolver::proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
use resolver::{Config, NameResolver, Override};
use rustls::RootCertStore;
use server::{Asked, Does, Server, reply};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A clock that stands still until it is moved.
#[derive(Default)]
struct Hand(AtomicU64);

impl Hand {
    fn move_on(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Stamp {
        let nanos = self.0.load(Ordering::SeqCst);
        Stamp { wall: WallNanos(nanos), mono: MonoNanos(nanos) }
    }
}

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

fn resolver_with(servers: &[SocketAddr], time: Duration, clock: Arc<Hand>) -> NameResolver {
    let servers = servers.iter().copied().map(resolver::Server::plain).collect();
    let config = Config { servers, ..Config::default() };
    let limits = Limits { resolve_time: time, ..Limits::default() };
    NameResolver::new(config, RootCertStore::empty(), &limits, clock).unwrap()
}

fn resolver(servers: &[SocketAddr]) -> NameResolver {
    resolver_with(servers, Duration::from_secs(30), Arc::default())
}

fn chain(lookup: &Lookup) -> String {
    lookup.chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn addresses(lookup: &Lookup) -> String {
    lookup.addresses().map(|ip| ip.to_string()).collect::<Vec<_>>().join(" ")
}

fn by(server: &Server, transport: Transport) -> Resolver {
    Resolver::Server { address: server.address, transport, name: None }
}

/// Answers `www.example` with a chain of three names, for both families.
fn cdn(asked: &Asked) -> Does {
    let mut records = vec![
        "www.example 300 CNAME www.example.cdn.example",
        "www.example.cdn.example 60 CNAME pop-3.cdn.example",
    ];
    match asked.kind {
        RecordType::A => {
            records.extend(["pop-3.cdn.example 20 A 192.0.2.1", "pop-3.cdn.example 20 A 192.0.2.2"])
        }
        _ => records.push("pop-3.cdn.example 25 AAAA 2001:db8::1"),
    }
    Does::Answer(reply(asked, ResponseCode::NoError, &records, None))
}

/// A closed port: the other tests' servers have another loopback address, so none can come to own it.
fn nobody() -> SocketAddr {
    "127.0.0.7:9".parse().unwrap()
}

#[tokio::test]
async fn a_look_up_says_who_answered_what() {
    let server = Server::start(cdn).await;
    let resolver = resolver(&[server.address]);
    let lookup = resolver.look_up(&name("WWW.example."), Sake::Connection(ConnectionId(7))).await;
    assert_eq!(lookup.id, LookupId(1));
    assert_eq!(lookup.sake, Sake::Connection(ConnectionId(7)));
    assert_eq!(lookup.name, name("www.example"));
    assert_eq!(lookup.resolver, by(&server, Transport::Udp));
    assert_eq!(lookup.outcome, LookupOutcome::Found);
    assert!(!lookup.cached);
    assert_eq!(chain(&lookup), "www.example www.example.cdn.example pop-3.cdn.example");
    assert_eq!(addresses(&lookup), "192.0.2.1 192.0.2.2 2001:db8::1");
    let answers: Vec<String> = lookup
        .answers
        .iter()
        .map(|answer| match &answer.data {
            AnswerData::Address(ip) => format!("{} {} {ip}", answer.owner, answer.ttl_seconds),
            AnswerData::Cname(to) => format!("{} {} {to}", answer.owner, answer.ttl_seconds),
        })
        .collect();
    assert_eq!(
        answers,
        [
            "www.example 300 www.example.cdn.example",
            "www.example.cdn.example 60 pop-3.cdn.example",
            "pop-3.cdn.example 20 192.0.2.1",
            "pop-3.cdn.example 20 192.0.2.2",
            "pop-3.cdn.example 25 2001:db8::1",
        ]
    );
    assert_eq!(resolver.look_up(&name("www.example"), Sake::Landfall).await.id, LookupId(2));
}

/// One server that answers like this, and the outcome that must come of it.
async fn check(does: impl Fn(&Asked) -> Does + Send + Sync + 'static, expected: LookupOutcome) {
    let server = Server::start(does).await;
    let lookup = resolver(&[server.address]).look_up(&name("www.example"), Sake::Landfall).await;
    assert_eq!(lookup.outcome, expected);
    assert_eq!(addresses(&lookup), "");
    assert!(
        matches!(lookup.resolver, Resolver::Server { address, .. } if address == server.address)
    );
}

#[tokio::test]
async fn what_is_not_found_is_told_apart() {
    let code = |code| move |asked: &Asked| Does::Answer(reply(asked, code, &[], None));
    let failure = |text: &str| LookupOutcome::ServerFailure(text.to_owned());
    check(code(ResponseCode::NXDomain), LookupOutcome::NoSuchName).await;
    check(code(ResponseCode::NoError), LookupOutcome::NoAddresses).await;
    check(code(ResponseCode::ServFail), failure("SERVFAIL")).await;
    check(code(ResponseCode::Refused), failure("REFUSED")).await;
    check(
        |asked| {
            let records = ["www.example 9 CNAME b.example", "b.example 9 CNAME www.example"];
            Does::Answer(reply(asked, ResponseCode::NoError, &records, None))
        },
        failure("CNAME loop"),
    )
    .await;
    check(
        |asked| Does::Bytes([&asked.id.to_be_bytes()[..], b"rubbish"].concat()),
        failure("malformed answer"),
    )
    .await;
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let server = Server::start(|asked| match (asked.transport, asked.kind) {
        (Transport::Udp, RecordType::AAAA) => {
            let mut cut = reply(asked, ResponseCode::NoError, &[], None);
            cut.metadata.truncation = true;
            Does::Answer(cut)
        }
        _ => cdn(asked),
    })
    .await;
    let lookup = resolver(&[server.address]).look_up(&name("www.example"), Sake::Landfall).await;
    assert_eq!(lookup.resolver, by(&server, Transport::Tcp));
    assert_eq!(addresses(&lookup), "192.0.2.1 192.0.2.2 2001:db8::1");
    assert_eq!(server.asked(Transport::Tcp), 2, "both families, so that one transport is true");
}

#[tokio::test]
async fn half_an_answer_survives_when_tcp_is_closed() {
    let server = Server::start(|asked| match (asked.transport, asked.kind) {
        (Transport::Udp, RecordType::A) => cdn(asked),
        (Transport::Udp, _) => Does::Bytes([&asked.id.to_be_bytes()[..], b"rubbish"].concat()),
        _ => Does::Nothing,
    })
    .await;
    let time = Duration::from_secs(1);
    let lookup = resolver_with(&[server.address], time, Arc::default());
    let lookup = lookup.look_up(&name("www.example"), Sake::Landfall).await;
    assert_eq!(lookup.resolver, by(&server, Transport::Udp));
    assert_eq!(addresses(&lookup), "192.0.2.1 192.0.2.2");
}

#[tokio::test]
async fn a_server_that_drops_questions_for_ipv6_still_helps() {
    let server = Server::start(|asked| match asked.kind {
        RecordType::A => cdn(asked),
        _ => Does::Nothing,
    })
    .await;
    let started = Instant::now();
    let lookup = resolver(&[server.address]).look_up(&name("www.example"), Sake::Landfall).await;
    assert_eq!(addresses(&lookup), "192.0.2.1 192.0.2.2");
    assert!(started.elapsed() < Duration::from_secs(15), "not the whole time of a look-up");
}

#[tokio::test]
async fn silence_ends_with_the_deadline() {
    let server = Server::start(|_| Does::Nothing).await;
    let started = Instant::now();
    let resolver = resolver_with(&[server.address], Duration::from_millis(200), Arc::default());
    let lookup = resolver.look_up(&name("www.example"), Sake::Landfall).await;
    assert_eq!(lookup.outcome, LookupOutcome::TimedOut);
    assert_eq!(lookup.resolver, Resolver::Unknown);
    assert_eq!(chain(&lookup), "www.example");
    assert!((Duration::from_millis(200)..Duration::from_secs(20)).contains(&started.elapsed()));
}

#[tokio::test]
async fn a_closed_port_is_unreachable_in_the_systems_words() {
    let started = Instant::now();
    let lookup = resolver(&[nobody()]).look_up(&name("www.example"), Sake::Landfall).await;
    let LookupOutcome::Unreachable(words) = &lookup.outcome else { panic!("{lookup:?}") };
    assert!(words.contains("refused"), "{words}");
    assert!(started.elapsed() < Duration::from_secs(20), "noticed at once");
}

#[tokio::test]
async fn the_next_server_is_asked_and_named() {
    let good = Server::start(cdn).await;
    let silent = Server::start(|_| Does::Nothing).await;
    let refusing =
        Server::start(|asked| Does::Answer(reply(asked, ResponseCode::ServFail, &[], None))).await;
    for first in [nobody(), silent.address, refusing.address] {
        let time = Duration::from_secs(4);
        let resolver = resolver_with(&[first, good.address], time, Arc::default());
        let lookup = resolver.look_up(&name("www.example"), Sake::Landfall).await;
        assert_eq!(lookup.resolver, by(&good, Transport::Udp));
        assert_eq!(lookup.outcome, LookupOutcome::Found);
    }
    let before = silent.asked(Transport::Udp);
    let resolver =
        resolver_with(&[silent.address, good.address], Duration::from_secs(4), Arc::default());
    resolver.look_up(&name("www.example"), Sake::Landfall).await;
    let once = silent.asked(Transport::Udp);
    assert!(once > before);
    resolver.look_up(&name("other.example"), Sake::Landfall).await;
    assert_eq!(silent.asked(Transport::Udp), once, "a dead server costs its time once");
}

#[tokio::test]
async fn a_failure_says_more_than_silence() {
    let silent = Server::start(|_| Does::Nothing).await;
    let refusing =
        Server::start(|asked| Does::Answer(reply(asked, ResponseCode::ServFail, &[], None))).await;
    let time = Duration::from_secs(1);
    let resolver = resolver_with(&[refusing.address, silent.address], time, Arc::default());
    let lookup = resolver.look_up(&name("www.example"), Sake::Landfall).await;
    assert_eq!(lookup.outcome, LookupOutcome::ServerFailure("SERVFAIL".to_owned()));
    assert_eq!(lookup.resolver, by(&refusing, Transport::Udp));
}

#[tokio::test]
async fn forged_answers_are_passed_over() {
    let server = Server::start(|asked| {
        let honest = reply(asked, ResponseCode::NoError, &["www.example 9 A 192.0.2.1"], None);
        let mut wrong_id =
            reply(asked, ResponseCode::NoError, &["www.example 9 A 192.0.2.66"], None);
        wrong_id.metadata.id = asked.id.wrapping_add(1);
        let mut wrong_question =
            reply(asked, ResponseCode::NoError, &["www.example 9 A 192.0.2.66"], None);
        let other = hickory_resolver::proto::rr::Name::from_ascii("evil.example.").unwrap();
        wrong_question.queries.first_mut().unwrap().set_name(other);
        Does::Several(vec![
            Vec::new(),
            vec![0],
            wrong_id.to_vec().unwrap(),
            wrong_question.to_vec().unwrap(),
            asked.bytes.clone(),
            honest.to_vec().unwrap(),
        ])
    })
    .await;
    let lookup = resolver(&[server.address]).look_up(&name("www.example"), Sake::Landfall).await;
    assert_eq!(addresses(&lookup), "192.0.2.1");
    assert_eq!(lookup.resolver, by(&server, Transport::Udp));
}

#[tokio::test]
async fn answers_are_kept_for_their_ttl_chain_and_all() {
    let server = Server::start(cdn).await;
    let clock = Arc::new(Hand::default());
    let resolver = resolver_with(&[server.address], Duration::from_secs(30), Arc::clone(&clock));
    let first = resolver.look_up(&name("www.example"), Sake::Landfall).await;
    clock.move_on(Duration::from_secs(15));
    let second = resolver.look_up(&name("www.example"), Sake::Landfall).await;
    assert!(second.cached && second.id == LookupId(2));
    assert_eq!(second.resolver, first.resolver, "who answered then");
    assert_eq!(second.chain, first.chain);
    assert_eq!(addresses(&second), addresses(&first));
    let ttl: Vec<_> = second.answers.iter().map(|answer| answer.ttl_seconds).collect();
    assert_eq!(ttl, [285, 45, 5, 5, 10]);
    assert_eq!(server.asked(Transport::Udp), 2);
    clock.move_on(Duration::from_secs(5));
    assert!(!resolver.look_up(&name("www.example"), Sake::Landfall).await.cached);
    assert_eq!(server.asked(Transport::Udp), 4);
}

#[tokio::test]
async fn that_a_name_is_unknown_is_kept_as_the_zone_says() {
    let server =
        Server::start(|asked| Does::Answer(reply(asked, ResponseCode::NXDomain, &[], Some(60))))
            .await;
    let clock = Arc::new(Hand::default());
    let resolver = resolver_with(&[server.address], Duration::from_secs(30), Arc::clone(&clock));
    resolver.look_up(&name("www.example"), Sake::Landfall).await;
    let again = resolver.look_up(&name("www.example"), Sake::Landfall).await;
    assert!(again.cached && again.outcome == LookupOutcome::NoSuchName);
    clock.move_on(Duration::from_secs(61));
    assert!(!resolver.look_up(&name("www.example"), Sake::Landfall).await.cached);
}

#[tokio::test]
async fn overrides_are_answered_without_asking() {
    let server = Server::start(cdn).await;
    let given =
        Override { cnames: vec![name("edge.cdn.example")], addresses: vec![[8, 136, 0, 1].into()] };
    let config = Config {
        servers: vec![resolver::Server::plain(server.address)],
        overrides: BTreeMap::from([
            (name("www.example"), given),
            (name("none.example"), Override::default()),
        ]),
        ..Config::default()
    };
    let clock: Arc<Hand> = Arc::default();
    let resolver =
        NameResolver::new(config, RootCertStore::empty(), &Limits::default(), clock).unwrap();
    for _ in 0..2 {
        let lookup = resolver.look_up(&name("www.example"), Sake::Landfall).await;
        assert_eq!(lookup.resolver, Resolver::Override);
        assert_eq!(lookup.outcome, LookupOutcome::Found);
        assert_eq!(chain(&lookup), "www.example edge.cdn.example");
        assert_eq!(addresses(&lookup), "8.136.0.1");
        assert!(!lookup.cached && lookup.answers.iter().all(|answer| answer.ttl_seconds == 0));
    }
    let lookup = resolver.look_up(&name("none.example"), Sake::Landfall).await;
    assert_eq!(lookup.outcome, LookupOutcome::NoAddresses);
    let lookup = resolver.look_up(&name("app.localhost"), Sake::Landfall).await;
    assert_eq!(addresses(&lookup), "127.0.0.1 ::1");
    assert_eq!(server.asked(Transport::Udp), 0);
    assert_eq!(resolver.describe(), format!("{}; 2 names overridden", server.address));
}

#[tokio::test]
async fn those_who_ask_at_once_share_one_question() {
    let server =
        Server::start(|asked| Does::Late(Duration::from_millis(100), Box::new(cdn(asked)))).await;
    let resolver = Arc::new(resolver(&[server.address]));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let resolver = Arc::clone(&resolver);
        asking.spawn(async move { resolver.look_up(&name("www.example"), Sake::Landfall).await });
    }
    let lookups = asking.join_all().await;
    assert!(lookups.iter().all(|lookup| addresses(lookup).starts_with("192.0.2.1")));
    let ids: std::collections::BTreeSet<_> = lookups.iter().map(|lookup| lookup.id).collect();
    assert_eq!(ids.len(), 20, "each is a look-up of its own");
    assert_eq!(server.asked(Transport::Udp), 2);
}

#[tokio::test]
async fn the_question_of_one_who_left_is_taken_over() {
    let server =
        Server::start(|asked| Does::Late(Duration::from_millis(100), Box::new(cdn(asked)))).await;
    let resolver = Arc::new(resolver(&[server.address]));
    let asker = |resolver: &Arc<NameResolver>| {
        let resolver = Arc::clone(resolver);
        tokio::spawn(async move { resolver.look_up(&name("www.example"), Sake::Landfall).await })
    };
    let leaver = asker(&resolver);
    tokio::time::sleep(Duration::from_millis(30)).await;
    let stayer = asker(&resolver);
    tokio::time::sleep(Duration::from_millis(30)).await;
    leaver.abort();
    let lookup = tokio::time::timeout(Duration::from_secs(20), stayer).await.unwrap().unwrap();
    assert_eq!(lookup.outcome, LookupOutcome::Found);
}

/// The query asks for no signatures and tells no subnet; what the server says beside the answer is kept.
#[tokio::test]
async fn what_the_resolver_says_of_its_answer_is_kept() {
    let said = |validated: [bool; 2], subnet: bool| async move {
        let server = Server::start(move |asked| {
            let edns = asked.message.edns.as_ref().unwrap();
            assert!(asked.message.metadata.authentic_data && !edns.flags().dnssec_ok);
            assert_eq!((edns.max_payload(), edns.option(EdnsCode::Subnet)), (1_232, None));
            let Does::Answer(mut answer) = cdn(asked) else { unreachable!() };
            answer.metadata.authentic_data = validated[usize::from(asked.kind == RecordType::AAAA)];
            if subnet {
                let mut edns = Edns::new();
                let told = ClientSubnet::new([192, 0, 2, 99].into(), 24, 20);
                edns.options_mut().insert(EdnsOption::Subnet(told));
                answer.set_edns(edns);
            }
            Does::Answer(answer)
        })
        .await;
        let lookup =
            resolver(&[server.address]).look_up(&name("www.example"), Sake::Landfall).await;
        assert_eq!(lookup.outcome, LookupOutcome::Found);
        let subnet = lookup.edns.subnet().map(|told| (told.network.to_string(), told.scope));
        (lookup.dnssec, lookup.edns == flow::dns::Edns::Unanswered, subnet)
    };
    assert_eq!(said([true, true], false).await, (Dnssec::SaidToBeValidated, true, None));
    let told = Some(("192.0.2.0/24".to_owned(), 20));
    assert_eq!(said([true, false], true).await, (Dnssec::NotSaid, false, told));
}

#[tokio::test]
async fn a_server_that_does_not_know_edns_is_asked_without() {
    let server = Server::start(|asked| match asked.message.edns {
        Some(_) => Does::Answer(reply(asked, ResponseCode::FormErr, &[], None)),
        None => cdn(asked),
    })
    .await;
    let lookup = resolver(&[server.address]).look_up(&name("www.example"), Sake::Landfall).await;
    assert_eq!(lookup.outcome, LookupOutcome::Found);
    assert_eq!(lookup.edns, flow::dns::Edns::Refused);
}
