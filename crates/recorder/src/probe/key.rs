//! The public key of an installation, as people pass it on to each other.

use crate::record::value::Base64;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;

/// An Ed25519 public key (RFC 8032), spelled in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// `None` of bytes that are not 32.
    pub(super) fn read(bytes: &Base64) -> Option<Self> {
        bytes.0.as_ref().try_into().ok().map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let bytes = STANDARD.decode(text).map_err(|_other| NotAKey)?;
        bytes.try_into().map(Self).map_err(|_length| NotAKey)
    }
}

/// The text is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write the 44 characters of the key that `landfall probe` printed")
    }
}

impl std::error::Error for NotAKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_in_base64() {
        let text = PublicKey([7; 32]).to_string();
        assert_eq!(text.len(), 44);
        assert_eq!(text.parse(), Ok(PublicKey([7; 32])));
        for wrong in ["", "AAAA", "not base64", &STANDARD.encode([7; 33])] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(NotAKey), "{wrong}");
        }
    }
}
