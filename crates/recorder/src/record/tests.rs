use super::*;
use crate::record::connection::{DistrustShape, FailureShape, TimingsShape};
use crate::record::destination::{ClaimShape, LocationShape, OperatorShape, Says};
use crate::record::dns::{Answer, EdnsShape, ResolverShape};
use crate::record::exchange::{BodyCommitment, BodyShape, End, FramingWord, Messages, Upgrade};
use crate::record::flag::{FlagShape, ReasonShape};
use crate::record::network::{InterfaceShape, Network, RouteShape, Rtt, UplinkShape};
use crate::record::sealed::{Commitment, Opening, Sealed};
use crate::record::session::{CloseWhy, GapWhy, Missing, Previous, SourceShape, Tool};
use crate::record::session::{Degrees, NotDegrees, StatementShape};
use crate::record::store::{Direction, Extent, Leg, Run};
use crate::record::tls::{Agreed, OwnHello, TlsLeaf};
use crate::record::value::{Spelled, Text};
use crate::seal::FieldSeed;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flow::id::{ConnectionId, ExchangeId, LookupId, SessionId};
use flow::message::{
    self, GrpcMessage, MessageDefect, MessageEnd, MessageKind, SseEvent, WebSocketMessage,
};
use flow::physics::Vantage;
use flow::time::{MonoNanos, WallNanos};
use proptest::prelude::*;
use serde_json::Value;

const AT: Stamp = Stamp { wall: WallNanos(1_795_173_185_000_000_001), mono: MonoNanos(u64::MAX) };

const FORMAT: &str = include_str!("../../../../docs/FORMAT.md");

/// RFC 8785 by its definition, for what the log may hold: sorted keys, no floats.
fn jcs(value: &Value) -> String {
    match value {
        Value::Null => panic!("null is never written"),
        Value::Bool(_) | Value::String(_) => value.to_string(),
        Value::Number(number) => {
            assert!(number.as_u64().unwrap() < 1 << 53, "{number}");
            number.to_string()
        }
        Value::Array(items) => format!("[{}]", items.iter().map(jcs).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort_by_key(|key| key.encode_utf16().collect::<Vec<_>>());
            let member =
                |key: &String| format!("{}:{}", Value::String(key.clone()), jcs(&map[key]));
            format!("{{{}}}", keys.into_iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}

#[track_caller]
fn check(body: Body) {
    let record = Record { at: AT, nonce: [9; 16], seq: 7, body };
    let (line, opening) = sealed(&record);
    let value: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(jcs(&value), String::from_utf8(line.clone()).unwrap());
    check_commitments(&value, &opening);
    let mut read = Record::parse(&line).unwrap();
    if !opening.is_empty() {
        let opening = Opening::parse(opening.strip_suffix(b"\n").unwrap()).unwrap();
        FieldSeed::new(SEED).open(&read.nonce, &mut read.body, opening).unwrap();
    }
    assert_eq!(read, record);
    check_documented(&serde_json::from_slice(&record.line()).unwrap());
    assert!(FORMAT.contains(&format!("`{}`", record.body.kind())), "{}", record.body.kind());
    check_documented(&value);
}

const SEED: [u8; 32] = [5; 32];

/// A record's line, and its opening with the newline.
fn sealed(record: &Record) -> (Vec<u8>, Vec<u8>) {
    let (mut record, mut opening) = (record.clone(), Vec::new());
    let Record { nonce, seq, body, .. } = &mut record;
    FieldSeed::new(SEED).seal(nonce, *seq, body, &mut Vec::new(), &mut opening);
    (record.line(), opening)
}

/// The commitments of a line, in the order in which they stand there, are to the values of its opening
/// in their order: by the documented formula, and without a look at what kind of record it is.
#[track_caller]
fn check_commitments(line: &Value, opening: &[u8]) {
    let mut found = Vec::new();
    commitments(&line["body"], &mut found);
    let opening: Value = serde_json::from_slice(opening).unwrap_or_default();
    let values = opening["values"].as_array().cloned().unwrap_or_default();
    let expected = values.iter().zip(0_u32..).map(|(value, index)| {
        let Text(value) = serde_json::from_value(value.clone()).unwrap();
        let salt = digest(&SHA256, &[&SEED[..], &[9; 16], &index.to_be_bytes()].concat());
        let commitment = digest(&SHA256, &[&[5], salt.as_ref(), &value].concat());
        STANDARD.encode(commitment.as_ref())
    });
    assert_eq!(found, expected.collect::<Vec<_>>(), "{line}");
}

/// Walks an object in the order of its keys, which is that of the line.
fn commitments(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) if map.len() == 1 && map.contains_key("sealed") => {
            found.push(map["sealed"].as_str().unwrap().to_owned());
        }
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            keys.into_iter().for_each(|key| commitments(&map[key], found));
        }
        Value::Array(items) => items.iter().for_each(|item| commitments(item, found)),
        _ => {}
    }
}

