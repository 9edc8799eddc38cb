//! The authority of the bench's own servers, and what TLS clients and servers are configured with.
//! It is not Landfall's authority.

use crate::problem::Problem;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// The host of every work but the one with fresh hosts.
pub(crate) const HOST: &str = "origin.bench.example";
/// Fresh hosts are `hN` below it.
pub(crate) const FRESH_DOMAIN: &str = "fresh.bench.example";

/// Writes the root and a leaf, each with its key, as PEM files into a directory.
pub(crate) fn write(directory: &Path) -> Result<(), Problem> {
    let mut root = CertificateParams::new(Vec::new())?;
    root.distinguished_name.push(rcgen::DnType::CommonName, "Bench root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let root_key = KeyPair::generate()?;
    std::fs::write(directory.join(ROOT), root.self_signed(&root_key)?.pem())?;
    std::fs::write(directory.join(ROOT_KEY), root_key.serialize_pem())?;
    let issuer = Issuer::new(root, root_key);
    let mut leaf = CertificateParams::new(vec![HOST.to_owned(), format!("*.{FRESH_DOMAIN}")])?;
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    std::fs::write(directory.join(LEAF), leaf.signed_by(&key, &issuer)?.pem())?;
    std::fs::write(directory.join(KEY), key.serialize_pem())?;
    Ok(())
}

/// A server with the certificate in the directory.
pub(crate) fn server(directory: &Path, alpn: &[&[u8]]) -> Result<ServerConfig, Problem> {
    let chain = vec![CertificateDer::from_pem_file(directory.join(LEAF))?];
    let key = PrivateKeyDer::from_pem_file(directory.join(KEY))?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    // Without tickets, as every handshake that is measured is a whole one.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// A client that trusts the certificates of a PEM file, and never resumes.
pub(crate) fn client(roots: &Path, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, Problem> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(roots)? {
        store.add(certificate?)?;
    }
    let mut config = ClientConfig::builder().with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

pub(crate) const ROOT: &str = "root.pem";
pub(crate) const ROOT_KEY: &str = "root.key";
pub(crate) const LEAF: &str = "leaf.pem";
pub(crate) const KEY: &str = "leaf.key";
