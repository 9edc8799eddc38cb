//! What a kept TLS handshake proves: that whoever held the private key of the shown certificate took
//! part in it (TLS 1.3: RFC 8446 section 4.4.3; TLS 1.2: RFC 5246 section 7.4.3 with RFC 8422). Bytes
//! and secrets in, a proof or a reason out. What was said afterwards is signed by nobody, and nothing
//! here says that it was.

mod chain;
mod key_log;
mod key_schedule;
mod messages;
mod proof;
mod records;
mod signature;
#[cfg(test)]
mod tests;
mod tls12;
mod tls13;

pub use chain::{ChainCheck, Roots};
pub use key_log::KeyLog;
pub use proof::{Proof, Unproven};

use messages::{Hello, Messages, Side};

/// The handshake of one connection with a server, as it passed the wire.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// TLS records of the client, from the ClientHello on.
    pub up: &'a [u8],
    /// TLS records of the server.
    pub down: &'a [u8],
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
        client_random,
        version: hello.version,
        scheme: shown.scheme,
        server_name: server_name(kept.up),
        chain: shown.chain,
    })
}

fn server_name(up: &[u8]) -> Option<String> {
    match observe::client_hello::parse(up) {
        observe::client_hello::Parsed::Complete(hello) => hello.server_name,
        _ => None,
    }
}

const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;