/// Every key is a word of the documented format.
#[track_caller]
fn check_documented(value: &Value) {
    let is_word = |key: &str| {
        FORMAT.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == key)
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            // The counts of `session.close` have kinds for keys.
            assert!(is_word(key) || key.contains('.'), "{key} is not documented");
            check_documented(value);
        }),
        Value::Array(items) => items.iter().for_each(check_documented),
        _ => {}
    }
}

fn base64(bytes: &'static [u8]) -> Base64 {
    Base64(Bytes::from_static(bytes))
}

fn text(bytes: &[u8]) -> Text {
    Text(Bytes::copy_from_slice(bytes))
}

fn spelled<T: std::str::FromStr<Err: fmt::Debug>>(text: &str) -> Spelled<T> {
    Spelled(text.parse().unwrap())
}

fn c1() -> Spelled<ConnectionId> {
    Spelled(ConnectionId(1))
}

fn exchange() -> Spelled<ExchangeId> {
    spelled("c1.2")
}

fn source() -> SourceShape {
    SourceShape {
        attribution: None,
        built: Some("2026-06-01".to_owned()),
        licence: "CC BY 4.0".to_owned(),
        name: "dbip-country".to_owned(),
        sha256: Some("ab".repeat(32)),
    }
}

fn operator() -> OperatorShape {
    OperatorShape {
        basis: "the holder's name".to_owned(),
        confidence: "B".to_owned(),
        group: "A Group".to_owned(),
        headquarters: Some(spelled("CN")),
        matched: "AS64500".to_owned(),
    }
}

#[test]
fn records_about_round_trips_are_canonical() {
    let uplink = UplinkShape {
        default_routes: vec![
            RouteShape { gateway: Some(spelled("192.168.1.1")), interface: "eth0".to_owned() },
            RouteShape { gateway: None, interface: "wg0".to_owned() },
        ],
        interfaces: vec![InterfaceShape { kind: spelled("wireguard"), name: "wg0".to_owned() }],
        leaves_by: vec!["wg0".to_owned()],
        tunnel: Some("wg0".to_owned()),
    };
    for (uplink, upstream_proxy) in [(Some(uplink), true), (None, false)] {
        check(Body::Network(Network { epoch: Count(1), uplink, upstream_proxy }));
    }
    for (connect_ns, other) in [(Some(Count(1)), true), (None, false)] {
        check(Body::Rtt(Rtt {
            address: spelled("2001:db8::1"),
            chain: spelled("public"),
            connect_ns,
            connection: c1(),
            epoch: Count(1),
            retried: other,
            samples: Count(3),
            server_name: "a.example".to_owned(),
            signature_ns: Count(4_000_000),
            simulated: other,
            tcp_min_rtt_ns: connect_ns,
            tcp_rtt_ns: connect_ns,
        }));
    }
}

#[test]
fn degrees_have_one_spelling() {
    for (millionths, text) in [
        (0, "0.000000"),
        (-1, "-0.000001"),
        (-33_868_800, "-33.868800"),
        (180_000_000, "180.000000"),
    ] {
        assert_eq!(Degrees(millionths).to_string(), text);
        assert_eq!(text.parse(), Ok(Degrees(millionths)));
    }
    for text in ["", "1", "1.0", "01.000000", "-0.000000", "+1.000000", "1.00000a", "9999.000000"] {
        assert_eq!(text.parse::<Degrees>(), Err(NotDegrees), "{text}");
    }
}

