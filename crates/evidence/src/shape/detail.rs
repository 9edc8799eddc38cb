//! One flow with everything that was recorded of it: `landfall flow show -o json`. The bodies of the
//! records stand as they are in the log, each with its number and time.

use super::{ClaimShape, FlowShape};
use recorder::read::{ConnectionDetail, ExchangeDetail, FlowDetail, Recorded};
use recorder::record::value::Wall;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A flow, its claims and its records.
#[derive(Clone, Debug, Serialize)]
pub struct FlowDetailShape<'a> {
    #[serde(flatten)]
    flow: FlowShape<'a>,
    claims: Vec<ClaimShape<'a>>,
    connection: ConnectionShape<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<ExchangeShape<'a>>,
}

impl<'a> FlowDetailShape<'a> {
    pub fn new(detail: &'a FlowDetail) -> Self {
        let annotation = detail.row.annotation.as_deref();
        let claims = annotation.map(|annotation| annotation.claims.as_slice()).unwrap_or_default();
        Self {
            flow: FlowShape::from(&detail.row),
            claims: claims.iter().map(ClaimShape::new).collect(),
            connection: ConnectionShape(&detail.connection),
            exchange: detail.exchange.as_ref().map(ExchangeShape),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct ConnectionShape<'a>(&'a ConnectionDetail);

impl Serialize for ConnectionShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let it = self.0;
        let mut map = serializer.serialize_map(None)?;
        one(&mut map, "open", it.open.as_ref())?;
        one(&mut map, "target", it.target.as_ref())?;
        several(&mut map, "lookups", &it.lookups)?;
        several(&mut map, "dials", &it.dials)?;
        one(&mut map, "client_hello", it.client_hello.as_ref())?;
        one(&mut map, "upstream_tls", it.upstream_tls.as_ref())?;
        one(&mut map, "leaf", it.leaf.as_ref())?;
        one(&mut map, "round_trip", it.round_trip.as_ref())?;
        one(&mut map, "client_tls", it.client_tls.as_ref())?;
        one(&mut map, "relayed_tls", it.relayed_tls.as_ref())?;
        several(&mut map, "treatments", &it.treatments)?;
        several(&mut map, "lost_sync", &it.lost_sync)?;
        one(&mut map, "datagrams_dropped", it.datagrams_dropped.as_ref())?;
        several(&mut map, "gaps", &it.gaps)?;
        several(&mut map, "streams", &it.streams)?;
        one(&mut map, "close", it.close.as_ref())?;
        map.end()
    }
}

#[derive(Clone, Copy, Debug)]
struct ExchangeShape<'a>(&'a ExchangeDetail);

impl Serialize for ExchangeShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let it = self.0;
        let mut map = serializer.serialize_map(None)?;
        one(&mut map, "request", it.request.as_ref())?;
        several(&mut map, "responses", &it.responses)?;
        one(&mut map, "close", it.close.as_ref())?;
        map.end()
    }
}

/// A record: its number and time beside what it says.
#[derive(Serialize)]
struct RecordShape<'a, T> {
    seq: u64,
    at: Wall,
    #[serde(flatten)]
    body: &'a T,
}

impl<'a, T> From<&'a Recorded<T>> for RecordShape<'a, T> {
    fn from(recorded: &'a Recorded<T>) -> Self {
        Self { seq: recorded.seq, at: Wall(recorded.at.wall), body: &recorded.body }
    }
}

fn one<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &'static str,
    record: Option<&Recorded<T>>,
) -> Result<(), M::Error> {
    match record {
        Some(record) => map.serialize_entry(key, &RecordShape::from(record)),
        None => Ok(()),
    }
}

fn several<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &'static str,
    records: &[Recorded<T>],
) -> Result<(), M::Error> {
    if records.is_empty() {
        return Ok(());
    }
    let records: Vec<_> = records.iter().map(RecordShape::from).collect();
    map.serialize_entry(key, &records)
}
