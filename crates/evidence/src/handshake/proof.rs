//! What a handshake proves, and why it may prove nothing.

use bytes::Bytes;
use std::fmt;

/// What the handshake proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The client's random, which is another one in each handshake.
    pub client_random: [u8; 32],
    /// `0x0304` or `0x0303`.
    pub version: u16,
    /// The signature scheme, as its code (RFC 8446 section 4.2.3).
    pub scheme: u16,
    /// The name that the client asked for, where it did.
    pub server_name: Option<String>,
    /// The certificates that the server sent, DER, its own first. The key of the first one signed.
    pub chain: Vec<Bytes>,
}

/// Why it proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// The bytes end before the signature.
    Incomplete,
    /// There is no secret for this handshake in the key log.
    NoSecret,
    /// The bytes are no handshake; where and what.
    Malformed(&'static str),
    /// A version, suite, key or form that this program cannot check.
    Unsupported(&'static str),
    /// The secret of the key log does not open the server's records.
    WrongSecret,
    /// The signature is not one of the certificate's key over this handshake.
    WrongSignature,
}

impl Unproven {
    /// The bytes contradict themselves, as those of a handshake that took place cannot.
    pub fn is_contradiction(&self) -> bool {
        matches!(self, Self::Malformed(_) | Self::WrongSecret | Self::WrongSignature)
    }
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("the kept bytes end before the server's signature"),
            Self::NoSecret => f.write_str("the key log has no secret of this handshake"),
            Self::Malformed(what) => write!(f, "the kept bytes are no TLS handshake: {what}"),
            Self::Unsupported(what) => write!(f, "{what}, which cannot be checked here"),
            Self::WrongSecret => f.write_str("the key log's secret does not open the handshake"),
            Self::WrongSignature => {
                f.write_str("the server's signature is not over this handshake")
            }
        }
    }
}

/// What the steps of either version come to.
pub(super) struct Shown {
    pub(super) scheme: u16,
    pub(super) chain: Vec<Bytes>,
}
