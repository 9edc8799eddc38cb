use super::super::error::{Part, ReadError};
use super::*;
use flow::stream::{Leg, StreamKey};
use std::fs;
use std::io::Write;

const UP: StreamKey =
    StreamKey { connection: flow::id::ConnectionId(1), leg: Leg::Relay, direction: Direction::Up };
const DOWN: StreamKey = StreamKey { direction: Direction::Down, ..UP };
const OTHER: StreamKey = StreamKey { connection: flow::id::ConnectionId(2), ..DOWN };
const WIRE: StreamKey = StreamKey { leg: Leg::Upstream, ..DOWN };

/// One connection whose streams lie in several frames, flushes and segments, among others.
fn stored() -> Made {
    let mut made = Made::new();
    made.open(1, 1, Ingress::Connect);
    made.flush(&[(UP, b"HEAD"), (OTHER, b"xxxx"), (DOWN, b"head5;e\r\nhel"), (WIRE, b"cipher")]);
    made.flush(&[(OTHER, b"yyyy")]);
    made.next_segment();
    made.flush(&[(DOWN, b"lo\r\n0\r\n"), (OTHER, b"zz"), (DOWN, b"\r\nrest"), (UP, b"body")]);
    made.request(exchange(1, 1), 1, "POST", "/");
    let chunked = body(Framing::Chunked, 4, 21, 5);
    made.end(exchange(1, 1), 2, body(Framing::Identity, 4, 8, 4), Some(chunked));
    made
}

fn read_body(made: &Made, part: Part) -> Result<Vec<u8>, ReadError> {
    let mut out = Vec::new();
    open(made).body(exchange(1, 1), part, &mut out).map(|()| out)
}

#[test]
fn bodies_come_back_across_frames_flushes_and_segments() {
    let made = stored();
    assert_eq!(read_body(&made, Part::Request).unwrap(), b"body");
    assert_eq!(read_body(&made, Part::Response).unwrap(), b"hello");
}

#[test]
fn streams_come_back_whole_and_in_ranges() {
    let made = stored();
    let session = open(&made);
    let raw = |stream| {
        let mut out = Vec::new();
        session.raw(stream, &mut out).unwrap();
        out
    };
    assert_eq!(raw(DOWN), b"head5;e\r\nhello\r\n0\r\n\r\nrest");
    assert_eq!(raw(OTHER), b"xxxxyyyyzz");
    assert_eq!(raw(WIRE), b"cipher");
    assert_eq!(raw(StreamKey { leg: Leg::Client, ..UP }), b"");
    let range = |start, end| {
        let mut out = Vec::new();
        let extent = flow::stream::Extent { start, end };
        session.range(DOWN, extent, &mut out).map(|()| out)
    };
    assert_eq!(range(0, 4).unwrap(), b"head");
    assert_eq!(range(9, 14).unwrap(), b"hello");
    assert_eq!(range(20, 20).unwrap(), b"");
    match range(20, 99) {
        Err(ReadError::Gap { offset: 25, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_body_that_is_not_as_long_as_recorded_is_an_error() {
    let mut made = stored();
    made.request(exchange(1, 2), 1, "GET", "/");
    let longer = body(Framing::Identity, 4, 8, 9);
    made.end(exchange(1, 2), 2, longer, None);
    let mut out = Vec::new();
    match open(&made).body(exchange(1, 2), Part::Request, &mut out) {
        Err(ReadError::BodyLength { recorded: 9, found: 4, .. }) => assert_eq!(out, b"body"),
        other => panic!("{other:?}"),
    }
    let result = open(&made).body(exchange(1, 2), Part::Response, &mut out);
    assert!(matches!(result, Err(ReadError::NoBody(..))));
    let result = open(&made).body(exchange(1, 3), Part::Response, &mut out);
    assert!(matches!(result, Err(ReadError::NoFlow(..))));
}

#[test]
fn every_damaged_byte_of_a_frame_is_an_error_and_never_other_bytes() {
    let made = stored();
    let path = made.session.segment_file(2);
    let whole = fs::read(&path).unwrap();
    // The first frame of the second segment: 48 bytes of header, then 7 of payload.
    for index in 0..48 + 7 {
        let mut bytes = whole.clone();
        bytes[index] ^= 0x40;
        fs::write(&path, &bytes).unwrap();
        assert!(read_body(&made, Part::Response).is_err(), "{index}");
    }
    fs::write(&path, &whole[..60]).unwrap();
    assert!(matches!(read_body(&made, Part::Response), Err(ReadError::Frame { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(read_body(&made, Part::Response), Err(ReadError::File { .. })));
}

#[test]
fn a_segment_of_another_session_is_noticed() {
    let made = stored();
    let mut other = Made::new();
    other.next_segment();
    let large = [b'x'; 20];
    other.flush(&[(OTHER, &large), (OTHER, &large), (OTHER, &large), (OTHER, &large)]);
    fs::copy(other.session.segment_file(2), made.session.segment_file(2)).unwrap();
    let result = read_body(&made, Part::Response);
    assert!(
        matches!(result, Err(ReadError::Misplaced { .. } | ReadError::Frame { .. })),
        "{result:?}"
    );
}

#[test]
fn a_hole_in_a_stream_ends_the_reading_where_it_begins() {
    let mut made = stored();
    made.lose(DOWN, 3);
    made.flush(&[(DOWN, b"after")]);
    let mut out = Vec::new();
    match open(&made).raw(DOWN, &mut out) {
        Err(ReadError::Gap { offset: 25, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(out, b"head5;e\r\nhello\r\n0\r\n\r\nrest");
    out.clear();
    let behind = flow::stream::Extent { start: 28, end: 33 };
    open(&made).range(DOWN, behind, &mut out).unwrap();
    assert_eq!(out, b"after");
}

#[test]
fn an_output_that_fails_ends_the_reading() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let made = stored();
    let result = open(&made).raw(DOWN, &mut Full);
    assert!(matches!(result, Err(ReadError::Output(_))), "{result:?}");
}
