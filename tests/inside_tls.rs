//! Inside TLS that negotiated no protocol, the first bytes tell what it is: HTTP is read, and what is
//! not HTTP is not taken for broken HTTP.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::h2::{self, ACK, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS};
use harness::landfall::Landfall;
use harness::origin::Origin;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client;
use tokio_rustls::server::TlsStream;

const HOST: &str = "service.example";

/// Landfall before a server without ALPN, and a connection through both.
async fn connected<F, Served>(serve: F) -> (Case, Landfall, Origin, client::TlsStream<TcpStream>)
where
    F: Fn(TlsStream<TcpStream>) -> Served + Clone + Send + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let mut case = Case::new();
    let origin = Origin::tls(case.ca().server(&[HOST], &[]), serve).await;
    case.place(HOST, "8.136.0.1", origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let stream = device.tls(HOST, &[]).await;
    (case, landfall, origin, stream)
}

/// The one flow of a session that is over and lost sync nowhere; all that was derived is derived again.
#[track_caller]
fn flow(case: &Case, landfall: Landfall) -> Value {
    assert!(landfall.stop().status.success());
    case.expect_observed_again();
    let session = std::fs::read_dir(case.path("data/sessions")).unwrap().next().unwrap().unwrap();
    let log = std::fs::read_to_string(session.path().join("log/records.jsonl")).unwrap();
    assert!(!log.contains("\"kind\":\"lost-sync\""), "lost sync");
    case.flow("")
}

#[track_caller]
fn check_opaque(case: &Case, landfall: Landfall, up: usize, down: usize) {
    let flow = &flow(case, landfall);
    assert_eq!(flow["treatment"], "intercepted", "{flow:#}");
    assert_eq!(flow["protocol"], "tls", "{flow:#}");
    assert_eq!(flow["outcome"], "completed", "{flow:#}");
    let bytes = (&flow["request_bytes"], &flow["response_bytes"]);
    assert_eq!(bytes, (&up.into(), &down.into()), "{flow:#}");
    let destination = case.rows(&["dest", "list"]).remove(0);
    assert_eq!(destination["content_level"], "P1", "{destination:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_speaks_first_is_no_broken_http() {
    const SAID: [&[u8]; 2] = [b"220 mail.example ESMTP\r\n", b"221 bye\r\n"];
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        stream.write_all(SAID[0]).await.unwrap();
        stream.read_exact(&mut [0; 6]).await.unwrap();
        stream.write_all(SAID[1]).await.unwrap();
        stream.shutdown().await.ok();
        stream.read_to_end(&mut Vec::new()).await.ok();
    };
    let (case, landfall, _origin, mut stream) = connected(serve).await;
    // The client says nothing before it was greeted: nothing may wait for it.
    let mut greeting = vec![0; SAID[0].len()];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting, SAID[0]);
    stream.write_all(b"QUIT\r\n").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, SAID[1]);
    stream.shutdown().await.unwrap();
    check_opaque(&case, landfall, 6, SAID.concat().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_broker_whose_client_speaks_first_is_no_broken_http() {
    const CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00";
    const ACCEPTED: &[u8] = b"\x20\x02\x00\x00";
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        stream.read_exact(&mut [0; CONNECT.len()]).await.unwrap();
        stream.write_all(ACCEPTED).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
        stream.shutdown().await.ok();
    };
    let (case, landfall, _origin, mut stream) = connected(serve).await;
    stream.write_all(CONNECT).await.unwrap();
    let mut answer = vec![0; ACCEPTED.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, ACCEPTED);
    stream.shutdown().await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    check_opaque(&case, landfall, CONNECT.len(), ACCEPTED.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_of_prior_knowledge_is_read_as_http2() {
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        // Before the client has said anything (RFC 9113 section 3.4).
        stream.write_all(&h2::settings(&[(3, 100)])).await.unwrap();
        stream.read_exact(&mut [0; PREFACE.len()]).await.unwrap();
        while let Some(frame) = h2::read_frame(&mut stream).await {
            if frame.kind == HEADERS {
                let answer = h2::block(&[(":status", "200")]);
                let flags = END_HEADERS | END_STREAM;
                stream.write_all(&h2::frame(HEADERS, flags, 1, &answer)).await.unwrap();
            }
        }
        stream.shutdown().await.ok();
    };
    let (case, landfall, _origin, mut stream) = connected(serve).await;
    assert_eq!(h2::read_frame(&mut stream).await.unwrap().kind, SETTINGS);
    let request = [(":method", "GET"), (":scheme", "https"), (":path", "/p"), (":authority", HOST)];
    let head = h2::frame(HEADERS, END_HEADERS | END_STREAM, 1, &h2::block(&request));
    let opening = [PREFACE, &h2::settings(&[]), &h2::frame(SETTINGS, ACK, 0, &[]), &head].concat();
    stream.write_all(&opening).await.unwrap();
    assert_eq!(h2::read_frame(&mut stream).await.unwrap().kind, HEADERS);
    stream.shutdown().await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    let flow = flow(&case, landfall);
    let seen = (&flow["protocol"], &flow["path"], &flow["status"]);
    assert_eq!(seen, (&"h2".into(), &"/p".into(), &200.into()), "{flow:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_without_alpn_is_still_read_even_in_single_bytes() {
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
        stream.shutdown().await.ok();
    };
    let (case, landfall, _origin, mut stream) = connected(serve).await;
    for byte in b"GET /slow HTTP/1.1\r\nHost: service.example\r\n\r\n" {
        stream.write_all(&[*byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 204"));
    stream.shutdown().await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    let flow = flow(&case, landfall);
    let seen = (&flow["protocol"], &flow["path"], &flow["status"]);
    assert_eq!(seen, (&"http/1.1".into(), &"/slow".into(), &204.into()), "{flow:#}");
}
