//! JA3 and JA4 of a ClientHello: names for the software that sent it. Both leave out GREASE values
//! (RFC 8701). Only TLS over TCP; QUIC and DTLS differ in JA4's first letter.

use aws_lc_rs::digest::{SHA256, digest};
use flow::tls::ClientHello;
use md5::{Digest as _, Md5};
use std::fmt::Write as _;

/// JA3 (<https://github.com/salesforce/ja3>): MD5 of
/// `version,ciphers,extensions,groups,point formats`, each a `-` separated decimal list in wire
/// order; the version is the legacy one.
pub(crate) fn ja3(hello: &ClientHello) -> String {
    hex(&Md5::digest(ja3_text(hello)))
}

/// JA4 (<https://github.com/FoxIO-LLC/ja4>, `technical_details/JA4.md`): a readable part, then 12
/// hex digits each of the SHA-256 of the sorted ciphers and of the sorted extensions (without
/// server_name and ALPN) with the signature algorithms in wire order.
pub(crate) fn ja4(hello: &ClientHello) -> String {
    let mut ciphers = without_grease(&hello.cipher_suites);
    let mut extensions = without_grease(&hello.extensions);
    let (first, last) = alpn_letters(hello.alpn.first().map_or(&[], Vec::as_slice));
    let readable = format!(
        "t{}{}{:02}{:02}{first}{last}",
        version_letters(&hello.versions),
        if hello.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' },
        ciphers.len().min(MOST_COUNTED),
        extensions.len().min(MOST_COUNTED),
    );
    ciphers.sort_unstable();
    extensions.retain(|extension| !matches!(*extension, SERVER_NAME | ALPN));
    extensions.sort_unstable();
    let mut names = hex_list(&extensions);
    let algorithms = hex_list(&without_grease(&hello.signature_algorithms));
    if !names.is_empty() && !algorithms.is_empty() {
        names = format!("{names}_{algorithms}");
    }
    format!("{readable}_{}_{}", hash12(&hex_list(&ciphers)), hash12(&names))
}

/// GREASE: both bytes equal and of the form `?A` (RFC 8701 section 2).
pub(crate) fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

fn ja3_text(hello: &ClientHello) -> String {
    let formats: Vec<u16> = hello.point_formats.iter().copied().map(u16::from).collect();
    let lists = [
        decimal_list(&without_grease(&hello.cipher_suites)),
        decimal_list(&without_grease(&hello.extensions)),
        decimal_list(&without_grease(&hello.groups)),
        decimal_list(&formats),
    ];
    format!("{},{}", hello.legacy_version, lists.join(","))
}

fn version_letters(versions: &[u16]) -> &'static str {
    match versions.iter().copied().filter(|version| !is_grease(*version)).max() {
        Some(0x0304) => "13",
        Some(0x0303) => "12",
        Some(0x0302) => "11",
        Some(0x0301) => "10",
        Some(0x0300) => "s3",
        Some(0x0002) => "s2",
        _ => "00",
    }
}

/// The first and last character of the first protocol name, or of its hex form where one of the two
/// is no letter or digit.
fn alpn_letters(name: &[u8]) -> (char, char) {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return ('0', '0') };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return (char::from(*first), char::from(*last));
    }
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    (digit(first >> 4), digit(last & 0x0f))
}

/// Twelve zeros stand for an empty list.
fn hash12(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(2 * JA4_HASH_BYTES);
    }
    let digest = digest(&SHA256, text.as_bytes());
    hex(digest.as_ref().get(..JA4_HASH_BYTES).unwrap_or_default())
}

fn without_grease(values: &[u16]) -> Vec<u16> {
    values.iter().copied().filter(|value| !is_grease(*value)).collect()
}

fn decimal_list(values: &[u16]) -> String {
    list(values, '-', |text, value| write!(text, "{value}"))
}

fn hex_list(values: &[u16]) -> String {
    list(values, ',', |text, value| write!(text, "{value:04x}"))
}

