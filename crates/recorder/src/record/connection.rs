//! Records about connections: asked for, dialled, treated, ended.

use super::sealed::{EachSealed, Sealed};
use super::value::{Count, Spelled};
use flow::address::{Hop, Host};
use flow::distrust::Distrust;
use flow::event::{Closed, Dialled, DroppedDatagrams, Opened};
use flow::id::ConnectionId;
use flow::stream::StreamKey;
use flow::treatment::Treatment;
use flow::treatment::{BlockedWhy, Cause, Failure, Outcome, PassthroughWhy, PlaintextWhy};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// `connection.open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionOpen {
    /// The user name that the client gave the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<Sealed<String>>,
    pub connection: Spelled<ConnectionId>,
    /// The device's end.
    pub device: Sealed<SocketAddr>,
    /// The peer that named `device` in a PROXY protocol header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_by: Option<Sealed<SocketAddr>>,
    /// [`flow::event::Ingress::word`].
    pub ingress: String,
    pub listener: Spelled<SocketAddr>,
    /// The client spoke TLS to the proxy itself; absent when it did not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over_tls: bool,
}

impl From<&Opened> for ConnectionOpen {
    fn from(opened: &Opened) -> Self {
        Self {
            app: opened.app.clone().map(Sealed::Open),
            connection: Spelled(opened.connection),
            device: Sealed::Open(opened.device.0),
            forwarded_by: opened.forwarded_by.map(Sealed::Open),
            ingress: opened.ingress.word().to_owned(),
            listener: Spelled(opened.listener),
            over_tls: opened.over_tls,
        }
    }
}

impl ConnectionOpen {
    pub(super) fn each_sealed(&mut self, each: &mut impl EachSealed) {
        self.app.iter_mut().for_each(|app| each.value(app));
        each.value(&mut self.device);
        self.forwarded_by.iter_mut().for_each(|peer| each.value(peer));
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
    /// The address that stands for the target; absent where only the upstream proxy knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Spelled<SocketAddr>>,
    /// The number of the `claims` and `assessment` records of `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Count>,
    pub connection: Spelled<ConnectionId>,
    /// Why it failed; absent when it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The socket that was dialled in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated_by: Option<Spelled<SocketAddr>>,
    /// The upstream proxy that was asked to connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Through>,
    /// Time to connect; absent when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ns: Option<Count>,
}

/// An upstream proxy on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Through {
    /// The proxy's own address.
    pub address: Spelled<SocketAddr>,
    /// `http`, `socks5` or `socks5h`.
    pub kind: String,
}

impl ConnectionDial {
    pub(crate) fn new(dialled: &Dialled, assessment: Option<u64>) -> Self {
        let upstream = dialled.upstream.as_ref();
        let through =
            |hop: Hop| Through { address: Spelled(hop.address), kind: hop.kind.word().to_owned() };
        Self {
            address: upstream.map(|upstream| Spelled(upstream.address)),
            assessment: assessment.map(Count),
            connection: Spelled(dialled.connection),
            error: dialled.result.as_ref().err().cloned(),
            simulated_by: upstream.and_then(|upstream| upstream.simulated_by).map(Spelled),
            through: dialled.through.map(through),
            took_ns: dialled.result.as_ref().ok().map(|took| Count::nanos(*took)),
        }
    }
}

/// `connection.treatment`: the last one of a connection counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionTreatment {
    pub connection: Spelled<ConnectionId>,
    /// How the device refused our leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distrust: Option<DistrustShape>,
    /// Of `failed` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureShape>,
    /// Of the reason `rule`: the rule that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The reason's code: `default` (intercepted), `rule`, `distrusted`, `upstream-incompatible`
    /// (passthrough), `http`, `not-tls`, `server-spoke-first`, `silent`, `own-pages` (plaintext),
    /// `rule`, `distrusted`, `client-not-allowed`, `destination-loopback` and so on (blocked); of
    /// `failed`, the cause's word.
    pub reason: String,
    /// `intercepted`, `passthrough`, `plaintext`, `failed` or `blocked`.
    pub treatment: String,
    /// The reason as a clause for people.
    pub why: String,
}

/// A device's refusal of our leaf, with what was known of the device when this was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistrustShape {
    /// The code of the TLS alert; absent when there was none that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<u8>,
    /// `authority-not-trusted`, `pinned`, `probable` or `unknown`.
    pub class: String,
    /// The connection on which it was refused, where that is an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Spelled<ConnectionId>>,
    /// Hosts for which the device had refused our leaf by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_hosts: Option<Count>,
    /// Hosts for which the device had accepted our leaf by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_hosts: Option<Count>,
}

