//! Name look-ups with their whole provenance.

use crate::address::DnsName;
use crate::id::{ConnectionId, LookupId};
use crate::network::Network;
use crate::time::Stamp;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Who answered a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// A DNS server, asked over this transport; its name, where its certificate was verified for one.
    Server { address: SocketAddr, transport: Transport, name: Option<DnsName> },
    /// The machine's hosts file.
    HostsFile,
    /// `[resolve]` in the configuration.
    Override,
    /// No server answered, or none is known to have (the look-up failed before an answer).
    Unknown,
}

/// How a DNS server was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Https,
}

/// One resource record of an answer, in the order of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub owner: DnsName,
    pub ttl_seconds: u32,
    pub data: AnswerData,
}

/// The record types that a look-up of addresses returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerData {
    Address(IpAddr),
    Cname(DnsName),
}

/// How a look-up ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupOutcome {
    /// At least one address.
    Found,
    /// The name exists without addresses (NOERROR, no data).
    NoAddresses,
    /// The name does not exist (NXDOMAIN).
    NoSuchName,
    /// A server refused or failed; the RCODE's mnemonic (RFC 6895), such as `SERVFAIL`.
    ServerFailure(String),
    TimedOut,
    /// No server could be asked; the operating system's words, or what is wrong with its TLS or HTTP.
    Unreachable(String),
}

/// One look-up of the addresses of a name, both families together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub id: LookupId,
    pub sake: Sake,
    pub at: Stamp,
    pub took: Duration,
    pub name: DnsName,
    pub resolver: Resolver,
    /// True when the answer came from our cache; `answers` then have the remaining TTL.
    pub cached: bool,
    /// The CNAME chain from the asked name to the owner of the addresses, the asked name first.
    pub chain: Vec<DnsName>,
    pub answers: Vec<Answer>,
    pub outcome: LookupOutcome,
    pub dnssec: Dnssec,
    pub edns: Edns,
}

/// Why a look-up was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sake {
    /// A device asked for a connection to the name.
    Connection(ConnectionId),
    /// Landfall needs the name itself: an upstream proxy's, a publisher's.
    Landfall,
    /// A device asked for the name before, at this port, and the operator asked to see whether its
    /// answer changes. No device asked this time.
    Watch { port: u16 },
}

impl Sake {
    /// The connection that waits for the answer.
    pub fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Connection(id) => Some(id),
            Self::Landfall | Self::Watch { .. } => None,
        }
    }
}

/// What a server said of its own validation of the answer (the AD bit, RFC 6840 section 5.8). Its word
/// is all there is: nothing is validated here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dnssec {
    /// No server answered.
    NotAsked,
    /// The server does not say that it validated all of the answer.
    NotSaid,
    SaidToBeValidated,
}

/// What came of asking with EDNS (RFC 6891), without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edns {
    /// No server answered.
    NotAsked,
    /// The server did not understand it and was asked again without.
    Refused,
    /// The answer has none.
    Unanswered,
    /// The answer has it; with the subnet that it is meant for, where the server tells one.
    Answered { subnet: Option<ClientSubnet> },
}

/// For which clients an answer is meant (RFC 7871).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSubnet {
    pub network: Network,
    /// Bits of the address up to which the answer holds for others too.
    pub scope: u8,
}

impl Edns {
    /// The subnet that the answer is meant for, where the server told one.
    pub fn subnet(&self) -> Option<ClientSubnet> {
        match self {
            Self::Answered { subnet } => *subnet,
            Self::NotAsked | Self::Refused | Self::Unanswered => None,
        }
    }
}

impl Lookup {
    /// The addresses found, in the order of the answer.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.answers.iter().filter_map(|answer| match answer.data {
            AnswerData::Address(ip) => Some(ip),
            AnswerData::Cname(_) => None,
        })
    }
}
