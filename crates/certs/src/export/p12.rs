//! PKCS #12 (RFC 7292) with one certificate and no key. A certificate is public, so it is not
//! encrypted; the password only keys the checksum that readers insist on. That is HMAC with SHA-1,
//! which all readers know (Apple's and older Java's know no other): nothing secret rests on it, and
//! the certificate is recognised by its fingerprint.

use crate::fingerprint;
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use aws_lc_rs::hmac;
use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, Tag, construct_der};

/// The file, listed under `name` by those who import it.
pub(super) fn file(name: &str, der: &[u8], password: &str) -> Vec<u8> {
    let bags = construct_der(|w| w.write_sequence(|w| bag(w.next(), name, der)));
    let safe = construct_der(|w| w.write_sequence(|w| data(w.next(), &bags)));
    // A salt needs to be its own for each key; this key protects this certificate alone.
    let print = fingerprint::sha256(der);
    let salt = print.get(..8).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &mac_key(password, salt));
    let mac = hmac::sign(&key, &safe);
    construct_der(|w| {
        w.write_sequence(|w| {
            w.next().write_u8(3);
            data(w.next(), &safe);
            w.next().write_sequence(|w| {
                w.next().write_sequence(|w| {
                    w.next().write_sequence(|w| {
                        w.next().write_oid(&oid(SHA1));
                        w.next().write_null();
                    });
                    w.next().write_bytes(mac.as_ref());
                });
                w.next().write_bytes(salt);
                w.next().write_u32(ITERATIONS);
            });
        });
    })
}

/// A `SafeBag` with a certificate, its name, and the mark by which Java takes it for trusted.
fn bag(writer: DERWriter<'_>, name: &str, der: &[u8]) {
    writer.write_sequence(|w| {
        w.next().write_oid(&oid(CERT_BAG));
        w.next().write_tagged(Tag::context(0), |w| {
            w.write_sequence(|w| {
                w.next().write_oid(&oid(X509_CERTIFICATE));
                w.next().write_tagged(Tag::context(0), |w| w.write_bytes(der));
            });
        });
        w.next().write_set_of(|w| {
            w.next().write_sequence(|w| {
                w.next().write_oid(&oid(FRIENDLY_NAME));
                w.next().write_set(|w| w.next().write_bmp_string(name));
            });
            w.next().write_sequence(|w| {
                w.next().write_oid(&oid(JAVA_TRUSTED_KEY_USAGE));
                w.next().write_set(|w| w.next().write_oid(&oid(ANY_EXTENDED_KEY_USAGE)));
            });
        });
    });
}

/// A `ContentInfo` of type data (RFC 2315 section 8).
fn data(writer: DERWriter<'_>, content: &[u8]) {
    writer.write_sequence(|w| {
        w.next().write_oid(&oid(DATA));
        w.next().write_tagged(Tag::context(0), |w| w.write_bytes(content));
    });
}

/// The key of the checksum (RFC 7292 appendix B.2, ID 3). One block of SHA-1 is as long as the key,
/// so the algorithm ends after its first round.
fn mac_key(password: &str, salt: &[u8]) -> [u8; 20] {
    let password: Vec<u8> = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(&[3; BLOCK]);
    hash.update(&filled(salt));
    hash.update(&filled(&password));
    let mut digest = hash.finish();
    for _ in 1..ITERATIONS {
        let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        hash.update(digest.as_ref());
        digest = hash.finish();
    }
    let mut key = [0; 20];
    for (to, from) in key.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    key
}

/// Copies of `bytes` up to a whole number of blocks.
fn filled(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().cycle().take(bytes.len().div_ceil(BLOCK) * BLOCK).collect()
}

fn oid(components: &[u64]) -> ObjectIdentifier {
    ObjectIdentifier::from_slice(components)
}

/// Input block of SHA-1, bytes.
const BLOCK: usize = 64;
/// What OpenSSL takes; more would not make a public file safer.
const ITERATIONS: u32 = 2048;
const DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 1];
const CERT_BAG: &[u64] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 3];
const X509_CERTIFICATE: &[u64] = &[1, 2, 840, 113_549, 1, 9, 22, 1];
const FRIENDLY_NAME: &[u64] = &[1, 2, 840, 113_549, 1, 9, 20];
const JAVA_TRUSTED_KEY_USAGE: &[u64] = &[2, 16, 840, 1, 113_894, 746_875, 1, 1];
const ANY_EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37, 0];
const SHA1: &[u64] = &[1, 3, 14, 3, 2, 26];