impl DistrustShape {
    fn of(treatment: &Treatment) -> Option<Self> {
        let class = treatment.distrust()?.word().to_owned();
        let (on, known) = match treatment {
            Treatment::Failed(Failure { cause: Cause::Distrust(known), .. }) => (None, Some(known)),
            Treatment::Passthrough(PassthroughWhy::Distrusted { on, distrust, .. })
            | Treatment::Blocked(BlockedWhy::Distrusted { on, distrust }) => {
                (Some(*on), Some(distrust))
            }
            _ => (None, None),
        };
        Some(Self {
            alert: known.map(|known| known.alert),
            class,
            on: on.map(Spelled),
            refused_hosts: known.map(|known| Count(known.refused_hosts)),
            trusted_hosts: known.map(|known| Count(known.trusted_hosts)),
        })
    }
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
    /// [`flow::treatment::Stage::word`], such as `request`, `resolve`, `connect`, `client-hello`, `upstream-tls` or `client-tls`.
    pub stage: String,
}

impl ConnectionTreatment {
    pub(crate) fn new(connection: ConnectionId, treatment: &Treatment) -> Self {
        let reason = match treatment {
            Treatment::Intercepted => "default",
            Treatment::Passthrough(why) => passthrough_word(why),
            Treatment::Plaintext(why) => plaintext_word(*why),
            Treatment::Failed(failure) => failure.cause.word(),
            Treatment::Blocked(why) => blocked_word(why),
        };
        let failure = match treatment {
            Treatment::Failed(failure) => Some(failure.into()),
            _ => None,
        };
        let pattern = match treatment {
            Treatment::Passthrough(PassthroughWhy::Rule(rule))
            | Treatment::Blocked(BlockedWhy::Rule(rule)) => Some(rule.clone()),
            _ => None,
        };
        Self {
            connection: Spelled(connection),
            distrust: DistrustShape::of(treatment),
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
            Cause::Distrust(Distrust { alert, .. }) | Cause::Alert(alert) => (Some(*alert), None),
            Cause::Unverified(detail)
            | Cause::Unreachable(detail)
            | Cause::ResolverFailed(detail)
            | Cause::Malformed(detail)
            | Cause::Incompatible(detail)
            | Cause::UpstreamProxy(detail)
            | Cause::Io(detail) => (None, Some(detail.clone())),
            Cause::Refused
            | Cause::Reset
            | Cause::Closed
            | Cause::TimedOut
            | Cause::NoSuchName
            | Cause::NoAddresses
            | Cause::RunEnded => (None, None),
            Cause::TooLarge(bound) => (None, Some(bound.to_string())),
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

/// `stream.end`: the sender of a stream of the relay leg ended it in order, at the record's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamEnd {
    pub connection: Spelled<ConnectionId>,
    pub direction: super::store::Direction,
    pub leg: super::store::Leg,
}

impl From<StreamKey> for StreamEnd {
    fn from(stream: StreamKey) -> Self {
        Self {
            connection: Spelled(stream.connection),
            direction: stream.direction.into(),
            leg: stream.leg.into(),
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

/// `datagrams.dropped`: datagrams of an association that were not relayed, by why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatagramsDropped {
    pub connection: Spelled<ConnectionId>,
    pub foreign: Count,
    pub fragmented: Count,
    pub malformed: Count,
    /// Absent in sessions that knew no such bound, and where it refused nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_flow_limit: Option<Count>,
    pub overflowed: Count,
    pub refused: Count,
}

impl DatagramsDropped {
    pub(crate) fn new(connection: ConnectionId, dropped: &DroppedDatagrams) -> Self {
        Self {
            connection: Spelled(connection),
            foreign: Count(dropped.foreign),
            fragmented: Count(dropped.fragmented),
            malformed: Count(dropped.malformed),
            over_flow_limit: Some(dropped.over_flow_limit).filter(|n| *n > 0).map(Count),
            overflowed: Count(dropped.overflowed),
            refused: Count(dropped.refused),
        }
    }
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

fn passthrough_word(why: &PassthroughWhy) -> &'static str {
    match why {
        PassthroughWhy::Rule(_) => "rule",
        PassthroughWhy::Distrusted { .. } => "distrusted",
        PassthroughWhy::UpstreamIncompatible(_) => "upstream-incompatible",
    }
}

fn plaintext_word(why: PlaintextWhy) -> &'static str {
    match why {
        PlaintextWhy::Http => "http",
        PlaintextWhy::NotTls => "not-tls",
        PlaintextWhy::ServerSpokeFirst => "server-spoke-first",
        PlaintextWhy::Silent => "silent",
        PlaintextWhy::OwnPages => "own-pages",
        PlaintextWhy::Datagrams => "datagrams",
        PlaintextWhy::Association => "association",
        PlaintextWhy::LastHop => "last-hop",
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
        BlockedWhy::NoCredentials => "no-credentials",
        BlockedWhy::WrongCredentials => "wrong-credentials",
        BlockedWhy::Socks4 => "socks4",
        BlockedWhy::SocksCommand(_) => "socks-command",
        BlockedWhy::SocksAddressType(_) => "socks-address-type",
        BlockedWhy::SocksMethods => "socks-methods",
        BlockedWhy::Rule(_) => "rule",
        BlockedWhy::Distrusted { .. } => "distrusted",
        BlockedWhy::DatagramsNotProxied => "datagrams-not-proxied",
        BlockedWhy::DeviceLimit(_) => "device-limit",
        BlockedWhy::RecordingStopped => "recording-stopped",
    }
}
