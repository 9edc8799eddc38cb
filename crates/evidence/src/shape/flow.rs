//! One flow: a line of `landfall flow list` and of `flows.jsonl`.

use super::address::Countries;
use super::flag::{self, FlagReasons};
use super::{SCHEMA, Shown, is_false};
use flow::address::Host;
use flow::claim::Country;
use flow::id::FlowId;
use recorder::read::FlowRow;
use recorder::record::value::Wall;
use serde::Serialize;
use std::net::IpAddr;

/// A flow with what the session's databases say of its address.
#[derive(Clone, Debug, Serialize)]
pub struct FlowShape<'a> {
    schema: u32,
    id: Shown<FlowId>,
    time: Wall,
    device: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Shown<&'a Host>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    treatment: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_bytes: Option<u64>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a str>,
    /// Milliseconds, rounded down.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<&'a str>,
    #[serde(flatten)]
    known: Option<Known<'a>>,
    /// No answer of a look-up holds the address: hard-coded, or come by in another way.
    #[serde(skip_serializing_if = "is_false")]
    dialled_without_lookup: bool,
    #[serde(skip_serializing_if = "is_false")]
    simulated: bool,
}

/// What the databases say. Absent as a whole when they were not asked.
#[derive(Clone, Debug, Serialize)]
struct Known<'a> {
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
    registered_country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_registered_country: Option<Shown<Country>>,
    anycast: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    special_range: Option<&'a str>,
    flags: Vec<&'a str>,
    #[serde(skip_serializing_if = "FlagReasons::is_empty")]
    flag_reasons: FlagReasons<'a>,
}

impl<'a> From<&'a FlowRow> for FlowShape<'a> {
    fn from(row: &'a FlowRow) -> Self {
        let known = row.annotation.as_deref().map(|annotation| {
            let operator = annotation.operator.as_ref();
            Known {
                country: annotation.location.country().map(Shown),
                countries: Countries(annotation),
                asn: annotation.asn.map(|asn| asn.0),
                as_name: annotation.as_name.as_deref(),
                operator: operator.map(|operator| operator.group.as_str()),
                operator_country: operator.and_then(|operator| operator.headquarters).map(Shown),
                registered_country: annotation.address_registered.map(Shown),
                as_registered_country: annotation.as_registered.map(Shown),
                anycast: annotation.anycast,
                special_range: annotation.special_range.as_deref(),
                flags: flag::policies(&annotation.flags),
                flag_reasons: FlagReasons(&annotation.flags),
            }
        });
        Self {
            schema: SCHEMA,
            id: Shown(row.id),
            time: Wall(row.time),
            device: row.device,
            host: row.host.as_ref().map(Shown),
            port: row.port,
            address: row.address,
            treatment: row.treatment.map(|treatment| treatment.word()),
            why: row.why.as_deref(),
            protocol: row.protocol.as_deref(),
            method: row.method.as_deref(),
            path: row.path.as_deref(),
            status: row.status,
            request_bytes: row.request_bytes,
            response_bytes: row.response_bytes,
            media_type: row.media_type.as_deref(),
            duration_ms: row
                .duration
                .map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            outcome: row.outcome.as_deref(),
            ja4: row.ja4.as_deref(),
            known,
            dialled_without_lookup: row.address.is_some() && !row.looked_up,
            simulated: row.simulated,
        }
    }
}

/// Every key of a flow, in the order of CSV files.
pub const FLOW_KEYS: [&str; 33] = [
    "schema",
    "id",
    "time",
    "device",
    "host",
    "port",
    "address",
    "treatment",
    "why",
    "protocol",
    "method",
    "path",
    "status",
    "request_bytes",
    "response_bytes",
    "type",
    "duration_ms",
    "outcome",
    "ja4",
    "country",
    "countries",
    "asn",
    "as_name",
    "operator",
    "operator_country",
    "registered_country",
    "as_registered_country",
    "anycast",
    "special_range",
    "flags",
    "flag_reasons",
    "dialled_without_lookup",
    "simulated",
];
