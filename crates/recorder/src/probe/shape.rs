//! What a probe says. The shapes are the format: fields in the order of the canonical form (RFC 8785),
//! as in [`crate::record`].

use super::error::ProbeError;
use crate::record::dns::Dns;
use crate::record::network::UplinkShape;
use crate::record::session::{Tool, VantageShape};
use crate::record::value::{Base64, Count, Spelled, Wall};
use flow::address::Host;
use flow::physics::{Kilometres, Vantage};
use flow::round_trip::ChainRoots;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::ops::Not;

/// What was measured from one place, within one epoch of the network there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeShape {
    pub began: Wall,
    pub ended: Wall,
    pub format: ProbeFormat,
    pub hosts: Vec<HostShape>,
    /// The Ed25519 public key that signs, 32 bytes.
    pub key: Base64,
    /// As the operator calls the vantage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub network: NetworkShape,
    pub tool: Tool,
    pub v: u64,
    /// Where the machine stands, as its operator declares.
    pub vantage: VantageShape,
}

/// Tells a probe from everything else that a key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeFormat {
    #[serde(rename = "landfall-probe")]
    LandfallProbe,
}

/// How the machine was connected all the while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkShape {
    /// Absent where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uplink: Option<UplinkShape>,
    /// Connections leave through another proxy; absent when they do not.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub upstream_proxy: bool,
}

/// A host that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostShape {
    pub addresses: Vec<AddressShape>,
    pub host: Spelled<Host>,
    /// Where the host is a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Dns>,
    pub port: u16,
}

/// An address of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressShape {
    pub address: Spelled<IpAddr>,
    /// Why there are no samples, or no more of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// In the order in which they were taken.
    pub samples: Vec<SampleShape>,
    /// The configuration gave the time; absent where it was measured.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub simulated: bool,
}

/// What one handshake took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleShape {
    /// When the signature had verified.
    pub at: Wall,
    /// SHA-256 of the leaf as DER, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    pub chain: Spelled<ChainRoots>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ns: Option<Count>,
    /// There are two round trips in the time; absent when there is one.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub retried: bool,
    pub signature_ns: Count,
}

impl ProbeShape {
    /// Reads what a signature is over; whose it is, is not looked at.
    ///
    /// # Errors
    /// [`ProbeError`] for all but the one spelling of a probe.
    pub fn parse(text: &str) -> Result<Self, ProbeError> {
        let probe: Self = serde_json::from_str(text).map_err(ProbeError::Shape)?;
        if probe.canonical()? != text.as_bytes() {
            return Err(ProbeError::NotCanonical);
        }
        probe.check()?;
        Ok(probe)
    }

    /// The bytes that are signed.
    pub fn canonical(&self) -> Result<Vec<u8>, ProbeError> {
        serde_json::to_vec(self).map_err(ProbeError::Shape)
    }

    /// What the shape alone does not refuse.
    fn check(&self) -> Result<(), ProbeError> {
        if self.name.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(ProbeError::Name);
        }
        if self.ended < self.began {
            return Err(ProbeError::Times);
        }
        self.declared().map(|_vantage| ()).ok_or(ProbeError::Vantage)
    }

    /// Where it was measured; always there in a probe that was read.
    pub fn declared(&self) -> Option<Vantage> {
        let vantage = self.vantage.declared()?;
        (vantage.uncertainty <= HALF_OF_THE_GLOBE).then_some(vantage)
    }

    /// Some name, address or time was simulated.
    pub fn is_simulated(&self) -> bool {
        self.hosts.iter().any(|host| {
            let by_override = host.lookup.as_ref().is_some_and(|l| l.resolver.by == OVERRIDE);
            by_override || host.addresses.iter().any(|address| address.simulated)
        })
    }
}

/// Whether a text can be what a vantage is called: short, on one line.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME_BYTES && !text.chars().any(char::is_control)
}

const LONGEST_NAME_BYTES: usize = 100;
/// As the resolver of a look-up is called that the configuration answered.
const OVERRIDE: &str = "override";
const HALF_OF_THE_GLOBE: Kilometres = Kilometres::from_metres(20_040_000);
