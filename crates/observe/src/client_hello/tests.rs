//! Captured hellos (curl 7.88.1 and `openssl s_client` with OpenSSL 3.0, Node.js) against
//! fingerprints that an independent program computed, and hand-made ones for what real clients do
//! not send.

use super::*;
use proptest::prelude::*;

const CURL: &str = include_str!("../../fixtures/client_hello_curl.hex");
const OPENSSL_TLS12: &str = include_str!("../../fixtures/client_hello_openssl12.hex");
const NODE: &str = include_str!("../../fixtures/client_hello_node.hex");

fn captured(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn complete(records: &[u8]) -> ClientHello {
    match parse(records) {
        Parsed::Complete(hello) => *hello,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_captured(hex: &str, server_name: Option<&str>, alpn: &[&[u8]], ja3: &str, ja4: &str) {
    let records = captured(hex);
    let hello = complete(&records);
    assert_eq!(hello.server_name.as_deref(), server_name);
    assert_eq!(hello.alpn, alpn);
    assert_eq!(hello.ja3, ja3);
    assert_eq!(hello.ja4, ja4);
    assert_eq!(hello.raw, &records[5..]);
    for length in 0..records.len() {
        assert_eq!(parse(&records[..length]), Parsed::Incomplete, "{length} bytes");
    }
}

#[test]
fn captured_hellos() {
    check_captured(
        CURL,
        Some("example.test"),
        &[b"h2", b"http/1.1"],
        "0149f47eabf9a20d0893e2a44e5a6323",
        "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6",
    );
    check_captured(
        OPENSSL_TLS12,
        None,
        &[],
        "fbe7e189e37a07ee33706f86bc746344",
        "t12i280600_d943125447b4_e7e480e5a997",
    );
    check_captured(
        NODE,
        Some("node.example"),
        &["\u{e9}x".as_bytes(), b"h2"],
        "1a28e69016765d92e3b381168d68922c",
        "t13d5911c8_a33745022dd6_1f22a2ca17c4",
    );
}

#[test]
fn the_facts_of_a_captured_hello() {
    let hello = complete(&captured(CURL));
    assert_eq!(hello.legacy_version, 0x0303);
    assert_eq!(hello.versions, [0x0304, 0x0303, 0x0302, 0x0301]);
    assert_eq!(hello.cipher_suites[..3], [0x1302, 0x1303, 0x1301]);
    assert_eq!(hello.extensions, [0, 11, 10, 16, 22, 23, 49, 13, 43, 45, 51, 21]);
    assert_eq!(hello.groups[..2], [29, 23]);
    assert_eq!(hello.point_formats, [0, 1, 2]);
    assert_eq!(hello.signature_algorithms[..2], [0x0403, 0x0503]);
    assert!(!hello.encrypted_client_hello);
    assert_eq!(complete(&captured(OPENSSL_TLS12)).versions, [0x0303]);
}

/// A message with the given extensions, each a type and its content in hex.
fn message(extensions: &[(u16, &str)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, content) in extensions {
        let content = captured(content);
        list.extend_from_slice(&kind.to_be_bytes());
        list.extend_from_slice(&(content.len() as u16).to_be_bytes());
        list.extend_from_slice(&content);
    }
    let mut body = captured("0303");
    body.extend_from_slice(&[7; RANDOM_BYTES]);
    body.extend_from_slice(&captured("00 0002 1301 01 00"));
    body.extend_from_slice(&(list.len() as u16).to_be_bytes());
    body.extend_from_slice(&list);
    with_header(CLIENT_HELLO, &body)
}

fn with_header(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind][..], &length[1..], body].concat()
}

/// The message in records of at most `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |content: &[u8]| {
        [&[HANDSHAKE, 3, 1][..], &(content.len() as u16).to_be_bytes(), content].concat()
    };
    message.chunks(size).flat_map(record).collect()
}

#[track_caller]
fn check(records: &[u8], expected: Reason) {
    assert_eq!(parse(records), Parsed::NotAClientHello(expected));
}

#[test]
fn what_is_no_hello() {
    check(b"GET / HTTP/1.1\r\n", Reason::RecordType(b'G'));
    check(&[21], Reason::RecordType(21));
    check(&[22, 2], Reason::RecordVersion);
    check(&[22, 3, 1, 0, 0], Reason::RecordLength(0));
    check(&[22, 3, 1, 0x40, 1], Reason::RecordLength(0x4001));
    check(&[22, 3, 1, 0, 1, 2], Reason::MessageType(2));
    check(&[22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff], Reason::MessageLength(0xff_ffff));
    check(&[22, 3, 1, 0, 1, 1, 23, 3, 1], Reason::RecordType(23));
    check(&[22, 3, 1, 0, 4, 1, 0, 0, 0], Reason::Layout);
    let trailing = with_header(CLIENT_HELLO, &[&message(&[])[4..], &[0]].concat());
    check(&records(&trailing, 999), Reason::Layout);
}

