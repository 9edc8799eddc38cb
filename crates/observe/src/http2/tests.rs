//! Scenarios: what a connection that goes a certain way is observed as.

use super::frame::{flag, kind};
use super::testing::*;
use flow::limits::Limits;
use flow::stream::Direction::{self, Down, Up};

/// A connection in the making.
struct Scenario {
    script: Script,
    up: Encoder,
    down: Encoder,
    limits: Limits,
}

impl Scenario {
    /// Both sides have sent their first SETTINGS.
    fn new() -> Self {
        let limits =
            Limits { observed_header_bytes: 1000, observed_streams: 3, ..Limits::default() };
        let mut scenario =
            Self { script: Vec::new(), up: Encoder::new(3), down: Encoder::new(5), limits };
        scenario.send(Up, &[PREFACE, &settings(&[])].concat());
        scenario.send(Down, &settings(&[]));
        scenario
    }

    fn send(&mut self, direction: Direction, bytes: &[u8]) -> &mut Self {
        self.script.push((direction, bytes.to_vec()));
        self
    }

    fn headers(
        &mut self,
        direction: Direction,
        stream_id: u32,
        fields: Fields<'_>,
        end_stream: bool,
    ) -> &mut Self {
        let block = match direction {
            Up => self.up.encode(fields),
            Down => self.down.encode(fields),
        };
        self.send(direction, &headers(stream_id, &block, end_stream))
    }

    fn get(&mut self, stream_id: u32) -> &mut Self {
        self.headers(Up, stream_id, &GET, true)
    }

    fn ok(&mut self, stream_id: u32, end_stream: bool) -> &mut Self {
        self.headers(Down, stream_id, &OK, end_stream)
    }

    /// Bytes that a direction has sent so far.
    fn offset(&self, direction: Direction) -> usize {
        self.script.iter().filter(|(d, _)| *d == direction).map(|(_, bytes)| bytes.len()).sum()
    }

    /// However the bytes arrive, these are the events.
    #[track_caller]
    fn check(&self, expected: &[&str]) {
        for most in [usize::MAX, 1, 2, 10] {
            let events = play(&self.script, &self.limits, || most);
            assert_eq!(events.iter().map(line).collect::<Vec<_>>(), expected, "parts of {most}");
        }
    }
}

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", "h"), (":path", "/")];
const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "https"), (":path", "/p"), ("host", "h")];
const OK: [(&str, &str); 1] = [(":status", "200")];

#[test]
fn requests_and_responses() {
    let mut s = Scenario::new();
    s.get(1).headers(Up, 3, &POST, false).send(Up, &data(3, b"abc", false));
    s.headers(Down, 1, &[(":status", "103"), ("link", "x")], false);
    s.ok(3, false).ok(1, false).send(Down, &data(1, b"hello", true));
    s.send(Up, &data(3, b"", true)).send(Down, &data(3, b"x", false));
    s.headers(Down, 3, &[("grpc-status", "0")], true);
    s.get(5).headers(Down, 5, &[(":status", "304")], true);
    s.check(&[
        "1 GET h/",
        "2 POST h/p",
        "1 103",
        "2 200",
        "1 200",
        "1 end 0:Complete 5:Complete",
        "2 end 3:Complete 1:Complete+trailers",
        "3 GET h/",
        "3 304",
        "3 end 0:Complete 0:Complete",
    ]);
}

#[test]
fn a_response_may_end_before_its_request() {
    let mut s = Scenario::new();
    s.headers(Up, 1, &POST, false).ok(1, true).send(Up, &data(1, b"late", false));
    s.headers(Up, 1, &[("t", "u")], true);
    s.check(&["1 POST h/p", "1 200", "1 end 4:Complete+trailers 0:Complete"]);
}

