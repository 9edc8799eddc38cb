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

/// Connections with one exchange behind them.
async fn idle() {
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        while read_head(&mut stream).await.ends_with("\r\n\r\n") {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
            stream.flush().await.unwrap();
        }
    };
    let each = Each { first: 100, more: IDLE_CONNECTIONS, read_bytes: 2, most_kib: MOST_KIB_EACH };
    each.measure("idle", serve).await;
}

/// Connections that are all in the middle of a download whose client has stopped reading, so that
/// every buffer along the way is as full as it gets.
async fn busy() {
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        read_head(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {TRANSFER_BYTES}\r\n\r\n");
        let block = vec![7; 1 << 16];
        let mut sent = stream.write_all(head.as_bytes()).await;
        while sent.is_ok() {
            sent = stream.write_all(&block).await;
        }
    };
    let each = Each {
        first: 10,
        more: BUSY_CONNECTIONS,
        read_bytes: 1 << 20,
        most_kib: MOST_BUSY_KIB_EACH,
    };
    each.measure("busy", serve).await;
}

/// What one more intercepted connection costs.
struct Each {
    /// Connections that pay for what all share.
    first: u64,
    /// Those that are measured.
    more: u64,
    /// How much of the answer each of them reads.
    read_bytes: usize,
    most_kib: u64,
}

impl Each {
    async fn measure<F, Served>(&self, kind: &str, serve: F)
    where
        F: Fn(TlsStream<TcpStream>) -> Served + Clone + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let mut case = Case::new();
        let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), serve).await;
        case.place(HOST, ADDRESS, origin.socket());
        let landfall = case.start();
        let device = Device::trusting(landfall.proxy(), &case.authority());
        let mut open = Vec::new();
        self.ask(&device, &mut open, self.first).await;
        let before = settled(&landfall).await;
        self.ask(&device, &mut open, self.more).await;
        let after = settled(&landfall).await;
        let each = after.saturating_sub(before) as f64 / self.more as f64;
        let more = self.more;
        println!(
            "{before} KiB, with {more} more {kind} connections {after} KiB: {each:.1} KiB each"
        );
        assert!(each < self.most_kib as f64);
        drop(open);
        assert!(landfall.stop().status.success());
    }

    /// Opens connections, asks on each, and reads so much of the answer.
    async fn ask(
        &self,
        device: &Device,
        open: &mut Vec<tokio_rustls::client::TlsStream<TcpStream>>,
        count: u64,
    ) {
        for _ in 0..count {
            let mut stream = device.tls(HOST, &["http/1.1"]).await;
            let request = b"GET / HTTP/1.1\r\nHost: origin.example\r\n\r\n";
            stream.write_all(request).await.unwrap();
            assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
            stream.read_exact(&mut vec![0; self.read_bytes]).await.unwrap();
            open.push(stream);
        }
    }
}

async fn settled(landfall: &Landfall) -> u64 {
    tokio::time::sleep(Duration::from_secs(3)).await;
    landfall.resident_kib()
}
