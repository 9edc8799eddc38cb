//! Cases after the Autobahn test suite's list, and properties: what each sequence of frames is read
//! as, masked and not, whatever the segmentation.

use super::WebSocketFollower;
use super::frame::{Piece, Scanner, Unmask, opcode};
use crate::found::{Found, Lost};
use flow::message::MessageKind;
use flow::stream::Direction::{self, Down, Up};
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame with the shortest length; `first` is FIN, RSV and opcode.
fn frame(direction: Direction, first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..=125 => vec![short as u8],
        medium @ 126..=0xffff => [&[126], &(medium as u16).to_be_bytes()[..]].concat(),
        long => [&[127], &(long as u64).to_be_bytes()[..]].concat(),
    };
    with_length(direction, first, &length, payload)
}

fn with_length(direction: Direction, first: u8, length: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&[first][..], length].concat();
    let mut payload = payload.to_vec();
    if direction == Up {
        bytes[1] |= 0x80;
        bytes.extend(KEY);
        Unmask::new(Some(KEY)).apply(&mut payload);
    }
    bytes.extend(payload);
    bytes
}

fn read(
    direction: Direction,
    deflates: bool,
    bytes: &[u8],
    size: usize,
) -> (Vec<Found>, Option<Lost>) {
    let mut follower = WebSocketFollower::new(direction, deflates);
    let mut all = Vec::new();
    for part in bytes.chunks(size) {
        if let Err(lost) = follower.feed(part, &mut |found| all.push(found)) {
            return (all, Some(lost));
        }
    }
    follower.finish(&mut |found| all.push(found));
    (all, None)
}

/// A message in one line: opcode, payload bytes, and what is not as usual.
fn shown(found: &Found) -> String {
    let MessageKind::WebSocket(message) = &found.kind else { panic!("{found:?}") };
    let mut line = format!("{} {}", message.opcode, found.bytes);
    if message.compressed {
        line += " compressed";
    }
    if message.fragments != 1 {
        line += &format!(" of {}", message.fragments);
    }
    if let Some(code) = message.close_code {
        line += &format!(" code {code}");
    }
    if found.end != flow::message::MessageEnd::Complete {
        line += &format!(" {:?}", found.end);
    }
    if let Some(defect) = found.defect {
        line += &format!(" {defect}");
    }
    line
}

/// Frames, as first byte and payload, in both directions and several segmentations.
#[track_caller]
fn check(frames: &[(u8, &[u8])], expected: &[&str]) {
    for direction in [Up, Down] {
        let frames = frames.iter().map(|(first, payload)| frame(direction, *first, payload));
        let bytes: Vec<u8> = frames.flatten().collect();
        for size in [usize::MAX, 1, 2, 7, 1000] {
            let (all, lost) = read(direction, true, &bytes, size);
            let lines: Vec<String> = all.iter().map(shown).collect();
            assert_eq!(lines, expected, "{direction:?} in parts of {size}");
            assert_eq!(lost, None);
            let mask = all.iter().all(|found| {
                let MessageKind::WebSocket(message) = &found.kind else { return false };
                message.masked == (direction == Up)
            });
            assert!(mask, "{all:?}");
        }
    }
}

#[test]
fn every_length() {
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 100_000] {
        let payload = vec![b'*'; length];
        for opcode in [0x81, 0x82] {
            let line = format!("{} {length}", opcode & 0xf);
            check(&[(opcode, &payload)], &[&line]);
        }
    }
}

#[test]
fn pings_and_pongs() {
    check(&[(0x89, b"")], &["9 0"]);
    check(&[(0x89, b"hello"), (0x8a, b"hello")], &["9 5", "10 5"]);
    check(&[(0x89, &[0xfe; 125])], &["9 125"]);
    check(&[(0x89, &[0xfe; 126])], &["9 126 long-control"]);
    check(&[(0x8a, b"unsolicited"), (0x81, b"x")], &["10 11", "1 1"]);
}

