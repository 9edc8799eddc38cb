//! TLS 1.2: the signature is over both randoms and the server's share of the key exchange (RFC 8422
//! section 5.4). It is in the clear. The rest of the handshake is not under it, the certificate neither: the
//! chain alone says whose key it is.

use super::messages::{self, Messages, OUT_OF_PLACE, RANDOM, Reader};
use super::proof::{Shown, Unproven};
use super::signature::{self, Rules};

pub(super) fn prove(
    client_random: &[u8; RANDOM],
    server_random: &[u8; RANDOM],
    server: &mut Messages<'_>,
) -> Result<Shown, Unproven> {
    let message = server.next()?;
    if message.kind != messages::CERTIFICATE {
        // After a ServerHello only a resumed session goes on without a certificate.
        return Err(Unproven::Unsupported("a resumed session"));
    }
    let chain = messages::certificates(Reader(message.body()).vector24()?, false)?;
    let mut message = server.next()?;
    if message.kind == messages::CERTIFICATE_STATUS {
        message = server.next()?;
    }
    if message.kind != messages::SERVER_KEY_EXCHANGE {
        return Err(match message.kind {
            CERTIFICATE_REQUEST | SERVER_HELLO_DONE => {
                Unproven::Unsupported("a key exchange without a signature")
            }
            _ => OUT_OF_PLACE,
        });
    }
    let body = message.body();
    let mut reader = Reader(body);
    let [curve_type] = reader.array()?;
    if curve_type != NAMED_CURVE {
        return Err(Unproven::Unsupported("a key exchange without a named curve"));
    }
    reader.u16()?;
    reader.vector8()?;
    let parameters = body.len() - reader.0.len();
    let (scheme, signature) = (reader.u16()?, reader.vector16()?);
    let parameters = body.get(..parameters).unwrap_or_default();
    let signed = [client_random, server_random, parameters].concat();
    signature::check(Rules::Tls12, scheme, &chain, &signed, signature)?;
    Ok(Shown { scheme, chain })
}

const CERTIFICATE_REQUEST: u8 = messages::CERTIFICATE_REQUEST;
const SERVER_HELLO_DONE: u8 = 14;
const NAMED_CURVE: u8 = 3;
