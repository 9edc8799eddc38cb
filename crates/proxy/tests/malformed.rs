//! Bytes that cannot be followed, or that nobody asked for: what ends a connection, what does not,
//! and what must not reach the other side.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::event::Event;
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
