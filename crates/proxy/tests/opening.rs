//! How tunnels open: whoever speaks first and however slowly, nothing stalls.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::stream::{Direction, Leg};
use flow::treatment::{PlaintextWhy, Treatment};
use support::{ORIGIN, Options, SOON, issuer, listen, origin_tls, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

async fn expect(stream: &mut TcpStream, text: &[u8]) {
    let mut got = vec![0; text.len()];
    timeout(SOON, stream.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(text));
}

/// A dialogue that the server begins with `banner`; then each pair of question and answer.
async fn check_server_first(banner: &[u8], turns: &[(&[u8], &[u8])]) {
    let (listener, address) = listen().await;
    let proxy = start(Options::with_origin(address)).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:25")).await;
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(banner).await.unwrap();
    expect(&mut client, banner).await;
    for (question, answer) in turns {
        client.write_all(question).await.unwrap();
        expect(&mut server, question).await;
        server.write_all(answer).await.unwrap();
        expect(&mut client, answer).await;
    }
    drop((client, server));
    let story = proxy.finish().await;
    let why = PlaintextWhy::ServerSpokeFirst;
    assert_eq!(story.treatment(), &Treatment::Plaintext(why));
    let up: Vec<u8> = turns.iter().flat_map(|(question, _)| question.to_vec()).collect();
    assert_eq!(story.stream(Leg::Relay, Direction::Up), up);
}

#[tokio::test]
async fn mail_file_transfer_and_shells() {
    check_server_first(
        b"220 mail.example ESMTP\r\n",
        &[(b"EHLO a\r\n", b"250-mail.example\r\n250 STARTTLS\r\n"), (b"QUIT\r\n", b"221 bye\r\n")],
    )
    .await;
    check_server_first(b"220 ftp ready\r\n", &[(b"USER a\r\n", b"331 password\r\n")]).await;
    check_server_first(b"SSH-2.0-server\r\n", &[(b"SSH-2.0-client\r\n", b"\0\0\x05\xdc")]).await;
}

/// TLS within a conversation that began in the clear is not ours to open: its names were never
/// seen, and the bytes pass as they are.
#[tokio::test]
async fn starttls_stays_opaque() {
    let hello = support::client_hello();
    check_server_first(
        b"220 mail.example ESMTP\r\n",
        &[(b"STARTTLS\r\n", b"220 go ahead\r\n"), (&hello, b"\x16\x03\x03")],
    )
    .await;
}

#[tokio::test]
async fn a_client_that_sends_one_byte_and_waits_is_answered() {
    for first in [b"P", b"G", b"\0", b"\xff"] {
        let (listener, address) = listen().await;
        let proxy = start(Options::with_origin(address)).await;
        let mut client = proxy.tunnel(&format!("{ORIGIN}:7")).await;
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(first).await.unwrap();
        expect(&mut server, first).await;
        server.write_all(b"ok").await.unwrap();
        expect(&mut client, b"ok").await;
        drop((client, server));
        let story = proxy.finish().await;
        assert_eq!(story.treatment(), &Treatment::Plaintext(PlaintextWhy::NotTls), "{first:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_hello_may_trickle_byte_by_byte() {
    let issuer = issuer();
    let (listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.origin_root = Some(issuer.der().clone());
    let tls = TlsAcceptor::from(origin_tls(&issuer, &[]));
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        drop(tls.accept(tcp).await);
    });
    let proxy = start(options).await;
    let mut client = proxy.tunnel(&format!("{ORIGIN}:443")).await;
    client.set_nodelay(true).unwrap();
    for byte in support::client_hello() {
        client.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let handshake = 22;
    assert_eq!(timeout(SOON, client.read_u8()).await.unwrap().unwrap(), handshake);
    drop(client);
    let story = proxy.finish().await;
    let hello = story.0.iter().any(|event| matches!(event, flow::event::Event::ClientHello { .. }));
    assert!(hello);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_past_the_limit_is_cut_on_the_record() {
    let issuer = issuer();
    let (listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.origin_root = Some(issuer.der().clone());
    options.limits.handshake_bytes = 300;
    let tls = TlsAcceptor::from(origin_tls(&issuer, &[]));
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        drop(tls.accept(tcp).await);
    });
    let proxy = start(options).await;
    let client = proxy.tls(&proxy.authority, &[]).await.unwrap();
    let suite = client.get_ref().1.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    drop(client);
    let story = proxy.finish().await;
    let kept = story.stream(Leg::Upstream, Direction::Up).len()
        + story.stream(Leg::Upstream, Direction::Down).len();
    assert_eq!(kept, 300);
    let cut = story.0.iter().find_map(|event| match event {
        flow::event::Event::UpstreamTls { tls, .. } => Some(tls.handshake_not_kept),
        _ => None,
    });
    assert!(cut.unwrap() > 0);
}
