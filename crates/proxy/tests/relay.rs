//! The relay over real sockets: bytes pass unchanged, and the three ways in which a side can end
//! (in order, by a bare FIN, by a RST) come out on the other side as themselves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::stream::{Direction, Leg};
use flow::time::{Clock, MonoNanos, Stamp, WallNanos};
use flow::treatment::{Outcome, PlaintextWhy, Side, Treatment};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use support::{ORIGIN, Options, SOON, issuer, listen, origin_tls, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Bytes that are no pattern, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// A TLS origin that reads to the end, then sends `answer` and closes as `close` says.
fn origin(
    listener: TcpListener,
    tls: TlsAcceptor,
    answer: Vec<u8>,
    close: Close,
) -> JoinHandle<(Vec<u8>, io::Result<()>)> {
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = tls.accept(tcp).await.unwrap();
        let mut got = Vec::new();
        let ended = stream.read_to_end(&mut got).await.map(|_| ());
        if stream.write_all(&answer).await.and(stream.flush().await).is_ok() {
            match close {
                Close::InOrder => drop(stream.shutdown().await),
                Close::BareFin => drop(stream.get_mut().0.shutdown().await),
            }
        }
        (got, ended)
    })
}

#[derive(Clone, Copy)]
enum Close {
    InOrder,
    BareFin,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plaintext_passes_unchanged_and_is_recorded_as_it_passed() {
    let issuer = issuer();
    let (listener, address) = listen().await;
    let (up, down) = (noise(700_001), noise(1_300_007));
    let tls = TlsAcceptor::from(origin_tls(&issuer, &[]));
    let served = origin(listener, tls, down.clone(), Close::InOrder);
    let mut options = Options::with_origin(address);
    options.origin_root = Some(issuer.der().clone());
    let proxy = start(options).await;

    let mut client = proxy.tls(&proxy.authority, &[]).await.unwrap();
    for piece in up.chunks(7_919) {
        client.write_all(piece).await.unwrap();
    }
    client.shutdown().await.unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    let (at_origin, ended) = served.await.unwrap();
    drop(client);

    assert!(ended.is_ok() && at_origin == up && got == down);
    let story = proxy.finish().await;
    assert_eq!(story.treatment(), &Treatment::Intercepted);
    assert_eq!(story.outcomes(), [&Outcome::HalfClosed(Side::Client)]);
    assert!(story.stream(Leg::Relay, Direction::Up) == up);
    assert!(story.stream(Leg::Relay, Direction::Down) == down);
    assert!(!story.stream(Leg::Upstream, Direction::Down).is_empty(), "the handshake is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_was_cut_looks_cut() {
    let issuer = issuer();
    let (listener, address) = listen().await;
    let tls = TlsAcceptor::from(origin_tls(&issuer, &[]));
    let served = origin(listener, tls, b"half an ans".to_vec(), Close::BareFin);
    let mut options = Options::with_origin(address);
    options.origin_root = Some(issuer.der().clone());
    let proxy = start(options).await;

    let mut client = proxy.tls(&proxy.authority, &[]).await.unwrap();
    client.shutdown().await.unwrap();
    let mut got = Vec::new();
    let error = client.read_to_end(&mut got).await.unwrap_err();
    served.await.unwrap().1.unwrap();

    assert_eq!((got.as_slice(), error.kind()), (&b"half an ans"[..], io::ErrorKind::UnexpectedEof));
    drop(client);
    let story = proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::Truncated(Side::Upstream)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_cut_looks_cut() {
    let issuer = issuer();
    let (listener, address) = listen().await;
    let tls = TlsAcceptor::from(origin_tls(&issuer, &[]));
    let served = origin(listener, tls, Vec::new(), Close::InOrder);
    let mut options = Options::with_origin(address);
    options.origin_root = Some(issuer.der().clone());
    let proxy = start(options).await;

    let mut client = proxy.tls(&proxy.authority, &[]).await.unwrap();
    client.write_all(b"half a requ").await.unwrap();
    client.flush().await.unwrap();
    client.get_mut().0.shutdown().await.unwrap();
    let (got, ended) = served.await.unwrap();

    assert_eq!(got, b"half a requ");
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    drop(client);
    let story = proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::Truncated(Side::Client)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_comes_out_as_a_reset() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    upstream.write_all(b"hello").await.unwrap();
    let mut client = client;
    let mut hello = [0; 5];
    client.read_exact(&mut hello).await.unwrap();
    upstream.set_zero_linger().unwrap();
    drop(upstream);
    let error = tokio::time::timeout(SOON, client.read(&mut hello)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let story = proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::UpstreamReset]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_direction_may_end_before_the_other() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    client.write_all(b"\x01question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut got = Vec::new();
    upstream.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"\x01question");
    upstream.write_all(b"answer").await.unwrap();
    drop(upstream);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
    assert_eq!(proxy.finish().await.outcomes(), [&Outcome::HalfClosed(Side::Client)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_slows_the_upstream() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    let piece = vec![7; 1 << 16];
    let mut sent = 0;
    // The client reads nothing, so that sooner or later no write gets through.
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(500), upstream.write_all(&piece)).await
    {
        written.unwrap();
        sent += piece.len();
        assert!(sent < 256 << 20, "bytes pile up in the proxy");
    }
    let mut got = vec![0; sent];
    tokio::time::timeout(SOON, client.read_exact(&mut got)).await.unwrap().unwrap();
    drop(client);
    proxy.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_outlives_the_grace_time_is_recorded_as_shut_down() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    let (mut upstream, _): (TcpStream, _) = listener.accept().await.unwrap();
    upstream.write_all(b"hello").await.unwrap();
    let mut client = client;
    client.read_exact(&mut [0; 5]).await.unwrap();
    let story = proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::Shutdown]);
    assert_eq!(story.stream(Leg::Relay, Direction::Down), b"hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_given_before_the_upload_is_over_arrives() {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    let (mut reader, mut writer) = client.into_split();
    let uploading = tokio::spawn(async move {
        // Ends when the proxy can pass nothing on any more.
        while writer.write_all(&[1; 1 << 16]).await.is_ok() {}
    });
    upstream.read_exact(&mut [0; 1 << 16]).await.unwrap();
    upstream.write_all(b"too large").await.unwrap();
    upstream.shutdown().await.unwrap();
    drop(upstream);
    let mut answer = [0; 9];
    tokio::time::timeout(SOON, reader.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"too large");
    uploading.await.unwrap();
    drop(reader);
    let story = proxy.finish().await;
    assert_eq!(story.stream(Leg::Relay, Direction::Down), b"too large");
}

/// A clock that stands still: what it measures never takes any time.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Stamp {
        Stamp { wall: WallNanos(0), mono: MonoNanos(0) }
    }
}

/// The relay measures idle times with the clock, so that it would never end this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_a_byte_was_given_the_idle_time_twice() {
    let (listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.limits.idle_time = Duration::from_millis(300);
    options.clock = Some(Arc::new(Still));
    let proxy = start(options).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    for end in [&mut client, &mut upstream] {
        let ended = tokio::time::timeout(SOON, end.read(&mut [0; 16])).await.unwrap();
        assert!(ended.is_err(), "a FIN would mean that the other side was done");
    }
    let story = proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::IdleTimeout]);
    assert_eq!(story.treatment(), &Treatment::Plaintext(PlaintextWhy::Silent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_on_which_nothing_passes_ends_with_the_idle_time() {
    let (listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.limits.idle_time = Duration::from_millis(300);
    let proxy = start(options).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
    let (mut upstream, _) = listener.accept().await.unwrap();
    upstream.write_all(b"hello").await.unwrap();
    client.read_exact(&mut [0; 5]).await.unwrap();
    let ended = tokio::time::timeout(SOON, client.read(&mut [0; 16])).await.unwrap();
    assert!(ended.is_err(), "a FIN would mean that the server was done");
    assert_eq!(proxy.finish().await.outcomes(), [&Outcome::IdleTimeout]);
}
