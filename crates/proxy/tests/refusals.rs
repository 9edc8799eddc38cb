//! What does not come to relaying: each refusal and failure is answered clearly and told with
//! stage, side and cause.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::bound::Bound;
use flow::distrust::{Distrust, DistrustClass};
use flow::event::Event;
use flow::stream::{Direction, Leg};
use flow::treatment::{BlockedWhy, Cause, PassthroughWhy, PlaintextWhy, Side, Stage, Treatment};
use proxy::{OnUnverified, Rules};
use std::net::{Ipv4Addr, SocketAddr};
use support::{ORIGIN, Options, issuer, origin_tls, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// An address at which nobody listens.
async fn closed() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

#[track_caller]
fn assert_failed(treatment: &Treatment, stage: Stage, side: Side, cause: &Cause) {
    let Treatment::Failed(failure) = treatment else { panic!("{treatment:?}") };
    assert_eq!((failure.stage, failure.side, &failure.cause), (stage, side, cause));
}

async fn check_request(request: &[u8], status: &str, stage: Stage, side: Side, cause: Cause) {
    let proxy = start(Options::with_origin(closed().await)).await;
    let answer = proxy.raw(request).await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let story = proxy.finish().await;
    assert_failed(story.treatment(), stage, side, &cause);
    let kept = story.stream(Leg::Client, Direction::Up);
    assert!(!kept.is_empty() && request.starts_with(&kept), "what was asked is kept");
}

#[tokio::test]
async fn an_upstream_that_refuses_is_a_502() {
    let request = format!("CONNECT {ORIGIN}:443 HTTP/1.1\r\n\r\n");
    check_request(request.as_bytes(), "502", Stage::Connect, Side::Upstream, Cause::Refused).await;
}

#[tokio::test]
async fn a_refused_plain_request_is_a_502_too() {
    let request = format!("GET http://{ORIGIN}/ HTTP/1.1\r\n\r\n");
    check_request(request.as_bytes(), "502", Stage::Connect, Side::Upstream, Cause::Refused).await;
}

#[tokio::test]
async fn garbage_is_a_400() {
    let cause = Cause::Malformed("not an HTTP/1 request line".to_owned());
    check_request(b"garbage\r\n\r\n", "400", Stage::Request, Side::Client, cause).await;
}

#[tokio::test]
async fn a_hundred_thousand_header_lines_are_a_431() {
    let mut request = format!("GET http://{ORIGIN}/ HTTP/1.1\r\n").into_bytes();
    request.extend(b"X-Line: 1\r\n".repeat(100_000));
    let cause = Cause::TooLarge(Bound::RequestHeadBytes(64 * 1024));
    check_request(&request, "431", Stage::Request, Side::Client, cause).await;
}

#[tokio::test]
async fn ambiguous_framing_is_a_400() {
    let request = format!(
        "POST http://{ORIGIN}/ HTTP/1.1\r\nContent-Length: 4\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    );
    let why = "both Content-Length and Transfer-Encoding".to_owned();
    let cause = Cause::Malformed(why);
    check_request(request.as_bytes(), "400", Stage::Request, Side::Client, cause).await;
}

#[tokio::test]
async fn loopback_and_landfall_itself_are_not_dialled() {
    for (authority, why) in [
        ("127.0.0.1:22".to_owned(), BlockedWhy::DestinationLoopback),
        ("[::1]:22".to_owned(), BlockedWhy::DestinationLoopback),
        ("169.254.169.254:80".to_owned(), BlockedWhy::DestinationMetadata),
    ] {
        let proxy = start(Options::with_origin(closed().await)).await;
        let answer = proxy.raw(format!("CONNECT {authority} HTTP/1.1\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert_eq!(proxy.finish().await.treatment(), &Treatment::Blocked(why));
    }
    let proxy = start(Options::with_origin(closed().await)).await;
    let itself = proxy.proxy;
    let answer = proxy.raw(format!("CONNECT {itself} HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let story = proxy.finish().await;
    assert_eq!(story.treatment(), &Treatment::Blocked(BlockedWhy::OwnListener));
}

#[tokio::test]
async fn half_a_client_hello_is_the_clients_failure() {
    let (listener, address) = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    };
    let proxy = start(Options::with_origin(address)).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:443")).await;
    let _upstream = listener.accept().await.unwrap();
    client.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    let decode_error = [21, 3, 3, 0, 2, 2, 50];
    assert_eq!(answer, decode_error);
    let story = proxy.finish().await;
    assert_failed(story.treatment(), Stage::ClientHello, Side::Client, &Cause::Closed);
    let kept = story.stream(Leg::Client, Direction::Up);
    assert!(kept.ends_with(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_distrusts_us_is_a_finding() {
    let issuer = issuer();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = TlsAcceptor::from(origin_tls(&issuer, &[]));
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        drop(tls.accept(tcp).await);
    });
    let mut options = Options::with_origin(address);
    options.origin_root = Some(issuer.der().clone());
    let proxy = start(options).await;
    // It trusts the origin's own root alone, as an app that pins does.
    proxy.tls(&issuer.der().clone(), &[]).await.unwrap_err();
    let story = proxy.finish().await;
    let unknown_ca = 48;
    let cause = Cause::Distrust(Distrust::judged(unknown_ca, 0, 1));
    assert_failed(story.treatment(), Stage::ClientTls, Side::Client, &cause);
    assert!(story.treatment().why().starts_with("client distrusts"));
    assert_eq!(story.treatment().distrust(), Some(DistrustClass::AuthorityNotTrusted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_does_not_verify_is_refused_or_recorded() {
    for (on_unverified, connects) in [(OnUnverified::Refuse, false), (OnUnverified::Record, true)] {
        let issuer = issuer();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut options = Options::with_origin(listener.local_addr().unwrap());
        options.on_unverified = on_unverified;
        let tls = TlsAcceptor::from(origin_tls(&issuer, &[]));
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            drop(tls.accept(tcp).await);
        });
        let proxy = start(options).await;
        let connected = proxy.tls(&proxy.authority, &[]).await;
        assert_eq!(connected.is_ok(), connects);
        drop(connected);
        let story = proxy.finish().await;
        if connects {
            assert_eq!(story.treatment(), &Treatment::Intercepted);
        } else {
            let cause = Cause::Unverified("signed by no authority that is trusted".to_owned());
            assert_failed(story.treatment(), Stage::UpstreamTls, Side::Upstream, &cause);
            let hint = story.treatment().hint().unwrap();
            assert!(hint.contains("--upstream-ca FILE"), "{hint}");
            assert!(hint.contains("--upstream-verify record"), "{hint}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_on_the_passthrough_list_keeps_its_own_certificate() {
    let issuer = issuer();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut options = Options::with_origin(listener.local_addr().unwrap());
    options.rules = Rules { passthrough: vec![ORIGIN.parse().unwrap()], ..Rules::default() };
    let tls = TlsAcceptor::from(origin_tls(&issuer, &[]));
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        tls.accept(tcp).await.unwrap().write_all(b"own").await.unwrap();
    });
    let proxy = start(options).await;
    let mut client = proxy.tls(&issuer.der().clone(), &[]).await.unwrap();
    let mut own = [0; 3];
    client.read_exact(&mut own).await.unwrap();
    drop(client);
    let why = PassthroughWhy::Rule(ORIGIN.to_owned());
    assert_eq!(proxy.finish().await.treatment(), &Treatment::Passthrough(why));
}

#[tokio::test]
async fn own_pages_are_answered_and_never_dialled() {
    let proxy = start(Options::with_origin(closed().await)).await;
    let own = proxy.proxy;
    for request in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET http://landfall.internal/ HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET http://{own}/ HTTP/1.1\r\n\r\n"),
    ] {
        let answer = proxy.raw(request.as_bytes()).await;
        assert!(answer.contains("Get the certificate"), "{request}: {answer}");
    }
    let story = proxy.finish().await;
    assert_eq!(story.treatment(), &Treatment::Plaintext(PlaintextWhy::OwnPages));
    assert_eq!(story.outcomes().len(), 3);
    let own = |event: &&Event| matches!(event, Event::Targeted { target, .. } if target.to_string() == "landfall.internal:80");
    assert_eq!(story.0.iter().filter(own).count(), 3, "the host is blank");
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_up_a_shutdown() {
    let proxy = start(Options::with_origin(closed().await)).await;
    let silent = tokio::net::TcpStream::connect(proxy.proxy).await.unwrap();
    // Something that is served after it shows that the silent one was accepted.
    proxy.raw(b"GET / HTTP/1.1\r\n\r\n").await;
    let asked = std::time::Instant::now();
    let story = proxy.finish().await;
    assert!(asked.elapsed() < std::time::Duration::from_secs(20));
    assert_eq!(story.outcomes().len(), 2);
    drop(silent);
}
