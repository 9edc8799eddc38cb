//! Exports of a recorded session: an exchange with a compressed body, one with a binary body, a
//! refused connection and a passed-through one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test panics")]

use bytes::Bytes;
use flow::address::{DeviceAddr, Target, Upstream};
use flow::distrust::Distrust;
use flow::event::{Closed, Dialled, Event, Ingress, Opened, StreamClosed, Timings};
use flow::id::ConnectionId;
use flow::limits::Limits;
use flow::stream::{Chunk, Direction, Leg, StreamKey};
use flow::time::{Clock, MonoNanos, SharedClock, Stamp, WallNanos};
use flow::treatment::{
    Cause, Failure, Outcome, PassthroughWhy, PlaintextWhy, Side, Stage, Treatment,
};
use observe::Observer;
use recorder::read::Session;
use recorder::{Entropy, Setup, Sources, ToolFacts};
use serde_json::Value;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that goes on by a millisecond at each look.
#[derive(Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Stamp {
        let mono = self.0.fetch_add(1_000_000, Ordering::Relaxed);
        Stamp { wall: WallNanos(1_795_173_185_000_000_000 + mono), mono: MonoNanos(mono) }
    }
}

struct Tape {
    events: Vec<Event>,
    clock: SharedClock,
}

impl Tape {
    fn accept(&mut self, number: u64, ingress: Ingress) -> ConnectionId {
        let connection = ConnectionId(number);
        let at = self.clock.now();
        self.events.push(Event::Opened(Opened {
            connection,
            at,
            device: DeviceAddr("192.168.1.7:50000".parse().unwrap()),
            listener: "192.168.1.5:8080".parse().unwrap(),
            ingress,
            app: None,
            over_tls: false,
            forwarded_by: None,
        }));
        connection
    }

    fn open(&mut self, number: u64, target: &str, treatment: Treatment) -> ConnectionId {
        self.open_by(Ingress::Connect, number, target, treatment)
    }

    fn open_by(
        &mut self,
        ingress: Ingress,
        number: u64,
        target: &str,
        treatment: Treatment,
    ) -> ConnectionId {
        let connection = self.accept(number, ingress);
        let at = self.clock.now();
        let target = Target::parse(target, None).unwrap();
        self.events.push(Event::Targeted { connection, at, target });
        let address = "8.136.0.1:443".parse().unwrap();
        let upstream = Some(Upstream { address, simulated_by: None });
        let result = Ok(Duration::from_millis(20));
        let dialled = Dialled { connection, at, upstream, through: None, result };
        self.events.push(Event::Dialled(dialled));
        self.events.push(Event::Treated { connection, at, treatment });
        connection
    }

    fn exchange(&mut self, connection: ConnectionId, request: &[u8], response: &[u8]) {
        let mut observer = Observer::http1(connection, &Limits::default());
        for (direction, bytes) in [(Direction::Up, request), (Direction::Down, response)] {
            let at = self.clock.now();
            let stream = StreamKey { connection, leg: Leg::Relay, direction };
            let bytes = Bytes::copy_from_slice(bytes);
            self.events.push(Event::Chunk(Chunk { stream, at, bytes: bytes.clone() }));
            observer.feed(direction, at, &bytes, &mut self.events);
        }
        for (direction, bytes) in [(Direction::Up, request), (Direction::Down, response)] {
            let at = self.clock.now();
            observer.end(direction, at, &mut self.events);
            let stream = StreamKey { connection, leg: Leg::Relay, direction };
            let relayed = bytes.len() as u64;
            let closed = StreamClosed { stream, at, relayed };
            self.events.push(Event::StreamClosed(closed));
        }
        self.close(connection, Outcome::Completed);
    }

