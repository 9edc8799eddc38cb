//! The kinds of key that authorities and leaves have, and making one. Storing keys is
//! [`crate::store`]'s.

use crate::error::Error;
use rcgen::KeyPair;
use std::fmt;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// ECDSA on P-256, signing with SHA-256.
    P256,
    /// RSA with 2048 bits, signing with PKCS #1 v1.5 and SHA-256: for clients without ECDSA.
    Rsa2048,
}

impl KeyKind {
    /// The word that commands and the configuration take.
    pub fn word(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::Rsa2048 => "rsa2048",
        }
    }

    /// A new key. RSA takes a fraction of a second of computing.
    pub(crate) fn generate(self) -> Result<KeyPair, Error> {
        let algorithm = match self {
            Self::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
        };
        KeyPair::generate_for(algorithm).map_err(|source| Error::Sign { source })
    }
}

/// What kind of key this is, whoever made it, for people: `ECDSA P-256`, `RSA 2048`.
pub(crate) fn text(key: &KeyPair, public: &SubjectPublicKeyInfo<'_>) -> String {
    let algorithm = key.algorithm();
    if *algorithm == rcgen::PKCS_ECDSA_P256_SHA256 {
        return "ECDSA P-256".to_owned();
    }
    if *algorithm == rcgen::PKCS_ECDSA_P384_SHA384 {
        return "ECDSA P-384".to_owned();
    }
    match public.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA {}", rsa.key_size()),
        _ => "another kind".to_owned(),
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
