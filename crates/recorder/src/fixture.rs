//! What the tests of this crate record: a clock that ticks when it is read, sources that know one
//! address, and the events of a small session.

pub(crate) mod sound;

use crate::directory::SessionDir;
use crate::enrich::Sources;
use crate::entropy::Entropy;
use crate::opening::{Setup, ToolFacts, begin};
use crate::openings::Openings;
use crate::record::Record;
use crate::session::SessionWriter;
use bytes::Bytes;
use flow::address::{DeviceAddr, DnsName, Target, Upstream};
use flow::annotation::{Annotation, Flag, FlagReason, Location, Severity};
use flow::claim::{Claim, Country, Source, Statement};
use flow::dns::{Answer, AnswerData, Dnssec, Edns, Lookup, LookupOutcome, Resolver, Sake};
use flow::event::{Closed, Dialled, Event, Ingress, Opened, StreamClosed, Timings};
use flow::http::{
    Body, BodyEnd, ExchangeEnd, Field, Framing, HttpVersion, RequestHead, ResponseHead,
};
use flow::id::{ConnectionId, ExchangeId, LookupId};
use flow::limits::Limits;
use flow::physics::Vantage;
use flow::stream::{Chunk, Direction, Extent, Leg, StreamKey};
use flow::time::{Clock, MonoNanos, Stamp, WallNanos};
use flow::treatment::{Outcome, PlaintextWhy, Treatment};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::broadcast;

