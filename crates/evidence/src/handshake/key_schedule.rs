//! The keys that open a server's handshake records (RFC 8446 sections 5.2, 5.3 and 7.3).

use super::proof::Unproven;
use super::records::Record;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305};
use aws_lc_rs::aead::{Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest;
use aws_lc_rs::hkdf::{self, KeyType, Prk};

/// A cipher suite of TLS 1.3 (RFC 8446 appendix B.4).
#[derive(Clone, Copy, Debug)]
pub(super) struct Suite {
    aead: &'static Algorithm,
    hkdf: hkdf::Algorithm,
    pub(super) hash: &'static digest::Algorithm,
}

impl Suite {
    pub(super) fn of(code: u16) -> Result<Self, Unproven> {
        let (aead, hkdf, hash) = match code {
            0x1301 => (&AES_128_GCM, hkdf::HKDF_SHA256, &digest::SHA256),
            0x1302 => (&AES_256_GCM, hkdf::HKDF_SHA384, &digest::SHA384),
            0x1303 => (&CHACHA20_POLY1305, hkdf::HKDF_SHA256, &digest::SHA256),
            _ => return Err(Unproven::Unsupported("an uncommon cipher suite")),
        };
        Ok(Self { aead, hkdf, hash })
    }
}

/// Opens the records of one direction in one epoch.
pub(super) struct Opener {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
}

impl Opener {
    /// From a traffic secret.
    pub(super) fn new(suite: Suite, secret: &[u8]) -> Result<Self, Unproven> {
        if secret.len() != suite.hash.output_len() {
            return Err(Unproven::WrongSecret);
        }
        let prk = Prk::new_less_safe(suite.hkdf, secret);
        let key = expand(&prk, b"tls13 key", suite.aead.key_len())?;
        let iv = expand(&prk, b"tls13 iv", NONCE_LEN)?;
        let key = UnboundKey::new(suite.aead, &key).map_err(|_length| Unproven::WrongSecret)?;
        let iv = iv.try_into().map_err(|_length| Unproven::WrongSecret)?;
        Ok(Self { key: LessSafeKey::new(key), iv, sequence: 0 })
    }

    /// The inner content type and the content.
    pub(super) fn open(&mut self, record: &Record<'_>) -> Result<(u8, Vec<u8>), Unproven> {
        let mut nonce = self.iv;
        for (byte, count) in nonce.iter_mut().rev().zip(self.sequence.to_le_bytes()) {
            *byte ^= count;
        }
        self.sequence += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let mut sealed = record.fragment.to_vec();
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(record.header), &mut sealed)
            .map_err(|_unspecified| Unproven::WrongSecret)?;
        let end = opened.iter().rposition(|byte| *byte != 0);
        let (content, kind) = end
            .and_then(|end| opened.split_at_checked(end))
            .ok_or(Unproven::Malformed("a record without content"))?;
        let kind = kind.first().copied().unwrap_or_default();
        Ok((kind, content.to_vec()))
    }
}

/// HKDF-Expand-Label with an empty context (RFC 8446 section 7.1); `label` begins with `tls13 `.
fn expand(prk: &Prk, label: &[u8], length: usize) -> Result<Vec<u8>, Unproven> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let too_long = |_conversion| Unproven::WrongSecret;
    let output = u16::try_from(length).map_err(too_long)?.to_be_bytes();
    let label_length = [u8::try_from(label.len()).map_err(too_long)?];
    let info: [&[u8]; 4] = [&output, &label_length, label, &[0]];
    let mut bytes = vec![0; length];
    prk.expand(&info, Length(length))
        .and_then(|okm| okm.fill(&mut bytes))
        .map_err(|_unspecified| Unproven::WrongSecret)?;
    Ok(bytes)
}
