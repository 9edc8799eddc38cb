//! Sessions made by hand, record by record, for the tests of the index and of reading.

use crate::directory::SessionDir;
use crate::fixture::records;
use crate::frame::{HEADER_BYTES, Header};
use crate::record::connection::{
    ConnectionClose, ConnectionDial, ConnectionOpen, ConnectionTarget, ConnectionTreatment,
    Counted, StreamClose,
};
use crate::record::destination::{Assessment, Claims};
use crate::record::dns::Dns;
use crate::record::exchange::{ExchangeClose, ExchangeRequest, ExchangeResponse};
use crate::record::sealed::Sealed;
use crate::record::session::{CloseWhy, SessionClose, SessionOpen, Tool};
use crate::record::store::{Frames, Run};
use crate::record::value::{Base64, Count, Spelled};
use crate::record::{Body, Record};
use crate::seal::FieldSeed;
use bytes::Bytes;
use flow::address::{DeviceAddr, DnsName, Host, Upstream};
use flow::annotation::{Annotation, Location};
use flow::claim::{Claim, Country, Source, Statement};
use flow::dns::{Answer, AnswerData, Dnssec, Edns, Lookup, LookupOutcome, Resolver, Sake};
use flow::event::{Closed, Dialled, Ingress, Opened, Timings};
use flow::http::{self, BodyEnd, Field, Framing, HttpVersion, RequestHead, ResponseHead};
use flow::id::{ConnectionId, ExchangeId, LookupId, SessionId};
use flow::physics::Vantage;
use flow::stream::{Direction, Extent, Leg, StreamKey};
use flow::time::{MonoNanos, Stamp, WallNanos};
use flow::treatment::{Outcome, Treatment};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A session whose log grows with every call.
pub(crate) struct Made {
    pub(crate) data: TempDir,
    pub(crate) session: SessionDir,
    pub(crate) seq: u64,
    frames: u64,
    kept: BTreeMap<StreamKey, u64>,
    segment: u64,
    lookups: u64,
    assessments: u64,
}