#[test]
fn malformed_extensions() {
    for (kind, content) in [
        (SERVER_NAME, ""),
        (SERVER_NAME, "0005 00 0003 61"),
        (SERVER_NAME, "0004 00 0001 61 00"),
        (SUPPORTED_GROUPS, "0003 001d 00"),
        (SUPPORTED_GROUPS, "0004 001d"),
        (EC_POINT_FORMATS, "02 00"),
        (SIGNATURE_ALGORITHMS, "0001 04"),
        (SUPPORTED_VERSIONS, "03 0304 03"),
        (SUPPORTED_VERSIONS, "02 0304 00"),
        (ALPN, "0003 03 6832"),
        (ALPN, "0001 00"),
        (ALPN, "0004 02 6832 00"),
    ] {
        check(&records(&message(&[(kind, content)]), 999), Reason::Extension(kind));
    }
    let twice =
        message(&[(SERVER_NAME, "0004 00 0001 61"), (99, ""), (SERVER_NAME, "0004 00 0001 62")]);
    check(&records(&twice, 999), Reason::DuplicateExtension(SERVER_NAME));
}

#[test]
fn odd_but_legible_hellos() {
    let hello = complete(&records(&message(&[]), 999));
    assert_eq!((hello.extensions.len(), hello.versions), (0, vec![0x0303]));
    let full = message(&[]);
    let without_extensions = with_header(CLIENT_HELLO, &full[4..full.len() - 2]);
    assert_eq!(complete(&records(&without_extensions, 999)).raw, without_extensions);
    let hello = complete(&records(&message(&[(SERVER_NAME, "0008 05 0001 61 00 0001 ff")]), 999));
    assert_eq!(hello.server_name.as_deref(), Some("\u{fffd}"));
    let hello =
        complete(&records(&message(&[(ENCRYPTED_CLIENT_HELLO, "00"), (ALPN, "0002 01 00")]), 9));
    assert!(hello.encrypted_client_hello);
    assert_eq!(hello.alpn, [b"\0"]);
    assert!(hello.ja4.starts_with("t12i010200_"), "{}", hello.ja4);
}

#[test]
fn bounds_on_our_records_are_read_as_sent() {
    let hello = complete(&records(
        &message(&[(MAX_FRAGMENT_LENGTH, "01"), (RECORD_SIZE_LIMIT, "4001")]),
        999,
    ));
    assert_eq!((hello.max_fragment_length, hello.record_size_limit), (Some(1), Some(0x4001)));
    let hello = complete(&records(&message(&[(MAX_FRAGMENT_LENGTH, "ff")]), 999));
    assert_eq!((hello.max_fragment_length, hello.record_size_limit), (Some(255), None));
    for (extension, content) in [
        (MAX_FRAGMENT_LENGTH, ""),
        (MAX_FRAGMENT_LENGTH, "0101"),
        (RECORD_SIZE_LIMIT, "40"),
        (RECORD_SIZE_LIMIT, "400100"),
    ] {
        let reason = Parsed::NotAClientHello(Reason::Extension(extension));
        assert_eq!(parse(&records(&message(&[(extension, content)]), 999)), reason);
    }
}

#[test]
fn a_hello_may_be_spread_over_records_of_one_byte() {
    let whole = complete(&captured(CURL));
    let mut spread = records(&whole.raw, 1);
    assert_eq!(complete(&spread), whole);
    assert_eq!(parse(&spread[..spread.len() - 1]), Parsed::Incomplete);
    spread.extend_from_slice(&[23, 3, 3, 0, 1, 0]);
    assert_eq!(complete(&spread), whole, "early data after the hello is not looked at");
}

proptest! {
    #[test]
    fn fragmentation_does_not_matter(size in 1..600_usize, cut in 0..4000_usize) {
        let whole = complete(&captured(NODE));
        let spread = records(&whole.raw, size);
        let cut = &spread[..cut.min(spread.len())];
        let expected = if cut.len() == spread.len() {
            Parsed::Complete(Box::new(whole))
        } else {
            Parsed::Incomplete
        };
        prop_assert_eq!(parse(cut), expected);
    }

    #[test]
    fn damage_never_panics_and_a_verdict_stands(
        size in 1..600_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = records(&captured(CURL)[5..], size);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let whole = parse(&bytes);
        for length in (0..bytes.len()).step_by(7) {
            let part = parse(&bytes[..length]);
            prop_assert!(part == Parsed::Incomplete || part == whole);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _parsed = (parse(&body), parse(&records(&with_header(CLIENT_HELLO, &body), 50)));
    }
}
