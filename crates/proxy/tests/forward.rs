//! Plain requests in absolute form over real sockets: several targets on one client connection,
//! bodies of both framings in both directions at once, and the end of either side.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::event::Event;
use flow::stream::{Direction, Leg};
use flow::treatment::{Outcome, Side};
use std::time::Duration;
use support::{ORIGIN, Options, Running, SOON, listen, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client connection with this request on it.
async fn asking(proxy: &Running, request: &str) -> TcpStream {
    let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        got.push(tokio::time::timeout(SOON, stream.read_u8()).await.unwrap().unwrap());
    }
    got
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_connection_may_ask_several_targets_in_turn() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
    // Two pipelined requests to one target, then one to another. An upstream that closed would end
    // the client's connection too, so the first one is held.
    let mut held = Vec::new();
    for ports in [&[80, 80][..], &[81]] {
        for port in ports {
            let request = format!("GET http://{ORIGIN}:{port}/ HTTP/1.1\r\n\r\n");
            client.write_all(request.as_bytes()).await.unwrap();
        }
        let accepted = tokio::time::timeout(SOON, listener.accept()).await;
        let (mut upstream, _) = accepted.unwrap().unwrap();
        for _ in ports {
            let head = read_until(&mut upstream, b"\r\n\r\n").await;
            assert!(head.starts_with(b"GET / HTTP/1.1\r\nHost: origin.example"));
            upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            read_until(&mut client, b"\r\n\r\nok").await;
        }
        held.push(upstream);
    }
    drop(client);
    let story = proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::Completed, &Outcome::Completed]);
    let ends = |event: &&Event| matches!(event, Event::StreamEnded { .. });
    assert_eq!(story.0.iter().filter(ends).count(), 4, "both streams of both ended in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_idle_upstream_says_unasked_is_recorded_and_not_passed_on() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = asking(&proxy, &format!("GET http://{ORIGIN}/ HTTP/1.1\r\n\r\n")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    read_until(&mut upstream, b"\r\n\r\n").await;
    upstream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    read_until(&mut client, b"\r\n\r\n").await;
    let unasked = b"HTTP/1.1 408 Request Timeout\r\n\r\n";
    upstream.write_all(unasked).await.unwrap();
    let mut got = Vec::new();
    tokio::time::timeout(SOON, client.read_to_end(&mut got)).await.unwrap().unwrap();
    assert_eq!(got, b"");
    let story = proxy.finish().await;
    assert!(story.stream(Leg::Relay, Direction::Down).ends_with(unasked));
}

/// A body larger than all buffers on the way, echoed while it is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_pass_in_both_directions_at_once() {
    const CHUNKS: usize = 200;
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let client = TcpStream::connect(proxy.proxy).await.unwrap();
    let chunk = [b"8000;x=y\r\n".as_slice(), &[b'z'; 0x8000], b"\r\n"].concat();
    let end = b"0\r\nX-Trailer: 1\r\n\r\n";
    let (mut reader, mut writer) = client.into_split();
    let sending = tokio::spawn({
        let chunk = chunk.clone();
        async move {
            let head =
                format!("POST http://{ORIGIN}/e HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
            writer.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..CHUNKS {
                writer.write_all(&chunk).await.unwrap();
            }
            writer.write_all(end).await.unwrap();
            writer
        }
    });
    let origin = tokio::spawn(async move {
        let (mut upstream, _) = listener.accept().await.unwrap();
        read_until(&mut upstream, b"\r\n\r\n").await;
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        upstream.write_all(head).await.unwrap();
        let mut buffer = vec![0; 1 << 16];
        let mut last = Vec::new();
        // Writes before it reads on: without a proxy that does both at once, this stalls.
        while !last.ends_with(b"0\r\nX-Trailer: 1\r\n\r\n") {
            let length = upstream.read(&mut buffer).await.unwrap();
            upstream.write_all(&buffer[..length]).await.unwrap();
            last.extend_from_slice(&buffer[..length]);
            last.drain(..last.len().saturating_sub(32));
        }
        upstream
    });
    let expected = [chunk.repeat(CHUNKS).as_slice(), end].concat();
    let mut got = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while !got.ends_with(end) {
        let length = tokio::time::timeout(SOON, reader.read(&mut buffer)).await.unwrap().unwrap();
        assert!(length > 0);
        got.extend_from_slice(&buffer[..length]);
    }
    let body = got.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(got[body..] == expected);
    drop((sending.await.unwrap(), reader, origin.await.unwrap()));
    let story = proxy.finish().await;
    let ended = story.0.iter().find_map(|event| match event {
        Event::ExchangeEnded { end, .. } => Some(end),
        _ => None,
    });
    let ended = ended.unwrap();
    let bytes = (CHUNKS * 0x8000) as u64;
    assert_eq!(ended.request_body.bytes, bytes);
    assert_eq!(ended.response_body.as_ref().unwrap().bytes, bytes);
    assert_eq!(ended.request_body.trailers.len(), 1);
    assert!(story.stream(Leg::Client, Direction::Up).starts_with(b"POST http://"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_until_the_close_ends_the_clients_connection_too() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = asking(&proxy, &format!("GET http://{ORIGIN}/ HTTP/1.0\r\n\r\n")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    read_until(&mut upstream, b"\r\n\r\n").await;
    upstream.write_all(b"HTTP/1.0 200 OK\r\n\r\nuntil the end").await.unwrap();
    drop(upstream);
    let mut got = Vec::new();
    tokio::time::timeout(SOON, client.read_to_end(&mut got)).await.unwrap().unwrap();
    assert!(got.ends_with(b"until the end"));
    assert_eq!(proxy.finish().await.outcomes(), [&Outcome::Completed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_in_its_body_is_recorded_as_cut() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = asking(
        &proxy,
        &format!("POST http://{ORIGIN}/ HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"),
    )
    .await;
    client.shutdown().await.unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    let mut got = Vec::new();
    tokio::time::timeout(SOON, upstream.read_to_end(&mut got)).await.unwrap().unwrap();
    assert!(got.ends_with(b"half"));
    assert_eq!(proxy.finish().await.outcomes(), [&Outcome::Truncated(Side::Client)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_never_comes_ends_with_the_idle_time() {
    let (listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.limits.idle_time = Duration::from_millis(300);
    let proxy = start(options).await;
    let mut client = asking(
        &proxy,
        &format!("POST http://{ORIGIN}/ HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"),
    )
    .await;
    let (_upstream, _) = listener.accept().await.unwrap();
    let ended = tokio::time::timeout(SOON, client.read(&mut [0; 16])).await.unwrap();
    assert!(ended.is_err(), "the connection is reset: nothing was answered");
    assert_eq!(proxy.finish().await.outcomes(), [&Outcome::IdleTimeout]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_cut_by_a_reset_does_not_look_whole() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = asking(&proxy, &format!("GET http://{ORIGIN}/ HTTP/1.0\r\n\r\n")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    read_until(&mut upstream, b"\r\n\r\n").await;
    upstream.write_all(b"HTTP/1.0 200 OK\r\n\r\nuntil the").await.unwrap();
    read_until(&mut client, b"until the").await;
    upstream.set_zero_linger().unwrap();
    drop(upstream);
    let ended = tokio::time::timeout(SOON, client.read(&mut [0; 16])).await.unwrap();
    assert!(ended.is_err(), "a FIN would mean that the body is complete");
    assert_eq!(proxy.finish().await.outcomes(), [&Outcome::UpstreamReset]);
}
