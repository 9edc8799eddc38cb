//! Bodies of every size, both ways: the same at both ends and in the record; streams that are
//! interleaved; and no waiting for what is not there yet.

use harness::case::Case;
use harness::device::{Device, read_head};
use harness::h2;
use harness::origin::Origin;
use harness::pattern::{self, Noise, Sum};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

const HOST: &str = "origin.example";
const ADDRESS: &str = "8.136.0.1";

/// What `flow body` gives back, added up as it comes.
fn recorded(case: &Case, flow: &Value, part: &str) -> Sum {
    let id = flow["id"].as_str().unwrap();
    let mut command = case.command(&["flow", "body", id, "--part", part]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let sum = pattern::sum_all(child.stdout.take().unwrap());
    assert!(child.wait().unwrap().success(), "flow body {id} --part {part}");
    sum
}

/// A body of that size up, another one down, on one exchange; the same in four places.
async fn check(bytes: u64) {
    let (received_tx, mut received_rx) = mpsc::channel(1);
    let mut case = Case::new();
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let received = received_tx.clone();
        async move {
            read_head(&mut stream).await;
            let got = pattern::receive(&mut stream, bytes).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let sent = pattern::send(&mut stream, 2, bytes).await;
            received.send((got, sent)).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    };
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), serve).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());

    let begun = Instant::now();
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    let head = format!("POST /{bytes} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let up = pattern::send(&mut stream, 1, bytes).await;
    read_head(&mut stream).await;
    let down = pattern::receive(&mut stream, bytes).await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    println!("{bytes} bytes up and down in {:?}", begun.elapsed());

    assert_eq!(received_rx.recv().await.unwrap(), (up.clone(), down.clone()));
    assert!(rest.is_empty());
    assert!(landfall.stop().status.success());
    let flow = case.flow("method:POST");
    assert_eq!(flow["request_bytes"], bytes);
    assert_eq!(flow["response_bytes"], bytes);
    assert_eq!(recorded(&case, &flow, "request"), up);
    assert_eq!(recorded(&case, &flow, "response"), down);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_and_one_byte() {
    check(0).await;
    check(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_kibibytes() {
    check(64 * 1024).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_gibibyte() {
    check(1024 * 1024 * 1024).await;
}

/// All 200 requests are open before the first answer, and bodies of both directions come in turns,
/// a frame of each stream after the other.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_interleaved_http2_streams() {
    let mut case = Case::new();
    let serve = |mut stream: TlsStream<TcpStream>| async move {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        let settings = [h2::settings(&[(3, 1_000), (4, 1 << 30)]), h2::window_update(0, 1 << 30)];
        stream.write_all(&settings.concat()).await.unwrap();
        let mut ended = 0;
        while ended < STREAMS {
            let frame = h2::read_frame(&mut stream).await.unwrap();
            ended += u32::from(frame.kind == h2::DATA && frame.flags & h2::END_STREAM != 0);
        }
        let mut answer = Vec::new();
        for id in stream_ids() {
            let head = h2::block(&[(":status", "200"), ("content-type", "text/plain")]);
            answer.extend(h2::frame(h2::HEADERS, h2::END_HEADERS, id, &head));
        }
        answer.extend(interleaved(2));
        stream.write_all(&answer).await.unwrap();
        stream.flush().await.unwrap();
        while h2::read_frame(&mut stream).await.is_some() {}
    };
    let origin = Origin::tls(case.ca().server(&[HOST], &["h2"]), serve).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());

    let mut stream = device.tls(HOST, &["h2"]).await;
    let mut opening = h2::PREFACE.to_vec();
    opening.extend(h2::settings(&[(4, 1 << 30)]));
    opening.extend(h2::window_update(0, 1 << 30));
    for id in stream_ids() {
        let path = format!("/stream/{id}");
        let fields =
            [(":method", "POST"), (":scheme", "https"), (":authority", HOST), (":path", &path)];
        opening.extend(h2::frame(h2::HEADERS, h2::END_HEADERS, id, &h2::block(&fields)));
    }
    opening.extend(interleaved(1));
    stream.write_all(&opening).await.unwrap();
    stream.flush().await.unwrap();

    let mut got: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let mut ended = 0;
    while ended < STREAMS {
        let frame = h2::read_frame(&mut stream).await.unwrap();
        if frame.kind == h2::DATA {
            got.entry(frame.stream).or_default().extend(&frame.payload);
            ended += u32::from(frame.flags & h2::END_STREAM != 0);
        }
    }
    stream.shutdown().await.unwrap();
    drop(stream);
    assert!(landfall.stop().status.success());
    let flows = case.flows("method:POST");
    assert_eq!(flows.len(), STREAMS as usize);
    for id in stream_ids() {
        assert!(got[&id] == body(2, id), "stream {id} at the client");
        let path = format!("/stream/{id}");
        let flow = flows.iter().find(|flow| flow["path"] == path.as_str()).unwrap();
        assert_eq!(flow["status"], 200);
        // Asking for each of them takes a process each: some are enough.
        if id % 20 == 1 {
            assert_eq!(recorded(&case, flow, "request"), pattern::sum(&body(1, id)), "{path}");
            assert_eq!(recorded(&case, flow, "response"), pattern::sum(&body(2, id)), "{path}");
        }
    }
}

const STREAMS: u32 = 200;

fn stream_ids() -> impl Iterator<Item = u32> {
    (0..STREAMS).map(|number| 1 + 2 * number)
}

/// A body of its own for each stream and direction, of three to four frames.
fn body(direction: u64, id: u32) -> Vec<u8> {
    Noise::new(direction << 32 | u64::from(id)).bytes(3_000 + id as usize)
}

/// DATA frames of all streams in turn, the last one of each with END_STREAM.
fn interleaved(direction: u64) -> Vec<u8> {
    let bodies: Vec<(u32, Vec<u8>)> = stream_ids().map(|id| (id, body(direction, id))).collect();
    let mut bytes = Vec::new();
    for round in 0.. {
        let before = bytes.len();
        for (id, body) in &bodies {
            if let Some(part) = body.chunks(1_000).nth(round) {
                let last = body.chunks(1_000).nth(round + 1).is_none();
                let flags = if last { h2::END_STREAM } else { 0 };
                bytes.extend(h2::frame(h2::DATA, flags, *id, part));
            }
        }
        if bytes.len() == before {
            break;
        }
    }
    bytes
}

/// The server sends the next event only when the client has had the one before: a proxy that
/// gathers bytes would stop here for good.
#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_arrive_at_once() {
    const EVENTS: usize = 40;
    let (sent_tx, mut sent_rx) = mpsc::channel::<Instant>(1);
    let (had_tx, had_rx) = mpsc::channel::<()>(1);
    let had_rx = std::sync::Arc::new(tokio::sync::Mutex::new(had_rx));
    let mut case = Case::new();
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let (sent, had) = (sent_tx.clone(), had_rx.clone());
        async move {
            read_head(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for number in 0..EVENTS {
                // The time of the first write, not of its completion.
                sent.send(Instant::now()).await.unwrap();
                let event = format!("id: {number}\ndata: event {number}\n\n");
                stream.write_all(event.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                had.lock().await.recv().await.unwrap();
            }
            stream.shutdown().await.unwrap();
        }
    };
    let origin = Origin::tls(case.ca().server(&[HOST], &["http/1.1"]), serve).await;
    case.place(HOST, ADDRESS, origin.socket());
    let landfall = case.start();
    let device = Device::trusting(landfall.proxy(), &case.authority());
    let mut stream = device.tls(HOST, &["http/1.1"]).await;
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
    read_head(&mut stream).await;
    let mut took = Vec::new();
    for number in 0..EVENTS {
        let mut got = Vec::new();
        let event = format!("id: {number}\ndata: event {number}\n\n");
        while got.len() < event.len() {
            let read = tokio::time::timeout(Duration::from_secs(20), stream.read_buf(&mut got));
            assert!(read.await.expect("the event is held back").unwrap() > 0);
        }
        took.push(sent_rx.recv().await.unwrap().elapsed());
        assert_eq!(got, event.as_bytes());
        had_tx.send(()).await.unwrap();
    }
    took.sort();
    let (median, longest) = (took[EVENTS / 2], took[EVENTS - 1]);
    println!("event latency: median {median:?}, longest {longest:?}");
    assert!(median < Duration::from_millis(50), "median {median:?}");
    drop(stream);
    assert!(landfall.stop().status.success());
}
