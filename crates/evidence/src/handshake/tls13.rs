//! TLS 1.3: the signature is over the transcript up to the certificate (RFC 8446 sections 4.4.1 to
//! 4.4.3), and both are encrypted with the server's handshake traffic secret.

use super::key_schedule::{Opener, Suite};
use super::messages::{self, Hello, Message, Messages, OUT_OF_PLACE, Reader};
use super::proof::{Shown, Unproven};
use super::signature::{self, Rules};
use aws_lc_rs::digest::{Context, digest};

/// `offer` and `answer` are the first ClientHello and the first ServerHello.
pub(super) fn prove(
    offer: Message,
    answer: Message,
    client: &mut Messages<'_>,
    server: &mut Messages<'_>,
    secret: &[u8],
) -> Result<Shown, Unproven> {
    let hello = Hello::of_server(&answer)?;
    let suite = Suite::of(hello.suite)?;
    let mut transcript = Context::new(suite.hash);
    if hello.is_retry() {
        // The first ClientHello is replaced by a message that holds its hash (section 4.4.1).
        let first = digest(suite.hash, &offer.raw);
        transcript.update(&[MESSAGE_HASH, 0, 0, suite.hash.output_len() as u8]);
        transcript.update(first.as_ref());
        transcript.update(&answer.raw);
        transcript.update(&client.next_of(messages::CLIENT_HELLO)?.raw);
        let second = server.next_of(messages::SERVER_HELLO)?;
        let again = Hello::of_server(&second)?;
        if again.is_retry() || again.suite != hello.suite || again.version != hello.version {
            return Err(OUT_OF_PLACE);
        }
        transcript.update(&second.raw);
    } else {
        transcript.update(&offer.raw);
        transcript.update(&answer.raw);
    }
    server.open_with(Opener::new(suite, secret)?)?;
    transcript.update(&server.next_of(messages::ENCRYPTED_EXTENSIONS)?.raw);
    let mut message = server.next()?;
    if message.kind == messages::CERTIFICATE_REQUEST {
        transcript.update(&message.raw);
        message = server.next()?;
    }
    match message.kind {
        messages::CERTIFICATE => {}
        messages::COMPRESSED_CERTIFICATE => {
            return Err(Unproven::Unsupported("a compressed certificate"));
        }
        messages::FINISHED => return Err(Unproven::Unsupported("a resumed session")),
        _ => return Err(OUT_OF_PLACE),
    }
    transcript.update(&message.raw);
    let mut certificate = Reader(message.body());
    certificate.vector8()?;
    let chain = messages::certificates(certificate.vector24()?, true)?;
    let verify = server.next_of(messages::CERTIFICATE_VERIFY)?;
    let mut verify = Reader(verify.body());
    let (scheme, signature) = (verify.u16()?, verify.vector16()?);
    let mut signed = vec![b' '; PADDING];
    signed.extend_from_slice(CONTEXT);
    signed.extend_from_slice(transcript.finish().as_ref());
    signature::check(Rules::Tls13, scheme, &chain, &signed, signature)?;
    Ok(Shown { scheme, chain })
}

const MESSAGE_HASH: u8 = 254;
const PADDING: usize = 64;
const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";