#[test]
fn session_records_are_canonical() {
    check(Body::SessionOpen(Box::new(SessionOpen {
        boot_id: Some("0-1".to_owned()),
        case: Some("\u{1f4f1} \"quoted\" \\ \u{7f}\u{2028}\n".to_owned()),
        config: Sealed::Open("[limits]\n\t\u{1}".to_owned()),
        databases: vec![SourceShape { attribution: Some("by A".to_owned()), ..source() }],
        device: Some(Sealed::Open(String::new())),
        key: base64(&[1; 32]),
        name: "n".to_owned(),
        operator: Some(Sealed::Open("o".to_owned())),
        previous: Some(Previous { checkpoint: "a\nb\n".to_owned(), name: "m".to_owned() }),
        session: Spelled(SessionId([0xfe; 16])),
        simulated: false,
        statements: vec![StatementShape {
            host: spelled("a.example"),
            says: spelled("located:SG"),
            text: "it is there".to_owned(),
        }],
        tool: Tool { sha256: Some("00".to_owned()), version: "0.1.0".to_owned() },
        vantage: Some(Vantage::new(-33.8688, 0.5, 25.0).unwrap().into()),
    })));
    check(Body::Marker(Marker { text: Sealed::Open("x".to_owned()) }));
    check(Body::Phase(Phase { name: Sealed::Open("x".to_owned()) }));
    for (connection, why, record) in [
        (Some(c1()), GapWhy::ConnectionLimit, None),
        (None, GapWhy::DiskFloor, None),
        (Some(c1()), GapWhy::RecordTooLong, Some("dns".to_owned())),
    ] {
        check(Body::Gap(Gap { connection, limit: Count(5), record, why }));
    }
    for session in [None, Some(Spelled(SessionId([0; 16])))] {
        check(Body::Recovery(Recovery {
            adopted_frames: Count(1),
            cut_log_bytes: Count(2),
            cut_opening_bytes: Count(4),
            cut_store_bytes: Count(3),
            key: session.map(|_| base64(&[2; 32])),
            missing_frames: vec![Missing { count: Count(1), first: Count(2) }],
            open_connections: Count(1),
            open_listed: vec![c1()],
            session,
            tool: Tool { sha256: None, version: "0.1.0".to_owned() },
        }));
    }
    for why in [CloseWhy::Finished, CloseWhy::DiskFloor, CloseWhy::Recovered] {
        let counts = [("dns", 1), ("connection.open", 2)];
        let counts = counts.map(|(kind, count)| (kind.to_owned(), Count(count))).into();
        let open_connections = (why == CloseWhy::DiskFloor).then_some(Count(1));
        let open_listed = open_connections.map(|_| c1()).into_iter().collect();
        check(Body::SessionClose(SessionClose { counts, open_connections, open_listed, why }));
    }
}

#[test]
fn records_of_the_way_in_are_canonical() {
    for (app, forwarded_by, over_tls) in
        [(None, None, false), (Some("weather".to_owned()), Some("10.0.0.1:7"), true)]
    {
        check(Body::ConnectionOpen(ConnectionOpen {
            app: app.map(Sealed::Open),
            connection: c1(),
            device: Sealed::Open("192.168.1.7:40000".parse().unwrap()),
            forwarded_by: forwarded_by.map(|peer| Sealed::Open(peer.parse().unwrap())),
            ingress: "connect".to_owned(),
            listener: spelled("[::]:8080"),
            over_tls,
        }));
    }
    for over_flow_limit in [None, Some(Count(6))] {
        check(Body::DatagramsDropped(DatagramsDropped {
            connection: c1(),
            foreign: Count(1),
            fragmented: Count(2),
            malformed: Count(3),
            over_flow_limit,
            overflowed: Count(4),
            refused: Count(5),
        }));
    }
}

