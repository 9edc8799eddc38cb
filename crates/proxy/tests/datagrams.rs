//! Datagrams of SOCKS5 associations: which may leave, by which way, and what is told of the rest.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::claim::{Asn, Country};
use flow::event::{DroppedDatagrams, Event};
use flow::treatment::{BlockedWhy, Treatment};
use proxy::{Origin, Outgoing, Rules};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use support::{ORIGIN, Options, Running, SOON, Story, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// An association: its connection, and a socket whose datagrams it takes.
async fn associate(proxy: &Running) -> (TcpStream, UdpSocket) {
    let mut control = TcpStream::connect(proxy.proxy).await.unwrap();
    control.write_all(b"\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0").await.unwrap();
    let mut reply = [0; 12];
    timeout(SOON, control.read_exact(&mut reply)).await.unwrap().unwrap();
    let relay = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::from_be_bytes([reply[10], reply[11]])));
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    client.connect(relay).await.unwrap();
    (control, client)
}

/// A datagram to a name, with its SOCKS5 header.
fn to(name: &str, port: u16) -> Vec<u8> {
    let name = [&[name.len() as u8], name.as_bytes()].concat();
    [b"\0\0\0\x03", name.as_slice(), &port.to_be_bytes(), b"x"].concat()
}

/// What is told of a datagram to the origin, once its flow and the association have ended.
async fn one_datagram(mut options: Options) -> Story {
    options.limits.datagram_idle_time = Duration::from_millis(50);
    options.limits.idle_time = Duration::from_secs(2);
    let proxy = start(options).await;
    let (mut control, client) = associate(&proxy).await;
    client.send(&to(ORIGIN, 443)).await.unwrap();
    timeout(SOON, control.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    proxy.finish().await
}

fn was_dialled(story: &Story) -> bool {
    story.0.iter().any(|event| matches!(event, Event::Dialled(_)))
}

async fn check_block(rule: &'static str) {
    let origin = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut options = Options::with_origin(origin.local_addr().unwrap());
    options.rules = Rules { block: vec![rule.parse().unwrap()], ..Rules::default() };
    options.origin_of = Origin { asns: vec![Asn(64496)], countries: vec![Country::CN] };
    let story = one_datagram(options).await;
    assert_eq!(story.treatment(), &Treatment::Blocked(BlockedWhy::Rule(rule.to_owned())));
    assert!(!was_dialled(&story), "{rule}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn block_rules_hold_for_datagrams() {
    let mut checks = JoinSet::new();
    for rule in [ORIGIN, "*.example", "192.0.2.0/24", "port:443", "AS64496", "country:CN", "*"] {
        checks.spawn(check_block(rule));
    }
    checks.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn around_an_upstream_proxy_no_datagram_leaves() {
    let origin = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut options = Options::with_origin(origin.local_addr().unwrap());
    let proxy = Some("http://127.0.0.1:1".parse().unwrap());
    options.outgoing = Outgoing { proxy, mark: None };
    let story = one_datagram(options).await;
    assert_eq!(story.treatment(), &Treatment::Blocked(BlockedWhy::DatagramsNotProxied));
    assert!(!was_dialled(&story));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_that_wait_for_a_look_up_are_counted_when_the_association_ends() {
    let resolver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let origin = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut options = Options::with_origin(origin.local_addr().unwrap());
    options.resolver = resolver.local_addr().unwrap();
    let proxy = start(options).await;
    let (control, client) = associate(&proxy).await;
    for _ in 0..3 {
        client.send(&to("slow.example", 53)).await.unwrap();
    }
    timeout(SOON, resolver.recv(&mut [0; 512])).await.unwrap().unwrap();
    // What arrives after them shows that they were read.
    client.send(&to(ORIGIN, 53)).await.unwrap();
    timeout(SOON, origin.recv(&mut [0; 16])).await.unwrap().unwrap();
    drop(control);
    let story = proxy.finish().await;
    let dropped = story.0.iter().find_map(|event| match event {
        Event::DatagramsDropped { dropped, .. } => Some(*dropped),
        _ => None,
    });
    assert_eq!(dropped, Some(DroppedDatagrams { refused: 3, ..DroppedDatagrams::default() }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_run_has_a_bound_on_conversations_of_datagrams() {
    let origin = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut options = Options::with_origin(origin.local_addr().unwrap());
    options.limits.datagram_flows = 2;
    let proxy = start(options).await;
    let (first, sender) = associate(&proxy).await;
    let (second, other_sender) = associate(&proxy).await;
    let arrives = async || timeout(SOON, origin.recv(&mut [0; 16])).await.unwrap().unwrap();
    sender.send(&to(ORIGIN, 1)).await.unwrap();
    arrives().await;
    other_sender.send(&to(ORIGIN, 1)).await.unwrap();
    arrives().await;
    // The bound is reached, in all associations: what there is goes on, and nothing else begins.
    for client in [&sender, &other_sender] {
        client.send(&to(ORIGIN, 2)).await.unwrap();
        client.send(&to(ORIGIN, 1)).await.unwrap();
        arrives().await;
    }
    // An association that ends gives its place back.
    drop(first);
    let admitted = async {
        loop {
            other_sender.send(&to(ORIGIN, 3)).await.unwrap();
            let mut buffer = [0; 16];
            if timeout(Duration::from_millis(50), origin.recv(&mut buffer)).await.is_ok() {
                return;
            }
        }
    };
    timeout(SOON, admitted).await.expect("a place that is free again");
    drop(second);
    let story = proxy.finish().await;
    let dropped: Vec<_> = story
        .0
        .iter()
        .filter_map(|event| match event {
            Event::DatagramsDropped { dropped, .. } => Some(*dropped),
            _ => None,
        })
        .collect();
    assert_eq!(dropped.len(), 2, "{dropped:?}");
    let only = |dropped: &DroppedDatagrams| dropped.total() == dropped.over_flow_limit;
    assert!(dropped.iter().all(|dropped| only(dropped) && dropped.over_flow_limit > 0));
}
