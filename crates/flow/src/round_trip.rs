//! What the handshake with an upstream took. Values only: what may be concluded is
//! [`crate::assessment`]'s business.

use crate::id::ConnectionId;
use crate::time::Stamp;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// The times of one connection with one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundTripSample {
    pub connection: ConnectionId,
    /// When the signature had verified.
    pub at: Stamp,
    /// The address that answered; never one behind an upstream proxy.
    pub address: IpAddr,
    /// The name that was asked for: behind one address, names can lead to different machines.
    pub server_name: String,
    /// The epoch of the network in which all of it took place.
    pub epoch: u64,
    /// From just before our ClientHello was handed to the socket until the server's signature over
    /// the handshake had verified. Computing on either side makes it longer, nothing shorter.
    pub signature: Duration,
    pub chain: ChainRoots,
    /// The server asked for a second ClientHello, so that two round trips are in the time.
    pub retried: bool,
    /// From SYN to SYN-ACK, as connecting took.
    pub connect: Option<Duration>,
    /// What the kernel measured of the connection by the end of the handshake, where it tells.
    pub kernel: Option<KernelTimes>,
    /// `[simulate]` gave the time; it stands for as many samples as conclusions take.
    pub simulated: bool,
}

/// Round trips between this machine's TCP and whoever answers its segments, as the kernel measures them
/// (`tcp_info`): the upstream, or a middlebox. They refute nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelTimes {
    /// `tcpi_rtt`, a running mean.
    pub smoothed: Duration,
    /// `tcpi_min_rtt`, the least one.
    pub least: Option<Duration>,
}

/// Under which roots the chain of the key that signed has verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChainRoots {
    /// The platform's.
    Public,
    /// Only those that the operator added.
    Own,
    /// None; the connection went on all the same.
    Unverified,
}

impl ChainRoots {
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Own => "own",
            Self::Unverified => "unverified",
        }
    }
}

impl fmt::Display for ChainRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ChainRoots {
    type Err = NotChainRoots;

    fn from_str(word: &str) -> Result<Self, NotChainRoots> {
        let all = [Self::Public, Self::Own, Self::Unverified];
        all.into_iter().find(|roots| roots.word() == word).ok_or(NotChainRoots)
    }
}

/// A word that is none of [`ChainRoots`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotChainRoots;

impl fmt::Display for NotChainRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none of the kinds of roots")
    }
}

impl std::error::Error for NotChainRoots {}
