//! One flow: a line of `landfall flow list` and of `flows.jsonl`.

use super::judged::JudgedShape;
use super::known::Known;
use super::{SCHEMA, Shown, flag, is_false};
use flow::address::Host;
use flow::id::FlowId;
use recorder::read::FlowRow;
use recorder::record::value::Wall;
use serde::Serialize;
use std::net::IpAddr;
use std::time::Duration;

/// A flow with what the session's databases say of its address.
#[derive(Clone, Debug, Serialize)]
pub struct FlowShape<'a> {
    schema: u32,
    id: Shown<FlowId>,
    time: Wall,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'a str>,
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
    /// How the device refused our leaf, as far as it was known then.
    #[serde(skip_serializing_if = "Option::is_none")]
    distrust: Option<&'static str>,
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
    /// Messages inside the bodies: of WebSockets, gRPC and event streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u64>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a str>,
    /// Milliseconds, as the steps and phases below.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    /// How the exchange's connection ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_outcome: Option<&'a str>,
    /// Milliseconds, as all that follow: the steps before the connection's first exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    dns_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_ms: Option<f64>,
    /// The handshake with the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_ms: Option<f64>,
    /// Landfall's handshake with the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_tls_ms: Option<f64>,
    /// The phases of the exchange, which add up to its duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    send_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receive_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<&'a str>,
    /// Absent as a whole when the databases were not asked. Its flags are those at capture.
    #[serde(flatten)]
    known: Option<Known<'a>>,
    /// By the policies of the newest `landfall review reflag`, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    flags_now: Option<Vec<&'a str>>,
    /// A person's, on the host, where there is one.
    #[serde(flatten)]
    judged: Option<JudgedShape<'a>>,
    /// No answer of a look-up holds the address: hard-coded, or come by in another way.
    #[serde(skip_serializing_if = "is_false")]
    dialled_without_lookup: bool,
    #[serde(skip_serializing_if = "is_false")]
    simulated: bool,
}

impl<'a> From<&'a FlowRow> for FlowShape<'a> {
    fn from(row: &'a FlowRow) -> Self {
        Self {
            schema: SCHEMA,
            id: Shown(row.id),
            time: Wall(row.time),
            device: row.device,
            app: row.app.as_deref(),
            host: row.host.as_ref().map(Shown),
            port: row.port,
            address: row.address,
            treatment: row.treatment.map(|treatment| treatment.word()),
            why: row.why.as_deref(),
            distrust: row.distrust.map(|class| class.word()),
            protocol: row.protocol.as_deref(),
            method: row.method.as_deref(),
            path: row.path.as_deref(),
            status: row.status,
            request_bytes: row.request_bytes,
            response_bytes: row.response_bytes,
            messages: row.messages,
            media_type: row.media_type.as_deref(),
            duration_ms: row.duration.map(millis),
            outcome: row.outcome.as_deref(),
            connection_outcome: row.connection_outcome.as_deref(),
            dns_ms: row.steps.dns.map(millis),
            connect_ms: row.steps.connect.map(millis),
            tls_ms: row.steps.upstream_tls.map(millis),
            client_tls_ms: row.steps.client_tls.map(millis),
            send_ms: row.phases.map(|phases| millis(phases.send)),
            wait_ms: row.phases.map(|phases| millis(phases.wait)),
            receive_ms: row.phases.and_then(|phases| phases.receive).map(millis),
            ja4: row.ja4.as_deref(),
            known: row.annotation.as_deref().map(Known::new),
            flags_now: row.flags_now.as_deref().map(flag::policies),
            judged: row.judged.as_deref().map(JudgedShape::new),
            dialled_without_lookup: row.address.is_some() && !row.looked_up,
            simulated: row.simulated,
        }
    }
}

/// Milliseconds with the microseconds behind the point.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

/// Every key of a flow, in the order of CSV files.
pub const FLOW_KEYS: [&str; 49] = [
    "schema",
    "id",
    "time",
    "device",
    "app",
    "host",
    "port",
    "address",
    "treatment",
    "why",
    "distrust",
    "protocol",
    "method",
    "path",
    "status",
    "request_bytes",
    "response_bytes",
    "messages",
    "type",
    "duration_ms",
    "outcome",
    "connection_outcome",
    "dns_ms",
    "connect_ms",
    "tls_ms",
    "client_tls_ms",
    "send_ms",
    "wait_ms",
    "receive_ms",
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
    "severity",
    "flags_now",
    "verdict",
    "reviewer",
    "reviewed_at",
    "dialled_without_lookup",
    "simulated",
];
