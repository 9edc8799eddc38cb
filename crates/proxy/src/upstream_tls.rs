//! The TLS handshake with the upstream: the client's ALPN offer, the client's name, no resumption.
//! Keeps what the server showed, whether it verified or not.

use crate::client_identity::{Answerer, ClientIdentity};
use crate::incompatible;
use crate::journal::Journal;
use crate::key_log::SecretCollector;
use crate::round_trip::{self, Handshake};
use crate::rule::Destination;
use crate::setup::{KeptWire, Setup};
use crate::tls_failure;
use crate::upstream_trust::{Shown, Witness};
use crate::wire::{Capture, Captured, Wire};
use bytes::BytesMut;
use feed::RecorderGone;
use flow::address::{Host, Target};
use flow::event::Event;
use flow::stream::{Direction, Leg};
use flow::tls::{Agreed, ClientHello, Fingerprints, UpstreamTls, Verification};
use flow::treatment::{Cause, Failure, Side, Stage};
use observe::client_hello::{self, Parsed};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A finished upstream handshake.
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<Wire>,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) answered_with_certificate: bool,
}

/// A handshake that failed.
pub(crate) struct Unsecured {
    pub(crate) failure: Failure,
    /// What only we cannot do, so that the client may fare better by itself.
    pub(crate) incompatible: Option<String>,
}

impl From<Failure> for Unsecured {
    fn from(failure: Failure) -> Self {
        Self { failure, incompatible: None }
    }
}

/// Shakes hands with the upstream in the client's name. What the server showed is recorded in
/// either case, the handshake's bytes and secrets too.
pub(crate) async fn secure(
    setup: &Setup,
    journal: &Journal,
    mut wire: Wire,
    hello: &ClientHello,
    target: &Target,
) -> Result<Result<Secured, Unsecured>, RecorderGone> {
    let Ok(name) = server_name(hello, &target.host) else {
        let cause = Cause::Malformed("the server name is no host name".to_owned());
        return Ok(Err(Failure { stage: Stage::ClientHello, side: Side::Client, cause }.into()));
    };
    let answerer = Arc::new(answerer(setup, &name, target, journal.reached().await));
    let secrets = Arc::new(SecretCollector::new(Leg::Upstream));
    let witness = Arc::new(Witness::new(setup.trust.clone(), Arc::clone(&setup.clock)));
    let config = match config(setup, hello, &secrets, &witness, &answerer) {
        Ok(config) => config,
        Err(error) => {
            let cause = Cause::Io(error.to_string());
            let failure = Failure { stage: Stage::UpstreamTls, side: Side::Landfall, cause };
            return Ok(Err(failure.into()));
        }
    };
    let kept = setup.limits.handshake_bytes;
    let capture = Capture::new(Arc::clone(&setup.clock), Direction::Down, kept);
    wire.capture(capture.clone());
    let epoch = setup.epochs.current();
    let started = journal.now();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name.clone(), wire.under_tls());
    let finished = timeout(setup.limits.tls_time, connecting).await;
    let took = journal.now().mono.since(started.mono);
    journal.timed(|timings| timings.upstream_tls = Some(took)).await;
    let captured = capture.take();
    let handshake = Handshake { written_from: captured.written_from, name: &name, epoch };
    let sample = round_trip::sample(setup, journal, &witness, handshake, &finished);
    let ours = own_fingerprints(&captured);
    // Where all is kept, the handshake is kept already.
    let handshake_not_kept = match setup.wire {
        KeptWire::Handshake => {
            journal.passed_at(Leg::Upstream, captured.passed).await?;
            captured.dropped
        }
        KeptWire::Full => 0,
    };
    journal.secrets(secrets.take()).await?;
    let shown = witness.take();
    let result = result(finished, &shown);
    let agreed = result.as_ref().ok().map(|stream| agreed(stream.get_ref().1));
    let alpn = agreed.as_ref().and_then(|agreed| agreed.alpn.clone());
    let incompatible =
        result.as_ref().err().and_then(|cause| incompatible::fact(cause, &shown, &answerer));
    let tls = UpstreamTls {
        server_name: name.to_str().into_owned(),
        agreed,
        chain: shown.chain,
        ocsp: shown.ocsp,
        verification: shown.verification,
        ours,
        asked_for_certificate: answerer.was_asked(),
        client_certificate: answerer.answer(),
        handshake_not_kept,
    };
    let answered_with_certificate = tls.client_certificate.is_some();
    let (connection, at) = (journal.connection(), journal.now());
    journal.tell(Event::UpstreamTls { connection, at, tls: Box::new(tls) }).await?;
    if let Some(sample) = sample {
        journal.tell(Event::RoundTrip(Box::new(sample))).await?;
    }
    Ok(match result {
        Ok(stream) => Ok(Secured { stream, alpn, answered_with_certificate }),
        Err(cause) => {
            let failure = Failure { stage: Stage::UpstreamTls, side: Side::Upstream, cause };
            Err(Unsecured { failure, incompatible })
        }
    })
}

/// The connection, or what went wrong.
fn result(
    finished: Result<io::Result<TlsStream<Wire>>, Elapsed>,
    shown: &Shown,
) -> Result<TlsStream<Wire>, Cause> {
    match (finished, &shown.verification) {
        (Ok(Ok(stream)), _) => Ok(stream),
        (Ok(Err(_)), Verification::Refused(reason)) if !shown.chain.is_empty() => {
            Err(Cause::Unverified(reason.clone()))
        }
        (Ok(Err(error)), _) => Err(tls_failure::cause(&error)),
        (Err(_elapsed), _) => Err(Cause::TimedOut),
    }
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
    answerer: &Arc<Answerer>,
) -> Result<ClientConfig, rustls::Error> {
    let verifier: Arc<dyn ServerCertVerifier> = Arc::<Witness>::clone(witness);
    let mut config = setup.trust.base()?.client.clone();
    config.dangerous().set_certificate_verifier(verifier);
    config.client_auth_cert_resolver = Arc::<Answerer>::clone(answerer);
    config.alpn_protocols.clone_from(&hello.alpn);
    config.enable_sni = hello.server_name.is_some();
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

/// The client certificate that is configured for this upstream, if one is.
fn answerer(
    setup: &Setup,
    name: &ServerName<'_>,
    target: &Target,
    reached: Option<SocketAddr>,
) -> Answerer {
    let (name, host) = (name.to_str(), target.host.to_string());
    let destination = Destination {
        names: &[&name, &host],
        address: reached.map(|address| address.ip()),
        port: Some(target.port),
        origin: None,
    };
    Answerer::new(ClientIdentity::of(&setup.identities, &destination))
}

/// Names for our own ClientHello, from the bytes that went out.
fn own_fingerprints(captured: &Captured) -> Option<Fingerprints> {
    let mut sent = BytesMut::new();
    for (direction, _, bytes) in &captured.passed {
        if *direction == Direction::Up {
            sent.extend_from_slice(bytes);
        }
    }
    match client_hello::parse(&sent) {
        Parsed::Complete(hello) => Some(Fingerprints { ja3: hello.ja3, ja4: hello.ja4 }),
        _ => None,
    }
}