/// Goes on by a microsecond each time it is read.
#[derive(Debug, Default)]
pub(crate) struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Stamp {
        at(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) fn at(micros: u64) -> Stamp {
    let wall = WallNanos(1_795_173_185_000_000_000 + micros * 1_000);
    Stamp { wall, mono: MonoNanos(micros * 1_000) }
}

pub(crate) fn setup(data_dir: &Path) -> Setup {
    Setup {
        data_dir: data_dir.to_owned(),
        key: None,
        name: None,
        case: Some("a case".to_owned()),
        device: Some("phone 1".to_owned()),
        operator: None,
        tool: tool(),
        effective_config: "[limits]\n".to_owned(),
        simulated: true,
        vantage: Vantage::new(1.3521, 103.8198, 25.0).ok(),
        statements: Vec::new(),
        limits: Limits { free_disk_bytes: 0, ..Limits::default() },
        clock: Arc::new(Ticking::default()),
        databases: Sources { ask: Box::new(annotate), by_port: false, databases: Vec::new() },
        entropy: Entropy {
            session: [1; 16],
            frame_seed: [2; 32],
            field_seed: [4; 32],
            body_secret: [5; 32],
            nonce_seed: [3; 32],
        },
    }
}

pub(crate) fn tool() -> ToolFacts {
    ToolFacts { version: "0.1.0".to_owned(), binary_sha256: None }
}

/// The records of a session, with their values.
#[track_caller]
pub(crate) fn records(directory: &SessionDir) -> Vec<Record> {
    let log = std::fs::read(directory.log_file()).unwrap();
    let mut openings = Openings::of_records(directory);
    let whole = |line: &&[u8]| !line.is_empty();
    let record = |line: &[u8]| {
        let mut record = Record::parse(line).unwrap();
        openings.open(record.seq, &record.nonce, &mut record.body).unwrap();
        record
    };
    log.split(|byte| *byte == b'\n').filter(whole).map(record).collect()
}

/// A session without threads, in a new directory below `data_dir`.
pub(crate) fn writer(data_dir: &Path) -> SessionWriter {
    begin(setup(data_dir), broadcast::channel(16).0).unwrap()
}

/// Places every address in CN.
pub(crate) fn annotate(address: IpAddr, _names: &[DnsName], _port: Option<u16>) -> Annotation {
    let source = Source {
        name: "test".to_owned(),
        licence: "none".to_owned(),
        built: None,
        sha256: Some("00".repeat(32)),
    };
    let claim = Claim {
        source: source.into(),
        statement: Statement::Located(Country::CN),
        matched: "0.0.0.0/0".to_owned(),
    };
    let reason = FlagReason::Located { country: Country::CN, saying: 1, asked: 1 };
    Annotation {
        claims: vec![claim],
        location: Location::Agreed { country: Country::CN, answered: 1, asked: 1 },
        flags: vec![Flag {
            policy: "mainland-china".to_owned(),
            severity: Severity::Notice,
            reasons: vec![reason],
        }],
        ..Annotation::unknown(address)
    }
}

pub(crate) fn stream(connection: u64, direction: Direction) -> StreamKey {
    StreamKey { connection: ConnectionId(connection), leg: Leg::Relay, direction }
}

pub(crate) fn chunk(connection: u64, direction: Direction, bytes: &'static [u8]) -> Event {
    let stream = stream(connection, direction);
    Event::Chunk(Chunk { stream, at: at(connection), bytes: Bytes::from_static(bytes) })
}

pub(crate) fn opened(connection: u64) -> Event {
    Event::Opened(Opened {
        connection: ConnectionId(connection),
        at: at(connection),
        device: DeviceAddr("192.168.1.7:40000".parse().unwrap()),
        listener: "0.0.0.0:8080".parse().unwrap(),
        ingress: Ingress::AbsoluteForm,
        app: None,
        over_tls: false,
        forwarded_by: None,
    })
}

/// One connection with one plain HTTP exchange, from its beginning to its end.
pub(crate) fn exchange(number: u64) -> Vec<Event> {
    let mut events = beginning(number);
    events.extend(end(number));
    events
}

pub(crate) fn beginning(number: u64) -> Vec<Event> {
    let connection = ConnectionId(number);
    let name: DnsName = "plain.example".parse().unwrap();
    let address: IpAddr = "8.136.0.1".parse().unwrap();
    let answer =
        Answer { owner: name.clone(), ttl_seconds: 60, data: AnswerData::Address(address) };
    vec![
        opened(number),
        Event::Targeted {
            connection,
            at: at(number),
            target: Target::parse("plain.example:80", None).unwrap(),
        },
        Event::Looked(Lookup {
            id: LookupId(number),
            sake: Sake::Connection(connection),
            at: at(number),
            took: Duration::from_millis(3),
            name: name.clone(),
            resolver: Resolver::Override,
            cached: false,
            chain: vec![name, "cdn.example".parse().unwrap()],
            answers: vec![answer],
            outcome: LookupOutcome::Found,
            dnssec: Dnssec::NotAsked,
            edns: Edns::NotAsked,
        }),
        Event::Dialled(Dialled {
            connection,
            at: at(number),
            upstream: Some(Upstream { address: (address, 80).into(), simulated_by: None }),
            through: None,
            result: Ok(Duration::from_millis(8)),
        }),
        Event::Treated {
            connection,
            at: at(number),
            treatment: Treatment::Plaintext(PlaintextWhy::Http),
        },
        chunk(number, Direction::Up, REQUEST),
        Event::Request { exchange: first(number), head: Box::new(request_head(number)) },
        chunk(number, Direction::Down, RESPONSE),
        Event::Response { exchange: first(number), head: Box::new(response_head(number)) },
    ]
}

pub(crate) fn end(number: u64) -> Vec<Event> {
    let connection = ConnectionId(number);
    let body = |framing, start, end| Body {
        framing,
        extent: Extent { start, end },
        bytes: end - start,
        end: BodyEnd::Complete,
        trailers: Vec::new(),
        messages: None,
        digests: None,
        at: at(number),
    };
    let up = REQUEST.len() as u64;
    let down = RESPONSE.len() as u64;
    let closed = |direction, relayed| {
        let stream = stream(number, direction);
        Event::StreamClosed(StreamClosed { stream, at: at(number), relayed })
    };
    vec![
        Event::ExchangeEnded {
            exchange: first(number),
            end: Box::new(ExchangeEnd {
                at: at(number),
                request_body: body(Framing::None, up, up),
                response_body: Some(body(Framing::Identity, down - 2, down)),
                upgrade: None,
            }),
        },
        closed(Direction::Up, up),
        closed(Direction::Down, down),
        Event::Closed(Closed {
            connection,
            at: at(number),
            outcome: Outcome::Completed,
            timings: Timings { dns: Some(Duration::from_millis(3)), ..Timings::default() },
        }),
    ]
}

fn first(number: u64) -> ExchangeId {
    ExchangeId { connection: ConnectionId(number), number: 1 }
}

fn request_head(number: u64) -> RequestHead {
    RequestHead {
        at: at(number),
        version: HttpVersion::Http11,
        method: Bytes::from_static(b"GET"),
        target: Bytes::from_static(b"/a"),
        authority: Some(Bytes::from_static(b"plain.example")),
        scheme: None,
        fields: vec![Field {
            name: Bytes::from_static(b"Host"),
            value: Bytes::from_static(b"plain.example"),
        }],
        extent: Extent { start: 0, end: REQUEST.len() as u64 },
        stream_id: None,
        direction: Direction::Up,
        protocol: None,
        h2_fingerprint: None,
    }
}

fn response_head(number: u64) -> ResponseHead {
    ResponseHead {
        at: at(number),
        version: HttpVersion::Http11,
        status: 200,
        reason: Bytes::from_static(b"OK"),
        fields: vec![Field {
            name: Bytes::from_static(b"X-Raw"),
            value: Bytes::from_static(b"\xff"),
        }],
        extent: Extent { start: 0, end: RESPONSE.len() as u64 - 2 },
    }
}

pub(crate) const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: plain.example\r\n\r\n";
pub(crate) const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nX-Raw: \xff\r\n\r\nok";
