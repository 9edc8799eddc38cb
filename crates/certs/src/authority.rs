//! The authority of this installation: its certificate, which devices are told to trust, and its
//! key, which signs leaves and never leaves this type. Which leaf to sign is [`crate::leaf`]'s.

use crate::error::Error;
use crate::fingerprint;
use crate::key_kind::{self, KeyKind};
use crate::pem;
use crate::profile::{self, Validity};
use crate::store::{Store, Which};
use rcgen::{CertificateParams, Issuer, KeyPair, PublicKeyData};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

/// An authority that is loaded and whose files fit each other.
pub struct Authority {
    name: String,
    /// The file of the certificate, for errors.
    path: PathBuf,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    /// The subject's DER.
    subject: Vec<u8>,
    key_text: String,
    validity: Validity,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The authority in `dir`: `landfall-ca.pem`, its certificate, and `landfall-ca.key`, its key
    /// (PKCS#8, mode 0600). What is missing is created (a key of the kind `key`, valid from a day
    /// before `now` for five years), the directory with mode 0700. A key without a certificate,
    /// which an interrupted creation leaves, gets one. Two processes that create at once get the
    /// same one.
    ///
    /// Callers that may meet a rotation hold the directory ([`crate::enter`]).
    ///
    /// # Errors
    /// Files that cannot be read or written, do not fit each other or hold no authority; a key that
    /// other users may read; a certificate whose time is over or has not begun; a rotation that is
    /// half done.
    pub fn load_or_create(dir: &Path, key: KeyKind, now: SystemTime) -> Result<Self, Error> {
        let store = Store::new(dir);
        let authority = match Self::load(dir)? {
            Some(authority) => authority,
            None => Self::create(&store, key, now)?,
        };
        authority.check_time(now)?;
        Ok(authority)
    }

    /// The authority in `dir`, or `None` when none has been created there. Does not judge its
    /// validity.
    ///
    /// # Errors
    /// As [`Self::load_or_create`], except for the time.
    pub fn load(dir: &Path) -> Result<Option<Self>, Error> {
        let store = Store::new(dir);
        if store.has_certificate(Which::Next) {
            return Err(Error::HalfRotated { dir: dir.to_owned() });
        }
        // In this order, for the key is published first.
        let Some(certificate) = store.read_certificate(Which::Current)? else { return Ok(None) };
        let Some(key) = store.read_key(Which::Current)? else {
            return Err(Error::KeyMissing {
                key: store.key_path(Which::Current),
                certificate: store.certificate_path(Which::Current),
            });
        };
        let key = parse_key(&store, Which::Current, &key)?;
        Self::from_parts(&store, &certificate, key).map(Some)
    }

    /// The common name, such as `Landfall 3F2A 9C71`, by which a device's settings list it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of key it has, such as `ECDSA P-256` or `RSA 2048`.
    pub fn key_text(&self) -> &str {
        &self.key_text
    }

    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub fn certificate_der(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// SHA-256 of the certificate's DER, as browsers and `openssl x509 -fingerprint` show it.
    pub fn fingerprint_sha256(&self) -> [u8; 32] {
        fingerprint::sha256(&self.certificate)
    }

    pub fn not_before(&self) -> SystemTime {
        self.validity.not_before
    }

    pub fn not_after(&self) -> SystemTime {
        self.validity.not_after
    }

    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.subject
    }

    pub(crate) fn validity(&self) -> Validity {
        self.validity
    }

    /// Refuses to go on with an authority whose time is over or has not begun: devices would refuse
    /// its leaves without saying why.
    pub(crate) fn check_time(&self, now: SystemTime) -> Result<(), Error> {
        let path = || self.path.clone();
        match self.validity.contains(now) {
            true => Ok(()),
            false if now < self.validity.not_before => Err(Error::NotYetValid { path: path() }),
            false => Err(Error::Expired { path: path() }),
        }
    }

