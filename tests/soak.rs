//! The long measurements, run by `cargo xtask soak`: memory while 10 GiB pass either way, and the cost of a
//! connection that does nothing, and of one whose buffers are all full. Each prints its number and fails when it is past its bound.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::landfall::Landfall;
use harness::origin::Origin;
use harness::pattern;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";
const TRANSFER_BYTES: u64 = 10 * 1024 * 1024 * 1024;
const MOST_RESIDENT_KIB: u64 = 100 * 1024;
const IDLE_CONNECTIONS: u64 = 1_000;
const MOST_KIB_EACH: u64 = 50;
const BUSY_CONNECTIONS: u64 = 100;
const MOST_BUSY_KIB_EACH: u64 = 512;

#[tokio::main]
async fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("download") => download().await,
        Some("upload") => upload().await,
        Some("idle") => idle().await,
        Some("busy") => busy().await,
        _ => panic!("usage: soak download|upload|idle|busy"),
    }
}

async fn download() {
    let mut case = Case::new();
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        read_head(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {TRANSFER_BYTES}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let sum = pattern::send(&mut stream, 1, TRANSFER_BYTES).await;
        println!("sent: {sum:?}");
        stream.shutdown().await.unwrap();
    };
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), serve).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    let begun = Instant::now();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
    read_head(&mut stream).await;
    let received = pattern::receive(&mut stream, TRANSFER_BYTES).await;
    let elapsed = begun.elapsed();
    drop(stream);
    check(&case, landfall, received, elapsed, "response");
}

async fn upload() {
    let mut case = Case::new();
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        read_head(&mut stream).await;
        let sum = pattern::receive(&mut stream, TRANSFER_BYTES).await;
        println!("received: {sum:?}");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), serve).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    let begun = Instant::now();
    let head = format!(
        "POST /large HTTP/1.1\r\nHost: origin.example\r\nContent-Length: {TRANSFER_BYTES}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let sent = pattern::send(&mut stream, 2, TRANSFER_BYTES).await;
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    let elapsed = begun.elapsed();
    drop(stream);
    check(&case, landfall, sent, elapsed, "request");
}

/// Memory stayed within its bound, and what was recorded is what passed.
fn check(case: &Case, landfall: Landfall, passed: pattern::Sum, elapsed: Duration, part: &str) {
    let most = landfall.most_resident_kib();
    println!("passed: {passed:?}");
    println!("{:.0} MiB/s", TRANSFER_BYTES as f64 / 1_048_576.0 / elapsed.as_secs_f64());
    println!("most resident: {} MiB of at most {}", most / 1024, MOST_RESIDENT_KIB / 1024);
    assert!(landfall.stop().status.success());
    let flow = case.flow("path:/large");
    assert_eq!(flow[format!("{part}_bytes")], TRANSFER_BYTES);
    let mut body = case.command(&["flow", "body", flow["id"].as_str().unwrap(), "--part", part]);
    let mut child = body.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let recorded = pattern::sum_all(child.stdout.take().unwrap());
    assert!(child.wait().unwrap().success());
    println!("recorded: {recorded:?}");
    assert_eq!(recorded, passed);
    assert!(most < MOST_RESIDENT_KIB);
}

async fn idle() {
    let mut case = Case::new();
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        while read_head(&mut stream).await.ends_with("\r\n\r\n") {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
            stream.flush().await.unwrap();
        }
    };
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), serve).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut open = Vec::new();
    // The first ones pay for what all share.
    exchange(&device, &mut open, 100).await;
    let before = settled(&landfall).await;
    exchange(&device, &mut open, IDLE_CONNECTIONS).await;
    let after = settled(&landfall).await;
    let each = after.saturating_sub(before) as f64 / IDLE_CONNECTIONS as f64;
    println!(
        "{before} KiB, with {IDLE_CONNECTIONS} more connections {after} KiB: {each:.1} KiB each"
    );
    assert!(each < MOST_KIB_EACH as f64);
    drop(open);
    assert!(landfall.stop().status.success());
}

/// Connections that are all in the middle of a download whose client has stopped reading, so that
/// every buffer along the way is as full as it gets.
async fn busy() {
    let mut case = Case::new();
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        read_head(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {TRANSFER_BYTES}\r\n\r\n");
        let block = vec![7; 1 << 16];
        let mut sent = stream.write_all(head.as_bytes()).await;
        while sent.is_ok() {
            sent = stream.write_all(&block).await;
        }
    };
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), serve).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut open = Vec::new();
    // The first ones pay for what all share.
    download_a_part(&device, &mut open, 10).await;
    let before = settled(&landfall).await;
    download_a_part(&device, &mut open, BUSY_CONNECTIONS).await;
    let after = settled(&landfall).await;
    let each = after.saturating_sub(before) as f64 / BUSY_CONNECTIONS as f64;
    println!(
        "{before} KiB, with {BUSY_CONNECTIONS} more busy connections {after} KiB: {each:.1} KiB each"
    );
    assert!(each < MOST_BUSY_KIB_EACH as f64);
    drop(open);
    assert!(landfall.stop().status.success());
}

/// Opens intercepted connections, each with a download behind it that is not read any further.
async fn download_a_part(
    device: &Device,
    open: &mut Vec<tokio_rustls::client::TlsStream<TcpStream>>,
    count: u64,
) {
    for _ in 0..count {
        let mut stream = device.tls(HOST, &["http/1.1"]).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
        assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
        stream.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
        open.push(stream);
    }
}

/// Opens intercepted connections, each with one exchange behind it.
async fn exchange(
    device: &Device,
    open: &mut Vec<tokio_rustls::client::TlsStream<TcpStream>>,
    count: u64,
) {
    for _ in 0..count {
        let mut stream = device.tls(HOST, &["http/1.1"]).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
        assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
        stream.read_exact(&mut [0; 2]).await.unwrap();
        open.push(stream);
    }
}

async fn settled(landfall: &Landfall) -> u64 {
    tokio::time::sleep(Duration::from_secs(3)).await;
    landfall.resident_kib()
}
