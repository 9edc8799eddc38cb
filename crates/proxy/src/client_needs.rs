//! What a client's ClientHello demands of our side of its handshake: which kind of key the leaf must
//! have, and how long our records may be. Decides nothing that rustls negotiates by itself.

use certs::KeyKind;
use flow::tls::ClientHello;

/// How the client's handshake must be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientNeeds {
    /// ECDSA, unless the client can only do RSA.
    pub(crate) key: KeyKind,
    /// Most bytes of plaintext in a record of ours; `None` means those that TLS allows.
    pub(crate) most_record_bytes: Option<usize>,
}

impl ClientNeeds {
    pub(crate) fn of(hello: &ClientHello) -> Self {
        let key = match !can_ecdsa(hello) && can_rsa(hello) {
            true => KeyKind::Rsa2048,
            false => KeyKind::P256,
        };
        Self { key, most_record_bytes: most_record_bytes(hello) }
    }
}

/// Whether the client can verify a handshake signed with ECDSA P-256 and SHA-256.
fn can_ecdsa(hello: &ClientHello) -> bool {
    if !hello.signature_algorithms.contains(&ECDSA_SECP256R1_SHA256) {
        return false;
    }
    // TLS 1.3 negotiates it by the signature algorithm alone (RFC 8446 section 4.2.3); before, it
    // also takes a suite for it, and the key's curve among the groups (RFC 8422 section 5.1).
    hello.versions.contains(&TLS13)
        || hello.cipher_suites.iter().any(|suite| ECDHE_ECDSA.contains(suite))
            && (hello.groups.is_empty() || hello.groups.contains(&SECP256R1))
}

/// Whether the client can verify a handshake signed with RSA, in any way of rustls.
fn can_rsa(hello: &ClientHello) -> bool {
    let has = |schemes: &[u16]| {
        hello.signature_algorithms.iter().any(|offered| schemes.contains(offered))
    };
    match hello.versions.contains(&TLS13) {
        true => has(&RSA_PSS),
        false => has(&RSA_PSS) || has(&RSA_PKCS1),
    }
}

/// The bound that the client set, by RFC 8449, else by RFC 6066 section 4. That of RFC 8449 goes
/// first, and in TLS 1.3 counts the content type's byte. rustls does not answer the extensions, which
/// binds nobody to anything; that our records are no longer than asked is what a small client needs.
fn most_record_bytes(hello: &ClientHello) -> Option<usize> {
    if let Some(limit) = hello.record_size_limit {
        let content_type = u16::from(hello.versions.contains(&TLS13));
        let bytes = limit.max(LEAST_RECORD_SIZE_LIMIT) - content_type;
        return Some(usize::from(bytes)).filter(|bytes| *bytes < MOST_PLAINTEXT_BYTES);
    }
    match hello.max_fragment_length {
        Some(code @ 1..=4) => Some(256 << code),
        // An illegal code, which most servers do not read either.
        Some(_) | None => None,
    }
}

const TLS13: u16 = 0x0304;
const SECP256R1: u16 = 0x0017;
const ECDSA_SECP256R1_SHA256: u16 = 0x0403;
/// SHA-256, SHA-384, SHA-512.
const RSA_PKCS1: [u16; 3] = [0x0401, 0x0501, 0x0601];
const RSA_PSS: [u16; 3] = [0x0804, 0x0805, 0x0806];
/// The suites of TLS 1.2 with ECDSA that rustls has: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305.
const ECDHE_ECDSA: [u16; 3] = [0xc02b, 0xc02c, 0xcca9];
/// RFC 8449 section 4.
const LEAST_RECORD_SIZE_LIMIT: u16 = 64;
/// RFC 8446 section 5.1.
const MOST_PLAINTEXT_BYTES: usize = 1 << 14;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn hello() -> ClientHello {
        ClientHello {
            raw: Bytes::new(),
            legacy_version: 0x0303,
            versions: vec![0x0303],
            cipher_suites: vec![0xc02b, 0xc02f],
            extensions: Vec::new(),
            groups: vec![0x001d, 0x0017],
            point_formats: Vec::new(),
            signature_algorithms: vec![0x0403, 0x0804, 0x0401],
            server_name: None,
            alpn: Vec::new(),
            max_fragment_length: None,
            record_size_limit: None,
            encrypted_client_hello: false,
            ja3: String::new(),
            ja4: String::new(),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut ClientHello), expected: KeyKind) {
        let mut hello = hello();
        change(&mut hello);
        assert_eq!(ClientNeeds::of(&hello).key, expected);
    }

    #[test]
    fn the_leaf_is_ecdsa_unless_the_client_can_only_do_rsa() {
        use KeyKind::{P256, Rsa2048};
        check(|_| {}, P256);
        check(|hello| hello.signature_algorithms = vec![0x0804, 0x0401], Rsa2048);
        check(|hello| hello.signature_algorithms = vec![0x0503, 0x0601], Rsa2048);
        check(|hello| hello.cipher_suites = vec![0xc02f, 0xc030], Rsa2048);
        check(|hello| hello.groups = vec![0x001d, 0x0018], Rsa2048);
        check(|hello| hello.groups = Vec::new(), P256);
        check(|hello| hello.signature_algorithms = Vec::new(), P256);
        let tls13 = |hello: &mut ClientHello| hello.versions = vec![0x7a7a, 0x0304, 0x0303];
        let with = |schemes: &[u16], expected| {
            check(
                |hello| {
                    tls13(hello);
                    (hello.cipher_suites, hello.groups) = (vec![0x1301], vec![0x001d]);
                    hello.signature_algorithms = schemes.to_vec();
                },
                expected,
            );
        };
        with(&[0x0403, 0x0804], P256);
        with(&[0x0804, 0x0401], Rsa2048);
        // TLS 1.3 has no PKCS #1 v1.5 in handshakes: neither will do, and rustls says so.
        with(&[0x0401], P256);
    }

    #[track_caller]
    fn check_bound(tls13: bool, limit: Option<u16>, code: Option<u8>, expected: Option<usize>) {
        let mut hello = hello();
        if tls13 {
            hello.versions = vec![0x0304];
        }
        (hello.record_size_limit, hello.max_fragment_length) = (limit, code);
        assert_eq!(ClientNeeds::of(&hello).most_record_bytes, expected);
    }

    #[test]
    fn records_are_no_longer_than_the_client_takes() {
        check_bound(true, None, None, None);
        check_bound(false, None, Some(1), Some(512));
        check_bound(true, None, Some(4), Some(4096));
        check_bound(false, None, Some(0), None);
        check_bound(false, None, Some(5), None);
        check_bound(false, Some(64), Some(1), Some(64));
        check_bound(true, Some(64), None, Some(63));
        check_bound(true, Some(0), None, Some(63));
        check_bound(true, Some(4001), None, Some(4000));
        check_bound(false, Some(16383), None, Some(16383));
        check_bound(false, Some(16384), None, None);
        check_bound(true, Some(16385), None, None);
        check_bound(true, Some(u16::MAX), None, None);
    }
}