#[test]
fn connection_records_are_canonical() {
    for (host, assessment) in [("a.example", None), ("2001:db8::1", Some(Count(1)))] {
        let target =
            ConnectionTarget { assessment, connection: c1(), host: spelled(host), port: 1 };
        check(Body::ConnectionTarget(target));
    }
    for (error, took_ns) in [(None, Some(Count(9))), (Some("refused".to_owned()), None)] {
        let dial = ConnectionDial {
            address: Some(spelled("8.136.0.1:443")),
            assessment: Some(Count(1)),
            connection: c1(),
            error,
            simulated_by: Some(spelled("127.0.0.1:18443")),
            through: None,
            took_ns,
        };
        let kind = "socks5h".to_owned();
        let through = Some(connection::Through { address: spelled("192.0.2.9:1080"), kind });
        check(Body::ConnectionDial(ConnectionDial {
            address: None,
            assessment: None,
            simulated_by: None,
            through,
            ..dial.clone()
        }));
        check(Body::ConnectionDial(dial));
    }
    let answer = Answer { address: None, cname: None, owner: spelled("a.example"), ttl: 60 };
    check(Body::Dns(Dns {
        answers: vec![
            Answer { cname: Some(spelled("b.example")), ..answer.clone() },
            Answer { address: Some(spelled("192.0.2.1")), ..answer },
        ],
        cached: true,
        chain: vec![spelled("a.example"), spelled("b.example")],
        connection: Some(c1()),
        detail: Some("SERVFAIL".to_owned()),
        dnssec: Some("not-said".to_owned()),
        edns: Some(EdnsShape {
            reply: "answered".to_owned(),
            scope: Some(24),
            subnet: Some(Sealed::Open("192.0.2.0/24".parse().unwrap())),
        }),
        sake: Some("watch".to_owned()),
        lookup: Spelled(LookupId(7)),
        name: spelled("a.example"),
        outcome: "found".to_owned(),
        resolver: ResolverShape {
            address: Some(spelled("9.9.9.9:53")),
            by: "tls".to_owned(),
            name: Some(spelled("dns.example")),
        },
        took_ns: Count(1),
    }));
}

#[test]
fn records_of_what_became_of_a_connection_are_canonical() {
    check(Body::ConnectionTreatment(ConnectionTreatment {
        connection: c1(),
        distrust: Some(DistrustShape {
            alert: Some(48),
            class: "pinned".to_owned(),
            on: Some(c1()),
            refused_hosts: Some(Count(1)),
            trusted_hosts: Some(Count(2)),
        }),
        failure: Some(FailureShape {
            alert: Some(48),
            cause: "distrust".to_owned(),
            detail: Some("d".to_owned()),
            side: "client".to_owned(),
            stage: "client-tls".to_owned(),
        }),
        pattern: Some("*.example".to_owned()),
        reason: "distrust".to_owned(),
        treatment: "failed".to_owned(),
        why: "client distrusts our certificate (alert unknown_ca)".to_owned(),
    }));
    check(Body::ConnectionClose(ConnectionClose {
        alert: Some(48),
        connection: c1(),
        detail: Some("broken pipe".to_owned()),
        exchanges: Count(1),
        outcome: "io".to_owned(),
        relayed_down: Count(2),
        relayed_up: Count(Count::MAX),
        side: Some("client".to_owned()),
        timings: TimingsShape {
            client_tls_ns: Some(Count(1)),
            connect_ns: Some(Count(2)),
            dns_ns: Some(Count(3)),
            upstream_tls_ns: Some(Count(4)),
        },
    }));
}

#[test]
fn tls_records_are_canonical() {
    let agreed =
        Agreed { alpn: Some(text(b"h2")), cipher_suite: 0x1301, group: Some(29), version: 0x0304 };
    check(Body::TlsClientHello(Box::new(TlsClientHello {
        alpn: vec![text(b"h2"), text(b"\xff")],
        cipher_suites: vec![0x1301],
        connection: c1(),
        max_fragment_length: None,
        record_size_limit: None,
        encrypted_client_hello: true,
        extensions: vec![0],
        groups: vec![29],
        ja3: "0".to_owned(),
        ja4: "t".to_owned(),
        legacy_version: 0x0303,
        point_formats: vec![0],
        raw: base64(b"\x01\0\0\0"),
        server_name: Some("a.example".to_owned()),
        signature_algorithms: vec![0x0403],
        versions: vec![0x0304],
    })));
    check(Body::TlsLeaf(TlsLeaf { certificate: Base64(b"0\x82"[..].into()), connection: c1() }));
    check(Body::TlsClient(TlsClient { agreed: agreed.clone(), connection: c1() }));
    check(Body::TlsRelayed(TlsRelayed {
        cipher_suite: 0x1301,
        connection: c1(),
        shows: "data-sent".to_owned(),
        version: 0x0304,
    }));
    check(Body::TlsUpstream(TlsUpstream {
        agreed: Some(agreed),
        asked_for_certificate: true,
        chain: vec![base64(b"der")],
        client_certificate: Some(Sealed::Open(base64(b"own"))),
        connection: c1(),
        handshake_not_kept: Some(Count(1)),
        ocsp: Some(base64(b"ocsp")),
        ours: Some(OwnHello { ja3: "0".to_owned(), ja4: "t".to_owned() }),
        reason: Some("expired".to_owned()),
        server_name: "a.example".to_owned(),
        verification: "recorded".to_owned(),
    }));
}

