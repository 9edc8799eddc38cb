//! What RFC 9110 and 9112 demand of a proxy that rewrites plain requests: ambiguous ones refused,
//! the last hop answered, interim responses and WebSockets passed on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::event::Event;
use flow::http::Upgrade;
use flow::stream::{Direction, Leg};
use flow::treatment::{Cause, Outcome, PlaintextWhy, Stage, Treatment};
use support::{ORIGIN, Options, Running, SOON, listen, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A proxy and a listener that must not be reached.
async fn unreached() -> (Running, tokio::net::TcpListener) {
    let (listener, address) = listen().await;
    (start(Options::with_origin(address)).await, listener)
}

#[tokio::test]
async fn requests_that_two_readers_could_split_differently_are_refused_with_the_reason() {
    for (fields, reason) in [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "both Content-Length and"),
        ("Content-Length: 4\r\nContent-Length: 5\r\n", "several Content-Length values that differ"),
        ("Content-Length: 4\r\nContent-Length: 4\r\n", "several Content-Length values"),
        ("Content-Length: 4, 4\r\n", "several Content-Length values"),
        ("Content-Length: +4\r\n", "Content-Length is no decimal number"),
        ("Content-Length: 0x4\r\n", "Content-Length is no decimal number"),
        ("Content-Length: \r\n", "Content-Length is no decimal number"),
        ("Transfer-Encoding: xchunked\r\n", "transfer coding is not chunked"),
        ("Transfer-Encoding: gzip\r\n", "transfer coding is not chunked"),
        ("Transfer-Encoding: chunked, gzip\r\n", "chunked is not the last"),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "chunked is not the last",
        ),
        ("Transfer-Encoding: \u{b}chunked\r\n", "no list of codings"),
        ("Transfer-Encoding: chunked;x=1\r\n", "no list of codings"),
        ("Transfer-Encoding : chunked\r\n", "whitespace between a field name and its colon"),
        (" Transfer-Encoding: chunked\r\n", "folded line without a field"),
        ("X: 1\r\n Transfer-Encoding: chunked\r\n", "a folded header line"),
        ("X: a\0b\r\n", "a NUL byte"),
        ("X: a\rTransfer-Encoding: chunked\r\n", "a CR without LF"),
        ("Host: a.example\r\nHost: b.example\r\n", "several Host fields"),
        ("no colon\r\n", "without a colon"),
        ("X\u{e4}: 1\r\n", "a field name is no token"),
    ] {
        let (proxy, listener) = unreached().await;
        let request = format!("POST http://{ORIGIN}/ HTTP/1.1\r\n{fields}\r\n0\r\n\r\n");
        let answer = proxy.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{fields:?}: {answer}");
        assert!(answer.contains(reason), "{fields:?} should say {reason:?}: {answer}");
        let story = proxy.finish().await;
        let Treatment::Failed(failure) = story.treatment() else { panic!("{fields:?}") };
        assert_eq!(failure.stage, Stage::Request);
        let Cause::Malformed(recorded) = &failure.cause else { panic!("{:?}", failure.cause) };
        assert!(recorded.contains(reason), "{recorded}");
        let kept = story.stream(Leg::Client, Direction::Up);
        assert!(request.as_bytes().starts_with(&kept) && !kept.is_empty());
        drop(listener);
    }
}

