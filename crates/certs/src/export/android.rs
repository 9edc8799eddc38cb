//! The name of a certificate's file in Android's system store, which is how Android finds it: the
//! hash that OpenSSL before 1.0 used (`openssl x509 -subject_hash_old`).

use md5::{Digest, Md5};

/// `HASH.0`: the first four bytes, little-endian, of the MD5 of the subject's DER. MD5 is part of
/// the format; no security rests on it.
pub(super) fn file_name(subject_der: &[u8]) -> String {
    let digest: [u8; 16] = Md5::digest(subject_der).into();
    let [a, b, c, d, ..] = digest;
    format!("{:08x}.0", u32::from_le_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_digests_first_bytes_backwards() {
        // MD5 of "abc" begins 90015098 (RFC 1321 appendix A.5).
        assert_eq!(file_name(b"abc"), "98500190.0");
    }
}
