//! Conversations in, events out, written as text: one line per event.

use super::*;
use crate::body::BodyReader;
use flow::time::{MonoNanos, WallNanos};
use proptest::prelude::*;

/// One thing that a connection does.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Up(&'a str),
    Down(&'a str),
    UpEnd,
    DownEnd,
    DownCut,
}
use Step::{Down, DownCut, DownEnd, Up, UpEnd};

fn limits() -> Limits {
    Limits { observed_header_bytes: 200, observed_streams: 3, ..Limits::default() }
}

/// Runs a conversation with its bytes in pieces of at most `piece` bytes.
fn run(steps: &[Step<'_>], piece: usize) -> Vec<Event> {
    let mut observer = Http1Observer::new(ConnectionId(1), &limits());
    let mut events = Vec::new();
    let at = Stamp { wall: WallNanos(0), mono: MonoNanos(0) };
    for step in steps {
        let (direction, bytes) = match step {
            Up(text) => (Direction::Up, text),
            Down(text) => (Direction::Down, text),
            UpEnd => {
                observer.end(Direction::Up, Ending::Orderly, at, &mut events);
                continue;
            }
            DownEnd => {
                observer.end(Direction::Down, Ending::Orderly, at, &mut events);
                continue;
            }
            DownCut => {
                observer.end(Direction::Down, Ending::Cut, at, &mut events);
                continue;
            }
        };
        for piece in bytes.as_bytes().chunks(piece) {
            observer.feed(direction, at, piece, &mut events);
        }
    }
    events
}

fn shown(event: &Event) -> String {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    match event {
        Event::Request { exchange, head } => {
            let (number, extent) = (exchange.number, head.extent.range());
            format!("{number} {} {} {extent:?}", text(&head.method), text(&head.target))
        }
        Event::Response { exchange, head } => {
            format!("{} {} {:?}", exchange.number, head.status, head.extent.range())
        }
        Event::ExchangeEnded { exchange, end } => {
            let response = end.response_body.as_ref().map_or("no response".to_owned(), shown_body);
            let upgrade = end.upgrade.map_or(String::new(), |upgrade| format!(", {upgrade:?}"));
            format!("{} {} | {response}{upgrade}", exchange.number, shown_body(&end.request_body))
        }
        Event::Message { exchange, message } => {
            let (number, direction, range) =
                (exchange.number, message.direction, message.range.range());
            let defect = message.defect.map_or(String::new(), |defect| format!(" {defect}"));
            let (bytes, end) = (message.bytes, message.end);
            format!("{number} message {direction:?} {range:?} {bytes} {end:?}{defect}")
        }
        Event::LostSync { lost, .. } => {
            format!("lost {:?} {}: {}", lost.direction, lost.offset, lost.reason)
        }
        other => format!("{other:?}"),
    }
}

fn shown_body(body: &Body) -> String {
    let trailers = if body.trailers.is_empty() { "" } else { " with trailers" };
    let (extent, bytes, end) = (body.extent.range(), body.bytes, body.end);
    format!("{:?} {extent:?} {bytes} {end:?}{trailers}", body.framing)
}

#[track_caller]
fn check(steps: &[Step<'_>], expected: &[&str]) {
    for piece in [1, 7, usize::MAX] {
        let events: Vec<String> = run(steps, piece).iter().map(shown).collect();
        assert_eq!(events, expected, "{steps:?} in pieces of {piece}");
    }
}

const GET: Step<'_> = Up("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
const OK_2: Step<'_> = Down("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");

#[test]
fn one_exchange_after_another() {
    check(
        &[GET, OK_2, GET, OK_2, UpEnd, DownEnd],
        &[
            "1 GET / 0..27",
            "1 200 0..38",
            "1 None 27..27 0 Complete | Identity 38..40 2 Complete",
            "2 GET / 27..54",
            "2 200 40..78",
            "2 None 54..54 0 Complete | Identity 78..80 2 Complete",
        ],
    );
}

#[test]
fn pipelined_requests_pair_in_order() {
    check(
        &[
            Up(
                "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n\r\n",
            ),
            Up("HEAD /b HTTP/1.1\r\n\r\n"),
            Up("GET /c HTTP/1.1\r\n\r\n"),
            Down("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            Down("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
            Down("HTTP/1.1 304 NM\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ],
        &[
            "1 POST /a 0..48",
            "2 HEAD /b 69..89",
            "3 GET /c 89..108",
            "1 200 0..38",
            "1 Chunked 48..67 3 Complete with trailers | Identity 38..38 0 Complete",
            "2 200 38..78",
            "2 None 89..89 0 Complete | None 78..78 0 Complete",
            "3 304 78..125",
            "3 None 108..108 0 Complete | None 125..125 0 Complete",
        ],
    );
}

#[test]
fn interim_responses_come_before_the_final_one() {
    check(
        &[
            Up("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
            Down("HTTP/1.1 100 Continue\r\n\r\n"),
            Up("abc"),
            Down("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
        ],
        &[
            "1 PUT / 0..59",
            "1 100 0..25",
            "1 103 25..62",
            "1 204 62..89",
            "1 Identity 59..62 3 Complete | None 89..89 0 Complete",
        ],
    );
}

#[test]
fn an_early_response_waits_for_the_request_body() {
    check(
        &[
            Up("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na"),
            Down("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
            Up("bcGET /2 HTTP/1.1\r\n\r\n"),
        ],
        &[
            "1 POST / 0..38",
            "1 413 0..45",
            "1 Identity 38..41 3 Complete | Identity 45..45 0 Complete",
            "2 GET /2 41..60",
        ],
    );
}

#[test]
fn a_body_that_the_end_delimits_is_complete_only_after_an_orderly_end() {
    let http10 = Down("HTTP/1.0 200 OK\r\n\r\nabc");
    let heads = ["1 GET / 0..27", "1 200 0..19"];
    let ended = |body| [heads[0], heads[1], body];
    check(
        &[GET, http10, DownEnd, UpEnd],
        &ended("1 None 27..27 0 Complete | Identity 19..22 3 Complete"),
    );
    check(
        &[GET, http10, DownCut],
        &ended("1 None 27..27 0 Complete | Identity 19..22 3 Truncated"),
    );
}

#[test]
fn what_the_end_of_the_connection_cuts_is_truncated() {
    check(
        &[
            GET,
            Down("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"),
            Up("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabcd"),
            DownEnd,
            UpEnd,
        ],
        &[
            "1 GET / 0..27",
            "1 200 0..47",
            "2 POST / 27..65",
            "1 None 27..27 0 Complete | Chunked 47..53 3 Truncated",
            "2 Identity 65..69 4 Truncated | no response",
        ],
    );
    check(
        &[GET, UpEnd, OK_2, DownEnd],
        &["1 GET / 0..27", "1 200 0..38", "1 None 27..27 0 Complete | Identity 38..40 2 Complete"],
    );
    check(
        &[GET, DownEnd, GET, UpEnd],
        &[
            "1 GET / 0..27",
            "1 None 27..27 0 Complete | no response",
            "2 GET / 27..54",
            "2 None 54..54 0 Complete | no response",
        ],
    );
    check(
        &[Up("\r\n\r\nGET / HT"), UpEnd, DownEnd],
        &["lost Up 4: the stream ended inside a header block"],
    );
    check(&[Up("\r\n"), UpEnd, DownEnd], &[]);
}

#[test]
fn websockets_and_other_protocols_are_not_read_as_http() {
    let upgrade = Up("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
    check(
        &[
            upgrade,
            Down("HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n\u{1}\u{2}"),
            Up("GET /no HTTP/1.1\r\n\r\n"),
            UpEnd,
            DownEnd,
        ],
        &[
            "1 GET / 0..38",
            "1 101 0..46",
            "lost Up 0: a WebSocket frame with a reserved bit that no known extension defines",
            "1 message Down 0..2 0 Truncated",
            "1 Identity 38..58 20 Complete | Identity 46..48 2 Complete, WebSocket",
        ],
    );
    check(
        &[
            Up("CONNECT h:1 HTTP/1.1\r\n\r\n"),
            Up("\u{16}\u{3}early"),
            Down("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n\u{16}\u{3}"),
            UpEnd,
            DownCut,
        ],
        &[
            "1 CONNECT h:1 0..24",
            "1 200 0..38",
            "1 Identity 24..31 7 Complete | Identity 38..40 2 Truncated, Opaque",
        ],
    );
}

#[test]
fn a_websocket_is_two_bodies_of_messages() {
    let asked = Up("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
    let answer = Down("HTTP/1.1 101 S\r\nUpgrade: h2c, WebSocket\r\n\r\n");
    check(
        &[
            asked,
            answer,
            Up("\u{1}\u{0}\u{0}\u{2}hi"),
            Down("\u{2}\u{3}bin\u{9}\u{0}\u{0}\u{1}a"),
            UpEnd,
            DownEnd,
        ],
        &[
            "1 GET / 0..38",
            "1 101 0..43",
            "1 message Down 5..7 0 Complete fragmented-control",
            "1 message Up 0..6 2 Truncated unmasked",
            "1 message Down 0..10 4 Truncated",
            "1 Identity 38..44 6 Complete | Identity 43..53 10 Complete, WebSocket",
        ],
    );
    // A client that does not wait: its bytes are counted, its messages not told.
    check(
        &[asked, Up("abc"), answer, UpEnd, DownEnd],
        &[
            "1 GET / 0..38",
            "1 101 0..43",
            "lost Up 0: bytes came before the answer to the upgrade",
            "1 Identity 38..41 3 Complete | Identity 43..43 0 Complete, WebSocket",
        ],
    );
    // Refused, and never asked for.
    check(
        &[asked, OK_2, GET, OK_2],
        &[
            "1 GET / 0..38",
            "1 200 0..38",
            "1 None 38..38 0 Complete | Identity 38..40 2 Complete",
            "2 GET / 38..65",
            "2 200 40..78",
            "2 None 65..65 0 Complete | Identity 78..80 2 Complete",
        ],
    );
    check(
        &[GET, answer, OK_2],
        &[
            "1 GET / 0..27",
            "1 101 0..43",
            "1 200 43..81",
            "1 None 27..27 0 Complete | Identity 81..83 2 Complete",
        ],
    );
}

#[test]
fn events_and_grpc_messages_are_told_apart() {
    check(
        &[
            Up("POST / HTTP/1.1\r\nContent-Type: application/grpc\r\nContent-Length: 7\r\n\r\n"),
            Up("\0\0\0\0\u{2}ab"),
            Down("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"),
            Down("Transfer-Encoding: chunked\r\n\r\n"),
            Down("9\r\ndata: a\n\n\r\n3\r\ndat\r\n7\r\na: bc\n\n\r\n0\r\n\r\n"),
        ],
        &[
            "1 POST / 0..70",
            "1 message Up 0..7 2 Complete",
            "1 200 0..95",
            "1 message Down 0..9 1 Complete",
            "1 message Down 9..19 2 Complete",
            "1 Identity 70..77 7 Complete | Chunked 95..134 19 Complete",
        ],
    );
    check(
        &[
            GET,
            Down("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"),
            Down("Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\ndata: a\n\n"),
        ],
        &["1 GET / 0..27", "1 200 0..95", "1 None 27..27 0 Complete | Identity 95..104 9 Complete"],
    );
}

#[test]
fn messages_beyond_the_bound_are_counted() {
    let limits = Limits { observed_messages: 2, ..Limits::default() };
    let mut observer = Http1Observer::new(ConnectionId(1), &limits);
    let (mut events, at) = (Vec::new(), Stamp { wall: WallNanos(0), mono: MonoNanos(0) });
    let mut feed = |direction, text: &str| {
        observer.feed(direction, at, text.as_bytes(), &mut events);
    };
    feed(Direction::Up, "GET / HTTP/1.1\r\n\r\n");
    feed(Direction::Down, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n");
    feed(Direction::Down, "Content-Length: 45\r\n\r\n");
    feed(Direction::Down, &"data: a\n\n".repeat(5));
    let told = events.iter().filter(|event| matches!(event, Event::Message { .. })).count();
    let Some(Event::ExchangeEnded { end, .. }) = events.last() else { panic!("{events:?}") };
    let count = end.response_body.as_ref().unwrap().messages.unwrap();
    assert_eq!((told, count.seen, count.recorded), (2, 5, 2));
}

#[test]
fn h2c_goes_on_as_http2() {
    let asked = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                 Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    // A literal request head on stream 3, and answers with `:status 200` (index 8).
    let get = "\0\0\u{16}\u{1}\u{5}\0\0\0\u{3}\0\u{7}:method\u{3}PUT\0\u{5}:path\u{1}/";
    let settings = "\0\0\0\u{4}\0\0\0\0\0";
    let answer = |stream: char| {
        let mut bytes = b"\0\0\x01\x01\x05\0\0\0".to_vec();
        bytes.extend([stream as u8, 0x88]);
        bytes
    };
    let down = [
        b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".as_slice(),
        settings.as_bytes(),
        &answer('\u{1}'),
    ]
    .concat();
    for piece in [1, 5, usize::MAX] {
        let mut observer = Http1Observer::new(ConnectionId(1), &limits());
        let (mut events, at) = (Vec::new(), Stamp { wall: WallNanos(0), mono: MonoNanos(0) });
        let steps = [
            (Direction::Up, asked.as_bytes().to_vec()),
            (Direction::Down, down.clone()),
            (Direction::Up, [preface, get].concat().into_bytes()),
            (Direction::Down, answer('\u{3}')),
        ];
        for (direction, bytes) in &steps {
            for piece in bytes.chunks(piece) {
                observer.feed(*direction, at, piece, &mut events);
            }
        }
        assert!(observer.is_following());
        let events: Vec<String> = events.iter().map(shown).collect();
        assert_eq!(
            events,
            [
                "1 GET /a 0..105",
                "1 101 0..53",
                "1 200 62..72",
                "1 None 105..105 0 Complete | None 72..72 0 Complete, Http2",
                "2 PUT / 138..169",
                "2 200 72..82",
                "2 None 169..169 0 Complete | None 82..82 0 Complete",
            ]
        );
    }
}

#[test]
fn a_refused_switch_goes_on_as_http() {
    let connect = Up("CONNECT h:1 HTTP/1.1\r\n\r\n");
    let refused = Down("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno");
    check(
        &[connect, refused, GET],
        &[
            "1 CONNECT h:1 0..24",
            "1 407 0..38",
            "1 None 24..24 0 Complete | Identity 38..40 2 Complete",
            "2 GET / 24..51",
        ],
    );
    check(
        &[connect, GET, refused, DownEnd],
        &[
            "1 CONNECT h:1 0..24",
            "1 407 0..38",
            "lost Up 24: bytes followed a CONNECT or Upgrade request that was refused",
            "1 None 24..24 0 Complete | Identity 38..38 0 NotFollowed",
        ],
    );
}

#[test]
fn sync_is_lost_where_readers_could_disagree() {
    let both =
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check(
        &[Up(both), GET, OK_2, UpEnd, DownEnd],
        &[
            "1 POST / 0..66",
            "lost Up 66: both Content-Length and Transfer-Encoding",
            "1 Identity 66..66 0 NotFollowed | no response",
        ],
    );
    check(
        &[GET, Down("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"), UpEnd],
        &[
            "1 GET / 0..27",
            "1 200 0..57",
            "lost Down 57: several Content-Length values that differ",
            "1 None 27..27 0 Complete | Identity 57..57 0 NotFollowed",
        ],
    );
    check(
        &[Up("GET / HTTP/1.1\r\nA : b\r\n\r\n")],
        &["lost Up 16: whitespace between a field name and its colon"],
    );
    check(
        &[GET, Down("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX"), DownEnd],
        &[
            "1 GET / 0..27",
            "1 200 0..47",
            "lost Down 52: a chunk's data is not followed by CRLF",
            "1 None 27..27 0 Complete | Chunked 47..52 2 NotFollowed",
        ],
    );
    check(&[OK_2, DownEnd], &["lost Down 0: a response without a request"]);
    check(
        &[GET, OK_2, OK_2],
        &[
            "1 GET / 0..27",
            "1 200 0..38",
            "1 None 27..27 0 Complete | Identity 38..40 2 Complete",
            "lost Down 40: a response without a request",
        ],
    );
}

#[test]
fn limits_end_decoding_and_nothing_else() {
    let long = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(300));
    check(
        &[Up(&long)],
        &["lost Up 200: the header block is over limits.observed-header-bytes = 200B"],
    );
    check(
        &[GET, GET, GET, GET],
        &[
            "1 GET / 0..27",
            "2 GET / 27..54",
            "3 GET / 54..81",
            "lost Up 81: more requests wait for responses than limits.observed-streams = 3",
        ],
    );
    let trailers = format!("T: {}\r\n", "t".repeat(100));
    let post = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailers}\r\n");
    let events = run(&[Up(&post), Up(&post)], 5);
    assert_eq!(
        events.iter().map(shown).collect::<Vec<_>>(),
        [
            "1 POST / 0..47",
            "2 POST / 157..204",
            "lost Up 306: the header block is over limits.observed-header-bytes = 99B"
        ],
        "trailers that are held until a response comes count against the limit"
    );
}

#[test]
fn a_hundred_thousand_header_lines_cost_no_more_than_the_limit() {
    let mut observer = Http1Observer::new(ConnectionId(1), &Limits::default());
    let (mut events, at) = (Vec::new(), Stamp { wall: WallNanos(0), mono: MonoNanos(0) });
    observer.feed(Direction::Up, at, b"GET / HTTP/1.1\r\n", &mut events);
    for _ in 0..100_000 {
        for byte in b"a: b\r\n" {
            observer.feed(Direction::Up, at, &[*byte], &mut events);
        }
    }
    let expected =
        ["lost Up 262144: the header block is over limits.observed-header-bytes = 262144B"];
    assert_eq!(events.iter().map(shown).collect::<Vec<_>>(), expected);
    assert!(!observer.is_following());
}

#[test]
fn the_head_is_reported_as_it_came() {
    let up = "POST http://h/ HTTP/1.0\r\nhoST: h:1\r\nX: 1\r\nx:2\r\nhost: other\r\n\r\n";
    let events = run(&[Up(up), Down("HTTP/1.1 200 Fine thanks\r\nSeT-Cookie: a\r\n\r\n")], 3);
    let [Event::Request { head: request, .. }, Event::Response { head: response, .. }] =
        &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(request.version, flow::http::HttpVersion::Http10);
    assert_eq!(request.authority.as_deref(), Some(&b"h:1"[..]));
    let names: Vec<_> = request.fields.iter().map(|field| &field.name[..]).collect();
    assert_eq!(names, [&b"hoST"[..], b"X", b"x", b"host"]);
    assert_eq!(&response.reason[..], b"Fine thanks");
    assert_eq!(&response.fields[0].name[..], b"SeT-Cookie");
}

/// Messages that are likely to make sense one after the other.
fn messages() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let up = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n\r\n",
        "HEAD / HTTP/1.1\nA: b\n\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: u\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
        "\r\n",
    ]);
    let down = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwo\r\n3\r\nrld\r\n0\r\n\r\n",
        "HTTP/1.1 204 No\r\n\r\n",
        "HTTP/1.1 100 Go\r\n\r\n",
        "HTTP/1.1 101 Switch\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nworld",
        "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n",
    ]);
    let message = prop_oneof![
        up.prop_map(|text| (true, text.as_bytes().to_vec())),
        down.prop_map(|text| (false, text.as_bytes().to_vec())),
        (any::<bool>(), prop::collection::vec(any::<u8>(), 0..20)),
    ];
    let damage = prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<u8>()));
    let damaged = (message, damage).prop_map(|((up, mut bytes), damage)| {
        if let Some((at, byte)) = damage.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        (up, bytes)
    });
    prop::collection::vec(damaged, 0..12)
}

/// Feeds messages in pieces and ends both directions; the streams come back with the events.
fn converse(messages: &[(bool, Vec<u8>)], cuts: &[usize]) -> (Vec<Event>, [Vec<u8>; 2]) {
    let mut observer = Http1Observer::new(ConnectionId(1), &limits());
    let (mut events, at) = (Vec::new(), Stamp { wall: WallNanos(0), mono: MonoNanos(0) });
    let mut streams = [Vec::new(), Vec::new()];
    let mut cuts = cuts.iter().copied().cycle();
    for (up, bytes) in messages {
        let direction = if *up { Direction::Up } else { Direction::Down };
        streams[usize::from(!up)].extend_from_slice(bytes);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, next) = rest.split_at(rest.len().min(cuts.next().unwrap()));
            observer.feed(direction, at, piece, &mut events);
            rest = next;
        }
    }
    observer.end(Direction::Up, Ending::Orderly, at, &mut events);
    observer.end(Direction::Down, Ending::Orderly, at, &mut events);
    assert!(!observer.is_following());
    (events, streams)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn cuts_do_not_matter(
        messages in messages(),
        cuts in prop::collection::vec(1..12_usize, 1..9),
    ) {
        let shown = |events: Vec<Event>| -> Vec<String> {
            events.iter().map(|event| format!("{event:?}")).collect()
        };
        let whole = shown(converse(&messages, &[usize::MAX]).0);
        prop_assert_eq!(whole, shown(converse(&messages, &cuts).0));
    }

    #[test]
    fn every_request_ends_once_and_its_bodies_are_where_it_says(messages in messages()) {
        let (events, streams) = converse(&messages, &[usize::MAX]);
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        for event in &events {
            match event {
                Event::Request { exchange, .. } => begun.push(exchange.number),
                Event::ExchangeEnded { exchange, end } => {
                    ended.push(exchange.number);
                    let bodies = [Some(&end.request_body), end.response_body.as_ref()];
                    for (body, stream) in bodies.iter().zip(&streams) {
                        if let Some(body) = body {
                            check_body(body, stream);
                        }
                    }
                }
                _ => {}
            }
        }
        ended.sort_unstable();
        prop_assert_eq!(&begun, &(1..=begun.len() as u32).collect::<Vec<_>>());
        prop_assert_eq!(begun, ended);
        let lost = events.iter().filter(|event| matches!(event, Event::LostSync { .. })).count();
        prop_assert!(lost <= 1);
    }
}

/// The body, read back from its extent, is as long as was counted.
fn check_body(body: &Body, stream: &[u8]) {
    let extent = &stream[body.extent.start as usize..body.extent.end as usize];
    let (mut reader, mut bytes) = (BodyReader::new(body.framing), Vec::new());
    extent.chunks(3).for_each(|piece| reader.feed(piece, &mut bytes));
    assert_eq!(bytes.len() as u64, body.bytes);
}
