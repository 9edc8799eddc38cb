//! The client certificates of `[[client-certificate]]`, read before any port opens.

use crate::config::settings::CertificateFiles;
use crate::error::Error;
use proxy::ClientIdentity;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// Reads them all.
///
/// # Errors
/// A file that cannot be read or holds no certificate or key; a key that is not the certificate's.
pub(super) fn load(files: &[CertificateFiles]) -> Result<Vec<ClientIdentity>, Error> {
    files.iter().map(identity).collect()
}

fn identity(files: &CertificateFiles) -> Result<ClientIdentity, Error> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable("certificate", &files.certificate, &error))?;
    if chain.is_empty() {
        return Err(Error::usage("the file holds no certificate")
            .at(files.certificate.display())
            .hint(CERTIFICATE_TAKES));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unreadable("key", &files.key, &error))?;
    ClientIdentity::new(files.host.clone(), chain, key).map_err(|error| {
        Error::usage("the client certificate and its key cannot be used together")
            .at(files.key.display())
            .because(&error)
            .hint(format!("name the key of {}", files.certificate.display()))
    })
}

fn unreadable(what: &str, file: &Path, error: &pem::Error) -> Error {
    let takes = if what == "key" { KEY_TAKES } else { CERTIFICATE_TAKES };
    Error::usage(format!("the client {what} cannot be read"))
        .at(file.display())
        .because(error)
        .hint(takes)
}

const CERTIFICATE_TAKES: &str =
    "client-certificate.certificate takes a PEM file, the leaf first: -----BEGIN CERTIFICATE-----";
const KEY_TAKES: &str =
    "client-certificate.key takes an unencrypted PEM file: -----BEGIN PRIVATE KEY-----";

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A certificate, its key, and another key, written into the directory.
    fn files(directory: &Path) -> [PathBuf; 3] {
        let key = rcgen::KeyPair::generate().unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let paths = ["c.pem", "c.key", "other.key"].map(|name| directory.join(name));
        let texts = [certificate.pem(), key.serialize_pem(), other.serialize_pem()];
        for (path, text) in paths.iter().zip(texts) {
            std::fs::write(path, text).unwrap();
        }
        paths
    }

    #[track_caller]
    fn refused(certificate: &Path, key: &Path, says: &str) {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let host = "a.example".parse().unwrap();
        let error = load(&[CertificateFiles { host, certificate, key }]).unwrap_err();
        let shown = error.to_string();
        assert_eq!(error.exit().code(), 2, "{shown}");
        assert!(shown.contains(says) && shown.contains("hint: "), "{says}: {shown}");
    }

    #[test]
    fn files_that_cannot_be_used_are_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let [certificate, key, other] = files(directory.path());
        let missing = directory.path().join("missing.pem");
        refused(&missing, &key, "missing.pem");
        refused(&certificate, &missing, "missing.pem");
        refused(&key, &key, "holds no certificate");
        refused(&certificate, &certificate, "c.pem");
        refused(&certificate, &other, "other.key");
        let host = "a.example".parse().unwrap();
        assert_eq!(load(&[CertificateFiles { host, certificate, key }]).unwrap().len(), 1);
    }
}
