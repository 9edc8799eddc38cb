//! Whom the upstream leg trusts: the platform's root certificates and those of `--upstream-ca`.

use crate::config::UpstreamVerify;
use crate::error::Error;
use proxy::{OnUnverified, UpstreamTrust};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};

/// Reads all roots; `extra` is one more.
///
/// # Errors
/// A file that cannot be read or holds no certificate; no root at all.
pub(crate) fn load(
    files: &[PathBuf],
    extra: Option<&CertificateDer<'static>>,
    verify: UpstreamVerify,
) -> Result<UpstreamTrust, Error> {
    let (public, own) = stores(files, extra)?;
    let on_unverified = match verify {
        UpstreamVerify::Refuse => OnUnverified::Refuse,
        UpstreamVerify::Record => OnUnverified::Record,
    };
    UpstreamTrust::new(public, own, on_unverified).map_err(|error| {
        Error::runtime(error.to_string())
            .hint("install the system's root certificates (the package ca-certificates), or name a file with --upstream-ca")
    })
}

/// The roots alone.
///
/// # Errors
/// A file that cannot be read or holds no certificate.
pub(crate) fn roots(
    files: &[PathBuf],
    extra: Option<&CertificateDer<'static>>,
) -> Result<RootCertStore, Error> {
    let (mut roots, own) = stores(files, extra)?;
    roots.roots.extend(own.roots);
    Ok(roots)
}

/// The platform's roots, and those that were added to them.
fn stores(
    files: &[PathBuf],
    extra: Option<&CertificateDer<'static>>,
) -> Result<(RootCertStore, RootCertStore), Error> {
    let (mut public, mut own) = (RootCertStore::empty(), RootCertStore::empty());
    let platform = rustls_native_certs::load_native_certs();
    for error in &platform.errors {
        tracing::warn!(%error, "Could not read some of the platform's root certificates");
    }
    // Platforms carry roots that are no valid X.509; they are of no use to anybody.
    public.add_parsable_certificates(platform.certs);
    for file in files {
        add(&mut own, file)?;
    }
    own.add_parsable_certificates(extra.cloned());
    Ok((public, own))
}

fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), Error> {
    let unreadable = |error: rustls_pki_types::pem::Error| {
        Error::usage("the root certificates cannot be read")
            .at(file.display())
            .because(&error)
            .hint(TAKES)
    };
    let mut found = false;
    for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?).map_err(|error| {
            Error::usage("a root certificate cannot be used")
                .at(file.display())
                .because(&error)
                .hint(TAKES)
        })?;
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(Error::usage("the file holds no certificate").at(file.display()).hint(TAKES))
    }
}

const TAKES: &str =
    "--upstream-ca takes PEM files of root certificates: -----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();
        let mut roots = RootCertStore::empty();
        assert_eq!(add(&mut roots, &empty).unwrap_err().exit().code(), 2);
        let missing = directory.path().join("missing.pem");
        assert!(add(&mut roots, &missing).unwrap_err().to_string().contains("missing.pem"));
    }
}
