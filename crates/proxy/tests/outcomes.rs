//! How connections end, over real sockets: each way has a word of its own, and the exchange that was
//! under way says how far it had come.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::event::Event;
use flow::http::BodyEnd;
use flow::treatment::{Cause, Failure, Outcome, PlaintextWhy, Side, Stage, Treatment};
use std::time::Duration;
use support::{ORIGIN, Options, Running, SOON, Story, issuer, listen, origin_tls, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A run, and both ends of one tunnel through it.
struct Tunnel {
    proxy: Running,
    client: TcpStream,
    upstream: TcpStream,
}

impl Tunnel {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let (listener, address) = listen().await;
        let mut options = Options::with_origin(address);
        change(&mut options);
        let proxy = start(options).await;
        let client = proxy.tunnel(&format!("{ORIGIN}:80")).await;
        let (upstream, _) = listener.accept().await.unwrap();
        Self { proxy, client, upstream }
    }

    /// Sends a request, which has arrived when this returns.
    async fn request(&mut self) {
        self.client.write_all(REQUEST).await.unwrap();
        self.upstream.read_exact(&mut vec![0; REQUEST.len()]).await.unwrap();
    }

    /// Sends a part of an answer, which has arrived when this returns.
    async fn answer(&mut self, bytes: &[u8]) {
        self.upstream.write_all(bytes).await.unwrap();
        self.client.read_exact(&mut vec![0; bytes.len()]).await.unwrap();
    }

    /// Resets the client's end and returns the story once the other end has seen it.
    async fn client_resets(mut self) -> Story {
        reset(self.client);
        drained(&mut self.upstream).await;
        self.proxy.finish().await
    }

    async fn upstream_resets(mut self) -> Story {
        reset(self.upstream);
        drained(&mut self.client).await;
        self.proxy.finish().await
    }
}

fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// Reads until the end, whichever it is.
async fn drained(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap().ok();
}

/// How the only exchange ended: `None` without a response.
fn exchange(story: &Story) -> Option<BodyEnd> {
    let ends: Vec<_> = story
        .0
        .iter()
        .filter_map(|event| match event {
            Event::ExchangeEnded { end, .. } => {
                Some(end.response_body.as_ref().map(|body| body.end))
            }
            _ => None,
        })
        .collect();
    match ends.as_slice() {
        [end] => *end,
        _ => panic!("{ends:?}"),
    }
}

#[track_caller]
fn check(story: &Story, outcome: Outcome, response: Option<BodyEnd>) {
    assert_eq!((story.outcomes(), exchange(story)), (vec![&outcome], response));
}