#[test]
fn fragments_with_control_frames_between_them() {
    check(&[(0x01, b"fragment1"), (0x80, b"fragment2")], &["1 18 of 2"]);
    check(&[(0x01, b""), (0x00, b""), (0x80, b"")], &["1 0 of 3"]);
    check(
        &[(0x01, b"one"), (0x89, b"ping"), (0x00, b"two"), (0x8a, b""), (0x80, b"three")],
        &["9 4", "10 0", "1 11 of 3"],
    );
    check(
        &[(0x02, b"one"), (0x88, b"\x03\xe8"), (0x80, b"two")],
        &["8 2 code 1000", "2 6 of 2 after-close"],
    );
    check(&[(0x09, b"x"), (0x80, b"y")], &["9 1 fragmented-control", "0 1 nothing-to-continue"]);
    check(
        &[(0x80, b"x"), (0x00, b"y")],
        &["0 1 nothing-to-continue", "0 1 Truncated nothing-to-continue"],
    );
    check(
        &[(0x01, b"a"), (0x81, b"b"), (0x80, b"c")],
        &["1 1 Truncated interrupted", "1 1", "0 1 nothing-to-continue"],
    );
}

#[test]
fn reserved_opcodes_keep_the_framing() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let line = format!("{opcode} 2 reserved-opcode");
        check(&[(0x80 | opcode, b"ab"), (0x81, b"x")], &[&line, "1 1"]);
    }
}

#[test]
fn close_codes() {
    check(&[(0x88, b"")], &["8 0"]);
    check(&[(0x88, b"\x03")], &["8 1 close-code"]);
    check(&[(0x88, b"\x03\xe8bye")], &["8 5 code 1000"]);
    check(&[(0x88, b"\x03\xe8bye\xff")], &["8 6 code 1000 invalid-utf8"]);
    check(&[(0x88, &[b"\x03\xe8".as_slice(), &[b'x'; 123]].concat())], &["8 125 code 1000"]);
    let long = [b"\x03\xe8".as_slice(), &[b'x'; 124]].concat();
    check(&[(0x88, &long)], &["8 126 code 1000 long-control"]);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1014, 3000, 3999, 4999_u16] {
        check(&[(0x88, &code.to_be_bytes())], &[&format!("8 2 code {code}")]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535_u16] {
        check(&[(0x88, &code.to_be_bytes())], &[&format!("8 2 code {code} close-code")]);
    }
    check(
        &[(0x88, b"\x03\xe8"), (0x81, b"x"), (0x88, b"")],
        &["8 2 code 1000", "1 1 after-close", "8 0 after-close"],
    );
}

#[test]
fn utf8_across_fragments() {
    let text = "\u{3ba}\u{1f79}\u{10ffff}".as_bytes();
    check(&[(0x81, text)], &["1 9"]);
    check(&[(0x01, &text[..1]), (0x00, &text[1..6]), (0x80, &text[6..])], &["1 9 of 3"]);
    check(&[(0x81, &text[..7])], &["1 7 invalid-utf8"]);
    for bad in [&b"\xed\xa0\x80"[..], b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xff", b"\x80", b"a\xce"]
    {
        check(&[(0x81, bad)], &[&format!("1 {} invalid-utf8", bad.len())]);
        check(&[(0x82, bad)], &[&format!("2 {}", bad.len())]);
    }
    check(&[(0x01, b"\xce"), (0x89, b"\xff"), (0x80, b"\xba")], &["9 1", "1 2 of 2"]);
}

#[test]
fn compressed_messages() {
    check(&[(0xc1, b"\xff\xff\xff")], &["1 3 compressed"]);
    check(&[(0x41, b"\xff"), (0x00, b"\xff"), (0x80, b"\x00")], &["1 3 compressed of 3"]);
    check(&[(0x01, b"a"), (0xc0, b"b")], &["1 2 of 2 compressed-bit"]);
    check(&[(0xc9, b"")], &["9 0 compressed compressed-bit"]);
}

#[test]
fn what_makes_the_framing_doubtful_ends_it() {
    for (deflates, first, is_lost) in [
        (false, 0xc1, true),
        (true, 0xc1, false),
        (true, 0xa1, true),
        (true, 0x91, true),
        (false, 0x91, true),
    ] {
        let bytes = [frame(Down, 0x81, b"abc"), frame(Down, first, b"x")].concat();
        for size in [1, 3, usize::MAX] {
            let (all, lost) = read(Down, deflates, &bytes, size);
            assert_eq!(lost.map(|lost| lost.offset), is_lost.then_some(5), "{first:#x}");
            assert_eq!(all.len(), if is_lost { 1 } else { 2 });
        }
    }
    let endless = [&[0x82, 127][..], &[0x80, 0, 0, 0, 0, 0, 0, 0]].concat();
    for size in [1, 4, 100] {
        let (_, lost) = read(Down, false, &endless, size);
        assert_eq!(lost.map(|lost| lost.offset), Some(0));
    }
    // The largest legal length is followed without overflow.
    let largest = [&[0x82, 127][..], &[0x7f, 255, 255, 255, 255, 255, 255, 255], b"abc"].concat();
    let (all, lost) = read(Down, false, &largest, 5);
    assert_eq!(
        (all.iter().map(shown).collect::<Vec<_>>(), lost),
        (vec!["2 3 Truncated".to_owned()], None)
    );
}

#[test]
fn lengths_in_more_bytes_than_needed() {
    for length in [&[126, 0, 3][..], &[127, 0, 0, 0, 0, 0, 0, 0, 3]] {
        let bytes = with_length(Down, 0x82, length, b"abc");
        let (all, _) = read(Down, false, &bytes, 2);
        assert_eq!(all.iter().map(shown).collect::<Vec<_>>(), ["2 3 long-length"]);
    }
}

#[test]
fn masks_on_the_wrong_side() {
    let (all, _) = read(Up, false, &frame(Down, 0x81, b"x"), 1);
    assert_eq!(all.iter().map(shown).collect::<Vec<_>>(), ["1 1 unmasked"]);
    let (all, _) = read(Down, false, &frame(Up, 0x81, b"x"), 1);
    assert_eq!(all.iter().map(shown).collect::<Vec<_>>(), ["1 1 masked"]);
}

#[test]
fn what_the_end_cuts_is_truncated() {
    let bytes = frame(Down, 0x81, b"abc");
    for (length, expected) in
        [(1, "0 0 of 0 Truncated"), (2, "1 0 Truncated"), (4, "1 2 Truncated"), (5, "1 3")]
    {
        let (all, _) = read(Down, false, &bytes[..length], 1);
        assert_eq!(all.iter().map(shown).collect::<Vec<_>>(), [expected], "{length}");
    }
}

/// Random frames: first byte and payload.
fn frames() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let first =
        prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0xc1, 0x93]);
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..140),
        any::<String>().prop_map(String::into_bytes),
    ];
    prop::collection::vec((first, payload), 0..12)
}

