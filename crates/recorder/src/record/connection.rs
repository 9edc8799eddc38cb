//! Records about connections: asked for, looked up, dialled, handshakes, treatment, end.

use super::value::{Base64, Count, Spelled, Text};
use bytes::Bytes;
use flow::address::{DnsName, Host};
use flow::dns::{AnswerData, Lookup, LookupOutcome, Resolver, Transport};
use flow::event::{Closed, Dialled, Opened};
use flow::id::{ConnectionId, LookupId};
use flow::tls::{self, Verification};
use flow::treatment::Treatment;
use flow::treatment::{BlockedWhy, Cause, Failure, Outcome, PassthroughWhy, PlaintextWhy};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// `connection.open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionOpen {
    pub connection: Spelled<ConnectionId>,
    /// The device's end.
    pub device: Spelled<SocketAddr>,
    /// `connect`, `absolute-form`, `onboarding` or `unknown`.
    pub ingress: String,
    pub listener: Spelled<SocketAddr>,
}

impl From<&Opened> for ConnectionOpen {
    fn from(opened: &Opened) -> Self {
        Self {
            connection: Spelled(opened.connection),
            device: Spelled(opened.device.0),
            ingress: opened.ingress.word().to_owned(),
            listener: Spelled(opened.listener),
        }
    }
}

/// `connection.target`: whom the client asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionTarget {
    /// The number of the `claims` and `assessment` records of `host`, where it is an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Count>,
    pub connection: Spelled<ConnectionId>,
    pub host: Spelled<Host>,
    pub port: u16,
}

/// `connection.dial`: one attempt to reach an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionDial {
    /// The address that stands for the target.
    pub address: Spelled<SocketAddr>,
    /// The number of the `claims` and `assessment` records of `address`.
    pub assessment: Count,
    pub connection: Spelled<ConnectionId>,
    /// Why it failed; absent when it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The socket that was dialled in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated_by: Option<Spelled<SocketAddr>>,
    /// Time to connect; absent when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ns: Option<Count>,
}

impl ConnectionDial {
    pub(crate) fn new(dialled: &Dialled, assessment: u64) -> Self {
        Self {
            address: Spelled(dialled.upstream.address),
            assessment: Count(assessment),
            connection: Spelled(dialled.connection),
            error: dialled.result.as_ref().err().cloned(),
            simulated_by: dialled.upstream.simulated_by.map(Spelled),
            took_ns: dialled.result.as_ref().ok().map(|took| Count::nanos(*took)),
        }
    }
}

/// `dns`: one look-up of the addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    pub answers: Vec<Answer>,
    pub cached: bool,
    /// The CNAME chain, the asked name first.
    pub chain: Vec<Spelled<DnsName>>,
    /// The connection for whose sake it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Spelled<ConnectionId>>,
    /// The RCODE of `server-failure`, the reason of `unreachable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    pub lookup: Spelled<LookupId>,
    pub name: Spelled<DnsName>,
    /// `found`, `no-addresses`, `no-such-name`, `server-failure`, `timed-out` or `unreachable`.
    pub outcome: String,
    pub resolver: ResolverShape,
    pub took_ns: Count,
}

/// One resource record of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// A or AAAA; else `cname` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Spelled<IpAddr>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname: Option<Spelled<DnsName>>,
    pub owner: Spelled<DnsName>,
    /// Seconds.
    pub ttl: u32,
}

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolverShape {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Spelled<SocketAddr>>,
    /// `udp`, `tcp`, `tls` or `https` (then `address` is there), `hosts-file`, `override` or
    /// `unknown`.
    pub by: String,
}

impl From<&Lookup> for Dns {
    fn from(lookup: &Lookup) -> Self {
        let (outcome, detail) = match &lookup.outcome {
            LookupOutcome::Found => ("found", None),
            LookupOutcome::NoAddresses => ("no-addresses", None),
            LookupOutcome::NoSuchName => ("no-such-name", None),
            LookupOutcome::ServerFailure(code) => ("server-failure", Some(code)),
            LookupOutcome::TimedOut => ("timed-out", None),
            LookupOutcome::Unreachable(reason) => ("unreachable", Some(reason)),
        };
        let answer = |answer: &flow::dns::Answer| {
            let (address, cname) = match &answer.data {
                AnswerData::Address(address) => (Some(Spelled(*address)), None),
                AnswerData::Cname(name) => (None, Some(Spelled(name.clone()))),
            };
            Answer { address, cname, owner: Spelled(answer.owner.clone()), ttl: answer.ttl_seconds }
        };
        Self {
            answers: lookup.answers.iter().map(answer).collect(),
            cached: lookup.cached,
            chain: lookup.chain.iter().cloned().map(Spelled).collect(),
            connection: lookup.connection.map(Spelled),
            detail: detail.cloned(),
            lookup: Spelled(lookup.id),
            name: Spelled(lookup.name.clone()),
            outcome: outcome.to_owned(),
            resolver: (&lookup.resolver).into(),
            took_ns: Count::nanos(lookup.took),
        }
    }
}

