//! Where the machine stands, and round-trip times that stand for measured ones: numbers as written,
//! made into what they mean.

use super::place::Place;
use super::text::Text;
use super::written::VantageTable;
use crate::error::Error;
use flow::physics::{PositionError, Vantage};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

pub(super) fn vantage(
    written: Option<VantageTable>,
    place: &Place<'_>,
) -> Result<Option<Vantage>, Error> {
    let Some(VantageTable { lat, lon, uncertainty_km }) = written else { return Ok(None) };
    let refused = |error| {
        let (key, why) = match error {
            PositionError::Latitude => ("vantage.lat", "must be degrees north, from -90 to 90"),
            PositionError::Longitude => ("vantage.lon", "must be degrees east, from -180 to 180"),
            PositionError::Distance => {
                ("vantage.uncertainty-km", "must be kilometres, from 0 to 20040")
            }
        };
        place.refuse(key, why)
    };
    Vantage::new(lat, lon, uncertainty_km).map(Some).map_err(refused)
}

pub(super) fn simulated_times(
    written: BTreeMap<Text<IpAddr>, f64>,
    place: &Place<'_>,
) -> Result<BTreeMap<IpAddr, Duration>, Error> {
    let time = |(Text(address), milliseconds): (Text<IpAddr>, f64)| {
        if (0.0..=LONGEST_MS).contains(&milliseconds) {
            let nanos = (milliseconds * NANOS_PER_MS).round() as u64;
            return Ok((address.to_canonical(), Duration::from_nanos(nanos)));
        }
        let key = format!("simulate.rtt-ms.{address}");
        Err(place.refuse(&key, "must be milliseconds, from 0 to 60000"))
    };
    written.into_iter().map(time).collect()
}

/// `[vantage]` as canonical text.
pub(super) fn canonical_vantage(vantage: Vantage) -> Value {
    json!({
        "lat": vantage.position.latitude(),
        "lon": vantage.position.longitude(),
        "uncertainty-km": vantage.uncertainty.as_km(),
    })
}

/// `[simulate]` as canonical text.
pub(super) fn canonical_simulate(times: &BTreeMap<IpAddr, Duration>) -> Value {
    let milliseconds = |(address, time): (&IpAddr, &Duration)| {
        (address.to_string(), json!(time.as_nanos() as f64 / NANOS_PER_MS))
    };
    json!({"rtt-ms": times.iter().map(milliseconds).collect::<Map<_, _>>()})
}

const LONGEST_MS: f64 = 60_000.0;
const NANOS_PER_MS: f64 = 1e6;
