//! What a kept TLS handshake proves: that whoever held the private key of the shown certificate took
//! part in it (TLS 1.3: RFC 8446 section 4.4.3; TLS 1.2: RFC 5246 section 7.4.3 with RFC 8422). Bytes
//! and secrets in, a proof or a reason out. What was said afterwards is signed by nobody, and nothing
//! here says that it was.

mod chain;
mod key_log;
mod key_schedule;
mod messages;
mod records;
mod signature;
#[cfg(test)]
mod tests;
mod tls12;
mod tls13;

pub use chain::{ChainCheck, Roots};
pub use key_log::KeyLog;

use bytes::Bytes;
use messages::{Hello, Messages, Side};
use std::fmt;

/// The handshake of one connection with a server, as it passed the wire.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// TLS records of the client, from the ClientHello on.
    pub up: &'a [u8],
    /// TLS records of the server.
    pub down: &'a [u8],
}

/// What the handshake proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
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

/// Checks the server's signature over a kept handshake. The secrets are needed for TLS 1.3 alone,
/// where the certificate is encrypted.
///
/// # Errors
/// Why it cannot be proven.
pub fn prove(kept: Kept<'_>, secrets: &KeyLog) -> Result<Proof, Unproven> {
    let mut client = Messages::new(kept.up, Side::Client);
    let mut server = Messages::new(kept.down, Side::Server);
    let offer = client.next_of(messages::CLIENT_HELLO)?;
    let answer = server.next_of(messages::SERVER_HELLO)?;
    let hello = Hello::of_server(&answer)?;
    let client_random = Hello::random_of_client(&offer)?;
    let shown = if hello.version == TLS13 {
        let secret = secrets.server_handshake(&client_random).ok_or(Unproven::NoSecret)?;
        tls13::prove(offer, answer, &mut client, &mut server, secret)?
    } else if hello.version == TLS12 {
        tls12::prove(&client_random, &hello.random, &mut server)?
    } else {
        return Err(Unproven::Unsupported("a version of TLS before 1.2"));
    };
    Ok(Proof {
        version: hello.version,
        scheme: shown.scheme,
        server_name: server_name(kept.up),
        chain: shown.chain,
    })
}

/// What the steps of either version come to.
struct Shown {
    scheme: u16,
    chain: Vec<Bytes>,
}

fn server_name(up: &[u8]) -> Option<String> {
    match observe::client_hello::parse(up) {
        observe::client_hello::Parsed::Complete(hello) => hello.server_name,
        _ => None,
    }
}

const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;