/// Seconds of the session's clock; its first record is at 0.
pub(crate) fn at(seconds: u64) -> Stamp {
    let nanos = seconds * 1_000_000_000;
    Stamp { wall: WallNanos(START + nanos), mono: MonoNanos(nanos) }
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// What the salts of the sealed values are made of.
const SEED: [u8; 32] = [4; 32];

/// 2026-11-20T00:00:00Z.
pub(crate) const START: u64 = 1_795_132_800_000_000_000;

impl Made {
    pub(crate) fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut made = Self::below(data, "s1");
        made.add(at(0), Self::session_open("s1", 7));
        made
    }

    fn below(data: TempDir, name: &str) -> Self {
        let session = SessionDir::new(SessionDir::all_below(data.path()).join(name));
        std::fs::create_dir_all(session.path().join("log")).unwrap();
        std::fs::create_dir_all(session.path().join("streams")).unwrap();
        std::fs::create_dir_all(session.secrets_dir()).unwrap();
        std::fs::write(session.field_seed_file(), SEED).unwrap();
        Self {
            data,
            session,
            seq: 0,
            frames: 0,
            kept: BTreeMap::new(),
            segment: 1,
            lookups: 0,
            assessments: 0,
        }
    }

    pub(crate) fn session_open(name: &str, id: u8) -> Body {
        Body::SessionOpen(Box::new(SessionOpen {
            boot_id: None,
            case: Some("Case 1".into()),
            config: Sealed::Open(String::new()),
            databases: Vec::new(),
            device: Some(Sealed::Open("Test phone".into())),
            key: Base64(Bytes::from_static(&[1; 32])),
            name: name.into(),
            operator: None,
            previous: None,
            session: Spelled(SessionId([id; 16])),
            simulated: true,
            statements: Vec::new(),
            tool: Tool { sha256: None, version: "0".into() },
            vantage: Vantage::new(1.3521, 103.8198, 25.0).ok().map(Into::into),
        }))
    }

    /// Appends one record.
    pub(crate) fn add(&mut self, at: Stamp, body: Body) {
        let mut record = Record { at, nonce: [3; 16], seq: self.seq, body };
        self.seq += 1;
        let path = self.session.openings_file();
        let mut opening = Vec::new();
        let seed = FieldSeed::new(SEED);
        seed.seal(&record.nonce, record.seq, &mut record.body, &mut Vec::new(), &mut opening);
        append(&path, &opening);
        let mut line = record.line();
        line.push(b'\n');
        self.append(&line);
    }

    /// All records, with their values.
    pub(crate) fn records(&self) -> Vec<Record> {
        records(&self.session)
    }

    /// Appends anything to the log.
    pub(crate) fn append(&self, bytes: &[u8]) {
        append(&self.session.log_file(), bytes);
    }

    pub(crate) fn log_length(&self) -> u64 {
        std::fs::metadata(self.session.log_file()).unwrap().len()
    }

    pub(crate) fn open(&mut self, connection: u64, seconds: u64, ingress: Ingress) {
        let opened = Opened {
            connection: ConnectionId(connection),
            at: at(seconds),
            device: DeviceAddr("10.0.0.5:50000".parse().unwrap()),
            listener: "10.0.0.1:8080".parse().unwrap(),
            ingress,
            app: (connection == 1).then(|| "weather".to_owned()),
            over_tls: false,
            forwarded_by: None,
        };
        self.add(at(seconds), Body::ConnectionOpen(ConnectionOpen::from(&opened)));
    }

    pub(crate) fn target(&mut self, connection: u64, host: &str, assessment: Option<u64>) {
        let host: Host = host.parse().unwrap();
        self.add(
            at(0),
            Body::ConnectionTarget(ConnectionTarget {
                assessment: assessment.map(Count),
                connection: Spelled(ConnectionId(connection)),
                host: Spelled(host),
                port: 443,
            }),
        );
    }

    /// A look-up through a chain of names, the asked one first.
    pub(crate) fn look_up(&mut self, connection: u64, chain: &[&str], addresses: &[&str]) {
        self.look_up_at(1, connection, chain, addresses);
    }

    /// The same at another second of the session; without addresses, it failed.
    pub(crate) fn look_up_at(
        &mut self,
        second: u64,
        connection: u64,
        chain: &[&str],
        addresses: &[&str],
    ) {
        self.lookups += 1;
        let chain: Vec<DnsName> = chain.iter().map(|name| name.parse().unwrap()).collect();
        let owner = chain.last().unwrap().clone();
        let answer = |ip: &&str| Answer {
            owner: owner.clone(),
            ttl_seconds: 60,
            data: AnswerData::Address(ip.parse().unwrap()),
        };
        let lookup = Lookup {
            id: LookupId(self.lookups),
            sake: Sake::Connection(ConnectionId(connection)),
            at: at(second),
            took: Duration::from_millis(5),
            name: chain.first().unwrap().clone(),
            resolver: Resolver::Override,
            cached: false,
            answers: addresses.iter().map(answer).collect(),
            chain,
            outcome: match addresses.is_empty() {
                true => LookupOutcome::TimedOut,
                false => LookupOutcome::Found,
            },
            dnssec: Dnssec::NotAsked,
            edns: Edns::NotAsked,
        };
        self.add(at(second), Body::Dns(Dns::from(&lookup)));
    }

    /// Claims and assessment; returns their number.
    pub(crate) fn assess(&mut self, names: &[&str], annotation: &Annotation) -> u64 {
        self.assessments += 1;
        let number = self.assessments;
        let names: Vec<DnsName> = names.iter().map(|name| name.parse().unwrap()).collect();
        self.add(at(1), Body::Claims(Claims::new(number, &names, annotation)));
        let assessment = Assessment::new(number, &names, None, annotation);
        self.add(at(1), Body::Assessment(Box::new(assessment)));
        number
    }

    pub(crate) fn dial(&mut self, connection: u64, address: &str, assessment: u64, reached: bool) {
        let address: IpAddr = address.parse().unwrap();
        let dialled = Dialled {
            connection: ConnectionId(connection),
            at: at(1),
            upstream: Some(Upstream { address: (address, 443).into(), simulated_by: None }),
            through: None,
            result: if reached { Ok(Duration::from_millis(9)) } else { Err("refused".into()) },
        };
        self.add(at(1), Body::ConnectionDial(ConnectionDial::new(&dialled, Some(assessment))));
    }

    pub(crate) fn treat(&mut self, connection: u64, treatment: &Treatment) {
        let shape = ConnectionTreatment::new(ConnectionId(connection), treatment);
        self.add(at(1), Body::ConnectionTreatment(shape));
    }

    pub(crate) fn close(&mut self, connection: u64, seconds: u64, up: u64, down: u64) {
        let closed = Closed {
            connection: ConnectionId(connection),
            at: at(seconds),
            outcome: Outcome::Completed,
            timings: Timings::default(),
        };
        let counted = Counted { exchanges: 0, relayed_up: up, relayed_down: down };
        self.add(at(seconds), Body::ConnectionClose(ConnectionClose::new(&closed, counted)));
    }

    pub(crate) fn stream_close(&mut self, stream: StreamKey, relayed: u64, kept: u64) {
        self.add(
            at(3),
            Body::StreamClose(StreamClose {
                connection: Spelled(stream.connection),
                direction: stream.direction.into(),
                kept: Count(kept),
                leg: stream.leg.into(),
                relayed: Count(relayed),
            }),
        );
    }

    pub(crate) fn request(&mut self, exchange: ExchangeId, seconds: u64, method: &str, path: &str) {
        let head = RequestHead {
            at: at(seconds),
            version: HttpVersion::Http11,
            method: Bytes::copy_from_slice(method.as_bytes()),
            target: Bytes::copy_from_slice(path.as_bytes()),
            authority: None,
            scheme: None,
            fields: vec![field("Host", "x")],
            extent: Extent::default(),
            stream_id: None,
            direction: Direction::Up,
            protocol: None,
            h2_fingerprint: None,
        };
        let shape = ExchangeRequest::new(exchange, &head);
        self.add(at(seconds), Body::ExchangeRequest(Box::new(shape)));
    }

    pub(crate) fn response(&mut self, exchange: ExchangeId, status: u16, media_type: &str) {
        let head = ResponseHead {
            at: at(2),
            version: HttpVersion::Http11,
            status,
            reason: Bytes::new(),
            fields: vec![field("content-TYPE", media_type)],
            extent: Extent::default(),
        };
        self.add(at(2), Body::ExchangeResponse(ExchangeResponse::new(exchange, &head)));
    }

    pub(crate) fn end(
        &mut self,
        exchange: ExchangeId,
        seconds: u64,
        request: http::Body,
        response: Option<http::Body>,
    ) {
        let end = http::ExchangeEnd {
            at: at(seconds),
            request_body: request,
            response_body: response,
            upgrade: None,
        };
        let shape = ExchangeClose::new(exchange, &end, [None, None]);
        self.add(at(seconds), Body::ExchangeClose(Box::new(shape)));
    }

    /// One flush: frames into the current segment, and the record about them.
    pub(crate) fn flush(&mut self, chunks: &[(StreamKey, &[u8])]) {
        let path = self.session.segment_file(self.segment);
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        let offset = file.metadata().unwrap().len();
        let first = self.frames;
        let (mut bytes, mut runs) = (0, BTreeMap::<StreamKey, (u64, u64)>::new());
        for (stream, payload) in chunks {
            let header = Header { index: self.frames, stream: *stream, at: at(2) };
            file.write_all(&header.encode(payload)).unwrap();
            file.write_all(payload).unwrap();
            self.frames += 1;
            bytes += (HEADER_BYTES + payload.len()) as u64;
            let kept = self.kept.entry(*stream).or_default();
            let run = runs.entry(*stream).or_insert((*kept, *kept));
            *kept += payload.len() as u64;
            run.1 = *kept;
        }
        let run = |(stream, (start, end)): (StreamKey, (u64, u64))| Run {
            connection: Spelled(stream.connection),
            direction: stream.direction.into(),
            end: Count(end),
            leg: stream.leg.into(),
            start: Count(start),
        };
        self.add(
            at(2),
            Body::Frames(Frames {
                bytes: Count(bytes),
                count: Count(chunks.len() as u64),
                first: Count(first),
                offset: Count(offset),
                root: Base64(Bytes::from_static(&[0; 32])),
                segment: Count(self.segment),
                streams: runs.into_iter().map(run).collect(),
            }),
        );
    }

    /// Bytes of a stream that no frame holds.
    pub(crate) fn lose(&mut self, stream: StreamKey, bytes: u64) {
        *self.kept.entry(stream).or_default() += bytes;
    }

    pub(crate) fn next_segment(&mut self) {
        self.segment += 1;
    }

    pub(crate) fn session_close(&mut self) {
        let close = SessionClose {
            counts: BTreeMap::new(),
            open_connections: None,
            open_listed: Vec::new(),
            why: CloseWhy::Finished,
        };
        self.add(at(100), Body::SessionClose(close));
    }
}

