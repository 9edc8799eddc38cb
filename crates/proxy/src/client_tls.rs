//! The TLS handshake with the client: our leaf for the name that it asked for, the ALPN that the
//! upstream chose. How a client refuses the leaf is what this is about as much as how it accepts.

use crate::client_needs::ClientNeeds;
use crate::journal::Journal;
use crate::key_log::SecretCollector;
use crate::setup::Setup;
use crate::tls_failure;
use crate::upstream_tls::agreed;
use crate::wire::Wire;
use bytes::Bytes;
use certs::KeyKind;
use feed::RecorderGone;
use flow::address::Host;
use flow::event::Event;
use flow::stream::Leg;
use flow::time::Stamp;
use flow::treatment::{Cause, Failure, Side, Stage};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Shakes hands with the client as `host`, as `needs` says that it must be done.
pub(crate) async fn secure(
    setup: &Setup,
    journal: &Journal,
    wire: Wire,
    host: &Host,
    alpn: Option<&[u8]>,
    needs: ClientNeeds,
) -> Result<Result<TlsStream<Wire>, Failure>, RecorderGone> {
    let secrets = Arc::new(SecretCollector::new(Leg::Client));
    let leaf = leaf(setup, host, needs.key, journal.now()).await;
    if let Some(certificate) = leaf.as_ref().ok().and_then(|leaf| leaf.cert.first()) {
        let certificate = Bytes::copy_from_slice(certificate);
        let (connection, at) = (journal.connection(), journal.now());
        journal.tell(Event::Leaf { connection, at, certificate }).await?;
    }
    let mut config = match leaf.and_then(|leaf| config(setup, leaf, alpn, &needs)) {
        Ok(config) => config,
        Err(reason) => {
            let cause = Cause::Io(reason);
            return Ok(Err(Failure { stage: Stage::ClientTls, side: Side::Landfall, cause }));
        }
    };
    config.key_log = Arc::<SecretCollector>::clone(&secrets);
    let started = journal.now();
    let accepting = TlsAcceptor::from(Arc::new(config)).accept(wire.under_tls());
    let finished = timeout(setup.limits.tls_time, accepting).await;
    let at = journal.now();
    let took = at.mono.since(started.mono);
    journal.timed(|timings| timings.client_tls = Some(took)).await;
    journal.secrets(secrets.take()).await?;
    let cause = match finished {
        Ok(Ok(stream)) => {
            let agreed = agreed(stream.get_ref().1);
            let connection = journal.connection();
            journal.tell(Event::ClientTls { connection, at, agreed }).await?;
            return Ok(Ok(stream));
        }
        Ok(Err(error)) => tls_failure::cause(&error),
        Err(_elapsed) => Cause::TimedOut,
    };
    Ok(Err(Failure { stage: Stage::ClientTls, side: Side::Client, cause }))
}

/// Our leaf for `host`, with a key of this kind.
///
/// # Errors
/// Why there is none.
pub(crate) async fn leaf(
    setup: &Setup,
    host: &Host,
    key: KeyKind,
    now: Stamp,
) -> Result<Arc<CertifiedKey>, String> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(now.wall.0);
    let minted = match key {
        KeyKind::P256 => setup.leaves.leaf(host, key, now),
        KeyKind::Rsa2048 => {
            // The first one makes the run's RSA key, which would hold up other connections.
            let (leaves, host) = (setup.leaves.clone(), host.clone());
            let minting = tokio::task::spawn_blocking(move || leaves.leaf(&host, key, now));
            minting.await.map_err(|error| error.to_string())?
        }
    };
    minted.map_err(|error| error.to_string())
}

/// Our side of a handshake with a client. Its secrets go nowhere.
///
/// # Errors
/// What the TLS library refused.
pub(crate) fn config(
    setup: &Setup,
    leaf: Arc<CertifiedKey>,
    alpn: Option<&[u8]>,
    needs: &ClientNeeds,
) -> Result<ServerConfig, String> {
    let base = setup.trust.base().map_err(|error| error.to_string())?;
    let mut config = base.server.clone();
    config.cert_resolver = Arc::new(OneLeaf(leaf));
    config.alpn_protocols = alpn.map(|protocol| vec![protocol.to_vec()]).unwrap_or_default();
    config.max_fragment_size = needs.most_record_bytes.map(|bytes| bytes + RECORD_HEADER_BYTES);
    Ok(config)
}

/// Answers with one leaf, whatever is asked: the name was read before.
#[derive(Debug)]
struct OneLeaf(Arc<CertifiedKey>);

impl ResolvesServerCert for OneLeaf {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// What rustls counts to a record beside its plaintext.
const RECORD_HEADER_BYTES: usize = 5;
