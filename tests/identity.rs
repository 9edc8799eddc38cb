//! The tap changes nothing: what one end writes on its decrypted stream is what the other end
//! reads, byte for byte, whatever it is and however TCP cuts it. Compared at the two ends, not with
//! our own record of it.

use harness::case::Case;
use harness::device::Device;
use harness::h2;
use harness::origin::Origin;
use harness::pattern::Noise;
use harness::segments;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";

/// Sends `up` and `down` through the proxy in both directions at once, `runs` times, each time
/// cut differently, and compares at both ends.
async fn check(alpn: &str, up: Vec<u8>, down: Vec<u8>, runs: u64) {
    let (up, down) = (Arc::new(up), Arc::new(down));
    let (received_tx, mut received_rx) = mpsc::channel(1);
    let mut case = Case::new();
    let seed = Arc::new(AtomicU64::new(1_000));
    let serve = {
        let (up, down) = (Arc::clone(&up), Arc::clone(&down));
        move |stream: TlsStream<TcpStream>| {
            let (up, down, received) = (Arc::clone(&up), Arc::clone(&down), received_tx.clone());
            let seed = Arc::clone(&seed);
            async move {
                let (mut reader, mut writer) = tokio::io::split(stream);
                let mut got = vec![0; up.len()];
                let write = segments::write(&mut writer, &down, seed.fetch_add(1, Relaxed));
                let (read, ()) = tokio::join!(reader.read_exact(&mut got), write);
                read.unwrap();
                writer.shutdown().await.unwrap();
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest).await.unwrap();
                received.send([got, rest].concat()).await.unwrap();
            }
        }
    };
    let origin = Origin::tls(case.ca().server(&[HOST], &[alpn]), serve).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    for run in 0..runs {
        let stream = device.tls(HOST, &[alpn]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut got = Vec::new();
        let write = async {
            segments::write(&mut writer, &up, run).await;
            writer.shutdown().await.unwrap();
        };
        let (read, ()) = tokio::join!(reader.read_to_end(&mut got), write);
        read.unwrap();
        assert!(got == *down, "run {run}: what the origin sent is not what the client received");
        let received = received_rx.recv().await.unwrap();
        assert!(received == *up, "run {run}: what the client sent is not what the origin received");
    }
    assert!(landfall.stop().status.success());
    let flows = case.flows("");
    let connection =
        |flow: &Value| flow["id"].as_str().map(|id| id.split('.').next().map(str::to_owned));
    let connections: BTreeSet<_> = flows.iter().map(connection).collect();
    assert_eq!(connections.len(), runs as usize, "each connection left a record");
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_with_every_oddity_passes_unchanged() {
    let up = b"POST /odd?x=%20&y=\"q\" HTTP/1.1\r\n\
        hOsT: origin.example\r\nX-ODD:no space\r\nx-odd:   three   \r\nX-Odd: again\r\n\
        Transfer-Encoding: Chunked\r\nTrailer: X-Sum\r\nExpect: 100-continue\r\n\
        Cookie: a=1\r\nCookie: b=2\r\nEmpty:\r\nX-High: \xc3\xa9\xff\r\n\r\n\
        5;name=value;other=\"quoted \\\" text\"\r\nhello\r\n\
        0000A ; spaced\r\n0123456789\r\n\
        0;last\r\nX-Sum: 15\r\nx-sum: again\r\n\r\n\
        GET /pipelined HTTP/1.1\r\nHost:origin.example\r\n\r\n\
        GET /close HTTP/1.1\r\nHost: origin.example\r\nConnection: close\r\n\r\n";
    let down = b"HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nlink: </b.css>\r\n\r\n\
        HTTP/1.1 200 Quite  OK\r\ndate: x\r\nSet-Cookie: a\r\nset-cookie: b\r\n\
        transfer-encoding: chunked\r\n\r\n\
        3;ext\r\nabc\r\n0\r\nx-trailer: 1\r\nX-Trailer: 2\r\n\r\n\
        HTTP/1.1 304\r\n\r\n\
        HTTP/1.0 200 OK\r\nX-Folded: one\r\n two\r\n\r\nuntil the end";
    check("http/1.1", up.to_vec(), down.to_vec(), 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_with_settings_priorities_and_padding_passes_unchanged() {
    let request = h2::block(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", "/upload"),
        ("x-mixed", "one"),
        ("x-mixed", "two"),
    ]);
    let (first, second) = request.split_at(request.len() / 2);
    let with_priority = [&[0x80, 0, 0, 0, 200], first].concat();
    let up = [
        h2::PREFACE.to_vec(),
        h2::settings(&[(1, 65_536), (2, 0), (3, 77), (4, 6_291_456), (6, 262_144), (0xf0f0, 1)]),
        h2::window_update(0, 15_663_105),
        h2::frame(h2::PRIORITY, 0, 3, &[0, 0, 0, 0, 100]),
        h2::frame(h2::HEADERS, h2::HAS_PRIORITY, 5, &with_priority),
        h2::frame(h2::CONTINUATION, h2::END_HEADERS, 5, second),
        h2::frame(h2::DATA, h2::PADDED, 5, b"\x04body\0\0\0\0"),
        h2::frame(h2::PING, 0, 0, b"12345678"),
        h2::frame(0xbe, 0x55, 5, b"a frame of no known kind"),
        h2::frame(
            h2::HEADERS,
            h2::END_HEADERS | h2::END_STREAM,
            5,
            &h2::block(&[("x-trailer", "up")]),
        ),
        h2::frame(h2::SETTINGS, h2::ACK, 0, b""),
        h2::frame(h2::GOAWAY, 0, 0, &[0; 8]),
    ]
    .concat();
    let down = [
        h2::settings(&[(3, 128), (8, 1)]),
        h2::frame(h2::SETTINGS, h2::ACK, 0, b""),
        h2::frame(h2::HEADERS, h2::END_HEADERS, 5, &h2::block(&[(":status", "103")])),
        h2::frame(
            h2::HEADERS,
            h2::END_HEADERS,
            5,
            &h2::block(&[(":status", "200"), ("set-cookie", "a"), ("set-cookie", "b")]),
        ),
        h2::frame(h2::DATA, h2::PADDED, 5, b"\x02hello\0\0"),
        h2::frame(h2::DATA, 0, 5, b""),
        h2::frame(
            h2::HEADERS,
            h2::END_HEADERS | h2::END_STREAM,
            5,
            &h2::block(&[("x-trailer", "down")]),
        ),
        h2::frame(h2::PING, h2::ACK, 0, b"12345678"),
        h2::frame(h2::GOAWAY, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 0]),
    ]
    .concat();
    check("h2", up, down, 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_http_at_all_pass_unchanged() {
    let mut noise = Noise::new(7);
    let (up, down) = (noise.bytes(300_000), noise.bytes(500_000));
    check("http/1.1", up.clone(), down.clone(), 5).await;
    // The observers of HTTP/2 see a preface and then nonsense.
    check("h2", [h2::PREFACE, &up].concat(), down, 5).await;
}

/// A body that ends with its connection must not look complete when the connection was cut: the
/// missing close_notify of the upstream must be missing at the client too.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_without_close_notify_stays_one() {
    for clean in [true, false] {
        let mut case = Case::new();
        let serve = move |mut stream: TlsStream<TcpStream>| async move {
            let mut request = [0; 1_000];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\npart of it").await.unwrap();
            stream.flush().await.unwrap();
            if clean {
                stream.shutdown().await.unwrap();
            } else {
                stream.get_mut().0.shutdown().await.unwrap();
            }
        };
        let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), serve).await;
        case.place(HOST, ADDRESS, origin.socket());
        let landfall = case.start();
        let device = Device::trusting(landfall.proxy(), &case.authority());
        let mut stream = device.tls(HOST, &["http/1.1"]).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
        let mut got = Vec::new();
        let end = stream.read_to_end(&mut got).await.map_err(|error| error.kind());
        assert!(got.ends_with(b"part of it"));
        let expected = if clean { Ok(got.len()) } else { Err(ErrorKind::UnexpectedEof) };
        assert_eq!(end, expected, "clean: {clean}");
        assert!(landfall.stop().status.success());
    }
}

