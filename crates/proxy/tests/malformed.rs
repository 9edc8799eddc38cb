//! Bytes that cannot be followed, or that nobody asked for: what ends a connection, what does not,
//! and what must not reach the other side.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::event::Event;
use flow::stream::{Direction, Leg};
use flow::treatment::Outcome;
use proxy::OnMalformed;
use support::{ORIGIN, Options, SOON, Story, listen, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        got.push(timeout(SOON, stream.read_u8()).await.unwrap().unwrap());
    }
    got
}

/// Whether each loss of sync that was told was of one exchange alone.
fn losses(story: &Story) -> Vec<bool> {
    let lost = story.0.iter().filter_map(|event| match event {
        Event::LostSync { lost, .. } => Some(lost.exchange.is_some()),
        _ => None,
    });
    lost.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_read_does_not_end_the_connection() {
    let (listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.on_malformed = OnMalformed::Close;
    let proxy = start(options).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:80")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    let request = "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut upstream, b"\r\n\r\n").await;
    let answer = "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    upstream.write_all(answer.as_bytes()).await.unwrap();
    read_until(&mut client, b"\r\n\r\n").await;
    // A reserved bit for which no extension was agreed on.
    upstream.write_all(b"\xc1\x02ok").await.unwrap();
    read_until(&mut client, b"\xc1\x02ok").await;
    client.write_all(b"goes on").await.unwrap();
    read_until(&mut upstream, b"goes on").await;
    drop((client, upstream));
    assert_eq!(losses(&proxy.finish().await)[..1], [true]);
}

/// What a client gets that asks two hosts at once, when the first answers so; and the story.
async fn two_hosts(answer: &str) -> (String, Story) {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
    let requests = format!(
        "GET http://{ORIGIN}/one HTTP/1.1\r\n\r\nGET http://other.example/two HTTP/1.1\r\n\
         Proxy-Authorization: Basic c2VjcmV0\r\n\r\n"
    );
    client.write_all(requests.as_bytes()).await.unwrap();
    let (mut upstream, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    read_until(&mut upstream, b"\r\n\r\n").await;
    upstream.write_all(answer.as_bytes()).await.unwrap();
    // Stays open: nothing may wait for its end.
    let mut got = Vec::new();
    timeout(SOON, client.read_to_end(&mut got)).await.unwrap().ok();
    let mut leaked = Vec::new();
    timeout(SOON, upstream.read_to_end(&mut leaked)).await.unwrap().ok();
    assert_eq!(String::from_utf8_lossy(&leaked), "");
    let story = proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::Malformed]);
    assert_eq!(story.stream(Leg::Relay, Direction::Down), answer.as_bytes());
    (String::from_utf8(got).unwrap(), story)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_of_protocols_that_nobody_asked_for_ends_the_connection() {
    let (got, _) = two_hosts("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n").await;
    assert_eq!(got, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_answer_does_not_reach_the_client() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (got, story) = two_hosts(&format!("{whole}{whole}")).await;
    assert_eq!((got.as_str(), losses(&story).as_slice()), (whole, &[false][..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_be_followed_ends_the_connection() {
    let (got, _) = two_hosts("\0 this is no HTTP\r\n\r\n").await;
    assert_eq!(got, "");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
    let (got, story) = two_hosts(&format!("{head}!\r\n")).await;
    assert!(head.starts_with(&got), "{got}");
    assert_eq!(losses(&story), [false]);
}
