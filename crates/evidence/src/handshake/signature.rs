//! One signature under the key of a certificate, by the rules of the version of TLS. Whether the
//! certificate is anybody's is for [`super::chain`] to say.

use super::proof::Unproven;
use bytes::Bytes;
use rustls::SignatureScheme;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::EndEntityCert;

/// Which keys may sign with a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// A scheme's hash may go with any curve (RFC 5246).
    Tls12,
    /// A scheme names its curve, and PKCS #1 v1.5 is not allowed (RFC 8446 section 4.2.3).
    Tls13,
}

/// Checks a signature under the key of the first certificate.
pub(super) fn check(
    rules: Rules,
    scheme: u16,
    chain: &[Bytes],
    signed: &[u8],
    signature: &[u8],
) -> Result<(), Unproven> {
    let leaf = chain.first().ok_or(Unproven::Malformed("a list of no certificates"))?;
    let leaf = CertificateDer::from(leaf.as_ref());
    let leaf = EndEntityCert::try_from(&leaf)
        .map_err(|_syntax| Unproven::Unsupported("a certificate that cannot be read"))?;
    let mut found = Err(Unproven::Unsupported("a scheme that does not go with the key"));
    for algorithm in algorithms(rules, SignatureScheme::from(scheme))? {
        match leaf.verify_signature(algorithm, signed, signature) {
            Ok(()) => return Ok(()),
            Err(webpki::Error::InvalidSignatureForPublicKey) => {
                found = Err(Unproven::WrongSignature);
            }
            // The key is of another kind.
            Err(_) => {}
        }
    }
    found
}

fn algorithms(
    rules: Rules,
    scheme: SignatureScheme,
) -> Result<Vec<&'static dyn SignatureVerificationAlgorithm>, Unproven> {
    let known = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let (_, of_scheme) = known
        .mapping
        .iter()
        .find(|(known, _)| *known == scheme)
        .ok_or(Unproven::Unsupported("an uncommon signature scheme"))?;
    let is_pkcs1 = matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    );
    match rules {
        Rules::Tls13 if is_pkcs1 => Err(Unproven::Malformed("a scheme that TLS 1.3 forbids")),
        Rules::Tls13 => Ok(of_scheme.iter().take(1).copied().collect()),
        Rules::Tls12 => Ok(of_scheme.to_vec()),
    }
}