#[test]
fn exchange_records_are_canonical() {
    let extent = Extent { end: Count(9), start: Count(3) };
    let value = |bytes| Sealed::Open(text(bytes));
    let fields = vec![(text(b"A"), value(b"b")), (text(b"a"), value(b"\xff"))];
    check(Body::ExchangeRequest(Box::new(ExchangeRequest {
        authority: Some(text(b"a.example")),
        exchange: exchange(),
        direction: Some(Direction::Down),
        extent,
        fields: fields.clone(),
        h2_fingerprint: Some("1:4096|00|0|m,p".to_owned()),
        method: text(b"GET"),
        observer: "http/0".to_owned(),
        protocol: Some(text(b"websocket")),
        scheme: Some(text(b"https")),
        stream_id: Some(1),
        target: value(b"/?q=\"\x01"),
        version: "HTTP/2".to_owned(),
    })));
    check(Body::ExchangeResponse(ExchangeResponse {
        exchange: exchange(),
        extent,
        fields: fields.clone(),
        observer: "http/0".to_owned(),
        reason: text(b""),
        status: 200,
        version: "HTTP/2".to_owned(),
    }));
    let body = BodyShape {
        at: Wall(AT.wall),
        bytes: Count(6),
        commitment: Some(BodyCommitment { chunks: Count(1), root: base64(&[7; 32]) }),
        end: End::Reset,
        extent,
        framing: FramingWord::Http2,
        messages: Some(Messages { recorded: Some(Count(2)), seen: Count(3) }),
        mono: Mono(AT.mono),
        reset_code: Some(8),
        stream_id: Some(1),
        trailers: fields,
    };
    let plain = BodyShape {
        commitment: None,
        messages: None,
        reset_code: None,
        stream_id: None,
        trailers: Vec::new(),
        end: End::NotFollowed,
        ..body.clone()
    };
    for upgrade in [Upgrade::WebSocket, Upgrade::Http2, Upgrade::Opaque] {
        check(Body::ExchangeClose(Box::new(ExchangeClose {
            exchange: exchange(),
            observer: "http/0".to_owned(),
            request_body: plain.clone(),
            response_body: Some(body.clone()),
            upgrade: Some(upgrade),
        })));
    }
    check(Body::LostSync(LostSync {
        connection: c1(),
        direction: Direction::Down,
        exchange: Some(exchange()),
        observer: "http/0".to_owned(),
        offset: Count(1),
        reason: "bad chunk size".to_owned(),
    }));
}

#[test]
fn message_records_are_canonical() {
    let websocket = MessageKind::WebSocket(WebSocketMessage {
        opcode: 8,
        compressed: true,
        masked: true,
        fragments: 1,
        close_code: Some(1000),
    });
    let grpc = MessageKind::Grpc(GrpcMessage { compressed: false, trailers: true });
    let sse = MessageKind::Sse(SseEvent {
        event: Some(Bytes::from_static(b"a\xff")),
        id: Some(Bytes::from_static(b"7")),
        retry: Some(3),
    });
    for kind in [websocket, grpc, sse] {
        for (end, defect) in [
            (MessageEnd::Complete, None),
            (MessageEnd::Truncated, Some(MessageDefect::InvalidUtf8)),
        ] {
            let message = message::Message {
                at: AT,
                direction: flow::stream::Direction::Up,
                kind: kind.clone(),
                range: flow::stream::Extent { start: 3, end: 9 },
                bytes: 4,
                end,
                defect,
            };
            let shape = ExchangeMessage::new(exchange().0, &message);
            check(Body::ExchangeMessage(Box::new(shape)));
        }
    }
}

