//! Records about name look-ups.

use super::value::{Count, Spelled};
use flow::address::DnsName;
use flow::dns::{AnswerData, Lookup, LookupOutcome, Resolver, Transport};
use flow::id::{ConnectionId, LookupId};
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