#[test]
fn grpc_messages_and_events_lie_across_frames() {
    let mut s = Scenario::new();
    let grpc = ("content-type", "application/grpc+proto");
    s.headers(Up, 1, &[&POST[..], &[grpc]].concat(), false);
    s.send(Up, &data(1, b"\0\0\0", false)).send(Up, &data(1, b"\0\x03ab", false));
    s.headers(Down, 1, &[OK[0], grpc], false).send(Down, &data(1, b"\x01\0\0\0\x01x", false));
    s.send(Up, &data(1, b"c\0\0\0\0\x09cut", true));
    s.headers(Down, 1, &[("grpc-status", "0")], true);
    s.get(3).headers(Down, 3, &[OK[0], ("content-type", "text/event-stream")], false);
    s.send(Down, &data(3, b"data: 1\r", false)).send(Down, &data(3, b"\n\r\n", true));
    s.check(&[
        "1 POST h/p",
        "1 200",
        "1 message Down 0..6 1",
        "1 message Up 0..8 3",
        "1 message Up 8..16 3",
        "1 end 16:Complete 6:Complete+trailers",
        "2 GET h/",
        "2 200",
        "2 message Down 0..10 1",
        "2 end 0:Complete 11:Complete",
    ]);
}

#[test]
fn the_first_request_tells_how_the_client_opened_the_connection() {
    let limits = Limits::default();
    let window = frame(kind::WINDOW_UPDATE, 0, 0, &15_663_105_u32.to_be_bytes());
    let priority = frame(kind::PRIORITY, 0, 3, &[0x80, 0, 0, 0, 200]);
    let opened = [PREFACE, &settings(&[(1, 65_536), (4, 6_291_456)]), &window, &priority].concat();
    let mut encoder = Encoder::new(3);
    let requests = [1, 5].map(|stream| headers(stream, &encoder.encode(&GET), true)).concat();
    for most in [1, 4, usize::MAX] {
        let script = vec![(Up, opened.clone()), (Up, requests.clone())];
        let prints: Vec<_> = play(&script, &limits, || most)
            .into_iter()
            .filter_map(|event| match event {
                flow::event::Event::Request { head, .. } => Some(head.h2_fingerprint),
                _ => None,
            })
            .collect();
        let print = "1:65536;4:6291456|15663105|3:1:0:201|m,s,a,p";
        assert_eq!(prints, [Some(print.to_owned()), None]);
    }
}

#[test]
fn tunnels() {
    let mut s = Scenario::new();
    let protocol = [(":method", "CONNECT"), (":protocol", "websocket")];
    s.headers(Up, 1, &[&protocol[..], &GET[1..]].concat(), false).ok(1, false);
    s.send(Up, &data(1, b"\x81\x00", false)).send(Down, &data(1, b"\x88\x00", true));
    s.send(Up, &data(1, b"", true));
    s.headers(Up, 3, &[(":method", "CONNECT"), (":authority", "h:1")], false).ok(3, true);
    s.send(Up, &reset(3, 8));
    s.headers(Up, 5, &[&protocol[..], &GET[1..]].concat(), false);
    s.headers(Down, 5, &[(":status", "403")], true).send(Up, &data(5, b"", true));
    s.check(&[
        "1 CONNECT h/",
        "1 200",
        "1 message Up 0..2 0 unmasked",
        "1 message Down 0..2 0",
        "1 end 2:Complete 2:Complete websocket",
        "2 CONNECT h:1",
        "2 200",
        "2 end 0:Reset(8) 0:Complete opaque",
        "3 CONNECT h/",
        "3 403",
        "3 end 0:Complete 0:Complete",
    ]);
}

#[test]
fn resets_end_both_sides_and_what_is_in_flight_is_passed_over() {
    let mut s = Scenario::new();
    s.headers(Up, 1, &POST, false).send(Up, &data(1, b"ab", false));
    s.get(3).ok(3, false).send(Down, &data(3, b"c", false)).send(Up, &reset(3, 8));
    s.send(Down, &reset(1, 7)).send(Up, &data(1, b"in flight", false));
    // The block on a stream that is gone still changes the table.
    s.headers(Down, 3, &[("x", "y"), ("x", "y"), ("x", "y")], true);
    s.send(Down, &data(3, b"in flight", true)).send(Down, &reset(3, 0));
    s.get(5).headers(Down, 5, &[(":status", "200"), ("x", "y")], true);
    s.check(&[
        "1 POST h/p",
        "2 GET h/",
        "2 200",
        "2 end 0:Complete 1:Reset(8)",
        "1 end 2:Reset(7) none",
        "3 GET h/",
        "3 200",
        "3 end 0:Complete 0:Complete",
    ]);
}