#[test]
fn store_records_are_canonical() {
    let run = |leg| Run {
        connection: c1(),
        direction: Direction::Up,
        end: Count(2),
        leg,
        start: Count(1),
    };
    check(Body::Frames(Frames {
        bytes: Count(100),
        count: Count(2),
        first: Count(0),
        offset: Count(0),
        root: base64(&[3; 32]),
        segment: Count(1),
        streams: [Leg::Relay, Leg::Client, Leg::Upstream, Leg::ClientTls].map(run).to_vec(),
    }));
    check(Body::StreamEnd(StreamEnd {
        connection: c1(),
        direction: Direction::Down,
        leg: Leg::Relay,
    }));
    check(Body::StreamClose(StreamClose {
        connection: c1(),
        direction: Direction::Up,
        kept: Count(1),
        leg: Leg::Relay,
        relayed: Count(2),
    }));
}

#[test]
fn claims_records_are_canonical() {
    let says = [
        Says::Located { country: spelled("CN") },
        Says::AddressRegistered { country: spelled("SG") },
        Says::AsRegistered { country: spelled("US") },
        Says::OriginAs { asn: u32::MAX, name: Some("n".to_owned()) },
        Says::OriginAs { asn: 1, name: None },
        Says::Operator { operator: operator() },
        Says::Anycast,
        Says::SpecialRange { range: "private".to_owned() },
    ];
    let claim = |says| ClaimShape { matched: "8.136.0.0/13".to_owned(), says, source: source() };
    check(Body::Claims(Claims {
        address: spelled("8.136.0.1"),
        assessment: Count(1),
        claims: says.map(claim).to_vec(),
        names: vec![spelled("a.example")],
    }));
    let country = || spelled("CN");
    let flag = |severity: &str| FlagShape {
        policy: "p".to_owned(),
        reasons: reasons(),
        severity: Some(severity.to_owned()),
    };
    for severity in ["info", "warning", "alarm"] {
        let read = flag(severity).flag().unwrap();
        assert_eq!(FlagShape::from(&read), flag(severity), "flags survive the model");
    }
    let answers = vec![("b".to_owned(), country()), ("a".to_owned(), country())];
    for location in [
        LocationShape::Unknown,
        LocationShape::Agreed { answered: Count(1), asked: Count(2), country: country() },
        LocationShape::Disagreed { answers, asked: Count(2) },
        LocationShape::Overridden { country: country() },
    ] {
        check(Body::Assessment(Box::new(Assessment {
            address: spelled("2001:db8::1"),
            address_registered: Some(country()),
            anycast: true,
            as_name: Some("n".to_owned()),
            as_registered: Some(country()),
            asn: Some(1),
            assessment: Count(1),
            assessor: "assess/0".to_owned(),
            flags: ["info", "warning", "alarm"].map(flag).to_vec(),
            location,
            names: vec![spelled("a.example")],
            operator: Some(operator()),
            port: Some(443),
            special_range: Some("private".to_owned()),
        })));
    }
}

fn reasons() -> Vec<ReasonShape> {
    let country = || spelled("CN");
    vec![
        ReasonShape::Located { asked: Count(2), country: country(), saying: Count(1) },
        ReasonShape::LocatedByOverride { country: country() },
        ReasonShape::Operated {
            confidence: "C".to_owned(),
            country: country(),
            group: "g".to_owned(),
        },
        ReasonShape::AddressRegistered { country: country() },
        ReasonShape::AsRegistered { asn: Some(1), country: country() },
        ReasonShape::AsRegistered { asn: None, country: country() },
        ReasonShape::Disagreed { answers: vec![("b".to_owned(), country())] },
        ReasonShape::Unplaced,
        ReasonShape::OperatedBy { confidence: "A".to_owned(), group: "g".to_owned() },
        ReasonShape::Announced { asn: 1, name: Some("n".to_owned()) },
        ReasonShape::Announced { asn: 1, name: None },
        ReasonShape::Alias { name: spelled("x.a.example"), zone: spelled("a.example") },
        ReasonShape::Host { host: spelled("192.0.2.1") },
        ReasonShape::Within { network: spelled("192.0.2.0/24") },
        ReasonShape::Port { port: 443 },
        ReasonShape::Anycast,
        ReasonShape::Not { condition: "location:CN".to_owned() },
    ]
}

