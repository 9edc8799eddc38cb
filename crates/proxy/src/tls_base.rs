//! What the TLS configurations of all connections have in common, made once. A new configuration costs
//! several large allocations, as rustls gives each its caches of sessions, and none is wanted here;
//! a copy of these costs next to nothing. What a handshake needs of its own is set on the copy.

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ResolvesServerCertUsingSni};
use rustls::{ClientConfig, ServerConfig};
use std::sync::Arc;

/// The configurations to copy.
pub(crate) struct TlsBase {
    /// Verifies, shows no certificate and never resumes.
    pub(crate) client: ClientConfig,
    /// Has no leaf yet, and never resumes.
    pub(crate) server: ServerConfig,
}

impl TlsBase {
    pub(crate) fn new(
        provider: &Arc<CryptoProvider>,
        verifier: Arc<WebPkiServerVerifier>,
    ) -> Result<Self, rustls::Error> {
        let mut client = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()?
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        // A resumed handshake shows no certificate, so none is.
        client.resumption = Resumption::disabled();
        let mut server = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        // Ours goes: a client that offers AES-256 first takes AES-128 as well, at a tenth less.
        server.ignore_client_order = true;
        // Each connection is on its own: no ticket outlives it.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { client, server })
    }
}
