//! The PEM text of a certificate (RFC 7468). Reading PEM is left to `rustls-pki-types`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// `der` between the `CERTIFICATE` lines, 64 characters a line, with a final newline.
pub(crate) fn certificate(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::with_capacity(text.len() + text.len() / LINE + 64);
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % LINE == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}

/// Base64 characters of a line (RFC 7468 section 2).
const LINE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    #[test]
    fn what_is_written_is_read_back() {
        for length in [1, 47, 48, 49, 500] {
            let der = vec![0x5a; length];
            let text = certificate(&der);
            assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
            assert_eq!(CertificateDer::from_pem_slice(text.as_bytes()).unwrap().as_ref(), der);
        }
    }
}