impl From<&Resolver> for ResolverShape {
    fn from(resolver: &Resolver) -> Self {
        let (address, by) = match resolver {
            Resolver::Server { address, transport } => {
                let by = match transport {
                    Transport::Udp => "udp",
                    Transport::Tcp => "tcp",
                    Transport::Tls => "tls",
                    Transport::Https => "https",
                };
                (Some(Spelled(*address)), by)
            }
            Resolver::HostsFile => (None, "hosts-file"),
            Resolver::Override => (None, "override"),
            Resolver::Unknown => (None, "unknown"),
        };
        Self { address, by: by.to_owned() }
    }
}

/// `tls.client.hello`: what the device offered. Lists are in wire order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsClientHello {
    pub alpn: Vec<Text>,
    pub cipher_suites: Vec<u16>,
    pub connection: Spelled<ConnectionId>,
    /// ECH or GREASE.
    pub encrypted_client_hello: bool,
    pub extensions: Vec<u16>,
    pub groups: Vec<u16>,
    pub ja3: String,
    pub ja4: String,
    pub legacy_version: u16,
    pub point_formats: Vec<u8>,
    /// The handshake message.
    pub raw: Base64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    pub signature_algorithms: Vec<u16>,
    pub versions: Vec<u16>,
}

impl TlsClientHello {
    pub(crate) fn new(connection: ConnectionId, hello: &tls::ClientHello) -> Self {
        Self {
            alpn: hello.alpn.iter().map(|name| text(name)).collect(),
            cipher_suites: hello.cipher_suites.clone(),
            connection: Spelled(connection),
            encrypted_client_hello: hello.encrypted_client_hello,
            extensions: hello.extensions.clone(),
            groups: hello.groups.clone(),
            ja3: hello.ja3.clone(),
            ja4: hello.ja4.clone(),
            legacy_version: hello.legacy_version,
            point_formats: hello.point_formats.clone(),
            raw: Base64(hello.raw.clone()),
            server_name: hello.server_name.clone(),
            signature_algorithms: hello.signature_algorithms.clone(),
            versions: hello.versions.clone(),
        }
    }
}

/// `tls.client`: the handshake with the device is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsClient {
    pub agreed: Agreed,
    pub connection: Spelled<ConnectionId>,
}

/// What a handshake agreed on; numbers are those on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Text>,
    pub cipher_suite: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u16>,
    pub version: u16,
}

impl From<&tls::Agreed> for Agreed {
    fn from(agreed: &tls::Agreed) -> Self {
        Self {
            alpn: agreed.alpn.as_deref().map(text),
            cipher_suite: agreed.cipher_suite,
            group: agreed.group,
            version: agreed.version,
        }
    }
}

/// `tls.upstream`: what the upstream showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsUpstream {
    /// Absent when the handshake failed before both sides agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Agreed>,
    /// DER, leaf first, as sent.
    pub chain: Vec<Base64>,
    pub connection: Spelled<ConnectionId>,
    /// The stapled OCSP response, DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<Base64>,
    /// Why the chain did not verify; absent when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub server_name: String,
    /// `verified`; `refused` or `recorded` when it did not verify.
    pub verification: String,
}

impl TlsUpstream {
    pub(crate) fn new(connection: ConnectionId, upstream: &tls::UpstreamTls) -> Self {
        let (verification, reason) = match &upstream.verification {
            Verification::Verified => ("verified", None),
            Verification::Refused(reason) => ("refused", Some(reason.clone())),
            Verification::Recorded(reason) => ("recorded", Some(reason.clone())),
        };
        Self {
            agreed: upstream.agreed.as_ref().map(Into::into),
            chain: upstream.chain.iter().cloned().map(Base64).collect(),
            connection: Spelled(connection),
            ocsp: (!upstream.ocsp.is_empty()).then(|| Base64(upstream.ocsp.clone())),
            reason,
            server_name: upstream.server_name.clone(),
            verification: verification.to_owned(),
        }
    }
}

/// `connection.treatment`: the last one of a connection counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionTreatment {
    pub connection: Spelled<ConnectionId>,
    /// Of `failed` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureShape>,
    /// Of `passthrough`: the pattern that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The reason's code: `default` (intercepted), `rule` (passthrough), `http`, `not-tls`,
    /// `server-spoke-first`, `silent`, `own-pages` (plaintext), `client-not-allowed`,
    /// `destination-loopback` and so on (blocked); of `failed`, the cause's word.
    pub reason: String,
    /// `intercepted`, `passthrough`, `plaintext`, `failed` or `blocked`.
    pub treatment: String,
    /// The reason as a clause for people.
    pub why: String,
}

/// What failed, at which step, by whose fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureShape {
    /// The code of the TLS alert, for the causes `distrust` and `alert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<u8>,
    /// [`Cause::word`].
    pub cause: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// `client`, `upstream` or `landfall`.
    pub side: String,
    /// `request`, `resolve`, `connect`, `client-hello`, `upstream-tls` or `client-tls`.
    pub stage: String,
}

