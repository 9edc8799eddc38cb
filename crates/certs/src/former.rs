//! What is known of an authority when its key is gone.

use crate::error::Error;
use crate::fingerprint;
use crate::profile::Validity;
use crate::store::Store;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use x509_parser::prelude::{FromDer, X509Certificate};

/// An authority whose key is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerAuthority {
    /// The common name, by which devices list it.
    pub name: String,
    pub fingerprint_sha256: [u8; 32],
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// The DER of the public key with its algorithm.
    pub(crate) public_key: Vec<u8>,
}

impl FormerAuthority {
    /// Those that were replaced, in `dir`.
    ///
    /// # Errors
    /// Files that cannot be read or hold no certificate.
    pub fn all(dir: &Path) -> Result<Vec<Self>, Error> {
        let former = Store::new(dir).former()?;
        former.into_iter().map(|(path, pem)| Self::parse(path, &pem)).collect()
    }

    pub(crate) fn parse(path: PathBuf, pem: &[u8]) -> Result<Self, Error> {
        let Ok(certificate) = CertificateDer::from_pem_slice(pem) else {
            return Err(Error::BadCertificate { path });
        };
        let Ok((_rest, parsed)) = X509Certificate::from_der(&certificate) else {
            return Err(Error::BadCertificate { path });
        };
        let name = parsed.subject().iter_common_name().find_map(|cn| cn.as_str().ok());
        let Validity { not_before, not_after } = Validity::of_certificate(&parsed);
        Ok(Self {
            name: name.unwrap_or_default().to_owned(),
            fingerprint_sha256: fingerprint::sha256(&certificate),
            not_before,
            not_after,
            public_key: parsed.public_key().raw.to_vec(),
        })
    }
}