pub(crate) fn exchange(connection: u64, number: u32) -> ExchangeId {
    ExchangeId { connection: ConnectionId(connection), number }
}

pub(crate) fn relay(connection: u64, direction: Direction) -> StreamKey {
    StreamKey { connection: ConnectionId(connection), leg: Leg::Relay, direction }
}

pub(crate) fn body(framing: Framing, start: u64, end: u64, bytes: u64) -> http::Body {
    http::Body {
        framing,
        extent: Extent { start, end },
        bytes,
        end: BodyEnd::Complete,
        trailers: Vec::new(),
        messages: None,
        digests: None,
        at: at(2),
    }
}

/// An address with what each location source says of it.
pub(crate) fn annotation(address: &str, located: &[(&str, &str)]) -> Annotation {
    let claim = |(source, country): &(&str, &str)| Claim {
        source: Arc::new(Source {
            name: (*source).into(),
            licence: "none".into(),
            built: Some("2026-06-01".into()),
            sha256: None,
        }),
        statement: Statement::Located(country.parse().unwrap()),
        matched: "0.0.0.0/0".into(),
    };
    let answers: Vec<(String, Country)> = located
        .iter()
        .map(|(source, country)| ((*source).to_owned(), country.parse().unwrap()))
        .collect();
    let location = match answers.as_slice() {
        [] => Location::Unknown,
        [(_, first), rest @ ..] if rest.iter().all(|(_, country)| country == first) => {
            Location::Agreed { country: *first, answered: answers.len(), asked: answers.len() }
        }
        _ => Location::Disagreed { asked: answers.len(), answers },
    };
    Annotation {
        claims: located.iter().map(claim).collect(),
        location,
        ..Annotation::unknown(address.parse().unwrap())
    }
}

fn field(name: &str, value: &str) -> Field {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Field { name: bytes(name), value: bytes(value) }
}