#[test]
fn a_reset_between_the_parts_of_a_data_frame() {
    let mut s = Scenario::new();
    let frame = data(1, b"abcd", true);
    s.get(1).ok(1, false).send(Down, &frame[..11]).send(Up, &reset(1, 8)).send(Down, &frame[11..]);
    s.check(&["1 GET h/", "1 200", "1 end 0:Complete 2:Reset(8)"]);
}

#[test]
fn pushed_exchanges() {
    let mut s = Scenario::new();
    s.get(1);
    let block = [&2_u32.to_be_bytes()[..], &s.down.encode(&GET)].concat();
    let payload = padded(&block, 3);
    s.send(Down, &frame(kind::PUSH_PROMISE, flag::END_HEADERS | flag::PADDED, 1, &payload));
    s.ok(1, true).ok(2, false).send(Down, &data(2, b"pushed", true));
    let block = [&4_u32.to_be_bytes()[..], &s.down.encode(&GET)].concat();
    s.send(Down, &frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &block));
    s.send(Up, &reset(4, 8));
    s.check(&[
        "1 GET h/",
        "2 GET h/",
        "1 200",
        "1 end 0:Complete 0:Complete",
        "2 200",
        "2 end 0:Complete 6:Complete",
        "3 GET h/",
        "3 end 0:Complete none",
    ]);
}

#[test]
fn an_end_of_the_connection_cuts_what_is_open() {
    let mut s = Scenario::new();
    s.headers(Up, 1, &POST, false).ok(1, false);
    s.headers(Up, 3, &POST, false).get(5).ok(5, false).send(Down, &data(5, b"whole", true));
    s.send(Down, &data(1, b"part", true)[..11]).send(Up, &data(3, b"abc", true)[..9]);
    s.check(&[
        "1 POST h/p",
        "1 200",
        "2 POST h/p",
        "3 GET h/",
        "3 200",
        "3 end 0:Complete 5:Complete",
        "1 end 0:Truncated 2:Truncated",
        "2 end 0:Truncated none",
    ]);
}

#[test]
fn directions_end_by_themselves() {
    let mut s = Scenario::new();
    s.get(1).headers(Up, 3, &POST, false).ok(1, false).ok(3, true);
    let mut observer = observer(&s.limits);
    let mut events = Vec::new();
    let mut feed = |direction, bytes: &[u8]| {
        observer.feed(direction, NOW, bytes, &mut events);
        if bytes.is_empty() {
            observer.end(direction, NOW, &mut events);
        }
        let lines: Vec<_> = events.drain(..).map(|event| line(&event)).collect();
        (lines.join(", "), observer.is_following())
    };
    for (direction, bytes) in &s.script {
        feed(*direction, bytes);
    }
    assert_eq!(feed(Up, b""), ("2 end 0:Truncated 0:Complete".to_owned(), true));
    assert_eq!(feed(Up, b""), (String::new(), true), "an end said twice is one end");
    let response = data(1, b"still coming", true);
    assert_eq!(feed(Down, &response), ("1 end 0:Complete 12:Complete".to_owned(), true));
    assert_eq!(feed(Down, b""), (String::new(), false));
}

#[test]
fn a_request_after_the_end_of_the_responses_ends_without_one() {
    let mut s = Scenario::new();
    let mut observer = observer(&s.limits);
    let mut events = Vec::new();
    observer.end(Down, NOW, &mut events);
    s.get(1).headers(Up, 3, &POST, false).send(Up, &data(3, b"x", true));
    for (direction, bytes) in s.script.iter().filter(|(direction, _)| *direction == Up) {
        observer.feed(*direction, NOW, bytes, &mut events);
    }
    assert_eq!(
        events.iter().map(line).collect::<Vec<_>>(),
        ["1 GET h/", "1 end 0:Complete none", "2 POST h/p", "2 end 1:Complete none"]
    );
}

#[test]
fn blocks_in_continuations_with_padding_and_priority() {
    let mut s = Scenario::new();
    let block = s.up.encode(&GET);
    let (first, rest) = block.split_at(3);
    let payload = padded(&[&[0x80, 0, 0, 0, 255], first].concat(), 2);
    let flags = flag::PADDED | flag::PRIORITY | flag::END_STREAM;
    let frames = [
        frame(kind::HEADERS, flags, 1, &payload),
        frame(kind::CONTINUATION, 0, 1, rest),
        frame(kind::CONTINUATION, flag::END_HEADERS, 1, b""),
    ];
    s.send(Up, &frames.concat());
    s.ok(1, true);
    s.check(&["1 GET h/", "1 200", "1 end 0:Complete 0:Complete"]);
}

