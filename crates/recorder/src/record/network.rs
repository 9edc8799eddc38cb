//! Records about the way to upstreams: the machine's own network, and what handshakes took.

use super::value::{Count, Spelled};
use flow::assessment::MIN_SAMPLES;
use flow::id::ConnectionId;
use flow::round_trip::{ChainRoots, RoundTripSample};
use flow::uplink::{Epoch, InterfaceKind, Uplink};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::ops::Not;

/// `network`: from here on, the network of the machine is this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// From 1, in order.
    pub epoch: Count,
    /// Absent where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uplink: Option<UplinkShape>,
    /// Connections leave through another proxy; absent when they do not.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub upstream_proxy: bool,
}

/// See [`Uplink`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UplinkShape {
    pub default_routes: Vec<RouteShape>,
    pub interfaces: Vec<InterfaceShape>,
    pub leaves_by: Vec<String>,
    /// The interface, where a way out leads into a tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<String>,
}

/// See [`flow::uplink::DefaultRoute`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteShape {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Spelled<IpAddr>>,
    pub interface: String,
}

/// See [`flow::uplink::Interface`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceShape {
    pub kind: Spelled<InterfaceKind>,
    pub name: String,
}

impl From<&Epoch> for Network {
    fn from(epoch: &Epoch) -> Self {
        Self {
            epoch: Count(epoch.number),
            uplink: epoch.uplink.as_ref().map(Into::into),
            upstream_proxy: epoch.upstream_proxy,
        }
    }
}

impl From<&Uplink> for UplinkShape {
    fn from(uplink: &Uplink) -> Self {
        let route = |route: &flow::uplink::DefaultRoute| RouteShape {
            gateway: route.gateway.map(Spelled),
            interface: route.interface.clone(),
        };
        let interface = |interface: &flow::uplink::Interface| InterfaceShape {
            kind: Spelled(interface.kind),
            name: interface.name.clone(),
        };
        Self {
            default_routes: uplink.default_routes.iter().map(route).collect(),
            interfaces: uplink.interfaces.iter().map(interface).collect(),
            leaves_by: uplink.leaves_by.clone(),
            tunnel: uplink.tunnel().map(str::to_owned),
        }
    }
}

/// `rtt`: what the handshake with an upstream took. See [`RoundTripSample`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rtt {
    pub address: Spelled<IpAddr>,
    pub chain: Spelled<ChainRoots>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ns: Option<Count>,
    pub connection: Spelled<ConnectionId>,
    pub epoch: Count,
    /// There are two round trips in the time; absent when there is one.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub retried: bool,
    /// How many it counts for: 1, but for simulated ones.
    pub samples: Count,
    pub server_name: String,
    pub signature_ns: Count,
    /// The time was not measured; absent when it was.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub simulated: bool,
    /// `tcpi_min_rtt` of the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_min_rtt_ns: Option<Count>,
    /// `tcpi_rtt` of the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_rtt_ns: Option<Count>,
}

impl From<&RoundTripSample> for Rtt {
    fn from(sample: &RoundTripSample) -> Self {
        Self {
            address: Spelled(sample.address),
            chain: Spelled(sample.chain),
            connect_ns: sample.connect.map(Count::nanos),
            connection: Spelled(sample.connection),
            epoch: Count(sample.epoch),
            retried: sample.retried,
            samples: Count(if sample.simulated { MIN_SAMPLES } else { 1 }),
            server_name: sample.server_name.clone(),
            signature_ns: Count::nanos(sample.signature),
            simulated: sample.simulated,
            tcp_min_rtt_ns: sample.kernel.and_then(|times| times.least).map(Count::nanos),
            tcp_rtt_ns: sample.kernel.map(|times| Count::nanos(times.smoothed)),
        }
    }
}
