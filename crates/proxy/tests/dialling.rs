//! Upstreams with several addresses, over real sockets: which is taken, and what is told of the
//! others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::event::Event;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use support::{ORIGIN, Options, Story, listen, start};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A port whose queue is full: connecting to it neither succeeds nor fails.
struct Silent {
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
    address: SocketAddr,
}

impl Silent {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let connect = || TcpStream::connect(address);
        while let Ok(tcp) = tokio::time::timeout(Duration::from_millis(200), connect()).await {
            waiting.push(tcp.unwrap());
            assert!(waiting.len() < 100, "the queue does not fill");
        }
        Self { _listener: listener, _waiting: waiting, address }
    }
}

/// Options under which the origin has these addresses, from 192.0.2.1 on.
fn places(sockets: &[SocketAddr]) -> Options {
    let mut options = Options::with_origin(sockets[0]);
    let ips = (1..).map(|last| IpAddr::from([192, 0, 2, last]));
    options.places = ips.zip(sockets.iter().copied()).collect();
    options
}

/// All attempts: the last byte of the address, and whether it succeeded.
fn attempts(story: &Story) -> Vec<(u8, bool)> {
    let attempts = story.0.iter().filter_map(|event| match event {
        Event::Dialled(dialled) => {
            let IpAddr::V4(ip) = dialled.upstream.unwrap().address.ip() else { panic!("IPv6") };
            Some((ip.octets()[3], dialled.result.is_ok()))
        }
        _ => None,
    });
    attempts.collect()
}

async fn closed() -> SocketAddr {
    listen().await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_silent_does_not_hold_up_the_next() {
    let silent = Silent::new().await;
    let (listener, answering) = listen().await;
    let proxy = start(places(&[silent.address, answering])).await;
    let client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    listener.accept().await.unwrap();
    drop(client);
    // The one that was given up is told first: the last one told is the one that was reached.
    assert_eq!(attempts(&proxy.finish().await), [(1, false), (2, true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_refuses_is_followed_by_the_next() {
    let (listener, answering) = listen().await;
    let mut options = places(&[closed().await, closed().await, answering]);
    // Were it waited for, the test would not end.
    options.limits.dial_stagger = Duration::from_secs(3600);
    let proxy = start(options).await;
    let client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    listener.accept().await.unwrap();
    drop(client);
    assert_eq!(attempts(&proxy.finish().await), [(1, false), (2, false), (3, true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_addresses_are_tried_than_the_limit_says() {
    let (_listener, answering) = listen().await;
    let mut options = places(&[closed().await, closed().await, answering]);
    options.limits.dialled_addresses = 2;
    let proxy = start(options).await;
    let answer = proxy.raw(format!("CONNECT {ORIGIN}:7 HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(attempts(&proxy.finish().await), [(1, false), (2, false)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_are_all_silent_are_all_told() {
    let silent = Silent::new().await;
    let mut options = places(&[silent.address, silent.address]);
    options.limits.connect_time = Duration::from_millis(100);
    options.limits.dial_stagger = Duration::from_millis(10);
    let proxy = start(options).await;
    let answer = proxy.raw(format!("CONNECT {ORIGIN}:7 HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert_eq!(attempts(&proxy.finish().await), [(1, false), (2, false)]);
}