    fn close(&mut self, connection: ConnectionId, outcome: Outcome) {
        let timings = Timings {
            dns: Some(Duration::from_millis(1)),
            connect: Some(Duration::from_millis(20)),
            upstream_tls: Some(Duration::from_millis(30)),
            client_tls: None,
        };
        let at = self.clock.now();
        self.events.push(Event::Closed(Closed { connection, at, outcome, timings }));
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tape(clock: &SharedClock) -> Vec<Event> {
    let mut tape = Tape { events: Vec::new(), clock: Arc::clone(clock) };
    let connection = tape.open(1, "api.example:443", Treatment::Intercepted);
    let body = gzip(&JSON);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
         Set-Cookie: id=7; HttpOnly\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let request = b"GET /=cmd?a=1&b HTTP/1.1\r\nHost: api.example\r\nCookie: c=d\r\n\r\n";
    tape.exchange(connection, request, &[head.as_bytes(), &body].concat());

    let connection = tape.open(2, "api.example:443", Treatment::Intercepted);
    let request =
        b"POST /up HTTP/1.1\r\nHost: api.example\r\nContent-Length: 3\r\n\r\n\xff\x00\x01";
    tape.exchange(connection, request, b"HTTP/1.1 204 No Content\r\n\r\n");

    let cause = Cause::Distrust(Distrust::judged(48, 1, 1));
    let failure = Failure { stage: Stage::ClientTls, side: Side::Client, cause };
    let connection = tape.open(3, "pinned.example:443", Treatment::Failed(failure));
    tape.close(connection, Outcome::NotRelayed);
    let rule = PassthroughWhy::Rule("bank.example".to_owned());
    let connection = tape.open(4, "bank.example:8443", Treatment::Passthrough(rule));
    tape.close(connection, Outcome::Completed);

    let plain = || Treatment::Plaintext(PlaintextWhy::Http);
    let connection = tape.open_by(Ingress::AbsoluteForm, 5, "ws.example:80", plain());
    let request = b"GET /chat HTTP/1.1\r\nHost: ws.example\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let response = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    tape.exchange(connection, request, response);
    for (number, target) in
        [(6, "192.0.2.7:8443"), (7, "[2001:db8::1]:443"), (8, "360.example:443")]
    {
        let connection = tape.open(number, target, Treatment::Intercepted);
        tape.close(connection, Outcome::Completed);
    }
    let connection = tape.accept(9, Ingress::Unknown);
    tape.close(connection, Outcome::NotRelayed);
    tape.events
}

/// Records the tape and opens the session.
fn recorded(data: &std::path::Path, simulated: bool) -> Session {
    let clock: SharedClock = Arc::new(Ticking::default());
    let config = geoip::Config {
        data_dir: data.to_owned(),
        set: geoip::SetChoice::Active,
        extra_mmdb: Vec::new(),
        overrides: Vec::new(),
        policies: geoip::policy::Policies::default(),
    };
    let setup = Setup {
        key: None,
        data_dir: data.to_owned(),
        name: Some("tape".to_owned()),
        case: Some("case".to_owned()),
        device: None,
        operator: None,
        tool: ToolFacts { version: "0".to_owned(), binary_sha256: None },
        effective_config: String::new(),
        simulated,
        vantage: None,
        statements: Vec::new(),
        limits: Limits { free_disk_bytes: 0, ..Limits::default() },
        clock: Arc::clone(&clock),
        databases: Sources::new(Arc::new(geoip::Databases::open(&config).unwrap())),
        entropy: Entropy {
            session: [1; 16],
            frame_seed: [2; 32],
            field_seed: [4; 32],
            body_secret: [5; 32],
            nonce_seed: [3; 32],
        },
    };
    let (sender, receiver) = feed::channel(1 << 20);
    let recording = recorder::start(setup, receiver).unwrap();
    let directory = recording.directory().clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for event in tape(&clock) {
            sender.send(event).await.unwrap();
        }
        drop(sender);
        recording.finish().await.unwrap();
    });
    Session::open(directory.path()).unwrap()
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or_else(|| panic!("no {path} in {value:#}"))
}

#[test]
fn every_flow_is_in_every_export() {
    let data = tempfile::tempdir().unwrap();
    let session = recorded(data.path(), false);

    let mut har = Vec::new();
    evidence::har::write(&session, &Arc::default(), &mut har).unwrap();
    let har: Value = serde_json::from_slice(&har).unwrap();
    assert_eq!(at(&har, "/log/version"), "1.2");
    let notices = evidence::attributions(&session).unwrap();
    assert_eq!(notices[0], "IP Geolocation by DB-IP (https://db-ip.com)");
    assert_eq!(at(&har, "/log/_attributions"), &serde_json::json!(notices));
    assert_eq!(at(&har, "/log/_simulated"), false);
    let entries = at(&har, "/log/entries").as_array().unwrap();
    let ids: Vec<_> = entries.iter().map(|entry| at(entry, "/_id").as_str().unwrap()).collect();
    assert_eq!(ids, ["c1.1", "c2.1", "c3", "c4", "c5.1", "c6", "c7", "c8", "c9"]);
    compressed(&entries[0]);
    binary(&entries[1]);
    refused(&entries[2]);
    passed_through(&entries[3]);
    protocol_switch(&entries[4]);
    without_a_request(&entries[5..]);
    assert!(!at(&har, "/log/comment").as_str().unwrap().contains("State"));

    let mut lines = Vec::new();
    evidence::flows::write_jsonl(&session, &Arc::default(), &mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(lines.lines().count(), 9);
    assert_eq!(at(&first, "/country"), "CN");
    assert_eq!(at(&first, "/flags/0"), "mainland-china");
    assert_eq!(at(&first, "/registered_country"), "SG");
    assert!(first.as_object().unwrap().values().all(|value| !value.is_null()));

    let mut table = Vec::new();
    evidence::flows::write_csv(&session, &Arc::default(), &mut table).unwrap();
    let mut reader = csv::Reader::from_reader(table.as_slice());
    assert_eq!(reader.headers().unwrap(), evidence::shape::FLOW_KEYS.as_slice());
    assert_eq!(reader.records().map(Result::unwrap).count(), 9);
}

#[test]
fn rows_of_a_simulated_session_that_were_not_dialled_looked_real() {
    let data = tempfile::tempdir().unwrap();
    let session = recorded(data.path(), true);

    let mut har = Vec::new();
    evidence::har::write(&session, &Arc::default(), &mut har).unwrap();
    let har: Value = serde_json::from_slice(&har).unwrap();
    let entries = at(&har, "/log/entries").as_array().unwrap();
    assert!(entries.iter().all(|entry| at(entry, "/_simulated") == true));

    let mut lines = Vec::new();
    evidence::flows::write_jsonl(&session, &Arc::default(), &mut lines).unwrap();
    for line in String::from_utf8(lines).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(at(&line, "/simulated"), true);
    }

    let mut table = Vec::new();
    evidence::flows::write_csv(&session, &Arc::default(), &mut table).unwrap();
    let mut reader = csv::Reader::from_reader(table.as_slice());
    let column = evidence::shape::FLOW_KEYS.iter().position(|key| *key == "simulated").unwrap();
    assert!(reader.records().all(|record| &record.unwrap()[column] == "yes"));
}

