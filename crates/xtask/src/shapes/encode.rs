//! Writes the shapes in the form that the program reads. The form is defined where it is read, in
//! `crates/geoip/src/shape_file.rs`.

use super::topology::{Point, Polygon};
use std::collections::BTreeMap;

/// Coordinates are in 1/10000 degree: at most 6 m of rounding, and the map is coarser.
pub(crate) const UNITS_PER_DEGREE: f64 = 10_000.0;

/// All land, by alpha-2 code and by the territory's name.
#[derive(Default)]
pub(crate) struct Land {
    pub(crate) countries: BTreeMap<String, Vec<Polygon>>,
    /// Parties in order, and polygons.
    pub(crate) territories: BTreeMap<String, (Vec<String>, Vec<Polygon>)>,
}

pub(crate) fn encode(land: &Land) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    unsigned(&mut out, land.countries.len() as u64);
    for (code, drawn) in &land.countries {
        out.extend_from_slice(code.as_bytes());
        polygons(&mut out, drawn);
    }
    unsigned(&mut out, land.territories.len() as u64);
    for (name, (parties, drawn)) in &land.territories {
        unsigned(&mut out, name.len() as u64);
        out.extend_from_slice(name.as_bytes());
        unsigned(&mut out, parties.len() as u64);
        for party in parties {
            out.extend_from_slice(party.as_bytes());
        }
        polygons(&mut out, drawn);
    }
    out
}

/// The largest first; those of one size stay in the map's order.
fn polygons(out: &mut Vec<u8>, drawn: &[Polygon]) {
    let mut drawn: Vec<&Polygon> = drawn.iter().collect();
    drawn.sort_by_key(|polygon| std::cmp::Reverse(size(polygon)));
    unsigned(out, drawn.len() as u64);
    for polygon in drawn {
        unsigned(out, polygon.len() as u64);
        for ring in polygon {
            let points = with_short_edges(ring);
            unsigned(out, points.len() as u64);
            let mut last = (0, 0);
            for point in points {
                signed(out, point.0 - last.0);
                signed(out, the_short_way(point.1 - last.1));
                last = point;
            }
        }
    }
}

/// Area of the outer ring in units that only serve to compare: the trapezoids below its edges,
/// each as wide as its own parallel makes it.
fn size(polygon: &Polygon) -> u64 {
    let ring = polygon.first().map(Vec::as_slice).unwrap_or_default();
    let next = ring.iter().cycle().skip(1);
    let mut area = 0.0;
    for (one, other) in ring.iter().zip(next) {
        let radians = |units: i64| (units as f64 / UNITS_PER_DEGREE).to_radians();
        let width = radians(the_short_way(other.1 - one.1));
        area += width * (radians(one.0).sin() + radians(other.0).sin()) / 2.0;
    }
    (area.abs() * 1e12) as u64
}

/// An edge of the map is straight in latitude and longitude; the program's are great circles. They
/// part with length, so long edges get points in between.
fn with_short_edges(ring: &[Point]) -> Vec<Point> {
    let next = ring.iter().cycle().skip(1);
    let mut points = Vec::with_capacity(ring.len());
    for (&one, other) in ring.iter().zip(next) {
        let east = the_short_way(other.1 - one.1);
        let north = other.0 - one.0;
        let parts = (east.abs().max(north.abs()) - 1).max(0) / LONGEST_EDGE + 1;
        for part in 0..parts {
            points.push((one.0 + north * part / parts, within(one.1 + east * part / parts)));
        }
    }
    points
}

/// A difference of longitudes from half a turn west (exclusive) to half a turn east.
fn the_short_way(difference: i64) -> i64 {
    let turn = difference.rem_euclid(2 * HALF_TURN);
    if turn > HALF_TURN { turn - 2 * HALF_TURN } else { turn }
}

/// The same meridian from 180 degrees west to 180 degrees east, exclusive.
fn within(longitude: i64) -> i64 {
    (longitude + HALF_TURN).rem_euclid(2 * HALF_TURN) - HALF_TURN
}

/// LEB128.
fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Zigzag, then LEB128.
fn signed(out: &mut Vec<u8>, value: i64) {
    unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

const MAGIC: &[u8; 8] = b"LFSHAPE1";
const HALF_TURN: i64 = 1_800_000;
/// Half a degree: a parallel bends away from a great circle by at most 0.13 km in between.
const LONGEST_EDGE: i64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_edges_are_divided_and_the_antimeridian_is_crossed() {
        let ring = [(0, 1_797_000), (0, -1_795_000), (4_000, 1_797_000)];
        assert_eq!(
            with_short_edges(&ring),
            [
                (0, 1_797_000),
                (0, -1_799_000),
                (0, -1_795_000),
                (2_000, -1_799_000),
                (4_000, 1_797_000)
            ]
        );
        assert_eq!(the_short_way(3_592_000), -8_000);
        assert_eq!(within(1_800_000), -1_800_000);
    }

    #[test]
    fn numbers() {
        let mut out = Vec::new();
        for value in [0, -1, 1, 63, -64, 64, 1_800_000] {
            signed(&mut out, value);
        }
        assert_eq!(out, [0, 1, 2, 126, 127, 128, 1, 128, 221, 219, 1]);
    }
}