fn marker() -> String {
    let text = Sealed::Hidden(Commitment([0; 32]));
    let body = Body::Marker(Marker { text });
    String::from_utf8(Record { at: AT, nonce: [0; 16], seq: 0, body }.line()).unwrap()
}

#[test]
fn the_envelope_is_the_documented_one() {
    assert_eq!(
        marker(),
        "{\"at\":\"2026-11-20T11:13:05.000000001Z\",\"body\":{\"text\":\
         {\"sealed\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}},\"kind\":\"marker\",\
         \"mono\":\"18446744073709551615\",\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAA==\",\"seq\":0,\
         \"v\":1}"
    );
}

#[test]
fn lines_with_another_spelling_are_refused() {
    Record::parse(marker().as_bytes()).unwrap();
    for (from, to) in [
        ("{\"at\"", " {\"at\""),
        ("\"kind\":\"m", "\"kind\":\"\\u006d"),
        ("{\"sealed\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}", "\"x\""),
        ("\"seq\":0", "\"seq\":0.0"),
        ("\"seq\":0", "\"seq\":-0"),
        ("\"seq\":0", "\"seq\":0,\"seq\":0"),
        ("\"kind\"", "\"kind\":\"phase\",\"kind\""),
        ("\"sealed\"", "\"more\":1,\"sealed\""),
        ("\"v\":1", "\"v\":1,\"w\":0"),
        ("\"v\":1", "\"v\":0"),
        ("\"v\":1", "\"v\":2"),
        ("marker", "phase"),
        ("marker", "markers"),
        ("\"18446744073709551615\"", "\"018446744073709551615\""),
        ("000000001Z", "000000001+00:00"),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAB=="),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAA"),
        ("}", "}\r"),
    ] {
        let line = marker().replacen(from, to, 1);
        assert_ne!(line, marker());
        assert!(Record::parse(line.as_bytes()).is_err(), "{line}");
    }
}

proptest! {
    #[test]
    fn any_text_and_bytes_give_a_canonical_line(
        words: String,
        fields: Vec<(Vec<u8>, Vec<u8>)>,
        start in 0..Count::MAX,
        seq in 0..Count::MAX,
        nonce: [u8; 16],
        wall: u64,
        mono: u64,
    ) {
        let field = |(name, value): &(Vec<u8>, Vec<u8>)| (text(name), Sealed::Open(text(value)));
        let fields = fields.iter().map(field).collect();
        let request = ExchangeRequest {
            direction: None,
            h2_fingerprint: None,
            protocol: None,
            authority: None,
            exchange: exchange(),
            extent: Extent { end: Count(start + 1), start: Count(start) },
            fields,
            method: text(words.as_bytes()),
            observer: words.clone(),
            scheme: None,
            stream_id: None,
            target: Sealed::Open(text(words.as_bytes())),
            version: words,
        };
        let at = Stamp { wall: WallNanos(wall), mono: MonoNanos(mono) };
        let record = Record { at, nonce, seq, body: Body::ExchangeRequest(Box::new(request)) };
        let (line, opening) = sealed(&record);
        let value: Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(jcs(&value).into_bytes(), line.clone());
        let opening = opening.strip_suffix(b"\n").unwrap();
        prop_assert!(!line.contains(&b'\n') && !opening.contains(&b'\n'));
        let mut read = Record::parse(&line).unwrap();
        let opening = Opening::parse(opening).unwrap();
        FieldSeed::new(SEED).open(&nonce, &mut read.body, opening).unwrap();
        prop_assert_eq!(read, record);
    }

    #[test]
    fn noise_is_refused_without_a_panic(noise: Vec<u8>, at in 0_usize..200, byte: u8) {
        prop_assert!(Record::parse(&noise).is_err());
        let mut line = marker().into_bytes();
        let at = at % line.len();
        line[at] = byte;
        if let Ok(record) = Record::parse(&line) {
            prop_assert_eq!(record.line(), line);
        }
    }
}