#[test]
fn frames_that_say_nothing_of_exchanges_are_passed_over() {
    let mut s = Scenario::new();
    for (kind, length) in [(2, 5), (6, 8), (7, 50), (8, 4), (10, 20), (0x10, 9), (0xbe, 0)] {
        for direction in [Up, Down] {
            s.send(direction, &frame(kind, 0xff, 9, &vec![0; length]));
        }
    }
    s.send(Up, &frame(kind::SETTINGS, flag::ACK, 0, b""));
    s.get(1).ok(1, true);
    s.check(&["1 GET h/", "1 200", "1 end 0:Complete 0:Complete"]);
}

#[test]
fn table_sizes_are_those_that_the_receiver_announced() {
    let mut s = Scenario::new();
    s.send(Down, &settings(&[(1, 100)])); // about what the client sends
    let smaller = s.up.resize(100);
    let block = [smaller, s.up.encode(&GET)].concat();
    s.send(Up, &headers(1, &block, true));
    s.send(Up, &settings(&[(1, 900)]));
    let block = [s.down.resize(0), s.down.resize(900), s.down.encode(&OK)].concat();
    s.send(Down, &headers(1, &block, true));
    s.get(3);
    let larger = s.down.resize(5000);
    let offset = s.offset(Down);
    s.send(Down, &headers(3, &larger, true));
    s.check(&[
        "1 GET h/",
        "1 200",
        "1 end 0:Complete 0:Complete",
        "2 GET h/",
        &format!(
            "lost Down {offset}: a header block cannot be decoded: \
             a table of 5000 bytes where the receiver allows 4096"
        ),
        "2 end 0:Complete none",
    ]);
}

#[test]
fn frames_may_be_as_long_as_the_receiver_announced() {
    let mut s = Scenario::new();
    s.send(Up, &settings(&[(5, 20_000)]));
    s.get(1).ok(1, false).send(Down, &data(1, &[0; 20_000], false));
    let offset = s.offset(Down);
    s.send(Down, &data(1, &[0; 20_001], true));
    s.check(&[
        "1 GET h/",
        "1 200",
        &format!("lost Down {offset}: a frame of 20001 bytes where the receiver allows 20000"),
        "1 end 0:Complete 20000:NotFollowed",
    ]);
}

/// After a request and the head of its response, `bytes` end the decoding.
#[track_caller]
fn check_lost(direction: Direction, bytes: &[u8], reason: &str) {
    let mut s = Scenario::new();
    s.headers(Up, 1, &POST, false).ok(1, false);
    let offset = s.offset(direction);
    s.send(direction, bytes).get(3);
    s.check(&[
        "1 POST h/p",
        "1 200",
        &format!("lost {direction:?} {offset}: {reason}"),
        "1 end 0:NotFollowed 0:NotFollowed",
    ]);
}

#[test]
fn broken_framing_ends_the_decoding() {
    let stray = frame(kind::CONTINUATION, flag::END_HEADERS, 1, b"");
    check_lost(Up, &stray, "CONTINUATION without a header block");
    let open = frame(kind::HEADERS, 0, 3, b"\x82");
    for next in [data(1, b"", false), frame(kind::CONTINUATION, 4, 5, b"")] {
        check_lost(Up, &[&open[..], &next].concat(), "a header block is interrupted");
    }
    let padded_data = frame(kind::DATA, flag::PADDED, 1, b"\x01");
    check_lost(Down, &padded_data, "padding that does not fit its frame");
    let padded_headers = frame(kind::HEADERS, flag::PADDED | flag::END_HEADERS, 3, b"\x02\x82");
    check_lost(Up, &padded_headers, "padding that does not fit its frame");
    let no_priority = frame(kind::HEADERS, flag::PRIORITY | flag::END_HEADERS, 3, b"\x82");
    check_lost(Up, &no_priority, "padding that does not fit its frame");
    check_lost(Up, &frame(kind::DATA, 0, 0, b""), "a frame of type 0 on stream 0");
    check_lost(Up, &frame(kind::RST_STREAM, 0, 1, b"abc"), "a frame of type 3 with 3 bytes");
    check_lost(Up, &frame(kind::SETTINGS, 0, 0, b"abc"), "a frame of type 4 with 3 bytes");
}

