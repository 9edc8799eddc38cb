//! Round trips that were measured because somebody asked: part of a line of `landfall lookup --rtt`.

use super::{Shown, is_false};
use flow::round_trip::{ChainRoots, KernelTimes};
use recorder::read::LeastTimes;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What handshakes with an address took, and what follows.
#[derive(Clone, Debug, Serialize)]
pub struct RoundTripsShape {
    pub socket: SocketAddr,
    /// In the order in which they were made.
    pub handshakes: Vec<HandshakeShape>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub simulated: bool,
    /// What they say of countries, or why they say nothing.
    pub sentences: Vec<String>,
}

/// What one handshake took.
#[derive(Clone, Debug, Serialize)]
pub struct HandshakeShape {
    /// To the verified signature.
    pub signature_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ns: Option<u64>,
    /// What the kernel measured of the connection: the running mean, and the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_rtt_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_min_rtt_ns: Option<u64>,
    pub chain: Shown<ChainRoots>,
}

impl HandshakeShape {
    pub fn new(
        signature: Duration,
        connect: Option<Duration>,
        kernel: Option<KernelTimes>,
        chain: ChainRoots,
    ) -> Self {
        Self {
            signature_ns: nanos(signature),
            connect_ns: connect.map(nanos),
            tcp_rtt_ns: kernel.map(|times| nanos(times.smoothed)),
            tcp_min_rtt_ns: kernel.and_then(|times| times.least).map(nanos),
            chain: Shown(chain),
        }
    }
}

/// The least times of a session's handshakes with an address: of one destination alone, not in lists.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LeastTimesShape {
    address: IpAddr,
    epoch: u64,
    handshakes: u64,
    signature_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_min_rtt_ns: Option<u64>,
}

impl LeastTimesShape {
    pub(super) fn new(times: &LeastTimes) -> Self {
        Self {
            address: times.address,
            epoch: times.epoch,
            handshakes: times.samples,
            signature_ns: nanos(times.signature),
            connect_ns: times.connect.map(nanos),
            tcp_min_rtt_ns: times.kernel.map(nanos),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