    /// Signs a certificate with these contents for the holder of `key`.
    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        key: &KeyPair,
    ) -> Result<CertificateDer<'static>, Error> {
        let certificate =
            params.signed_by(key, &self.issuer).map_err(|source| Error::Sign { source })?;
        Ok(certificate.into())
    }

    fn create(store: &Store, kind: KeyKind, now: SystemTime) -> Result<Self, Error> {
        let key = match store.read_key(Which::Current)? {
            Some(pem) => parse_key(store, Which::Current, &pem)?,
            None => {
                let own = kind.generate()?;
                store.publish_key(Which::Current, &own.serialize_pem())?;
                // Ours, or that of a process that was faster.
                let published = store.read_key(Which::Current)?;
                let vanished = || Error::Vanished { path: store.key_path(Which::Current) };
                let published = published.ok_or_else(vanished)?;
                parse_key(store, Which::Current, &published)?
            }
        };
        let params = profile::authority(&key.subject_public_key_info(), now)?;
        let own = params.self_signed(&key).map_err(|source| Error::Sign { source })?;
        store.publish_certificate(Which::Current, &pem::certificate(own.der()))?;
        let published = store.read_certificate(Which::Current)?;
        let vanished = || Error::Vanished { path: store.certificate_path(Which::Current) };
        let published = published.ok_or_else(vanished)?;
        Self::from_parts(store, &published, key)
    }

    fn from_parts(store: &Store, certificate_pem: &[u8], key: KeyPair) -> Result<Self, Error> {
        let path = store.certificate_path(Which::Current);
        let Ok(certificate) = CertificateDer::from_pem_slice(certificate_pem) else {
            return Err(Error::BadCertificate { path });
        };
        let Ok((rest, parsed)) = X509Certificate::from_der(&certificate) else {
            return Err(Error::BadCertificate { path });
        };
        if !rest.is_empty() {
            return Err(Error::BadCertificate { path });
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(Error::Mismatch { certificate: path, key: store.key_path(Which::Current) });
        }
        if let Some(lacks) = what_it_lacks(&parsed) {
            return Err(Error::NotAnAuthority { path, lacks });
        }
        let Some(name) = parsed.subject().iter_common_name().find_map(|cn| cn.as_str().ok()) else {
            return Err(Error::NotAnAuthority { path, lacks: "it has no common name" });
        };
        let name = name.to_owned();
        let subject = parsed.subject().as_raw().to_vec();
        let key_text = key_kind::text(&key, parsed.public_key());
        let validity = Validity::of_certificate(&parsed);
        // Takes the subject and the key identifier as they are in the certificate, so that leaves
        // name their issuer byte for byte.
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|_unsupported| Error::BadCertificate { path: path.clone() })?;
        let certificate_pem = pem::certificate(&certificate);
        Ok(Self { name, path, certificate, certificate_pem, subject, key_text, validity, issuer })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key must not reach a log, hence by hand.
        f.debug_struct("Authority").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The key of this text, which was read from a file of `store`.
pub(crate) fn parse_key(store: &Store, which: Which, pem: &[u8]) -> Result<KeyPair, Error> {
    let bad = |source| Error::BadKey { path: store.key_path(which), source };
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_no_key| bad(None))?;
    KeyPair::try_from(&der).map_err(|source| bad(Some(source)))
}

/// Why a certificate cannot sign leaves that clients accept, if it cannot.
fn what_it_lacks(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    // An empty part of a name is illegal, and `rcgen` would panic on it.
    if certificate.subject().iter_rdn().any(|part| part.iter().next().is_none()) {
        return Some("its subject has an empty part");
    }
    let marked = matches!(certificate.basic_constraints(), Ok(Some(found)) if found.value.ca);
    if !marked {
        return Some("it is not marked as one (basic constraints)");
    }
    match certificate.key_usage() {
        Ok(Some(usage)) if !usage.value.key_cert_sign() => {
            return Some("its key usage does not allow it to sign certificates");
        }
        Ok(_) => {}
        Err(_) => return Some("its key usage is malformed"),
    }
    let identified = certificate
        .iter_extensions()
        .any(|found| matches!(found.parsed_extension(), ParsedExtension::SubjectKeyIdentifier(_)));
    (!identified).then_some("it has no subject key identifier")
}
