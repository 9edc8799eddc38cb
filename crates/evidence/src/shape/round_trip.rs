//! Round trips that were measured because somebody asked: part of a line of `landfall lookup --rtt`.

use super::{Shown, is_false};
use flow::round_trip::ChainRoots;
use serde::Serialize;
use std::net::SocketAddr;
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
    pub chain: Shown<ChainRoots>,
}

impl HandshakeShape {
    pub fn new(signature: Duration, connect: Option<Duration>, chain: ChainRoots) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self { signature_ns: nanos(signature), connect_ns: connect.map(nanos), chain: Shown(chain) }
    }
}
