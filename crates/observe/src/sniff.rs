//! Which protocol first bytes begin, a client's or a server's. A guess from a bounded prefix, made with as few
//! bytes as possible; it does not parse, and a wrong guess costs decoding, never relaying.

/// What the first bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// Every byte so far fits more than one answer. Never the answer to [`MOST_BYTES`] or more
    /// bytes; a client may still pause here, so waiting for the rest needs a deadline.
    NeedMore,
    /// A TLS handshake record.
    Tls,
    /// An HTTP/1 request line.
    Http1,
    /// The HTTP/2 connection preface (RFC 9113 section 3.4).
    Http2Preface,
    Other,
}

/// The most bytes that [`sniff`] looks at.
pub const MOST_BYTES: usize = PREFACE.len();

/// The most bytes that [`sniff_server`] looks at: a frame header.
pub const MOST_SERVER_BYTES: usize = 9;

/// Judges a client's first bytes.
pub fn sniff(bytes: &[u8]) -> Sniffed {
    match bytes {
        [] | [TLS_HANDSHAKE] => Sniffed::NeedMore,
        // Every version from SSL 3.0 to TLS 1.3 has the record version 3.x.
        [TLS_HANDSHAKE, 3, ..] => Sniffed::Tls,
        [TLS_HANDSHAKE, ..] => Sniffed::Other,
        _ if bytes.starts_with(PREFACE) => Sniffed::Http2Preface,
        _ if PREFACE.starts_with(bytes) => Sniffed::NeedMore,
        _ => sniff_request_line(bytes),
    }
}

