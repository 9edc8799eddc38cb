//! Whom the upstream leg trusts. Verifies as the platform would and remembers what was shown, so
//! that a chain that does not verify is evidence too.

use crate::tls_base::TlsBase;
use bytes::Bytes;
use flow::round_trip::ChainRoots;
use flow::time::{SharedClock, Stamp};
use flow::tls::Verification;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Whom the upstream leg trusts, and what happens to a chain that does not verify.
#[derive(Clone)]
pub struct UpstreamTrust {
    verifier: Arc<WebPkiServerVerifier>,
    public: Public,
    base: Arc<Result<TlsBase, rustls::Error>>,
    on_unverified: OnUnverified,
}

/// Which of the roots are publicly trusted.
#[derive(Clone)]
enum Public {
    None,
    All,
    These(Arc<WebPkiServerVerifier>),
}

/// `--upstream-verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnverified {
    /// The connection is refused, the chain and the reason recorded.
    Refuse,
    /// The connection goes on, marked.
    Record,
}

impl UpstreamTrust {
    /// Trusts the `public` roots, which are the platform's, and the operator's `own`.
    ///
    /// # Errors
    /// When there is no root at all.
    pub fn new(
        public: RootCertStore,
        own: RootCertStore,
        on_unverified: OnUnverified,
    ) -> Result<Self, NoRoots> {
        let provider = Arc::new(fastest_first(rustls::crypto::aws_lc_rs::default_provider()));
        let verifier = |roots| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|_no_roots| NoRoots)
        };
        let mut all = public.clone();
        all.roots.extend(own.roots.iter().cloned());
        let public = match (public.is_empty(), own.is_empty()) {
            (true, _) => Public::None,
            (false, true) => Public::All,
            (false, false) => Public::These(verifier(public)?),
        };
        let verifier = verifier(all)?;
        let base = Arc::new(TlsBase::new(&provider, Arc::clone(&verifier)));
        Ok(Self { verifier, public, base, on_unverified })
    }

    /// What the configurations of handshakes are copied from.
    ///
    /// # Errors
    /// What the TLS library refused when they were made.
    pub(crate) fn base(&self) -> Result<&TlsBase, rustls::Error> {
        self.base.as_ref().as_ref().map_err(rustls::Error::clone)
    }
}

/// Puts the suites of AES-128 with SHA-256 before the others of their version, as browsers do:
/// SHA-384 has no help from hardware and costs a tenth of a handshake.
fn fastest_first(mut provider: CryptoProvider) -> CryptoProvider {
    provider.cipher_suites.sort_by_key(|suite| {
        let name = suite.suite().as_str().unwrap_or_default();
        (suite.tls13().is_none(), !name.contains("AES_128_GCM_SHA256"))
    });
    provider
}

/// There are no root certificates to verify upstreams against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoots;

impl fmt::Display for NoRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there are no root certificates to verify upstreams against")
    }
}

impl std::error::Error for NoRoots {}

/// Verifies for one handshake, and remembers what it was shown.
pub(crate) struct Witness {
    trust: UpstreamTrust,
    clock: SharedClock,
    shown: Mutex<Option<Shown>>,
    /// When the server's signature over the handshake had verified.
    signed: Mutex<Option<Stamp>>,
}

/// What the server showed in one handshake.
pub(crate) struct Shown {
    /// DER, leaf first.
    pub(crate) chain: Vec<Bytes>,
    pub(crate) ocsp: Bytes,
    pub(crate) verification: Verification,
    pub(crate) roots: ChainRoots,
    /// Why the leaf cannot be read as a certificate at all.
    pub(crate) unreadable: Option<String>,
}

impl Witness {
    pub(crate) fn new(trust: UpstreamTrust, clock: SharedClock) -> Self {
        Self { trust, clock, shown: Mutex::default(), signed: Mutex::default() }
    }

    /// Under which roots the chain that was shown has verified.
    pub(crate) fn roots(&self) -> ChainRoots {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.as_ref().map_or(ChainRoots::Unverified, |shown| shown.roots)
    }

    /// When the server's signature had verified.
    pub(crate) fn signed(&self) -> Option<Stamp> {
        *self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes when a signature had verified.
    fn checked(
        &self,
        verified: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if verified.is_ok() {
            *self.signed.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.now());
        }
        verified
    }

    pub(crate) fn take(&self) -> Shown {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner).take();
        shown.unwrap_or_else(|| Shown {
            chain: Vec::new(),
            ocsp: Bytes::new(),
            verification: Verification::Refused("the server showed no certificate".to_owned()),
            roots: ChainRoots::Unverified,
            unreadable: None,
        })
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.trust.verifier.verify_server_cert(leaf, intermediates, name, ocsp, now);
        let unreadable = verified.as_ref().err().and_then(unreadable);
        let roots = match (&verified, &self.trust.public) {
            (Err(_), _) => ChainRoots::Unverified,
            (Ok(_), Public::All) => ChainRoots::Public,
            (Ok(_), Public::None) => ChainRoots::Own,
            (Ok(_), Public::These(public)) => {
                match public.verify_server_cert(leaf, intermediates, name, ocsp, now) {
                    Ok(_) => ChainRoots::Public,
                    Err(_) => ChainRoots::Own,
                }
            }
        };
        let (verification, answer) = match (verified, self.trust.on_unverified) {
            (Ok(verified), _) => (Verification::Verified, Ok(verified)),
            (Err(error), OnUnverified::Refuse) => {
                (Verification::Refused(unverified(&error)), Err(error))
            }
            (Err(error), OnUnverified::Record) => {
                let reason = unverified(&error);
                (Verification::Recorded(reason), Ok(ServerCertVerified::assertion()))
            }
        };
        let chain = std::iter::once(leaf).chain(intermediates);
        let shown = Shown {
            chain: chain.map(|der| Bytes::copy_from_slice(der)).collect(),
            ocsp: Bytes::copy_from_slice(ocsp),
            verification,
            roots,
            unreadable,
        };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        answer
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.checked(self.trust.verifier.verify_tls12_signature(message, leaf, signature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.checked(self.trust.verifier.verify_tls13_signature(message, leaf, signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.verifier.supported_verify_schemes()
    }
}

/// Why a certificate cannot be read, where that is what is wrong with it: rustls then cannot go on
/// even when the chain need not verify.
fn unreadable(error: &rustls::Error) -> Option<String> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => {
            Some("its encoding is wrong".to_owned())
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            let reason = format!("{other:?}");
            let version = reason.contains("UnsupportedCertVersion");
            version.then(|| "it is no X.509 version 3".to_owned())
        }
        _ => None,
    }
}

/// Why a chain did not verify, as a clause.
fn unverified(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(reason) = error else { return error.to_string() };
    match reason {
        CertificateError::UnknownIssuer => "signed by no authority that is trusted".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another name".to_owned()
        }
        CertificateError::BadSignature => "a signature in the chain is wrong".to_owned(),
        CertificateError::BadEncoding => "a certificate cannot be read".to_owned(),
        CertificateError::Revoked => "the certificate is revoked".to_owned(),
        other if other.to_string().contains("CaUsedAsEndEntity") => {
            "an authority's certificate is used as the server's, as self-signed ones mostly are"
                .to_owned()
        }
        other => format!("{other:?}"),
    }
}