#[track_caller]
fn check_failed(story: &Story, stage: Stage, side: Side, cause: Cause) {
    assert_eq!(story.treatment(), &Treatment::Failed(Failure { stage, side, cause }));
    assert_eq!(story.outcomes(), [&Outcome::NotRelayed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_aborts_before_the_response() {
    let mut tunnel = Tunnel::open().await;
    tunnel.request().await;
    check(&tunnel.client_resets().await, Outcome::ClientReset, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_aborts_in_the_middle_of_the_response() {
    let mut tunnel = Tunnel::open().await;
    tunnel.request().await;
    tunnel.answer(HALF_ANSWER).await;
    check(&tunnel.client_resets().await, Outcome::ClientReset, Some(BodyEnd::Truncated));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_aborts_after_the_response() {
    let mut tunnel = Tunnel::open().await;
    tunnel.request().await;
    tunnel.answer(ANSWER).await;
    check(&tunnel.client_resets().await, Outcome::ClientReset, Some(BodyEnd::Complete));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_aborts_a_download_was_said_to_have_closed_in_order() {
    let mut tunnel = Tunnel::open().await;
    tunnel.upstream.write_all(b"220 hello").await.unwrap();
    tunnel.client.read_exact(&mut [0; 9]).await.unwrap();
    reset(tunnel.client);
    let sending = async { while tunnel.upstream.write_all(&[0; 1 << 16]).await.is_ok() {} };
    tokio::time::timeout(SOON, sending).await.unwrap();
    assert_eq!(tunnel.proxy.finish().await.outcomes(), [&Outcome::ClientReset]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_resets_once_it_has_accepted() {
    let story = Tunnel::open().await.upstream_resets().await;
    assert_eq!(story.treatment(), &Treatment::Plaintext(PlaintextWhy::Silent));
    assert_eq!(story.outcomes(), [&Outcome::UpstreamReset]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_resets_after_the_request() {
    let mut tunnel = Tunnel::open().await;
    tunnel.request().await;
    check(&tunnel.upstream_resets().await, Outcome::UpstreamReset, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_resets_in_the_middle_of_the_response() {
    let mut tunnel = Tunnel::open().await;
    tunnel.request().await;
    tunnel.answer(HALF_ANSWER).await;
    check(&tunnel.upstream_resets().await, Outcome::UpstreamReset, Some(BodyEnd::Truncated));
}

/// A TLS client and what its upstream does with the ClientHello.
async fn handshake(limits: impl FnOnce(&mut Options), upstream: Act) -> Story {
    let (listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    limits(&mut options);
    let proxy = start(options).await;
    let origin = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 16]).await.unwrap();
        match upstream {
            Act::Reset => reset(stream),
            Act::Close => {
                // All of the hello, so that closing does not reset.
                stream.shutdown().await.unwrap();
                drained(&mut stream).await;
            }
            Act::Stall => drained(&mut stream).await,
        }
    });
    proxy.tls(&proxy.authority, &[]).await.unwrap_err();
    origin.await.unwrap();
    proxy.finish().await
}

enum Act {
    Reset,
    Close,
    Stall,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_fails_in_the_handshake() {
    let story = handshake(|_| {}, Act::Reset).await;
    check_failed(&story, Stage::UpstreamTls, Side::Upstream, Cause::Reset);
    let story = handshake(|_| {}, Act::Close).await;
    check_failed(&story, Stage::UpstreamTls, Side::Upstream, Cause::Closed);
    let story = handshake(|options| options.limits.tls_time = SHORT, Act::Stall).await;
    check_failed(&story, Stage::UpstreamTls, Side::Upstream, Cause::TimedOut);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_does_not_take_the_connection() {
    // A queue of one that is full: the system drops what comes on top.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener: TcpListener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    let mut options = Options::with_origin(address);
    options.limits.connect_time = SHORT;
    let proxy = start(options).await;
    let request = format!("CONNECT {ORIGIN}:443 HTTP/1.1\r\n\r\n");
    let answer = proxy.raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    check_failed(&proxy.finish().await, Stage::Connect, Side::Upstream, Cause::TimedOut);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_at_the_upstream() {
    let (listener, address) = listen().await;
    drop(listener);
    let proxy = start(Options::with_origin(address)).await;
    let request = format!("CONNECT {ORIGIN}:443 HTTP/1.1\r\n\r\n");
    let answer = proxy.raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    check_failed(&proxy.finish().await, Stage::Connect, Side::Upstream, Cause::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_stalls_before_its_response() {
    let mut tunnel = Tunnel::with(|options| options.limits.idle_time = SHORT).await;
    tunnel.request().await;
    drained(&mut tunnel.client).await;
    check(&tunnel.proxy.finish().await, Outcome::IdleTimeout, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_stalls_in_its_response() {
    let mut tunnel = Tunnel::with(|options| options.limits.idle_time = SHORT).await;
    tunnel.request().await;
    tunnel.answer(HALF_ANSWER).await;
    drained(&mut tunnel.client).await;
    let truncated = Some(BodyEnd::Truncated);
    check(&tunnel.proxy.finish().await, Outcome::IdleTimeout, truncated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_end_in_order() {
    let mut tunnel = Tunnel::open().await;
    tunnel.request().await;
    tunnel.answer(ANSWER).await;
    tunnel.client.shutdown().await.unwrap();
    drained(&mut tunnel.upstream).await;
    drop(tunnel.upstream);
    drained(&mut tunnel.client).await;
    check(&tunnel.proxy.finish().await, Outcome::Completed, Some(BodyEnd::Complete));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_half_closes() {
    let mut tunnel = Tunnel::open().await;
    tunnel.client.write_all(REQUEST).await.unwrap();
    tunnel.client.shutdown().await.unwrap();
    drained(&mut tunnel.upstream).await;
    tunnel.answer(ANSWER).await;
    drop(tunnel.upstream);
    drained(&mut tunnel.client).await;
    let outcome = Outcome::HalfClosed(Side::Client);
    check(&tunnel.proxy.finish().await, outcome, Some(BodyEnd::Complete));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_half_closes() {
    let mut tunnel = Tunnel::open().await;
    tunnel.upstream.write_all(b"220 ready\r\n").await.unwrap();
    tunnel.upstream.shutdown().await.unwrap();
    drained(&mut tunnel.client).await;
    tunnel.client.write_all(b"one more thing").await.unwrap();
    tunnel.client.shutdown().await.unwrap();
    drained(&mut tunnel.upstream).await;
    let story = tunnel.proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::HalfClosed(Side::Upstream)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_closes_and_takes_nothing_more() {
    let mut tunnel = Tunnel::open().await;
    tunnel.client.write_all(REQUEST).await.unwrap();
    tunnel.client.shutdown().await.unwrap();
    drained(&mut tunnel.upstream).await;
    drop(tunnel.client);
    let sending = async { while tunnel.upstream.write_all(HALF_ANSWER).await.is_ok() {} };
    tokio::time::timeout(SOON, sending).await.unwrap();
    let story = tunnel.proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::ClosedEarly(Side::Client)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_closes_and_takes_nothing_more() {
    let mut tunnel = Tunnel::open().await;
    tunnel.request().await;
    tunnel.answer(ANSWER).await;
    tunnel.upstream.shutdown().await.unwrap();
    drained(&mut tunnel.client).await;
    drop(tunnel.upstream);
    let sending = async { while tunnel.client.write_all(REQUEST).await.is_ok() {} };
    tokio::time::timeout(SOON, sending).await.unwrap();
    let story = tunnel.proxy.finish().await;
    assert_eq!(story.outcomes(), [&Outcome::ClosedEarly(Side::Upstream)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_fails_before_it_has_asked() {
    let (_listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = TcpStream::connect(proxy.proxy).await.unwrap();
    client.write_all(b"CONNECT ").await.unwrap();
    client.shutdown().await.unwrap();
    drained(&mut client).await;
    check_failed(&proxy.finish().await, Stage::Request, Side::Client, Cause::Closed);

    let mut options = Options::with_origin(address);
    options.limits.request_head_time = SHORT;
    let proxy = start(options).await;
    let answer = proxy.raw(b"CONNECT ").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    check_failed(&proxy.finish().await, Stage::Request, Side::Client, Cause::TimedOut);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_fails_in_its_hello() {
    let mut tunnel = Tunnel::open().await;
    tunnel.client.write_all(START_OF_A_HELLO).await.unwrap();
    tunnel.client.shutdown().await.unwrap();
    drained(&mut tunnel.client).await;
    let story = tunnel.proxy.finish().await;
    check_failed(&story, Stage::ClientHello, Side::Client, Cause::Closed);

    let mut tunnel = Tunnel::with(|options| options.limits.tls_time = SHORT).await;
    tunnel.client.write_all(START_OF_A_HELLO).await.unwrap();
    drained(&mut tunnel.client).await;
    let story = tunnel.proxy.finish().await;
    check_failed(&story, Stage::ClientHello, Side::Client, Cause::TimedOut);
}

/// A client that sends a hello, and nothing after the answer to it.
async fn client_handshake(change: impl FnOnce(&mut Options), act: Act) -> Story {
    let (issuer, (listener, address)) = (issuer(), listen().await);
    let tls = tokio_rustls::TlsAcceptor::from(origin_tls(&issuer, &[]));
    let mut options = Options::with_origin(address);
    options.origin_root = Some(issuer.der().clone());
    change(&mut options);
    let proxy = start(options).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:443")).await;
    let origin = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = tls.accept(tcp).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    client.write_all(&support::client_hello()).await.unwrap();
    client.read_exact(&mut [0; 16]).await.unwrap();
    match act {
        Act::Reset => reset(client),
        Act::Close => {
            client.shutdown().await.unwrap();
            drained(&mut client).await;
        }
        Act::Stall => drained(&mut client).await,
    }
    origin.await.unwrap();
    proxy.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_fails_in_the_handshake() {
    let story = client_handshake(|_| {}, Act::Reset).await;
    check_failed(&story, Stage::ClientTls, Side::Client, Cause::Reset);
    let story = client_handshake(|_| {}, Act::Close).await;
    check_failed(&story, Stage::ClientTls, Side::Client, Cause::Closed);
    let story = client_handshake(|options| options.limits.tls_time = SOME, Act::Stall).await;
    check_failed(&story, Stage::ClientTls, Side::Client, Cause::TimedOut);
}

/// A run that ends at once, while the client has done no more than this to a tunnel.
async fn run_ends_after(client_sends: &[u8]) -> Story {
    let mut tunnel = Tunnel::with(|options| options.limits.shutdown_grace = SHORT).await;
    tunnel.client.write_all(client_sends).await.unwrap();
    if client_sends == REQUEST {
        tunnel.upstream.read_exact(&mut vec![0; REQUEST.len()]).await.unwrap();
    }
    tunnel.proxy.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_run_is_nobodys_failure() {
    let is = |story: &Story, treatment: Treatment, outcome: Outcome| {
        assert_eq!((story.treatment(), story.outcomes()), (&treatment, vec![&outcome]));
    };
    let ended =
        |stage| Treatment::Failed(Failure { stage, side: Side::Landfall, cause: Cause::RunEnded });

    let story = run_ends_after(REQUEST).await;
    is(&story, Treatment::Plaintext(PlaintextWhy::Http), Outcome::Shutdown);
    let story = run_ends_after(b"").await;
    is(&story, Treatment::Plaintext(PlaintextWhy::Silent), Outcome::Shutdown);
    let story = run_ends_after(START_OF_A_HELLO).await;
    is(&story, ended(Stage::ClientHello), Outcome::NotRelayed);
    // The upstream does not answer the hello.
    let story = run_ends_after(&support::client_hello()).await;
    is(&story, ended(Stage::UpstreamTls), Outcome::Shutdown);

    // Nothing was asked for.
    let (_listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.limits.shutdown_grace = SHORT;
    let proxy = start(options).await;
    let _client = TcpStream::connect(proxy.proxy).await.unwrap();
    // One that is served came after the first was accepted.
    proxy.raw(b"GET / HTTP/1.1\r\nHost: landfall.internal\r\nConnection: close\r\n\r\n").await;
    let story = proxy.finish().await;
    let treatments: Vec<_> = story
        .0
        .iter()
        .filter_map(|event| match event {
            Event::Treated { treatment, .. } => Some(treatment),
            _ => None,
        })
        .collect();
    let own = Treatment::Plaintext(PlaintextWhy::OwnPages);
    assert_eq!(treatments, [&own, &ended(Stage::Request)]);
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: origin.example\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HALF_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf";
/// The header of a TLS record that holds a ClientHello, and no more.
const START_OF_A_HELLO: &[u8] = &[22, 3, 1, 1, 0, 1, 0, 0, 252];
/// A deadline that is there to pass.
const SHORT: Duration = Duration::from_millis(300);
/// One that is there to pass, in which a handshake of others has to succeed before.
const SOME: Duration = Duration::from_secs(2);