#[tokio::test]
async fn http_1_0_has_no_transfer_codings_and_trace_no_content() {
    for (request, reason) in [
        ("POST http://a.example/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", "HTTP/1.0 message"),
        (
            "TRACE http://a.example/ HTTP/1.1\r\nContent-Length: 1\r\n",
            "a TRACE request with content",
        ),
    ] {
        let (proxy, _listener) = unreached().await;
        let answer = proxy.raw(format!("{request}\r\n0\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(reason), "{answer}");
        proxy.finish().await;
    }
}

#[tokio::test]
async fn the_last_hop_answers_itself_and_dials_nobody() {
    for (method, expected, body) in [
        ("OPTIONS", "HTTP/1.1 200 OK\r\nAllow: ", ""),
        ("TRACE", "HTTP/1.1 200 OK\r\nContent-Type: message/http\r\n", "X-Kept: 1\r\n\r\n"),
    ] {
        let (proxy, _listener) = unreached().await;
        let request = format!(
            "{method} http://{ORIGIN}/p HTTP/1.1\r\nMax-Forwards: 0\r\nCookie: secret\r\n\
             Proxy-Authorization: secret\r\nX-Kept: 1\r\n\r\n"
        );
        let answer = proxy.raw(request.as_bytes()).await;
        assert!(answer.starts_with(expected) && answer.ends_with(body), "{answer}");
        assert!(!answer.contains("secret"), "{answer}");
        let story = proxy.finish().await;
        assert_eq!(story.treatment(), &Treatment::Plaintext(PlaintextWhy::LastHop));
        assert_eq!(story.outcomes(), [&Outcome::Completed]);
        assert!(!story.0.iter().any(|event| matches!(event, Event::Dialled(_))));
        assert!(story.0.iter().any(|event| matches!(event, Event::ExchangeEnded { .. })));
    }
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut got = Vec::new();
    while !got.ends_with(end.as_bytes()) {
        got.push(timeout(SOON, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8_lossy(&got).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_request_at_its_last_hop_does_not_reach_the_upstream_either() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
    let first = format!("OPTIONS http://{ORIGIN}/ HTTP/1.1\r\nMax-Forwards: 1\r\n\r\n");
    client.write_all(first.as_bytes()).await.unwrap();
    let (mut upstream, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    assert!(read_until(&mut upstream, "\r\n\r\n").await.contains("Max-Forwards: 0\r\n"));
    upstream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    client.write_all(first.replace(": 1", ": 0").as_bytes()).await.unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").await.contains("Allow: "));
    let mut rest = Vec::new();
    timeout(SOON, upstream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, b"");
    drop(client);
    assert_eq!(proxy.finish().await.outcomes().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interim_responses_pass_and_the_body_waits_for_them() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
    let head = format!(
        "POST http://{ORIGIN}/ HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut upstream, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    assert!(read_until(&mut upstream, "\r\n\r\n").await.contains("\r\nExpect: 100-continue\r\n"));
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    upstream.write_all(interim.as_bytes()).await.unwrap();
    assert_eq!(read_until(&mut client, "100 Continue\r\n\r\n").await, interim);
    client.write_all(b"body").await.unwrap();
    read_until(&mut upstream, "body").await;
    upstream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    drop(client);
    let story = proxy.finish().await;
    let statuses: Vec<u16> = story
        .0
        .iter()
        .filter_map(|event| match event {
            Event::Response { head, .. } => Some(head.status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [103, 100, 204]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_in_absolute_form_becomes_a_tunnel() {
    for scheme in ["http", "ws"] {
        let (listener, address) = listen().await;
        let proxy = start(Options::with_origin(address)).await;
        let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
        let head = format!(
            "GET {scheme}://{ORIGIN}/chat HTTP/1.1\r\nHost: {ORIGIN}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n\r\n"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let (mut upstream, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
        let got = read_until(&mut upstream, "\r\n\r\n").await;
        assert!(got.contains("\r\nUpgrade: websocket\r\n") && got.contains("Connection: Upgrade"));
        // The server's first frame comes in one piece with its answer.
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                      Connection: Upgrade\r\n\r\n\u{1}\u{2}frame";
        upstream.write_all(answer.as_bytes()).await.unwrap();
        assert_eq!(read_until(&mut client, "frame").await, answer);
        client.write_all(b"\x01\x02up").await.unwrap();
        assert_eq!(read_until(&mut upstream, "up").await, "\u{1}\u{2}up");
        upstream.write_all(b"\x01\x02dn").await.unwrap();
        read_until(&mut client, "dn").await;
        client.shutdown().await.unwrap();
        let mut rest = Vec::new();
        timeout(SOON, upstream.read_to_end(&mut rest)).await.unwrap().unwrap();
        drop(upstream);
        timeout(SOON, client.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert_eq!(rest, b"");
        let story = proxy.finish().await;
        assert_eq!(story.outcomes(), [&Outcome::Completed]);
        assert!(story.stream(Leg::Relay, Direction::Up).ends_with(b"\x01\x02up"));
        assert!(story.stream(Leg::Relay, Direction::Down).ends_with(b"frame\x01\x02dn"));
        let upgraded = story.0.iter().any(|event| {
            matches!(event, Event::ExchangeEnded { end, .. } if end.upgrade == Some(Upgrade::WebSocket))
        });
        assert!(upgraded);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upgrade_goes_on_as_http() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
    let head = format!(
        "GET http://{ORIGIN}/ HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut upstream, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    for path in ["/", "/next"] {
        assert!(read_until(&mut upstream, "\r\n\r\n").await.starts_with(&format!("GET {path} ")));
        upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        read_until(&mut client, "ok").await;
        if path == "/" {
            let next = format!("GET http://{ORIGIN}/next HTTP/1.1\r\n\r\n");
            client.write_all(next.as_bytes()).await.unwrap();
        }
    }
    drop(client);
    assert_eq!(proxy.finish().await.outcomes(), [&Outcome::Completed]);
}