#[test]
fn frames_on_the_wrong_stream_end_the_decoding() {
    let ok = Encoder::new(1).encode(&OK);
    let get = Encoder::new(1).encode(&GET);
    let idle = "a frame on stream 3, which was never opened";
    check_lost(Down, &headers(3, &ok, true), idle);
    check_lost(Up, &data(3, b"x", true), idle);
    check_lost(Down, &reset(3, 0), idle);
    check_lost(Up, &headers(2, &get, true), "stream 2 cannot be opened by this side");
    let promise = |promised: u32| {
        let payload = [&promised.to_be_bytes()[..], &get].concat();
        frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &payload)
    };
    check_lost(Up, &promise(2), "PUSH_PROMISE from the client");
    check_lost(Down, &promise(3), "stream 3 cannot be opened by this side");
    let trailers = Encoder::new(1).encode(&[("a", "b")]);
    check_lost(Down, &headers(1, &trailers, false), "trailers that do not end stream 1");
    check_lost(
        Down,
        &headers(1, &ok, true),
        "malformed head: a pseudo-header field has no place in it",
    );
}

#[test]
fn data_needs_a_head_before_it_and_no_end() {
    let mut s = Scenario::new();
    s.get(1).send(Down, &data(1, b"x", false));
    s.check(&[
        "1 GET h/",
        "lost Down 9: DATA before the head on stream 1",
        "1 end 0:Complete none",
    ]);

    let mut s = Scenario::new();
    s.get(1);
    let offset = s.offset(Up);
    s.send(Up, &data(1, b"x", false));
    let lost = format!("lost Up {offset}: DATA or HEADERS after the end of stream 1");
    s.check(&["1 GET h/", &lost, "1 end 0:Complete none"]);

    let mut s = Scenario::new();
    s.get(1).headers(Down, 1, &[(":status", "100")], true);
    let lost = "lost Down 9: an interim response that ends stream 1";
    s.check(&["1 GET h/", lost, "1 end 0:Complete none"]);
}

#[test]
fn a_flood_of_continuations_ends_the_decoding_even_if_they_are_empty() {
    for (payload, frames) in [(&b""[..], 200), (&[0x82; 91][..], 20)] {
        let mut s = Scenario::new();
        let offset = s.offset(Up);
        s.send(Up, &frame(kind::HEADERS, 0, 1, b"\x82"));
        for _ in 0..frames {
            s.send(Up, &frame(kind::CONTINUATION, 0, 1, payload));
        }
        s.check(&[&format!(
            "lost Up {offset}: a header block is over limits.observed-header-bytes = 1000B"
        )]);
    }
}

#[test]
fn a_header_bomb_ends_the_decoding() {
    let mut s = Scenario::new();
    let offset = s.offset(Up);
    let block = [&b"\x40\x01a\x7f\x49"[..], &[b'v'; 200], &[0xbe; 4]].concat();
    s.send(Up, &headers(1, &block, true));
    s.check(&[&format!(
        "lost Up {offset}: a header block cannot be decoded: \
         the decoded fields are over the limit of 1000 bytes"
    )]);
}

#[test]
fn small_blocks_that_unfold_again_and_again_end_the_decoding() {
    let mut s = Scenario::new();
    s.limits = Limits { observed_streams: 1000, ..Limits::default() };
    // A field of 4,001 bytes for the table, and then 60 of them for 60 bytes.
    let bomb = [&b"\x82\x87\x84\x41\x01h\x40\x01a\x7f\xa1\x1e"[..], &[b'v'; 4000]].concat();
    s.send(Up, &headers(1, &bomb, true));
    let again = [&b"\x82\x87\x84\x01\x01h"[..], &[0xbe; 60]].concat();
    for stream in 1..40 {
        s.send(Up, &headers(1 + 2 * stream, &again, true));
    }
    let events = play(&s.script, &s.limits, || usize::MAX);
    let requests = events.iter().filter(|event| line(event).ends_with("GET h/")).count();
    assert_eq!(requests, 24, "1 + 23 * 240,060 bytes fit in 4 MiB and 256 times the wire");
    let lost = events.iter().map(line).find(|line| line.starts_with("lost Up")).unwrap();
    assert!(lost.contains("header blocks of") && lost.contains("unfold to"), "{lost}");
}