fn compressed(entry: &Value) {
    assert_eq!(at(entry, "/request/url"), "https://api.example/=cmd?a=1&b");
    assert_eq!(at(entry, "/request/cookies/0/value"), "d");
    assert_eq!(at(entry, "/request/queryString/0/name"), "a");
    assert_eq!(at(entry, "/response/cookies/0/name"), "id");
    let text = std::str::from_utf8(&JSON).unwrap();
    assert_eq!(at(entry, "/response/content/text"), text);
    let size = at(entry, "/response/content/size").as_i64().unwrap();
    let transferred = at(entry, "/response/bodySize").as_i64().unwrap();
    assert_eq!(size, text.len() as i64);
    assert_eq!(at(entry, "/response/content/compression").as_i64(), Some(size - transferred));
    assert_eq!(at(entry, "/serverIPAddress"), "8.136.0.1");
    let countries = at(entry, "/_countries").as_object().unwrap();
    assert!(countries.values().any(|country| country == "CN"), "{countries:?}");
    assert_eq!(entry.get("_note"), None);
    assert_eq!(entry.get("_error"), None);
    assert_eq!(at(entry, "/timings/connect"), 50.0);
    assert_eq!(at(entry, "/timings/ssl"), 30.0);
    let phases = ["dns", "connect", "send", "wait", "receive"];
    let sum: f64 =
        phases.iter().map(|phase| at(entry, &format!("/timings/{phase}")).as_f64().unwrap()).sum();
    assert!((at(entry, "/time").as_f64().unwrap() - sum).abs() < 1e-6, "ssl counts once");
}

fn binary(entry: &Value) {
    assert_eq!(at(entry, "/request/postData/text"), "/wAB");
    assert_eq!(at(entry, "/request/postData/_encoding"), "base64");
    assert_eq!(at(entry, "/response/status"), 204);
    assert_eq!(at(entry, "/response/content/size"), 0);
}

fn refused(entry: &Value) {
    assert_eq!(at(entry, "/request/url"), "pinned.example:443");
    assert_eq!(at(entry, "/response/status"), 0);
    assert_eq!(at(entry, "/_treatment"), "failed");
    assert!(at(entry, "/_error").as_str().unwrap().contains("unknown_ca"));
}

fn passed_through(entry: &Value) {
    assert_eq!(at(entry, "/request/url"), "bank.example:8443");
    assert_eq!(at(entry, "/_treatment"), "passthrough");
    assert_eq!(
        at(entry, "/_error"),
        "passed through, not opened: the passthrough rule bank.example matches"
    );
}

/// An archive had no response of it, and its head was not said to be Landfall's.
fn protocol_switch(entry: &Value) {
    assert_eq!(at(entry, "/request/url"), "http://ws.example/chat");
    assert_eq!(at(entry, "/response/status"), 101);
    assert_eq!(at(entry, "/response/headers/1/value"), "websocket");
    assert!(at(entry, "/_note").as_str().unwrap().starts_with("head rewritten by Landfall"));
}

/// Nothing is made up: neither a scheme that was not seen nor a name.
fn without_a_request(entries: &[Value]) {
    let urls: Vec<_> = entries.iter().map(|entry| at(entry, "/request/url")).collect();
    let expected =
        ["tcp://192.0.2.7:8443", "tcp://[2001:db8::1]:443", "tcp://360.example:443", "about:blank"];
    assert_eq!(urls, expected);
    assert_eq!(at(&entries[0], "/_error"), "no request was seen");
    let undecided = "the connection ended before it was decided how to treat it";
    assert_eq!(at(&entries[3], "/_error"), undecided);
}

const JSON: [u8; 400] = {
    let mut json = [b'a'; 400];
    json[0] = b'"';
    json[399] = b'"';
    json
};
