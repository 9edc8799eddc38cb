//! Who made an IPFire location database: the file carries up to two signatures over everything else
//! in it (ECDSA with SHA-256, the fields of the signatures taken as zeroes).

use crate::ipfire_layout::HEADER_BYTES;
use aws_lc_rs::signature::{ECDSA_P521_SHA256_ASN1, ParsedPublicKey};

/// A key on the curve P-521 that signs databases.
#[derive(Clone, Debug)]
pub struct SigningKey(ParsedPublicKey);

/// What the signatures of a file are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// One of them is of the key.
    Valid,
    /// There is none.
    Missing,
    /// None of them is of the key, or the file was changed.
    Wrong,
}

/// The text is no public key on P-521.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASigningKey;

impl std::fmt::Display for NotASigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no public key on the curve P-521")
    }
}

impl std::error::Error for NotASigningKey {}

impl SigningKey {
    /// The key of the IPFire project, as its package `location` ships it.
    ///
    /// # Errors
    /// None, unless the build is broken.
    pub fn of_ipfire() -> Result<Self, NotASigningKey> {
        Self::from_der(&IPFIRE_KEY)
    }

    /// From a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// It is none, or not on P-521.
    pub fn from_der(der: &[u8]) -> Result<Self, NotASigningKey> {
        match ParsedPublicKey::new(&ECDSA_P521_SHA256_ASN1, der) {
            Ok(key) => Ok(Self(key)),
            Err(_rejected) => Err(NotASigningKey),
        }
    }

    /// Checks the signatures of a file. The file is changed on the way and is the same afterwards.
    pub(crate) fn check(&self, file: &mut [u8]) -> Signature {
        let signed = [0, 1].map(|which| signature(file, which));
        let Some(fields) = file.get_mut(LENGTHS_AT..HEADER_BYTES - PADDING_BYTES) else {
            return Signature::Missing;
        };
        let kept = fields.to_vec();
        fields.fill(0);
        let valid =
            signed.iter().flatten().any(|signature| self.0.verify_sig(file, signature).is_ok());
        if let Some(fields) = file.get_mut(LENGTHS_AT..HEADER_BYTES - PADDING_BYTES) {
            fields.copy_from_slice(&kept);
        }
        match (valid, signed) {
            (true, _) => Signature::Valid,
            (false, [None, None]) => Signature::Missing,
            (false, _) => Signature::Wrong,
        }
    }
}

fn signature(file: &[u8], which: usize) -> Option<Vec<u8>> {
    let length = file.get(LENGTHS_AT + 2 * which..)?.first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let begin = LENGTHS_AT + 4 + which * MOST_BYTES;
    let bytes = file.get(begin..begin + length.min(MOST_BYTES))?;
    (length > 0).then(|| bytes.to_vec())
}

const LENGTHS_AT: usize = 68;
const MOST_BYTES: usize = 2048;
const PADDING_BYTES: usize = 32;

/// `signing-key.pem` of libloc, of 2019-12-10, in DER.
const IPFIRE_KEY: [u8; 158] = [
    0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
    0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00, 0x04, 0x01, 0xd4, 0xfc, 0xd9, 0x75, 0x5f,
    0x43, 0x13, 0x9f, 0x4b, 0x54, 0x27, 0x57, 0xcb, 0xff, 0x5c, 0x46, 0x0b, 0xd3, 0xcb, 0xd9, 0x71,
    0x2f, 0x9b, 0x55, 0xd7, 0x46, 0xb0, 0x64, 0x38, 0xa5, 0xc1, 0x0f, 0x46, 0x47, 0xcc, 0x7f, 0x8a,
    0xb2, 0x44, 0xf1, 0xcb, 0x46, 0x4a, 0x76, 0x79, 0x1e, 0x06, 0xce, 0x93, 0xe8, 0x22, 0x96, 0xea,
    0xe6, 0x0b, 0x92, 0x65, 0x26, 0x64, 0xe3, 0x66, 0xb5, 0xbb, 0xb6, 0xdf, 0x00, 0xc2, 0x2b, 0xbc,
    0x8a, 0xbd, 0xf2, 0xda, 0x7e, 0xd7, 0x5f, 0x28, 0x95, 0x18, 0x8c, 0xd3, 0x1e, 0xb0, 0x3a, 0x4f,
    0x0e, 0xd2, 0x1b, 0xe1, 0xfd, 0x2f, 0x3b, 0x88, 0x97, 0x4c, 0x02, 0x83, 0xab, 0x3a, 0xb2, 0xf9,
    0xd7, 0x54, 0x3c, 0xa1, 0xa3, 0xb6, 0xf4, 0xb5, 0x26, 0x4f, 0x50, 0x62, 0x8c, 0x23, 0x6f, 0x2a,
    0x09, 0x45, 0xde, 0x7f, 0x48, 0xef, 0x67, 0xdf, 0xa7, 0x71, 0x38, 0x89, 0x87, 0x5c,
];
