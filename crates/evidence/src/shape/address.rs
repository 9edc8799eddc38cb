//! One address and what is known of it: a line of `landfall lookup`.

use super::known::Known;
use super::{ClaimShape, RoundTripsShape, SCHEMA, Shown, is_false};
use flow::address::DnsName;
use flow::annotation::Annotation;
use flow::assessment::{LocationLevel, OperatorLevel};
use flow::physics::RoundTrip;
use flow::time::WallNanos;
use geoip::assess::{location_level, operator_level};
use recorder::record::value::Wall;
use serde::Serialize;
use std::net::IpAddr;
use std::time::Duration;

/// An address under one set of databases, with the keys of a destination.
#[derive(Clone, Debug, Serialize)]
pub struct AddressShape<'a> {
    schema: u32,
    /// The name that was asked for, where one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    address: IpAddr,
    /// The names behind the host, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cnames: Vec<Shown<&'a DnsName>>,
    #[serde(flatten)]
    known: Known<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_confidence: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location_level: Option<&'static str>,
    claims: Vec<ClaimShape<'a>>,
    /// When the databases were asked, where that is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Wall>,
    /// The shortest of the handshakes.
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt: Option<Shown<RoundTrip>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trips: Option<RoundTripsShape>,
    /// The name was not looked up: the configuration says what it resolves to.
    #[serde(skip_serializing_if = "is_false")]
    simulated: bool,
}

impl<'a> AddressShape<'a> {
    /// `chain` is the look-up's CNAME chain with the asked name first; empty for a bare address.
    pub fn new(annotation: &'a Annotation, chain: &'a [DnsName], simulated: bool) -> Self {
        let aliases = chain.get(1..).unwrap_or_default();
        Self {
            schema: SCHEMA,
            host: chain.first().map(DnsName::as_str),
            address: annotation.address,
            cnames: aliases.iter().map(Shown).collect(),
            known: Known::new(annotation),
            operator_confidence: annotation
                .operator
                .as_ref()
                .map(|operator| operator.confidence.as_str()),
            operator_level: operator_level(Some(annotation), !chain.is_empty(), aliases)
                .map(OperatorLevel::code),
            location_level: location_level(Some(annotation)).map(LocationLevel::code),
            claims: annotation.claims.iter().map(ClaimShape::new).collect(),
            asked: None,
            rtt: None,
            round_trips: None,
            simulated,
        }
    }

    /// With the time at which the databases were asked.
    pub fn asked(self, at: WallNanos) -> Self {
        Self { asked: Some(Wall(at)), ..self }
    }

    /// With what was measured of it.
    pub fn measured(self, round_trips: Option<RoundTripsShape>) -> Self {
        let times = |shape: &RoundTripsShape| {
            shape.handshakes.iter().map(|handshake| handshake.signature_ns).min()
        };
        let least = round_trips.as_ref().and_then(times);
        let simulated = self.simulated || round_trips.as_ref().is_some_and(|m| m.simulated);
        let rtt = least.map(|nanos| Shown(RoundTrip(Duration::from_nanos(nanos))));
        Self { rtt, round_trips, simulated, ..self }
    }
}