#[test]
fn a_large_cookie_in_every_request_is_no_bomb() {
    let mut s = Scenario::new();
    s.limits = Limits::default();
    let cookie = "c".repeat(1000);
    for request in 0..300 {
        let path = format!("/api/v1/items/{request:08}?page=1");
        let fields = [GET[0], GET[1], GET[2], (":path", path.as_str()), ("cookie", &cookie)];
        s.headers(Up, 1 + 2 * request, &fields, true).ok(1 + 2 * request, true);
    }
    let events = play(&s.script, &s.limits, || usize::MAX);
    assert_eq!(events.len(), 900);
}

#[test]
fn more_streams_than_the_limit_end_the_decoding() {
    let mut s = Scenario::new();
    s.get(1).get(3).ok(1, true).get(5).get(7);
    let offset = s.offset(Up);
    s.get(9);
    s.check(&[
        "1 GET h/",
        "2 GET h/",
        "1 200",
        "1 end 0:Complete 0:Complete",
        "3 GET h/",
        "4 GET h/",
        &format!("lost Up {offset}: more streams open at once than limits.observed-streams = 3"),
        "2 end 0:Complete none",
        "3 end 0:Complete none",
        "4 end 0:Complete none",
    ]);
}

#[test]
fn trailers_that_pile_up_end_the_decoding() {
    let mut s = Scenario::new();
    let long = "v".repeat(400);
    s.headers(Up, 1, &POST, false).headers(Up, 1, &[("t", &long)], true);
    s.ok(1, true); // lets go of them
    s.headers(Up, 3, &POST, false).headers(Up, 3, &[("t", &long)], true);
    s.headers(Up, 5, &POST, false).headers(Up, 5, &[("t", &long)], true);
    s.headers(Up, 7, &POST, false);
    let offset = s.offset(Up);
    s.headers(Up, 7, &[("t", &long)], true);
    s.check(&[
        "1 POST h/p",
        "1 200",
        "1 end 0:Complete+trailers 0:Complete",
        "2 POST h/p",
        "3 POST h/p",
        "4 POST h/p",
        &format!(
            "lost Up {offset}: trailers of unfinished exchanges are over limits.observed-header-bytes = 1000B"
        ),
        "2 end 0:Complete+trailers none",
        "3 end 0:Complete+trailers none",
        "4 end 0:Complete+trailers none",
    ]);
}

#[test]
fn what_is_not_http2_is_not_followed() {
    let check = |script: Script, expected: &[&str]| {
        let events = play(&script, &Limits::default(), || 5);
        assert_eq!(events.iter().map(line).collect::<Vec<_>>(), expected);
    };
    check(vec![(Up, b"GET / HTTP/1.1\r\n".to_vec())], &["lost Up 0: not the HTTP/2 preface"]);
    let cut = "lost Up 0: the connection ended inside the HTTP/2 preface";
    check(vec![(Up, b"PRI * HTTP/2.0\r\n".to_vec())], &[cut]);
    check(vec![], &[]);
    let no_settings = "lost Down 0: the first frame is not SETTINGS";
    check(vec![(Down, b"HTTP/1.1 400 Bad Request\r\n".to_vec())], &[no_settings]);
    let up = [PREFACE, &frame(kind::SETTINGS, flag::ACK, 0, b"")].concat();
    check(vec![(Up, up)], &["lost Up 24: the first frame is not SETTINGS"]);
}

#[test]
fn an_end_inside_a_header_block_is_said() {
    let mut s = Scenario::new();
    s.get(1);
    let offset = s.offset(Up);
    s.send(Up, &frame(kind::HEADERS, 0, 3, b"\x82\x87"));
    let lost = format!("lost Up {offset}: the connection ended inside a header block");
    s.check(&["1 GET h/", "1 end 0:Complete none", &lost]);
}
