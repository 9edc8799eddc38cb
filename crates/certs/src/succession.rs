//! The end of an authority: replaced by a new one, or removed. Its key is destroyed in either case;
//! the certificate of one that was replaced is kept, so that it can be told from the new one on
//! devices and in old sessions.
//!
//! The steps are ordered so that an interruption leaves something whole: the old authority, or a key
//! without a certificate, which gets one at the next start. Both are put right by saying it again.

use crate::authority::Authority;
use crate::error::Error;
use crate::fingerprint;
use crate::hold::ExclusiveHold;
use crate::key_kind::KeyKind;
use crate::pem;
use crate::profile::{self, Validity};
use crate::store::Store;
use rcgen::PublicKeyData;
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

    fn parse(path: PathBuf, pem: &[u8]) -> Result<Self, Error> {
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
        })
    }
}

/// Replaces the authority by a new one with a key of this kind; returns both. The old key need not
/// be readable, or even there.
///
/// # Errors
/// There is none, its certificate cannot be read, or the operating system refused.
pub fn rotate(
    hold: &ExclusiveHold,
    key: KeyKind,
    now: SystemTime,
) -> Result<(FormerAuthority, Authority), Error> {
    let dir = hold.dir.as_path();
    let store = Store::new(dir);
    let Some(old_pem) = store.read_certificate()? else {
        return Err(Error::NoAuthority { dir: dir.to_owned() });
    };
    let old = FormerAuthority::parse(store.certificate_path(), &old_pem)?;
    let pair = key.generate()?;
    let params = profile::authority(&pair.subject_public_key_info(), now)?;
    let new = params.self_signed(&pair).map_err(|source| Error::Sign { source })?;

    let print = fingerprint::hex(&old.fingerprint_sha256);
    store.keep_former(&print, &String::from_utf8_lossy(&old_pem))?;
    store.remove_certificate()?;
    store.replace_key(&pair.serialize_pem())?;
    store.publish_certificate(&pem::certificate(new.der()))?;
    let new = Authority::load(dir)?;
    let new = new.ok_or_else(|| Error::Vanished { path: store.certificate_path() })?;
    Ok((old, new))
}

/// Destroys the authority's key and removes its certificate; returns what it was, where that can
/// still be told. Goes on with what an interruption left.
///
/// # Errors
/// The operating system refused.
pub fn remove(hold: &ExclusiveHold) -> Result<Option<FormerAuthority>, Error> {
    let store = Store::new(&hold.dir);
    let pem = store.read_certificate()?;
    let was = pem.and_then(|pem| FormerAuthority::parse(store.certificate_path(), &pem).ok());
    // The key first: without it the certificate is harmless.
    store.destroy_keys()?;
    store.remove_certificate()?;
    Ok(was)
}
