//! The SHA-256 fingerprint of a certificate, by which people and devices tell certificates apart.

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 of the certificate's DER.
pub(crate) fn sha256(der: &[u8]) -> [u8; 32] {
    let mut print = [0; 32];
    for (to, from) in print.iter_mut().zip(digest(&SHA256, der).as_ref()) {
        *to = *from;
    }
    print
}

/// The first bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