fn list(
    values: &[u16],
    separator: char,
    show: impl Fn(&mut String, u16) -> std::fmt::Result,
) -> String {
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(separator);
        }
        // Writing to a string cannot fail.
        if show(&mut text, *value).is_err() {
            break;
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

const SERVER_NAME: u16 = 0x0000;
const ALPN: u16 = 0x0010;
const MOST_COUNTED: usize = 99;
const JA4_HASH_BYTES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn empty() -> ClientHello {
        ClientHello {
            raw: Bytes::new(),
            legacy_version: 0x0303,
            versions: vec![0x0303],
            cipher_suites: vec![],
            extensions: vec![],
            groups: vec![],
            point_formats: vec![],
            signature_algorithms: vec![],
            server_name: None,
            alpn: vec![],
            max_fragment_length: None,
            record_size_limit: None,
            encrypted_client_hello: false,
            ja3: String::new(),
            ja4: String::new(),
        }
    }

    fn numbers(text: &str) -> Vec<u16> {
        text.split(',').map(|digits| u16::from_str_radix(digits, 16).unwrap()).collect()
    }

    /// The lists of a Chrome, as in the specification's example, with GREASE put back in.
    fn chrome() -> ClientHello {
        ClientHello {
            versions: numbers("6a6a,0304,0303"),
            cipher_suites: numbers(
                "9a9a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
            ),
            extensions: numbers(
                "dada,001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,\
                 0015,fafa",
            ),
            signature_algorithms: numbers("0403,0804,0401,0503,0805,0501,0806,0601"),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            ..empty()
        }
    }

    #[test]
    fn ja4_of_the_published_examples() {
        assert_eq!(ja4(&chrome()), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        let mut hello = chrome();
        hello.signature_algorithms.clear();
        assert_eq!(ja4(&hello), "t13d1516h2_8daaf6152771_6d807ffa2a79");
        // A later Chrome, which also puts GREASE among the signature algorithms.
        hello.extensions = numbers(
            "fe0d,0010,0017,0033,44cd,ff01,000a,000d,0023,002b,000b,ca34,002d,0000,0005,001b,0012",
        );
        hello.signature_algorithms =
            numbers("0904,0905,0906,0403,0804,0401,0503,0805,0501,0806,0601,1a1a");
        assert_eq!(ja4(&hello), "t13d1517h2_8daaf6152771_cb7bf5808d99");
    }

    #[test]
    fn ja4_of_empty_lists_is_zeros() {
        assert_eq!(ja4(&empty()), "t12i000000_000000000000_000000000000");
        let only_names = ClientHello { extensions: vec![SERVER_NAME, ALPN], ..empty() };
        assert_eq!(ja4(&only_names), "t12d000200_000000000000_000000000000");
        let many = ClientHello { cipher_suites: (0..120).collect(), ..empty() };
        assert!(ja4(&many).starts_with("t12i990000_"));
    }

    #[test]
    fn ja4_versions() {
        for (versions, expected) in [
            (&[0x0304_u16, 0x0303][..], "t13"),
            (&[0x0301, 0x0302], "t11"),
            (&[0x0301], "t10"),
            (&[0x0300], "ts3"),
            (&[0x0002], "ts2"),
            (&[0xfafa, 0x0303], "t12"),
            (&[0xfafa], "t00"),
            (&[], "t00"),
        ] {
            let hello = ClientHello { versions: versions.to_vec(), ..empty() };
            assert!(ja4(&hello).starts_with(expected), "{versions:x?}");
        }
    }

    #[test]
    fn ja4_protocol_names() {
        for (name, expected) in [
            (&b"h2"[..], ('h', '2')),
            (b"http/1.1", ('h', '1')),
            (b"q", ('q', 'q')),
            (b"", ('0', '0')),
            (b"\xab", ('a', 'b')),
            (b"\xab\xcd", ('a', 'd')),
            (b"0\xab", ('3', 'b')),
            (b"01\xab\xcd", ('3', 'd')),
            (b"0\xab\xcd1", ('0', '1')),
        ] {
            assert_eq!(alpn_letters(name), expected, "{name:?}");
        }
    }

    #[test]
    fn ja3_of_the_published_examples() {
        let mut hello = ClientHello {
            legacy_version: 769,
            cipher_suites: vec![47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
            extensions: vec![0, 10, 11],
            groups: vec![23, 24, 25],
            point_formats: vec![0],
            ..empty()
        };
        assert_eq!(ja3(&hello), "ada70206e40642a3e4461f35503241d5");
        hello.cipher_suites.insert(0, 0x0a0a);
        hello.extensions.push(0xfafa);
        hello.groups.insert(1, 0x3a3a);
        assert_eq!(ja3(&hello), "ada70206e40642a3e4461f35503241d5");
        let bare = ClientHello {
            legacy_version: 769,
            cipher_suites: vec![4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99],
            ..empty()
        };
        assert_eq!(ja3_text(&bare), "769,4-5-10-9-100-98-3-6-19-18-99,,,");
        assert_eq!(ja3(&bare), "de350869b8c85de67a350c8d186f11e6");
    }

    #[test]
    fn grease_is_the_sixteen_reserved_values() {
        let values: Vec<u16> = (0..=u16::MAX).filter(|value| is_grease(*value)).collect();
        assert_eq!(values.len(), 16);
        assert_eq!((values[0], values[15]), (0x0a0a, 0xfafa));
    }
}
