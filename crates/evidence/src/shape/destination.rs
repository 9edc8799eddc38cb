//! One destination: a line of `landfall dest list` and of `destinations.csv`.

use super::flag::{self, FlagReasons};
use super::judged::JudgedShape;
use super::round_trip::LeastTimesShape;
use super::{AssessmentShape, NameHistoryShape, SCHEMA, Shown, is_false};
use flow::address::{DnsName, Host};
use flow::assessment::{Assessment, LocationLevel, OperatorLevel};
use flow::claim::{Asn, Country, Operator};
use recorder::read::{DestinationKey, DestinationRow, Held, LeastTimes, NameHistory};
use recorder::record::value::Wall;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A destination. Where its addresses do not agree, the single-valued key is absent and the list of
/// the same name in the plural is there.
#[derive(Clone, Debug, Serialize)]
pub struct DestinationShape<'a> {
    schema: u32,
    /// What the rows are grouped by, when that is not the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Shown<&'a DestinationKey>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Shown<&'a Host>>,
    /// All hosts, when the rows are not grouped by host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<Shown<&'a Host>>,
    addresses: Vec<IpAddr>,
    cnames: Vec<Shown<&'a DnsName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Sources::is_empty")]
    countries: Sources<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asn: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    asns: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operators: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_registered_country: Option<Shown<Country>>,
    anycast: bool,
    contact: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location_level: Option<&'static str>,
    content_level: &'static str,
    flags: Vec<&'a str>,
    #[serde(skip_serializing_if = "FlagReasons::is_empty")]
    flag_reasons: FlagReasons<'a>,
    /// The highest of the flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    /// By the policies of the newest `landfall review reflag`, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    flags_now: Option<Vec<&'a str>>,
    /// A person's, where there is one.
    #[serde(flatten)]
    judged: Option<JudgedShape<'a>>,
    first_seen: Wall,
    last_seen: Wall,
    flows: u64,
    connections: u64,
    bytes_up: u64,
    bytes_down: u64,
    /// Treatment -> number of connections.
    treatment: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "is_false")]
    dialled_without_lookup: bool,
    #[serde(skip_serializing_if = "is_false")]
    simulated: bool,
    /// Of one destination alone, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    assessment: Option<AssessmentShape>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_history: Option<NameHistoryShape<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    round_trips: Vec<LeastTimesShape>,
}

impl<'a> DestinationShape<'a> {
    /// The destination with what all that is known of it adds up to.
    pub fn assessed(row: &'a DestinationRow, assessment: Option<&Assessment>) -> Self {
        Self { assessment: assessment.map(AssessmentShape::new), ..Self::from(row) }
    }

    /// With what look-ups of its name answered.
    pub fn with_history(self, history: Option<&'a NameHistory>) -> Self {
        Self { name_history: history.map(NameHistoryShape::new), ..self }
    }

    /// With what handshakes with its addresses took.
    pub fn with_times(self, times: &[LeastTimes]) -> Self {
        Self { round_trips: times.iter().map(LeastTimesShape::new).collect(), ..self }
    }
}

impl<'a> From<&'a DestinationRow> for DestinationShape<'a> {
    fn from(row: &'a DestinationRow) -> Self {
        let (group, host, hosts) = match &row.key {
            DestinationKey::Host(host) => (None, host.as_ref().map(Shown), Vec::new()),
            key => (Some(Shown(key)), None, row.hosts.iter().map(Shown).collect()),
        };
        let operator = row.operator.one();
        Self {
            schema: SCHEMA,
            group,
            host,
            hosts,
            addresses: row.addresses.iter().map(|seen| seen.address).collect(),
            cnames: row.cnames.iter().map(Shown).collect(),
            country: row.country.one().copied().map(Shown),
            countries: Sources(&row.countries),
            asn: row.asn.one().map(|asn| asn.0),
            asns: several(&row.asn, |asn: &Asn| asn.0),
            as_name: row.as_name.one().map(String::as_str),
            operator: operator.map(|operator| operator.group.as_str()),
            operators: several(&row.operator, |operator: &Operator| operator.group.as_str()),
            operator_country: operator.and_then(|operator| operator.headquarters).map(Shown),
            registered_country: row.registered_country.one().copied().map(Shown),
            as_registered_country: row.as_registered_country.one().copied().map(Shown),
            anycast: row.anycast,
            contact: row.contact.code(),
            operator_level: row.operator_level.map(OperatorLevel::code),
            location_level: row.location_level.map(LocationLevel::code),
            content_level: row.content_level.code(),
            flags: flag::policies(&row.flags),
            flag_reasons: FlagReasons(&row.flags),
            severity: flag::severity(row.flags_now.as_ref().unwrap_or(&row.flags)),
            flags_now: row.flags_now.as_deref().map(flag::policies),
            judged: row.judged.as_deref().map(JudgedShape::new),
            first_seen: Wall(row.first_seen),
            last_seen: Wall(row.last_seen),
            flows: row.flows,
            connections: row.connections,
            bytes_up: row.bytes_up,
            bytes_down: row.bytes_down,
            treatment: row.treatments.iter().map(|(kind, n)| (kind.word(), *n)).collect(),
            dialled_without_lookup: row.dialled_without_lookup(),
            simulated: row.simulated,
            assessment: None,
            name_history: None,
            round_trips: Vec::new(),
        }
    }
}

fn several<'a, T, U>(held: &'a Held<T>, show: impl Fn(&'a T) -> U) -> Vec<U> {
    match held {
        Held::Several(values) => values.iter().map(show).collect(),
        Held::Unknown | Held::One(_) => Vec::new(),
    }
}

/// Location source -> country, or a list where it differs between addresses.
#[derive(Clone, Copy, Debug)]
struct Sources<'a>(&'a [(String, Vec<Country>)]);

impl Sources<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Sources<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (source, countries) in self.0 {
            match countries.as_slice() {
                [country] => map.serialize_entry(source, &Shown(country))?,
                countries => {
                    let countries: Vec<_> = countries.iter().map(Shown).collect();
                    map.serialize_entry(source, &countries)?;
                }
            }
        }
        map.end()
    }
}

/// The keys of a row that is one host, in their order: the columns of `destinations.csv`.
pub const DESTINATION_KEYS: [&str; 35] = [
    "schema",
    "host",
    "addresses",
    "cnames",
    "country",
    "countries",
    "asn",
    "asns",
    "as_name",
    "operator",
    "operators",
    "operator_country",
    "registered_country",
    "as_registered_country",
    "anycast",
    "contact",
    "operator_level",
    "location_level",
    "content_level",
    "flags",
    "flag_reasons",
    "severity",
    "flags_now",
    "verdict",
    "reviewer",
    "reviewed_at",
    "first_seen",
    "last_seen",
    "flows",
    "connections",
    "bytes_up",
    "bytes_down",
    "treatment",
    "dialled_without_lookup",
    "simulated",
];