/// Judges the first bytes of a server that does not wait for its client. HTTP/2 alone can begin so,
/// with the header of a SETTINGS frame (RFC 9113 section 3.4).
pub fn sniff_server(bytes: &[u8]) -> Sniffed {
    let may_be = |(at, byte): (usize, &u8)| match at {
        // Length: no larger than a frame may be before SETTINGS raised that.
        0 => *byte == 0,
        1 => *byte <= 0x40,
        3 => *byte == SETTINGS,
        // The lowest bit is ACK, and there is nothing to acknowledge; the stream is that of the
        // connection.
        4..MOST_SERVER_BYTES => *byte == 0,
        _ => true,
    };
    let length = match bytes {
        [_, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    };
    let is_of_settings =
        length.is_none_or(|length| length % SETTING_BYTES == 0 && length <= LARGEST_FRAME);
    if !bytes.iter().enumerate().all(may_be) || !is_of_settings {
        Sniffed::Other
    } else if bytes.len() < MOST_SERVER_BYTES {
        Sniffed::NeedMore
    } else {
        Sniffed::Http2Preface
    }
}

/// Whether these bytes are the HTTP/2 connection preface as far as both go.
pub(crate) fn begins_preface(bytes: &[u8]) -> bool {
    bytes.iter().zip(PREFACE).all(|(got, wanted)| got == wanted)
}

/// A method, one space, and the start of a target. The target is looked at because many text
/// protocols begin with a word and a space (`EHLO host`, `A1 LOGIN`), and few of them go on with
/// one of the forms that RFC 9112 section 3.2 allows.
fn sniff_request_line(bytes: &[u8]) -> Sniffed {
    let method_bytes = bytes.iter().take_while(|byte| is_method_byte(**byte)).count();
    if method_bytes == 0 || method_bytes > LONGEST_METHOD {
        return Sniffed::Other;
    }
    let (method, rest) = bytes.split_at(method_bytes);
    match rest {
        [] | [b' '] => Sniffed::NeedMore,
        [b' ', target @ ..] if method == b"CONNECT" => match target {
            [first, ..] if first.is_ascii_alphanumeric() || *first == b'[' => Sniffed::Http1,
            _ => Sniffed::Other,
        },
        [b' ', b'/' | b'*', ..] => Sniffed::Http1,
        [b' ', target @ ..] => sniff_absolute_form(target),
        _ => Sniffed::Other,
    }
}

fn sniff_absolute_form(target: &[u8]) -> Sniffed {
    let seen = target.len().min(SCHEME.len());
    match (target.get(..seen), SCHEME.get(..seen)) {
        (Some(got), Some(wanted)) if got.eq_ignore_ascii_case(wanted) => {
            if seen == SCHEME.len() {
                Sniffed::Http1
            } else {
                Sniffed::NeedMore
            }
        }
        _ => Sniffed::Other,
    }
}

/// Registered methods are upper-case letters and hyphens; unregistered ones in use add digits,
/// lower case and underscores. The other token bytes only occur in other protocols.
fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

const TLS_HANDSHAKE: u8 = 0x16;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SCHEME: &[u8] = b"http";
/// The type of a SETTINGS frame, and the bytes of one setting (RFC 9113 section 6.5).
const SETTINGS: u8 = 4;
const SETTING_BYTES: u16 = 6;
/// The initial value of SETTINGS_MAX_FRAME_SIZE.
const LARGEST_FRAME: u16 = 1 << 14;
/// The longest registered method, `UPDATEREDIRECTREF`, has 17 bytes; with the space and the scheme
/// this stays below [`MOST_BYTES`].
const LONGEST_METHOD: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `decided_at` is the number of bytes at which the answer is first given.
    #[track_caller]
    fn check(bytes: &[u8], expected: Sniffed, decided_at: usize) {
        for length in 0..=bytes.len() {
            let wanted = if length < decided_at { Sniffed::NeedMore } else { expected };
            assert_eq!(sniff(&bytes[..length]), wanted, "{length} bytes of {bytes:?}");
        }
    }

    #[test]
    fn each_protocol_is_told_at_the_first_byte_that_tells_it() {
        check(b"\x16\x03\x01\x02\x00\x01", Sniffed::Tls, 2);
        check(b"\x16\x03\x04", Sniffed::Tls, 2);
        check(b"\x16\x02\x00", Sniffed::Other, 2);
        check(b"\x05\x01\x00", Sniffed::Other, 1);
        check(b"\x00", Sniffed::Other, 1);
        check(b"GET / HTTP/1.1\r\n", Sniffed::Http1, 5);
        check(b"OPTIONS * HTTP/1.1\r\n", Sniffed::Http1, 9);
        check(b"CONNECT [::1]:443 HTTP/1.1\r\n", Sniffed::Http1, 9);
        check(b"CONNECT a:443 HTTP/1.1\r\n", Sniffed::Http1, 9);
        check(b"GET HTTP://example/ HTTP/1.1\r\n", Sniffed::Http1, 8);
        check(b"M-SEARCH * HTTP/1.1\r\n", Sniffed::Http1, 10);
        check(b"UPDATEREDIRECTREF /x HTTP/1.1", Sniffed::Http1, 19);
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00", Sniffed::Http2Preface, 24);
        check(b"PRI * HTTP/1.1\r\n", Sniffed::Http1, 12);
        check(b"PROPFIND /dav HTTP/1.1\r\n", Sniffed::Http1, 10);
        check(b"EHLO mail.example\r\n", Sniffed::Other, 6);
        check(b"EHLO host\r\n", Sniffed::Other, 7);
        check(b"SSH-2.0-OpenSSH_9.9 Debian\r\n", Sniffed::Other, 6);
        check(b"* OK IMAP\r\n", Sniffed::Other, 1);
        check(b"QUIT\r\n", Sniffed::Other, 5);
        check(b"GET  / HTTP/1.1\r\n", Sniffed::Other, 5);
    }

    #[test]
    fn a_server_begins_http2_with_settings_alone() {
        let check = |bytes: &[u8], expected, decided_at: usize| {
            for length in 0..=bytes.len() {
                let wanted = if length < decided_at { Sniffed::NeedMore } else { expected };
                assert_eq!(sniff_server(&bytes[..length]), wanted, "{length} of {bytes:?}");
            }
        };
        check(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 9], Sniffed::Http2Preface, 9);
        check(&[0, 0, 18, 4, 0, 0, 0, 0, 0], Sniffed::Http2Preface, 9);
        check(&[0, 0x40, 2, 4], Sniffed::Other, 3);
        check(&[0, 0, 17], Sniffed::Other, 3);
        check(&[0, 0, 6, 4, 1], Sniffed::Other, 5);
        check(&[0, 0, 6, 4, 0, 0, 0, 0, 1], Sniffed::Other, 9);
        check(b"220 mail ESMTP", Sniffed::Other, 1);
        check(b"HTTP/1.1 200", Sniffed::Other, 1);
    }

    proptest! {
        #[test]
        fn the_answer_is_bounded_and_never_changes(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..64),
                prop::collection::vec(prop::sample::select(b"GETPRI *HTTP/2.0\r\n_-:h".to_vec()), 0..64),
            ],
        ) {
            let whole = sniff(&bytes);
            prop_assert!(whole != Sniffed::NeedMore || bytes.len() < MOST_BYTES);
            for length in 0..bytes.len() {
                let part = sniff(&bytes[..length]);
                prop_assert!(part == Sniffed::NeedMore || part == whole);
            }
        }
    }
}
