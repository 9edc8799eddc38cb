//! Client certificates of the analyst, for upstreams that demand one. Reads no file.

use crate::rule::{Destination, Rule};
use bytes::Bytes;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A certificate with its key, and whom it is for.
#[derive(Clone)]
pub struct ClientIdentity {
    hosts: Rule,
    key: Arc<CertifiedKey>,
}

impl ClientIdentity {
    /// A certificate chain, leaf first, to answer `hosts` with.
    ///
    /// # Errors
    /// A key of a kind that cannot sign, or that is not the certificate's.
    pub fn new(
        hosts: Rule,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = Arc::new(CertifiedKey::from_der(chain, key, &provider)?);
        Ok(Self { hosts, key })
    }

    /// The one that is meant for this destination most closely.
    pub(crate) fn of<'a>(all: &'a [Self], destination: &Destination<'_>) -> Option<&'a Self> {
        let matching = all.iter().filter(|identity| identity.hosts.matches(destination));
        matching.max_by_key(|identity| identity.hosts.closeness())
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// Answers an upstream that asks for a certificate, in one handshake, and remembers that it did.
pub(crate) struct Answerer {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
    answered: AtomicBool,
}

impl Answerer {
    pub(crate) fn new(identity: Option<&ClientIdentity>) -> Self {
        let key = identity.map(|identity| Arc::clone(&identity.key));
        Self { key, asked: AtomicBool::new(false), answered: AtomicBool::new(false) }
    }

    /// Whether the upstream asked for a certificate.
    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The certificate that was answered with, DER.
    pub(crate) fn answer(&self) -> Option<Bytes> {
        let key = self.key.as_ref().filter(|_| self.answered.load(Ordering::Relaxed))?;
        key.cert.first().map(|der| Bytes::copy_from_slice(der))
    }
}

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answerer").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl ResolvesClientCert for Answerer {
    fn resolve(
        &self,
        _authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        let key = self.key.as_ref().filter(|key| key.key.choose_scheme(schemes).is_some())?;
        self.answered.store(true, Ordering::Relaxed);
        Some(Arc::clone(key))
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}
