//! The proxy's bounds at their edges, over real sockets: as much as the limit passes, one more does
//! not, and the record says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::bound::Bound;
use flow::event::Event;
use flow::treatment::{BlockedWhy, Cause, Outcome, Treatment};
use std::time::Duration;
use support::{ORIGIN, Options, SOON, Story, client_hello, listen, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

fn blocked(story: &Story, expected: BlockedWhy) -> usize {
    let is_it = |event: &&Event| match event {
        Event::Treated { treatment: Treatment::Blocked(why), .. } => *why == expected,
        _ => false,
    };
    story.0.iter().filter(is_it).count()
}

async fn all(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut all)).await.unwrap().ok();
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_over_its_cap_is_refused_and_others_are_not() {
    let (_listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.limits.device_connections = 2;
    let proxy = start(options).await;
    let target = format!("{ORIGIN}:80");
    let (first, _second) = (proxy.tunnel(&target).await, proxy.tunnel(&target).await);

    let refused = TcpStream::connect(proxy.proxy).await.unwrap();
    let answer = all(refused).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let (what, hint) = ("as one may have (limits.device-connections = 2).\n", "\nhint: raise ");
    assert!(answer.contains(what) && answer.contains(hint), "{answer}");

    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(proxy.proxy).await.unwrap();
    other.write_all(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    other.read_exact(&mut [0; 12]).await.unwrap();

    // The place of a connection that has ended is free again.
    first.set_zero_linger().unwrap();
    drop(first);
    let admitted = async {
        loop {
            let mut next = TcpStream::connect(proxy.proxy).await.unwrap();
            let request = format!("CONNECT {target} HTTP/1.1\r\n\r\n");
            next.write_all(request.as_bytes()).await.unwrap();
            let mut start = [0; 12];
            if next.read_exact(&mut start).await.is_ok() && &start == b"HTTP/1.1 200" {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, admitted).await.unwrap();
    let story = proxy.finish().await;
    assert!(blocked(&story, BlockedWhy::DeviceLimit(2)) >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_over_the_limit_waits_for_another_to_end() {
    let (_listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.limits.connections = 1;
    let proxy = start(options).await;
    let first = proxy.tunnel(&format!("{ORIGIN}:80")).await;
    let mut second = TcpStream::connect(proxy.proxy).await.unwrap();
    let request = format!("CONNECT {ORIGIN}:80 HTTP/1.1\r\n\r\n");
    second.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let early = tokio::time::timeout(SHORT, second.read_exact(&mut answer)).await;
    assert!(early.is_err(), "it was served beside the first");
    first.set_zero_linger().unwrap();
    drop(first);
    tokio::time::timeout(SOON, second.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(second);
    proxy.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_hello_may_be_as_long_as_the_limit() {
    let hello = client_hello();
    for (limit, passes) in [(hello.len(), true), (hello.len() - 1, false)] {
        let (listener, address) = listen().await;
        let mut options = Options::with_origin(address);
        options.limits.client_hello_bytes = limit;
        options.limits.tls_time = SHORT;
        let proxy = start(options).await;
        let mut client = proxy.tunnel(&format!("{ORIGIN}:443")).await;
        let _upstream = listener.accept().await.unwrap();
        client.write_all(&hello).await.unwrap();
        all(client).await;
        let story = proxy.finish().await;
        let told = story.0.iter().any(|event| matches!(event, Event::ClientHello { .. }));
        let too_large = matches!(
            story.treatment(),
            Treatment::Failed(failure) if failure.cause == Cause::TooLarge(Bound::ClientHelloBytes(limit))
        );
        assert_eq!((told, too_large), (passes, !passes), "{limit}: {:?}", story.treatment());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_head_may_be_as_long_as_the_limit() {
    let request = format!("CONNECT {ORIGIN}:80 HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(500));
    for (limit, expected) in [(request.len(), "200"), (request.len() - 1, "431")] {
        let (_listener, address) = listen().await;
        let mut options = Options::with_origin(address);
        options.limits.request_head_bytes = limit;
        let proxy = start(options).await;
        let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        client.read_exact(&mut start).await.unwrap();
        assert_eq!(std::str::from_utf8(&start).unwrap(), format!("HTTP/1.1 {expected}"));
        if expected == "431" {
            let key = format!("sent more than limits.request-head-bytes = {limit}B");
            assert!(all(client).await.contains(&key));
            assert!(proxy.finish().await.treatment().why().contains(&key));
        } else {
            drop(client);
            proxy.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_holds_on_to_an_answer_is_left() {
    let (_listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.limits.answer_time = SHORT;
    options.limits.shutdown_grace = SOON;
    let proxy = start(options).await;
    let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
    client.write_all(b"CONNECT nonsense HTTP/1.1\r\n\r\n").await.unwrap();
    // The client keeps its own direction open all the time.
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    let story = proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::NotRelayed]);
    drop(client);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_could_be_anything_is_passed_on_in_the_end() {
    let (listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.limits.undecided_time = SHORT;
    let proxy = start(options).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:80")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    client.write_all(b"G").await.unwrap();
    let byte = tokio::time::timeout(SOON, upstream.read_u8()).await.unwrap().unwrap();
    assert_eq!(byte, b'G');
    drop(client);
    let story = proxy.finish().await;
    assert_eq!(story.treatment().why(), "neither TLS nor HTTP");
}

/// A time that is there to pass.
const SHORT: Duration = Duration::from_millis(300);
