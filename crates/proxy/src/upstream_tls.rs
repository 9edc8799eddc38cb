//! The TLS handshake with the upstream: the client's ALPN offer, the client's name, no resumption.
//! Keeps what the server showed, whether it verified or not.

use crate::journal::Journal;
use crate::key_log::SecretCollector;
use crate::setup::Setup;
use crate::tls_failure;
use crate::upstream_trust::Witness;
use crate::wire::{Capture, Wire};
use feed::RecorderGone;
use flow::address::Host;
use flow::event::Event;
use flow::stream::{Direction, Leg};
use flow::tls::{Agreed, ClientHello, UpstreamTls, Verification};
use flow::treatment::{Cause, Failure, Side, Stage};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::ServerName;
use std::sync::Arc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A finished upstream handshake.
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<Wire>,
    pub(crate) alpn: Option<Vec<u8>>,
}

/// Shakes hands with the upstream in the client's name. What the server showed is recorded in
/// either case, the handshake's bytes and secrets too.
pub(crate) async fn secure(
    setup: &Setup,
    journal: &Journal,
    mut wire: Wire,
    hello: &ClientHello,
    fallback: &Host,
) -> Result<Result<Secured, Failure>, RecorderGone> {
    let Ok(name) = server_name(hello, fallback) else {
        let cause = Cause::Malformed("the server name is no host name".to_owned());
        return Ok(Err(Failure { stage: Stage::ClientHello, side: Side::Client, cause }));
    };
    let secrets = Arc::new(SecretCollector::new(Leg::Upstream));
    let witness = Arc::new(Witness::new(setup.trust.clone()));
    let config = match config(setup, hello, &secrets, &witness) {
        Ok(config) => config,
        Err(error) => {
            let cause = Cause::Io(error.to_string());
            return Ok(Err(Failure { stage: Stage::UpstreamTls, side: Side::Landfall, cause }));
        }
    };
    let capture = Capture::new(Arc::clone(&setup.clock), Direction::Down, HANDSHAKE_KEPT_BYTES);
    wire.capture(capture.clone());
    let started = journal.now();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name.clone(), wire);
    let finished = timeout(setup.limits.tls_time, connecting).await;
    let took = journal.now().mono.since(started.mono);
    journal.timed(|timings| timings.upstream_tls = Some(took)).await;
    journal.passed_at(Leg::Upstream, capture.take()).await?;
    journal.secrets(secrets.take()).await?;
    let shown = witness.take();
    let result = match (finished, &shown.verification) {
        (Ok(Ok(stream)), _) => Ok(stream),
        (Ok(Err(_)), Verification::Refused(reason)) if !shown.chain.is_empty() => {
            Err(Cause::Unverified(reason.clone()))
        }
        (Ok(Err(error)), _) => Err(tls_failure::cause(&error)),
        (Err(_elapsed), _) => Err(Cause::TimedOut),
    };
    let agreed = result.as_ref().ok().map(|stream| agreed(stream.get_ref().1));
    let alpn = agreed.as_ref().and_then(|agreed| agreed.alpn.clone());
    let tls = UpstreamTls {
        server_name: name.to_str().into_owned(),
        agreed,
        chain: shown.chain,
        ocsp: shown.ocsp,
        verification: shown.verification,
    };
    let (connection, at) = (journal.connection(), journal.now());
    journal.tell(Event::UpstreamTls { connection, at, tls: Box::new(tls) }).await?;
    Ok(match result {
        Ok(stream) => Ok(Secured { stream, alpn }),
        Err(cause) => Err(Failure { stage: Stage::UpstreamTls, side: Side::Upstream, cause }),
    })
}

/// The name to ask for: the client's SNI, else the host of its CONNECT request.
pub(crate) fn asked_host(hello: &ClientHello, fallback: &Host) -> Option<Host> {
    match &hello.server_name {
        Some(name) => name.parse().ok(),
        None => Some(fallback.clone()),
    }
}

fn server_name(hello: &ClientHello, fallback: &Host) -> Result<ServerName<'static>, ()> {
    match asked_host(hello, fallback).ok_or(())? {
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|_syntax| ()),
        Host::Ip(ip) => Ok(ServerName::IpAddress(ip.into())),
    }
}

fn config(
    setup: &Setup,
    hello: &ClientHello,
    secrets: &Arc<SecretCollector>,
    witness: &Arc<Witness>,
) -> Result<ClientConfig, rustls::Error> {
    let verifier: Arc<dyn ServerCertVerifier> = Arc::<Witness>::clone(witness);
    let mut config = ClientConfig::builder_with_provider(Arc::clone(setup.trust.provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols.clone_from(&hello.alpn);
    config.enable_sni = hello.server_name.is_some();
    // A resumed handshake shows no certificate, so none is.
    config.resumption = rustls::client::Resumption::disabled();
    config.key_log = Arc::<SecretCollector>::clone(secrets);
    Ok(config)
}

/// The parameters of a finished handshake.
pub(crate) fn agreed(connection: &rustls::CommonState) -> Agreed {
    Agreed {
        version: connection.protocol_version().map_or(0, u16::from),
        cipher_suite: connection.negotiated_cipher_suite().map_or(0, |suite| suite.suite().into()),
        group: connection.negotiated_key_exchange_group().map(|group| group.name().into()),
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
    }
}

/// Bytes of the upstream handshake that are kept at most, both directions together.
const HANDSHAKE_KEPT_BYTES: usize = 256 * 1024;
