//! Whether a chain of certificates leads to given roots, as of a given time. Revocation is not looked
//! at: nothing is asked of anybody.

use bytes::Bytes;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use std::time::Duration;

/// The roots that a verifier trusts; they never come out of what is verified.
#[derive(Clone, Debug)]
pub struct Roots {
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

/// What became of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainCheck {
    /// It leads to one of the roots, and the certificate is for the name.
    Leads,
    /// It does not; why.
    DoesNot(String),
    /// There are no roots to lead to.
    NoRoots,
}

impl Roots {
    pub fn new(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        Self { verifier: verifier.build().ok() }
    }

    /// Checks a chain, leaf first, for a host name or address, at `at` (since 1970-01-01 UTC).
    pub fn check(&self, chain: &[Bytes], name: &str, at: Duration) -> ChainCheck {
        let Some(verifier) = &self.verifier else { return ChainCheck::NoRoots };
        let chain: Vec<CertificateDer<'_>> =
            chain.iter().map(|certificate| CertificateDer::from(certificate.as_ref())).collect();
        let Some((leaf, others)) = chain.split_first() else {
            return ChainCheck::DoesNot("there is no certificate".to_owned());
        };
        let Ok(name) = ServerName::try_from(name) else {
            return ChainCheck::DoesNot("the name is no host name".to_owned());
        };
        let at = UnixTime::since_unix_epoch(at);
        match verifier.verify_server_cert(leaf, others, &name, &[], at) {
            Ok(_) => ChainCheck::Leads,
            Err(error) => ChainCheck::DoesNot(error.to_string()),
        }
    }
}