/// One direction may end long before the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_finished_sending_still_receives() {
    let mut case = Case::new();
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        let mut request = Vec::new();
        stream.read_to_end(&mut request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.write_all(format!("you sent {}", request.len()).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), serve).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "you sent 18");
    assert!(landfall.stop().status.success());
}

/// The upstream sees the client's protocols, and the client the upstream's choice.
#[tokio::test(flavor = "multi_thread")]
async fn both_legs_agree_on_the_protocol_that_the_upstream_chose() {
    let offers: [(&[&str], &[&str], Option<&str>); 4] = [
        (&["h2", "http/1.1"], &["http/1.1"], Some("http/1.1")),
        (&["h2", "http/1.1"], &["h2"], Some("h2")),
        (&["spdy/9", "http/1.1"], &["spdy/9"], Some("spdy/9")),
        (&[], &["h2"], None),
    ];
    for (client, upstream, agreed) in offers {
        let mut case = Case::new();
        let (seen_tx, mut seen_rx) = mpsc::channel(1);
        let serve = move |stream: TlsStream<TcpStream>| {
            let seen = seen_tx.clone();
            async move {
                seen.send(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)).await.unwrap();
            }
        };
        let origin = Origin::tls(case.ca().server(&[HOST], upstream), serve).await;
        case.place(HOST, ADDRESS, origin.socket());
        let landfall = case.start();
        let device = Device::trusting(landfall.proxy(), &case.authority());
        let stream = device.tls(HOST, client).await;
        let expected = agreed.map(|name| name.as_bytes().to_vec());
        assert_eq!(stream.get_ref().1.alpn_protocol(), expected.as_deref());
        assert_eq!(seen_rx.recv().await.unwrap(), expected);
        assert!(landfall.stop().status.success());
    }
}