proptest! {
    #[test]
    fn cuts_do_not_matter(frames in frames(), size in 1..50_usize, cut in 0..40_usize) {
        for direction in [Up, Down] {
            let frames = frames.iter().map(|(first, payload)| frame(direction, *first, payload));
            let mut bytes: Vec<u8> = frames.flatten().collect();
            bytes.truncate(bytes.len().saturating_sub(cut));
            prop_assert_eq!(
                read(direction, true, &bytes, usize::MAX),
                read(direction, true, &bytes, size)
            );
        }
    }

    #[test]
    fn masking_changes_nothing_but_the_mask(frames in frames()) {
        let lines = |direction| {
            let frames = frames.iter().map(|(first, payload)| frame(direction, *first, payload));
            let bytes: Vec<u8> = frames.flatten().collect();
            read(direction, true, &bytes, 9).0.iter().map(shown).collect::<Vec<_>>()
        };
        prop_assert_eq!(lines(Up), lines(Down));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, size in 1..9_usize) {
        prop_assert_eq!(read(Up, false, &bytes, usize::MAX), read(Up, false, &bytes, size));
    }

    #[test]
    fn a_mask_comes_off_in_any_parts(payload: Vec<u8>, key: [u8; 4], size in 1..9_usize) {
        let mut masked = payload.clone();
        Unmask::new(Some(key)).apply(&mut masked);
        let mut unmask = Unmask::new(Some(key));
        masked.chunks_mut(size).for_each(|part| unmask.apply(part));
        prop_assert_eq!(masked, payload);
    }
}

#[test]
fn the_scanner_gives_the_payload_back() {
    let bytes = [frame(Up, 0x82, b"abc"), frame(Down, 0x8a, b"")].concat();
    let (mut scanner, mut input, mut pieces) = (Scanner::default(), &bytes[..], Vec::new());
    while let Some(piece) = scanner.next(&mut input).unwrap() {
        pieces.push(match piece {
            Piece::Begin(header) => format!("{} {:?}", header.opcode, header.mask),
            Piece::Payload(part) => format!("{part:?}"),
            Piece::End => "end".to_owned(),
        });
    }
    let masked = [b'a' ^ KEY[0], b'b' ^ KEY[1], b'c' ^ KEY[2]];
    let expected = [
        format!("{} {:?}", opcode::BINARY, Some(KEY)),
        format!("{masked:?}"),
        "end".to_owned(),
        format!("{} None", opcode::PONG),
        "end".to_owned(),
    ];
    assert_eq!(pieces, expected);
}