impl ConnectionTreatment {
    pub(crate) fn new(connection: ConnectionId, treatment: &Treatment) -> Self {
        let reason = match treatment {
            Treatment::Intercepted => "default",
            Treatment::Passthrough(PassthroughWhy::Rule(_)) => "rule",
            Treatment::Plaintext(why) => plaintext_word(*why),
            Treatment::Failed(failure) => failure.cause.word(),
            Treatment::Blocked(why) => blocked_word(why),
        };
        let failure = match treatment {
            Treatment::Failed(failure) => Some(failure.into()),
            _ => None,
        };
        let pattern = match treatment {
            Treatment::Passthrough(PassthroughWhy::Rule(pattern)) => Some(pattern.clone()),
            _ => None,
        };
        Self {
            connection: Spelled(connection),
            failure,
            pattern,
            reason: reason.to_owned(),
            treatment: treatment.word().to_owned(),
            why: treatment.why(),
        }
    }
}

impl From<&Failure> for FailureShape {
    fn from(failure: &Failure) -> Self {
        let (alert, detail) = match &failure.cause {
            Cause::Distrust(alert) | Cause::Alert(alert) => (Some(*alert), None),
            Cause::Unverified(detail)
            | Cause::Unreachable(detail)
            | Cause::ResolverFailed(detail)
            | Cause::Malformed(detail)
            | Cause::Incompatible(detail)
            | Cause::Io(detail) => (None, Some(detail.clone())),
            Cause::Refused
            | Cause::Reset
            | Cause::Closed
            | Cause::TimedOut
            | Cause::NoSuchName
            | Cause::NoAddresses
            | Cause::TooLarge => (None, None),
        };
        Self {
            alert,
            cause: failure.cause.word().to_owned(),
            detail,
            side: failure.side.word().to_owned(),
            stage: failure.stage.word().to_owned(),
        }
    }
}

/// `stream.close`: the totals of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamClose {
    pub connection: Spelled<ConnectionId>,
    pub direction: super::store::Direction,
    /// Bytes in the stream store, from the start of the stream.
    pub kept: Count,
    pub leg: super::store::Leg,
    /// Bytes that passed.
    pub relayed: Count,
}

/// `connection.close`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionClose {
    /// The code of the TLS alert, for the outcomes `client-alert` and `upstream-alert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<u8>,
    pub connection: Spelled<ConnectionId>,
    /// The reason of the outcome `io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Request heads that were seen.
    pub exchanges: Count,
    /// [`Outcome::word`].
    pub outcome: String,
    /// Bytes that passed on the relay leg, from the upstream to the device.
    pub relayed_down: Count,
    /// Bytes that passed on the relay leg, from the device to the upstream.
    pub relayed_up: Count,
    /// Whose fault it was, for the outcome `io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<String>,
    pub timings: TimingsShape,
}

/// How long the steps of a connection took; absent where a step did not take place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimingsShape {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_tls_ns: Option<Count>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ns: Option<Count>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_ns: Option<Count>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_tls_ns: Option<Count>,
}

/// What was counted on a connection until it closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) exchanges: u64,
    pub(crate) relayed_up: u64,
    pub(crate) relayed_down: u64,
}

impl ConnectionClose {
    pub(crate) fn new(closed: &Closed, counted: Counted) -> Self {
        let (alert, side, detail) = match &closed.outcome {
            Outcome::ClientAlert(alert) | Outcome::UpstreamAlert(alert) => {
                (Some(*alert), None, None)
            }
            Outcome::Io { side, reason } => {
                (None, Some(side.word().to_owned()), Some(reason.clone()))
            }
            _ => (None, None, None),
        };
        let timings = closed.timings;
        Self {
            alert,
            connection: Spelled(closed.connection),
            detail,
            exchanges: Count(counted.exchanges),
            outcome: closed.outcome.word().to_owned(),
            relayed_down: Count(counted.relayed_down),
            relayed_up: Count(counted.relayed_up),
            side,
            timings: TimingsShape {
                client_tls_ns: timings.client_tls.map(Count::nanos),
                connect_ns: timings.connect.map(Count::nanos),
                dns_ns: timings.dns.map(Count::nanos),
                upstream_tls_ns: timings.upstream_tls.map(Count::nanos),
            },
        }
    }
}

fn text(bytes: &[u8]) -> Text {
    Text(Bytes::copy_from_slice(bytes))
}

fn plaintext_word(why: PlaintextWhy) -> &'static str {
    match why {
        PlaintextWhy::Http => "http",
        PlaintextWhy::NotTls => "not-tls",
        PlaintextWhy::ServerSpokeFirst => "server-spoke-first",
        PlaintextWhy::Silent => "silent",
        PlaintextWhy::OwnPages => "own-pages",
    }
}

fn blocked_word(why: &BlockedWhy) -> &'static str {
    match why {
        BlockedWhy::ClientNotAllowed => "client-not-allowed",
        BlockedWhy::DestinationLoopback => "destination-loopback",
        BlockedWhy::DestinationLinkLocal => "destination-link-local",
        BlockedWhy::DestinationUnspecified => "destination-unspecified",
        BlockedWhy::DestinationMulticast => "destination-multicast",
        BlockedWhy::DestinationMetadata => "destination-metadata",
        BlockedWhy::OwnListener => "own-listener",
        BlockedWhy::DiskFull => "disk-full",
    }
}
