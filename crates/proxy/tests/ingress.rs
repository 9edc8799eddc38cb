//! The ways in: each protocol at the one port, what it is answered, and what is told of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::event::{DroppedDatagrams, Event, Ingress, Opened};
use flow::stream::{Direction, Leg};
use flow::treatment::{BlockedWhy, Cause, Outcome, PlaintextWhy, Side, Stage, Treatment};
use proxy::{Credentials, Rules};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use support::{ORIGIN, Options, Running, SOON, Story, issuer, listen, origin_tls, provider, start};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const LOGIN: &[u8] = b"\x05\x01\x02\x01\x07weather\x06secret";

/// An origin that answers what it is sent, with `>` before it.
async fn echo() -> SocketAddr {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(length @ 1..) = tcp.read(&mut buffer).await {
                    tcp.write_all(&[b">", &buffer[..length]].concat()).await.unwrap();
                }
            });
        }
    });
    address
}

async fn closed() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

fn connect_to_origin(port: u16) -> Vec<u8> {
    let name = [&[ORIGIN.len() as u8], ORIGIN.as_bytes()].concat();
    [b"\x05\x01\x00\x03".as_slice(), &name, &port.to_be_bytes()].concat()
}

async fn exactly<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> [u8; N] {
    let mut bytes = [0; N];
    tokio::time::timeout(SOON, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

/// Says bytes and returns all that is answered until the proxy closes.
async fn said(proxy: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(proxy.proxy).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, tcp.read_to_end(&mut answer)).await.unwrap().unwrap();
    answer
}

fn opened(story: &Story) -> Vec<&Opened> {
    let opened = story.0.iter().filter_map(|event| match event {
        Event::Opened(opened) => Some(opened),
        _ => None,
    });
    opened.collect()
}

/// The hosts that were asked for.
fn targets(story: &Story) -> Vec<String> {
    let targets = story.0.iter().filter_map(|event| match event {
        Event::Targeted { target, .. } => Some(target.host.to_string()),
        _ => None,
    });
    targets.collect()
}

/// No event holds the bytes, whatever it is about.
#[track_caller]
fn assert_nowhere(story: &Story, secret: &str) {
    let told = format!("{:?}", story.0);
    assert!(!told.contains(secret), "{told}");
}

#[tokio::test]
async fn a_socks5_tunnel_is_one_like_any_other() {
    let proxy = start(Options::with_origin(echo().await)).await;
    let mut tcp = TcpStream::connect(proxy.proxy).await.unwrap();
    // Byte by byte, as a network may deliver it; the first bytes of the tunnel come at once.
    tcp.set_nodelay(true).unwrap();
    for byte in [LOGIN, &connect_to_origin(7), b"SSH-2.0-x\r\n"].concat() {
        tcp.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(exactly(&mut tcp).await, [5, 2, 1, 0]);
    let reply: [u8; 10] = exactly(&mut tcp).await;
    assert_eq!(reply[..8], [5, 0, 0, 1, 127, 0, 0, 1]);
    assert_eq!(exactly::<1>(&mut tcp).await, *b">");
    drop(tcp);
    let story = proxy.finish().await;
    let opened = opened(&story);
    assert_eq!((opened[0].ingress, opened[0].app.as_deref()), (Ingress::Socks5, Some("weather")));
    assert_eq!(story.treatment(), &Treatment::Plaintext(PlaintextWhy::NotTls));
    let kept = story.stream(Leg::Client, Direction::Up);
    let login = b"\x05\x01\x02\x01\x07weather\x0a[redacted]";
    assert_eq!(kept, [login.as_slice(), &connect_to_origin(7)].concat());
    assert_nowhere(&story, "secret");
}

async fn check_refused(options: Options, request: &[u8], expected: &[u8], why: Treatment) {
    let proxy = start(options).await;
    let answer = said(&proxy, request).await;
    assert_eq!(answer.get(..expected.len()), Some(expected), "{request:?}: {answer:?}");
    let story = proxy.finish().await;
    assert_eq!(story.treatment(), &why);
    assert_nowhere(&story, "secret");
}

#[tokio::test]
async fn every_refusal_has_its_socks5_code() {
    let asked = |rest: &[u8]| [b"\x05\x01\x00".as_slice(), rest].concat();
    for (request, code, why) in [
        (asked(b"\x05\x01\x00\x01\x7f\0\0\x01\0\x16"), 2, BlockedWhy::DestinationLoopback),
        (asked(b"\x05\x01\x00\x01\xa9\xfe\xa9\xfe\0\x50"), 2, BlockedWhy::DestinationMetadata),
        (asked(b"\x05\x02\x00\x01\xc0\x00\x02\x0a\0\x50"), 7, BlockedWhy::SocksCommand(2)),
        (asked(b"\x05\x09\x00\x01\xc0\x00\x02\x0a\0\x50"), 7, BlockedWhy::SocksCommand(9)),
        (asked(b"\x05\x01\x00\x02\xc0\x00\x02\x0a\0\x50"), 8, BlockedWhy::SocksAddressType(2)),
    ] {
        let options = Options::with_origin(closed().await);
        let expected = [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        check_refused(options, &request, &expected, Treatment::Blocked(why)).await;
    }
    let proxy = start(Options::with_origin(closed().await)).await;
    let answer = said(&proxy, &asked(&connect_to_origin(443))).await;
    assert_eq!(answer, [5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0], "the upstream refuses");
    let story = proxy.finish().await;
    let Treatment::Failed(failure) = story.treatment() else { panic!("{:?}", story.treatment()) };
    assert_eq!((failure.stage, &failure.cause), (Stage::Connect, &Cause::Refused));
}

#[tokio::test]
async fn a_socks5_client_was_refused_its_method_where_there_was_no_room_for_its_request() {
    let general_failure = [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0];
    let request = [b"\x05\x01\x00".as_slice(), &connect_to_origin(443)].concat();
    let mut proxy = start(Options::with_origin(closed().await)).await;
    proxy.stop_recording().await;
    assert_eq!(said(&proxy, &request).await, general_failure);
    let with_password = [LOGIN, &connect_to_origin(443)].concat();
    assert_eq!(said(&proxy, &with_password).await, [&[5, 2, 1, 0], &general_failure[2..]].concat());
    assert_eq!(proxy.stop().await, 2);

    let mut options = Options::with_origin(closed().await);
    options.limits.device_connections = 0;
    let proxy = start(options).await;
    assert_eq!(said(&proxy, &request).await, general_failure);
    let story = proxy.finish().await;
    assert_eq!(story.treatment(), &Treatment::Blocked(BlockedWhy::DeviceLimit(0)));
    assert_eq!(targets(&story), [ORIGIN]);
}

#[tokio::test]
async fn what_a_refused_client_had_said_was_lost_when_it_fell_silent() {
    let mut options = Options::with_origin(closed().await);
    options.limits.device_connections = 0;
    options.limits.answer_time = Duration::from_millis(200);
    let proxy = start(options).await;
    // A greeting, and the beginning of a request.
    let heard = b"\x05\x01\x00\x05\x01";
    assert_eq!(said(&proxy, heard).await, [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    let story = proxy.finish().await;
    assert_eq!(story.treatment(), &Treatment::Blocked(BlockedWhy::DeviceLimit(0)));
    assert_eq!(story.stream(Leg::Client, Direction::Up), heard);
}

#[tokio::test]
async fn a_shutdown_waited_for_a_client_that_was_being_refused() {
    let mut options = Options::with_origin(closed().await);
    options.limits.answer_time = SOON * 100;
    let mut proxy = start(options).await;
    proxy.stop_recording().await;
    let mut silent = TcpStream::connect(proxy.proxy).await.unwrap();
    silent.write_all(b"\x05\x01\x00").await.unwrap();
    assert_eq!(exactly(&mut silent).await, [5, 0]);
    assert_eq!(tokio::time::timeout(SOON, proxy.stop()).await.unwrap(), 1);
}

#[tokio::test]
async fn socks4_and_unknown_methods_are_refused_in_their_own_words() {
    let options = || async { Options::with_origin(closed().await) };
    let why = Treatment::Blocked(BlockedWhy::Socks4);
    let request = b"\x04\x01\x01\xbb\xc0\x00\x02\x01user\0";
    check_refused(options().await, request, &[0, 91, 0, 0, 0, 0, 0, 0], why).await;
    let why = Treatment::Blocked(BlockedWhy::SocksMethods);
    check_refused(options().await, b"\x05\x01\x01", &[5, 255], why).await;
}

async fn demanding(origin: SocketAddr) -> Running {
    let mut options = Options::with_origin(origin);
    options.credentials = Credentials::new([("other", "other"), ("weather", "secret")]);
    start(options).await
}

#[tokio::test]
async fn a_proxy_with_credentials_serves_nobody_without() {
    let origin = closed().await;
    let wrong = b"\x05\x01\x02\x01\x07weather\x06public";
    let (none, other) = (BlockedWhy::NoCredentials, BlockedWhy::WrongCredentials);
    for (request, expected, why, ingress, app) in [
        (
            &b"CONNECT origin.example:443 HTTP/1.1\r\n\r\n"[..],
            &b"HTTP/1.1 407 "[..],
            &none,
            Ingress::Connect,
            None,
        ),
        (
            // weather:public
            b"GET http://origin.example/ HTTP/1.1\r\nProxy-Authorization: Basic \
              d2VhdGhlcjpwdWJsaWM=\r\n\r\n",
            b"HTTP/1.1 407 ",
            &other,
            Ingress::AbsoluteForm,
            Some("weather"),
        ),
        (
            b"CONNECT origin.example:443 HTTP/1.1\r\nProxy-Authorization: Bearer public\r\n\r\n",
            b"HTTP/1.1 407 ",
            &other,
            Ingress::Connect,
            None,
        ),
        (b"\x05\x01\x00", b"\x05\xff", &none, Ingress::Socks5, None),
        (wrong, b"\x05\x02\x01\x01", &other, Ingress::Socks5, Some("weather")),
    ] {
        let proxy = demanding(origin).await;
        let answer = said(&proxy, request).await;
        assert!(answer.starts_with(expected), "{request:?}: {}", String::from_utf8_lossy(&answer));
        if expected.starts_with(b"HTTP") {
            let text = String::from_utf8_lossy(&answer);
            assert!(text.contains("\r\nProxy-Authenticate: Basic realm="), "{text}");
            assert!(text.contains(&why.to_string()) && text.contains("\nhint: "), "{text}");
        }
        let story = proxy.finish().await;
        assert_eq!(story.treatment(), &Treatment::Blocked(why.clone()));
        let opened = opened(&story)[0];
        assert_eq!((opened.ingress, opened.app.as_deref()), (ingress, app), "{request:?}");
        let asked = targets(&story);
        let readable = ingress != Ingress::Socks5;
        assert_eq!(asked, if readable { vec![ORIGIN.to_owned()] } else { Vec::new() });
        assert_nowhere(&story, "public");
        assert_nowhere(&story, "d2VhdGhlcjpwdWJsaWM=");
    }
    let proxy = demanding(origin).await;
    assert!(said(&proxy, b"GET / HTTP/1.1\r\n\r\n").await.starts_with(b"HTTP/1.1 200 "));
    proxy.finish().await;
}

#[tokio::test]
async fn right_credentials_are_let_through_and_their_user_is_the_app() {
    let proxy = demanding(echo().await).await;
    // weather:secret
    let request = "CONNECT origin.example:7 HTTP/1.1\r\nProxy-Authorization: Basic \
                   d2VhdGhlcjpzZWNyZXQ=\r\n\r\n";
    let mut tcp = TcpStream::connect(proxy.proxy).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(exactly(&mut tcp).await, *b"HTTP/1.1 200");
    drop(tcp);
    let mut tcp = TcpStream::connect(proxy.proxy).await.unwrap();
    tcp.write_all(&[LOGIN, &connect_to_origin(7)].concat()).await.unwrap();
    assert_eq!(exactly(&mut tcp).await, [5, 2, 1, 0, 5, 0]);
    drop(tcp);
    let story = proxy.finish().await;
    for opened in opened(&story) {
        assert_eq!(opened.app.as_deref(), Some("weather"), "{opened:?}");
    }
    let kept = story.stream(Leg::Client, Direction::Up);
    assert!(String::from_utf8_lossy(&kept).contains("Proxy-Authorization: [redacted]\r\n"));
    assert_nowhere(&story, "secret");
    assert_nowhere(&story, "d2VhdGhlcjpzZWNyZXQ=");
}

async fn behind_a_forwarder(origin: SocketAddr) -> Running {
    let mut options = Options::with_origin(origin);
    let trusted_forwarders = vec!["127.0.0.0/8".parse().unwrap()];
    options.rules = Rules { trusted_forwarders, ..Rules::default() };
    start(options).await
}

const V2_HEADER: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\xa8\x07\x07\x7f\0\0\x01\xc3\x50\x01\xbb";

#[tokio::test]
async fn a_forwarder_names_the_device() {
    for (header, device) in [
        (&b"PROXY TCP4 192.168.7.7 127.0.0.1 50000 443\r\n"[..], Some("192.168.7.7:50000")),
        (b"PROXY TCP6 fd00::7 ::1 50000 443\r\n", Some("[fd00::7]:50000")),
        (V2_HEADER, Some("192.168.7.7:50000")),
        (b"PROXY UNKNOWN\r\n", None),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", None),
    ] {
        for request in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x05\x01\x01"] {
            let proxy = behind_a_forwarder(closed().await).await;
            let answer = said(&proxy, &[header, request].concat()).await;
            assert!(answer.starts_with(b"HTTP/1.1 200 ") || answer == [5, 255], "{answer:?}");
            let story = proxy.finish().await;
            let opened = opened(&story)[0];
            let peer = opened.forwarded_by.unwrap();
            assert!(peer.ip().is_loopback());
            let device = device.map_or(peer, |device| device.parse().unwrap());
            assert_eq!(opened.device.0, device);
        }
    }
}

#[tokio::test]
async fn a_forwarder_that_names_nobody_is_refused() {
    let proxy = behind_a_forwarder(closed().await).await;
    assert!(said(&proxy, b"GET / HTTP/1.1\r\n\r\n").await.starts_with(b"HTTP/1.1 400 "));
    assert_eq!(said(&proxy, LOGIN).await, [5, 255]);
    let malformed = b"PROXY TCP4 x\r\n";
    assert!(said(&proxy, &[malformed, LOGIN].concat()).await.starts_with(b"HTTP/1.1 400 "));
    let story = proxy.finish().await;
    assert_eq!(story.outcomes().len(), 3);
    assert_nowhere(&story, "secret");
    assert!(story.stream(Leg::Client, Direction::Up).ends_with(malformed));
    let why = story.treatment().why();
    assert!(why.contains("PROXY protocol"), "{why}");
}

#[tokio::test]
async fn a_device_outside_the_ranges_is_refused_in_its_own_protocol() {
    let header = b"PROXY TCP4 203.0.113.9 127.0.0.1 50000 443\r\n";
    for (request, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], &b"HTTP/1.1 403 "[..]),
        (b"\x05\x01\x00", &[5, 255]),
        (b"\x04\x01", &[0, 91]),
        (b"\x16\x03\x01", &[21, 3, 3, 0, 2, 2, 49]),
    ] {
        let proxy = behind_a_forwarder(closed().await).await;
        let answer = said(&proxy, &[header, request].concat()).await;
        assert!(answer.starts_with(expected), "{request:?}: {answer:?}");
        let story = proxy.finish().await;
        assert_eq!(story.treatment(), &Treatment::Blocked(BlockedWhy::ClientNotAllowed));
    }
}

fn connector(root: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn to_origin_through(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    root: &CertificateDer<'static>,
    request: &[u8],
    answered: usize,
) {
    stream.write_all(request).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = vec![0; answered];
    stream.read_exact(&mut answer).await.unwrap();
    let name = ServerName::try_from(ORIGIN).unwrap();
    let mut inner = connector(root).connect(name, stream).await.unwrap();
    inner.write_all(b"GET / HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
    let mut body = Vec::new();
    inner.read_to_end(&mut body).await.unwrap();
    inner.shutdown().await.unwrap();
    assert!(body.ends_with(b"\r\n\r\nok"), "{body:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_to_the_proxy_holds_any_protocol_and_another_tls() {
    let issuer = issuer();
    let (listener, address) = listen().await;
    let tls = TlsAcceptor::from(origin_tls(&issuer, &[]));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let mut stream = tls.accept(tcp).await.unwrap();
            let mut head = [0; 1024];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let mut options = Options::with_origin(address);
    options.origin_root = Some(issuer.der().clone());
    let proxy = start(options).await;
    let root = proxy.authority.clone();
    let connect = b"CONNECT origin.example:443 HTTP/1.1\r\n\r\n".to_vec();
    let established = b"HTTP/1.1 200 Connection established\r\n\r\n".len();
    let socks = [LOGIN, &connect_to_origin(443)].concat();
    // By name, and by the address that it listens on.
    for outer in ["proxy.example", "127.0.0.1"] {
        for (request, answered) in [(&connect, established), (&socks, 4 + 10)] {
            let tcp = TcpStream::connect(proxy.proxy).await.unwrap();
            let name = ServerName::try_from(outer).unwrap();
            let stream = connector(&root).connect(name, tcp).await.unwrap();
            to_origin_through(stream, &root, request, answered).await;
        }
    }
    let story = proxy.finish().await;
    let opened = opened(&story);
    assert_eq!(opened.len(), 4);
    assert!(opened.iter().all(|opened| opened.over_tls));
    assert_eq!(story.treatment(), &Treatment::Intercepted);
    assert!(
        story.outcomes().iter().all(|outcome| **outcome == Outcome::Completed),
        "{:?}",
        story.outcomes()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_to_the_proxy_suits_a_client_that_can_only_do_rsa() {
    let proxy = start(Options::with_origin(closed().await)).await;
    let mut rsa_only = provider().as_ref().clone();
    let schemes = rsa_only.signature_verification_algorithms.mapping.iter();
    let pss = schemes.filter(|(scheme, _)| *scheme == rustls::SignatureScheme::RSA_PSS_SHA256);
    rsa_only.signature_verification_algorithms.mapping = pss.copied().collect::<Vec<_>>().leak();
    let mut roots = RootCertStore::empty();
    roots.add(proxy.authority.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rsa_only))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(proxy.proxy).await.unwrap();
    let name = ServerName::try_from("proxy.example").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_requests_over_tls_to_the_proxy_keep_the_connection() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        while tcp.read(&mut head).await.unwrap() > 0 {
            tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        }
    });
    let proxy = start(Options::with_origin(address)).await;
    let tcp = TcpStream::connect(proxy.proxy).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = connector(&proxy.authority).connect(name, tcp).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET http://origin.example/ HTTP/1.1\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(exactly(&mut stream).await, *b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    let story = proxy.finish().await;
    let ended = story.0.iter().filter(|event| matches!(event, Event::ExchangeEnded { .. })).count();
    assert_eq!((ended, story.outcomes()), (3, vec![&Outcome::Completed]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_distrusts_the_proxys_own_leaf_is_told_as_such() {
    let proxy = start(Options::with_origin(closed().await)).await;
    let tcp = TcpStream::connect(proxy.proxy).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    connector(&issuer().der().clone()).connect(name, tcp).await.unwrap_err();
    let story = proxy.finish().await;
    let Treatment::Failed(failure) = story.treatment() else { panic!("{:?}", story.treatment()) };
    assert_eq!((failure.stage, &failure.cause), (Stage::ProxyTls, &Cause::Alert(48)));
    assert!(opened(&story)[0].over_tls);
}

/// A datagram with its SOCKS5 header.
fn datagram(fragment: u8, host: &[u8], port: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, fragment], host, &port.to_be_bytes(), payload].concat()
}

/// An origin that answers each datagram with `>` before it.
async fn datagram_echo() -> SocketAddr {
    let origin = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = origin.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = origin.recv_from(&mut buffer).await {
            let answer = [b">", &buffer[..length]].concat();
            origin.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

async fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = tokio::time::timeout(SOON, socket.recv(&mut buffer)).await.unwrap().unwrap();
    buffer.truncate(length);
    buffer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_are_relayed_one_by_one_and_each_destination_has_its_record() {
    let proxy = start(Options::with_origin(datagram_echo().await)).await;
    let mut control = TcpStream::connect(proxy.proxy).await.unwrap();
    let ask = [LOGIN, b"\x05\x03\x00\x01\0\0\0\0\0\0"].concat();
    control.write_all(&ask).await.unwrap();
    assert_eq!(exactly(&mut control).await, [5, 2, 1, 0]);
    let [5, 0, 0, 1, a, b, c, d, high, low] = exactly::<10>(&mut control).await else { panic!() };
    let relay = SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])));
    assert_eq!(relay.ip(), Ipv4Addr::LOCALHOST);
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    client.connect(relay).await.unwrap();

    let name = [&[3, ORIGIN.len() as u8], ORIGIN.as_bytes()].concat();
    let by_address = [1, 192, 0, 2, 10];
    let long = vec![7; 9_000];
    for (host, payload) in
        [(name.as_slice(), &b"one"[..]), (&name, b"two"), (&by_address, b"three"), (&name, &long)]
    {
        client.send(&datagram(0, host, 53, payload)).await.unwrap();
        let answer = datagram(0, &by_address, 53, &[b">", payload].concat());
        assert_eq!(received(&client).await, answer);
    }
    client.send(&datagram(1, &name, 53, b"fragment")).await.unwrap();
    client.send(b"\0\0").await.unwrap();
    client.send(&datagram(0, &[1, 127, 0, 0, 1], 53, b"blocked")).await.unwrap();
    client.send(&datagram(0, &[1, 127, 0, 0, 1], 53, b"blocked")).await.unwrap();
    // What comes back after them shows that they were read.
    client.send(&datagram(0, &name, 53, b"last")).await.unwrap();
    assert!(received(&client).await.ends_with(b">last"));
    drop(control);
    let story = proxy.finish().await;

    let flows: Vec<_> =
        opened(&story).into_iter().filter(|opened| opened.ingress == Ingress::SocksUdp).collect();
    assert_eq!(flows.len(), 3, "by name, by address, blocked");
    assert!(flows.iter().all(|flow| flow.app.as_deref() == Some("weather")));
    let first = flows[0].connection;
    let chunks = |leg_direction| {
        let bytes = story.0.iter().filter_map(move |event| match event {
            Event::Chunk(chunk)
                if (chunk.stream.leg, chunk.stream.direction) == leg_direction
                    && chunk.stream.connection == first =>
            {
                Some(chunk.bytes.to_vec())
            }
            _ => None,
        });
        bytes.collect::<Vec<_>>()
    };
    let up = chunks((Leg::Relay, Direction::Up));
    assert_eq!(up, [b"one".to_vec(), b"two".to_vec(), long.clone(), b"last".to_vec()]);
    assert_eq!(chunks((Leg::Relay, Direction::Down))[1], b">two");
    let dropped = story.0.iter().find_map(|event| match event {
        Event::DatagramsDropped { dropped, .. } => Some(*dropped),
        _ => None,
    });
    let expected =
        DroppedDatagrams { fragmented: 1, malformed: 1, refused: 2, ..DroppedDatagrams::default() };
    assert_eq!(dropped, Some(expected));
    let blocked = Treatment::Blocked(BlockedWhy::DestinationLoopback);
    let treated = |wanted: &Treatment| {
        let is_wanted = |event: &&Event| matches!(event, Event::Treated { treatment, .. } if treatment == wanted);
        story.0.iter().filter(is_wanted).count()
    };
    assert_eq!(treated(&blocked), 1);
    assert_eq!(treated(&Treatment::Plaintext(PlaintextWhy::Datagrams)), 2);
    assert_eq!(story.outcomes().len(), 4);
    assert_nowhere(&story, "secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_association_has_a_bound_on_its_destinations_and_takes_no_strangers() {
    let origin = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut options = Options::with_origin(origin.local_addr().unwrap());
    options.limits.association_destinations = 1;
    let proxy = start(options).await;
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = client.local_addr().unwrap().port().to_be_bytes();
    let mut control = TcpStream::connect(proxy.proxy).await.unwrap();
    let ask = [b"\x05\x01\x00\x05\x03\x00\x01\0\0\0\0".as_slice(), &port].concat();
    control.write_all(&ask).await.unwrap();
    let reply: [u8; 12] = exactly(&mut control).await;
    let relay = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::from_be_bytes([reply[10], reply[11]])));
    let to = |port: u16| datagram(0, &[1, 192, 0, 2, 10], port, b"x");
    stranger.send_to(&to(1), relay).await.unwrap();
    client.send_to(&to(1), relay).await.unwrap();
    let mut buffer = [0; 16];
    tokio::time::timeout(SOON, origin.recv(&mut buffer)).await.unwrap().unwrap();
    client.send_to(&to(2), relay).await.unwrap();
    client.send_to(&to(1), relay).await.unwrap();
    tokio::time::timeout(SOON, origin.recv(&mut buffer)).await.unwrap().unwrap();
    drop(control);
    let story = proxy.finish().await;
    let dropped = story.0.iter().find_map(|event| match event {
        Event::DatagramsDropped { dropped, .. } => Some((dropped.foreign, dropped.overflowed)),
        _ => None,
    });
    assert_eq!(dropped, Some((1, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_broke_the_connection_of_an_association_is_told() {
    let proxy = start(Options::with_origin(closed().await)).await;
    let tcp = TcpStream::connect(proxy.proxy).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut control = connector(&proxy.authority).connect(name, tcp).await.unwrap();
    control.write_all(b"\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0").await.unwrap();
    control.flush().await.unwrap();
    exactly::<12>(&mut control).await;
    // No TLS any more.
    let (tcp, _tls) = control.get_mut();
    tcp.write_all(&[0; 64]).await.unwrap();
    tcp.read_to_end(&mut Vec::new()).await.ok();
    let story = proxy.finish().await;
    let [Outcome::Io { side: Side::Client, .. }] = story.outcomes()[..] else {
        panic!("{:?}", story.outcomes())
    };
}
