//! One address and what is known of it: a line of `landfall lookup`.

use super::flag::{self, FlagReasons};
use super::{ClaimShape, SCHEMA, Shown, is_false};
use flow::address::DnsName;
use flow::annotation::Annotation;
use flow::claim::Country;
use recorder::read::{LocationLevel, OperatorLevel, located, location_level, operator_level};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::net::IpAddr;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Countries::is_empty")]
    countries: Countries<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_confidence: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_registered_country: Option<Shown<Country>>,
    anycast: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    special_range: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location_level: Option<&'static str>,
    flags: Vec<&'a str>,
    #[serde(skip_serializing_if = "FlagReasons::is_empty")]
    flag_reasons: FlagReasons<'a>,
    claims: Vec<ClaimShape<'a>>,
    /// The name was not looked up: the configuration says what it resolves to.
    #[serde(skip_serializing_if = "is_false")]
    simulated: bool,
}

impl<'a> AddressShape<'a> {
    /// `chain` is the look-up's CNAME chain with the asked name first; empty for a bare address.
    pub fn new(annotation: &'a Annotation, chain: &'a [DnsName], simulated: bool) -> Self {
        let operator = annotation.operator.as_ref();
        let aliases = chain.get(1..).unwrap_or_default();
        Self {
            schema: SCHEMA,
            host: chain.first().map(DnsName::as_str),
            address: annotation.address,
            cnames: aliases.iter().map(Shown).collect(),
            country: annotation.location.country().map(Shown),
            countries: Countries(annotation),
            asn: annotation.asn.map(|asn| asn.0),
            as_name: annotation.as_name.as_deref(),
            operator: operator.map(|operator| operator.group.as_str()),
            operator_country: operator.and_then(|operator| operator.headquarters).map(Shown),
            operator_confidence: operator.map(|operator| operator.confidence.as_str()),
            registered_country: annotation.address_registered.map(Shown),
            as_registered_country: annotation.as_registered.map(Shown),
            anycast: annotation.anycast,
            special_range: annotation.special_range.as_deref(),
            operator_level: operator_level(Some(annotation), !chain.is_empty(), aliases)
                .map(OperatorLevel::code),
            location_level: location_level(Some(annotation)).map(LocationLevel::code),
            flags: flag::policies(&annotation.flags),
            flag_reasons: FlagReasons(&annotation.flags),
            claims: annotation.claims.iter().map(ClaimShape::new).collect(),
            simulated,
        }
    }
}

/// Location source -> country: `{"dbip-country":"HK","ipfire":"CN"}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Countries<'a>(pub(crate) &'a Annotation);

impl Countries<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        located(self.0).next().is_none()
    }
}

impl Serialize for Countries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (source, country) in located(self.0) {
            map.serialize_entry(source, &Shown(country))?;
        }
        map.end()
    }
}
