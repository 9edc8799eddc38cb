//! The loads over HTTP/1.1. Each opens what it needs, begins to measure, and ends when the last
//! answer has come.

use crate::certificates::{FRESH_DOMAIN, HOST};
use crate::http1;
use crate::measure::{Meter, Sample, at_rest};
use crate::problem::Problem;
use crate::subject::Subject;
use crate::way::Way;
use bytes::BytesMut;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

/// Requests one after the other on each of 50 connections.
pub(crate) async fn keep_alive(subject: &Subject, requests: usize) -> Result<Sample, Problem> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Client::open(&subject.way, HOST).await?);
    }
    for client in &mut connections {
        client.get(SMALL_BYTES).await?;
    }
    at_rest(subject).await;
    let left = Arc::new(AtomicUsize::new(requests));
    let meter = Meter::begin(subject);
    let mut tasks = JoinSet::new();
    for mut client in connections {
        let left = Arc::clone(&left);
        tasks.spawn(async move {
            while take(&left) {
                client.get(SMALL_BYTES).await?;
            }
            Ok(client)
        });
    }
    let done = all(tasks).await?;
    let sample = meter.end(requests as f64).await;
    drop(done);
    Ok(sample)
}

/// Connections with one request each, several at once. `first_host` is the number of the first
/// fresh host, `None` for one host.
pub(crate) async fn fresh(
    subject: &Subject,
    connections: usize,
    first_host: Option<usize>,
) -> Result<Sample, Problem> {
    let left = Arc::new(AtomicUsize::new(connections));
    let next_host = Arc::new(AtomicUsize::new(first_host.unwrap_or(0)));
    let meter = Meter::begin(subject);
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (left, next_host, way) =
            (Arc::clone(&left), Arc::clone(&next_host), subject.way.clone());
        tasks.spawn(async move {
            while take(&left) {
                let host = match first_host {
                    None => HOST.to_owned(),
                    Some(_) => {
                        format!("h{}.{FRESH_DOMAIN}", next_host.fetch_add(1, Ordering::Relaxed))
                    }
                };
                let mut client = Client::open(&way, &host).await?;
                client.get(SMALL_BYTES).await?;
                client.stream.shutdown().await?;
            }
            Ok(())
        });
    }
    all(tasks).await?;
    Ok(meter.end(connections as f64).await)
}

/// One body of so many MiB from the origin.
pub(crate) async fn download(subject: &Subject, mib: usize) -> Result<Sample, Problem> {
    let mut client = Client::open(&subject.way, HOST).await?;
    client.get(SMALL_BYTES).await?;
    at_rest(subject).await;
    let meter = Meter::begin(subject);
    client.get((mib as u64) << 20).await?;
    Ok(meter.end(mib as f64).await)
}

/// One body of so many MiB to the origin.
pub(crate) async fn upload(subject: &Subject, mib: usize) -> Result<Sample, Problem> {
    let mut client = Client::open(&subject.way, HOST).await?;
    client.get(SMALL_BYTES).await?;
    at_rest(subject).await;
    let piece = vec![b'x'; 64 << 10];
    let bytes = (mib as u64) << 20;
    let meter = Meter::begin(subject);
    let head = format!("POST /0 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {bytes}\r\n\r\n");
    client.stream.write_all(head.as_bytes()).await?;
    for _ in 0..bytes / piece.len() as u64 {
        client.stream.write_all(&piece).await?;
    }
    client.stream.flush().await?;
    client.answer().await?;
    Ok(meter.end(mib as f64).await)
}

/// The median time from a request to the first byte of its answer.
pub(crate) async fn first_byte(subject: &Subject, requests: usize) -> Result<Sample, Problem> {
    let mut client = Client::open(&subject.way, HOST).await?;
    client.get(MIDDLE_BYTES).await?;
    at_rest(subject).await;
    let mut times = Vec::new();
    let meter = Meter::begin(subject);
    for _ in 0..requests {
        let begun = Instant::now();
        client.ask(MIDDLE_BYTES).await?;
        let head = http1::head(&mut client.stream, &mut client.buffer).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        let length = head.ok_or("the connection ended")?.content_length;
        http1::body(&mut client.stream, &mut client.buffer, length).await?;
    }
    let sample = meter.end(requests as f64).await;
    times.sort_by(f64::total_cmp);
    Ok(Sample { value: times.get(times.len() / 2).copied().unwrap_or_default(), ..sample })
}

/// What each of so many connections keeps in memory after one exchange.
pub(crate) async fn idle(subject: &Subject, connections: usize) -> Result<Sample, Problem> {
    let mut open = Vec::new();
    // The first ones pay for what all share.
    for _ in 0..100 {
        open.push(exchanged(&subject.way).await?);
    }
    let before = at_rest(subject).await.resident_kib;
    let meter = Meter::begin(subject);
    for _ in 0..connections {
        open.push(exchanged(&subject.way).await?);
    }
    let sample = meter.end(connections as f64).await;
    let after = at_rest(subject).await.resident_kib;
    drop(open);
    let each = after.saturating_sub(before) as f64 / connections as f64;
    Ok(Sample { value: each, ..sample })
}

async fn exchanged(way: &Way) -> Result<Client, Problem> {
    let mut client = Client::open(way, HOST).await?;
    client.get(SMALL_BYTES).await?;
    client.buffer = BytesMut::new();
    Ok(client)
}

struct Client {
    stream: TlsStream<TcpStream>,
    buffer: BytesMut,
    host: String,
}

impl Client {
    async fn open(way: &Way, host: &str) -> Result<Self, Problem> {
        let stream = way.http11(host).await?;
        Ok(Self { stream, buffer: BytesMut::new(), host: host.to_owned() })
    }

    /// A `GET` of so many bytes, to its end.
    async fn get(&mut self, bytes: u64) -> Result<(), Problem> {
        self.ask(bytes).await?;
        self.answer().await
    }

    async fn ask(&mut self, bytes: u64) -> Result<(), Problem> {
        let request = format!(
            "GET /{bytes} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bench/1\r\nAccept: */*\r\n\
             Accept-Encoding: gzip\r\n\r\n",
            self.host
        );
        self.stream.write_all(request.as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    async fn answer(&mut self) -> Result<(), Problem> {
        let head = http1::head(&mut self.stream, &mut self.buffer).await?;
        let head = head.ok_or("the connection ended")?;
        if !head.first_line.starts_with("HTTP/1.1 200") {
            return Err(format!("the answer was {:?}", head.first_line).into());
        }
        Ok(http1::body(&mut self.stream, &mut self.buffer, head.content_length).await?)
    }
}

/// Takes one of what is left.
pub(crate) fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Waits for all, and for the first failure no longer than for it.
pub(crate) async fn all<T: 'static>(
    mut tasks: JoinSet<Result<T, Problem>>,
) -> Result<Vec<T>, Problem> {
    let mut done = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        done.push(ended??);
    }
    Ok(done)
}

const CONNECTIONS: usize = 50;
const AT_ONCE: usize = 8;
pub(crate) const SMALL_BYTES: u64 = 1 << 10;
const MIDDLE_BYTES: u64 = 1 << 20;
