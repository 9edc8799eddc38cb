//! Records about name look-ups.

use super::sealed::{EachSealed, Sealed};
use super::value::{Count, Spelled};
use flow::address::DnsName;
use flow::dns::{AnswerData, Dnssec, Edns, Lookup, LookupOutcome, Resolver, Sake, Transport};
use flow::id::{ConnectionId, LookupId};
use flow::network::Network;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

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
    /// `said-to-be-validated` (the resolver's word, nothing more) or `not-said`; absent where no
    /// server answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dnssec: Option<String>,
    /// Absent where no server answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edns: Option<EdnsShape>,
    /// `watch`: no device asked, the operator has the name watched. Absent for every other look-up.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub sake: Option<String>,
    pub lookup: Spelled<LookupId>,
    pub name: Spelled<DnsName>,
    /// `found`, `no-addresses`, `no-such-name`, `server-failure`, `timed-out` or `unreachable`.
    pub outcome: String,
    pub resolver: ResolverShape,
    pub took_ns: Count,
}

impl Dns {
    pub(super) fn each_sealed(&mut self, each: &mut impl EachSealed) {
        let subnet = self.edns.as_mut().and_then(|edns| edns.subnet.as_mut());
        subnet.into_iter().for_each(|subnet| each.value(subnet));
    }
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

/// What came of asking with EDNS, without options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdnsShape {
    /// `answered`, `unanswered`, or `refused` (then the server was asked again without).
    pub reply: String,
    /// Bits up to which the answer holds for others too; with `subnet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
    /// The clients that the answer is meant for, where the server told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Sealed<Network>>,
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
    /// The name that its certificate was verified for; of `tls` and `https`, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Spelled<DnsName>>,
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
            connection: lookup.sake.connection().map(Spelled),
            detail: detail.cloned(),
            dnssec: match lookup.dnssec {
                Dnssec::NotAsked => None,
                Dnssec::NotSaid => Some("not-said".to_owned()),
                Dnssec::SaidToBeValidated => Some("said-to-be-validated".to_owned()),
            },
            edns: EdnsShape::new(&lookup.edns),
            sake: match lookup.sake {
                Sake::Connection(_) | Sake::Landfall => None,
                Sake::Watch { .. } => Some(WATCH.to_owned()),
            },
            lookup: Spelled(lookup.id),
            name: Spelled(lookup.name.clone()),
            outcome: outcome.to_owned(),
            resolver: (&lookup.resolver).into(),
            took_ns: Count::nanos(lookup.took),
        }
    }
}

impl Dns {
    /// Whether it was made because the name is watched, and not for any device.
    pub fn is_watch(&self) -> bool {
        self.sake.as_deref() == Some(WATCH)
    }
}

const WATCH: &str = "watch";

impl EdnsShape {
    fn new(edns: &Edns) -> Option<Self> {
        let reply = match edns {
            Edns::NotAsked => return None,
            Edns::Refused => "refused",
            Edns::Unanswered => "unanswered",
            Edns::Answered { .. } => "answered",
        };
        let subnet = edns.subnet();
        Some(Self {
            reply: reply.to_owned(),
            scope: subnet.map(|subnet| subnet.scope),
            subnet: subnet.map(|subnet| Sealed::Open(subnet.network)),
        })
    }
}

impl From<&Resolver> for ResolverShape {
    fn from(resolver: &Resolver) -> Self {
        let (address, by, name) = match resolver {
            Resolver::Server { address, transport, name } => {
                let by = match transport {
                    Transport::Udp => "udp",
                    Transport::Tcp => "tcp",
                    Transport::Tls => "tls",
                    Transport::Https => "https",
                };
                (Some(Spelled(*address)), by, name.clone().map(Spelled))
            }
            Resolver::HostsFile => (None, "hosts-file", None),
            Resolver::Override => (None, "override", None),
            Resolver::Unknown => (None, "unknown", None),
        };
        Self { address, by: by.to_owned(), name }
    }
}
