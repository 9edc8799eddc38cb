//! The land of every country, and how far it is from a point: the great-circle distance to the
//! nearest point of any edge, zero within. What a distance means for a round trip is said in
//! [`crate::physics`].
//!
//! Edges are sorted into runs with a cap around each, so that a search looks at the few runs that can
//! hold the nearest point. The sphere has the earth's mean radius R1 = (2a + b) / 3 of the WGS 84
//! ellipsoid; latitudes are taken as they stand.

use crate::bundle;
use crate::error::Error;
use crate::manifest::{Kind, Manifest};
use crate::shape_file::{self, HALF_TURN, Point, ShapeFault, ShapeFile, UNITS_PER_DEGREE};
use crate::source_name;
use crate::sphere::{Cap, Vector, nearest_on_arc};
use crate::status::DatabaseStatus;
use crate::store;
use flow::claim::{Country, Source};
use flow::physics::{Kilometres, LandKind, NearestLand, Position};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The land of all countries. It never changes; share it behind an `Arc`.
#[derive(Debug)]
pub struct Shapes {
    countries: BTreeMap<Country, Vec<Polygon>>,
    territories: Vec<Territory>,
}

/// Which of a country's land counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The largest piece that the map draws as the country. To compare with, not to decide by.
    MainPolygon,
    /// All that the map draws as the country. To compare with, not to decide by.
    Drawn,
    /// That, and every territory that it holds or claims.
    HeldOrClaimed,
}

impl Shapes {
    /// The shapes that are built into the program, and what they are. It takes some milliseconds.
    ///
    /// # Errors
    /// [`Error::Bundle`] in a broken build.
    pub fn bundled() -> Result<(Arc<Source>, Self), Error> {
        let manifest = Manifest::parse(bundle::MANIFEST)?;
        let entry = manifest.entry(source_name::SHAPES, Kind::Shapes)?;
        let bytes = store::built_in_unpacked(entry, bundle::SHAPES)?;
        let shapes = Self::parse(&bytes).map_err(|fault| Error::Bundle {
            file: entry.file.clone(),
            fault: fault.to_string(),
        })?;
        Ok((entry.source(), shapes))
    }

    /// What the built-in file of shapes is. No source of claims: it says nothing of any address.
    ///
    /// # Errors
    /// [`Error::Bundle`] in a broken build.
    pub fn status() -> Result<DatabaseStatus, Error> {
        let manifest = Manifest::parse(bundle::MANIFEST)?;
        Ok(DatabaseStatus::of(manifest.entry(source_name::SHAPES, Kind::Shapes)?, None))
    }

    /// Reads a file of shapes, uncompressed.
    ///
    /// # Errors
    /// Everything that is not exactly such a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ShapeFault> {
        let file = ShapeFile::parse(bytes)?;
        let polygons = |drawn: Vec<_>| drawn.into_iter().map(Polygon::new).collect();
        let territory = |territory: shape_file::Territory| Territory {
            name: territory.name,
            parties: territory.parties,
            polygons: polygons(territory.polygons),
        };
        Ok(Self {
            countries: file.countries.into_iter().map(|(of, it)| (of, polygons(it))).collect(),
            territories: file.territories.into_iter().map(territory).collect(),
        })
    }

    /// Every country that has land here, in order of their codes.
    pub fn countries(&self) -> Vec<Country> {
        let parties = self.territories.iter().flat_map(|territory| &territory.parties);
        let mut all: Vec<Country> = self.countries.keys().chain(parties).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Every territory beside the countries, with those who hold or claim it.
    pub fn territories(&self) -> impl Iterator<Item = (&str, &[Country])> {
        self.territories.iter().map(|territory| (territory.name.as_str(), &territory.parties[..]))
    }

    /// The land of a country that is nearest to a point; `None` where the shapes have none.
    pub fn nearest(&self, from: Position, of: Country, extent: Extent) -> Option<NearestLand> {
        let drawn = self.countries.get(&of).map(Vec::as_slice).unwrap_or_default();
        let drawn = match extent {
            Extent::MainPolygon => drawn.get(..1).unwrap_or_default(),
            Extent::Drawn | Extent::HeldOrClaimed => drawn,
        };
        let on = |at| if at == 0 { On::MainPolygon } else { On::OtherPolygon };
        let mut land: Vec<(On<'_>, &Polygon)> =
            drawn.iter().enumerate().map(|(at, polygon)| (on(at), polygon)).collect();
        if extent == Extent::HeldOrClaimed {
            for territory in self.territories.iter().filter(|it| it.parties.contains(&of)) {
                land.extend(territory.land());
            }
        }
        nearest(from, &land)
    }

    /// The nearest point of one territory, whoever's it is.
    pub fn nearest_of_territory(&self, from: Position, name: &str) -> Option<NearestLand> {
        let territory = self.territories.iter().find(|territory| territory.name == name)?;
        nearest(from, &territory.land().collect::<Vec<_>>())
    }
}

#[derive(Debug)]
struct Territory {
    name: String,
    parties: Vec<Country>,
    polygons: Vec<Polygon>,
}

impl Territory {
    fn land(&self) -> impl Iterator<Item = (On<'_>, &Polygon)> {
        self.polygons.iter().map(|polygon| (On::Territory(&self.name), polygon))
    }
}

/// What a polygon is to the country that is asked about.
#[derive(Clone, Copy)]
enum On<'a> {
    MainPolygon,
    OtherPolygon,
    Territory(&'a str),
}

impl On<'_> {
    fn kind(self) -> LandKind {
        match self {
            Self::MainPolygon => LandKind::MainPolygon,
            Self::OtherPolygon => LandKind::OtherPolygon,
            Self::Territory(name) => LandKind::Territory(name.to_owned()),
        }
    }
}

/// The great-circle distance of two points, rounded down.
pub(crate) fn between(one: Position, other: Position) -> Kilometres {
    Kilometres::from_metres((here(one).angle(here(other)) * EARTH_RADIUS_METRES) as u32)
}

fn nearest(from: Position, land: &[(On<'_>, &Polygon)]) -> Option<NearestLand> {
    let here = here(from);
    let by_distance = |(one, ..): &(f64, _, _), (other, ..): &(f64, _, _)| one.total_cmp(other);
    let mut polygons: Vec<(f64, On<'_>, &Polygon)> =
        land.iter().map(|(on, polygon)| (polygon.cap.least_angle(here), *on, *polygon)).collect();
    for (least, on, polygon) in &polygons {
        if *least == 0.0 && polygon.contains(from) {
            let distance = Kilometres::ZERO;
            return Some(NearestLand { distance, point: from, lies_on: on.kind() });
        }
    }
    polygons.sort_by(by_distance);
    let mut best: Option<(f64, Vector, On<'_>)> = None;
    for (least, on, polygon) in polygons {
        let known = best.map_or(f64::INFINITY, |(angle, ..)| angle);
        if least >= known {
            break;
        }
        if let Some((angle, point)) = polygon.nearest(here, known) {
            best = Some((angle, point, on));
        }
    }
    let (angle, point, on) = best?;
    // Rounded down, as a distance only ever serves as a least one.
    let distance = Kilometres::from_metres((angle * EARTH_RADIUS_METRES) as u32);
    let (latitude, longitude) = point.degrees();
    let point = Position::new(latitude, longitude).unwrap_or(from);
    Some(NearestLand { distance, point, lies_on: on.kind() })
}

/// A connected piece of land, with a cap around all of it and one around each run of its edges.
#[derive(Debug)]
struct Polygon {
    rings: Vec<Vec<Point>>,
    runs: Vec<Run>,
    cap: Cap,
}

/// Edges that follow each other in a ring.
#[derive(Debug)]
struct Run {
    ring: usize,
    first: usize,
    cap: Cap,
}

impl Polygon {
    fn new(rings: Vec<Vec<Point>>) -> Self {
        let mut runs = Vec::new();
        for (number, ring) in rings.iter().enumerate() {
            for first in (0..ring.len()).step_by(EDGES_OF_A_RUN) {
                let corners: Vec<Vector> = corners(ring, first).map(vector).collect();
                runs.push(Run { ring: number, first, cap: Cap::around(&corners) });
            }
        }
        let cap = Cap::around_caps(runs.iter().map(|run| run.cap));
        Self { rings, runs, cap }
    }

    /// Whether the point lies in it, by the edges between the point and the north pole, along the
    /// point's meridian: no country has the pole, so within is who crosses an odd number of them.
    fn contains(&self, point: Position) -> bool {
        let north = point.latitude() * UNITS_PER_DEGREE;
        let east = point.longitude() * UNITS_PER_DEGREE;
        let half_turn = f64::from(HALF_TURN);
        let beside = |corner: Point| match f64::from(corner.longitude) - east {
            far if far >= half_turn => far - 2.0 * half_turn,
            far if far < -half_turn => far + 2.0 * half_turn,
            near => near,
        };
        let mut inside = false;
        for ring in &self.rings {
            let edges = ring.iter().zip(ring.iter().cycle().skip(1));
            for (&one, &other) in edges {
                let (west, east) = (beside(one), beside(other));
                // Not the meridian on the far side of the globe.
                if (west < 0.0) != (east < 0.0) && (west - east).abs() < half_turn {
                    let (from, to) = (f64::from(one.latitude), f64::from(other.latitude));
                    let crossed_at = from + (to - from) * west / (west - east);
                    inside ^= crossed_at > north;
                }
            }
        }
        inside
    }

    /// The nearest point of its edges and the angle to it, if that is below `known`.
    fn nearest(&self, from: Vector, known: f64) -> Option<(f64, Vector)> {
        let mut runs: Vec<(f64, &Run)> =
            self.runs.iter().map(|run| (run.cap.least_angle(from), run)).collect();
        runs.retain(|(least, _)| *least < known);
        runs.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut best = None;
        let mut known = known;
        for (least, run) in runs {
            if least >= known {
                break;
            }
            let ring = self.rings.get(run.ring).map(Vec::as_slice).unwrap_or_default();
            let mut corners = corners(ring, run.first).map(vector);
            let Some(mut last) = corners.next() else { continue };
            for corner in corners {
                let point = nearest_on_arc(from, last, corner);
                last = corner;
                let angle = from.angle(point);
                if angle < known {
                    known = angle;
                    best = Some((angle, point));
                }
            }
        }
        best
    }
}

/// The corners of a run of edges: one more than there are edges, round the ring's end.
fn corners(ring: &[Point], first: usize) -> impl Iterator<Item = Point> {
    let rest = ring.get(first..).unwrap_or_default();
    rest.iter().chain(ring.first()).copied().take(EDGES_OF_A_RUN + 1)
}

fn here(position: Position) -> Vector {
    Vector::at(position.latitude(), position.longitude())
}

fn vector(point: Point) -> Vector {
    let degrees = |units: i32| f64::from(units) / UNITS_PER_DEGREE;
    Vector::at(degrees(point.latitude), degrees(point.longitude))
}

/// R1, the mean radius (Moritz, "Geodetic Reference System 1980": 6371.0088 km).
const EARTH_RADIUS_METRES: f64 = 6_371_008.8;
/// Small enough to leave few edges to look at, large enough to keep the caps few.
const EDGES_OF_A_RUN: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape_file::SMALL;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static SHAPES: LazyLock<Shapes> = LazyLock::new(|| Shapes::bundled().unwrap().1);

    fn metres(angle: f64) -> f64 {
        angle * EARTH_RADIUS_METRES
    }

    fn positions() -> impl Strategy<Value = Position> {
        (-90.0..=90.0, -180.0..=180.0).prop_map(|(n, e)| Position::new(n, e).unwrap())
    }

    /// A place, and a country by its number in the list.
    fn asked() -> impl Strategy<Value = (Position, Country)> {
        let countries = SHAPES.countries();
        (positions(), 0..countries.len()).prop_map(move |(at, which)| (at, countries[which]))
    }

    fn distance(from: Position, of: Country) -> f64 {
        let nearest = SHAPES.nearest(from, of, Extent::HeldOrClaimed).unwrap();
        f64::from(nearest.distance.metres())
    }

    /// Every piece of a country's land.
    fn land(of: Country) -> impl Iterator<Item = &'static Polygon> {
        let shapes: &'static Shapes = &SHAPES;
        let claimed = move |territory: &&Territory| territory.parties.contains(&of);
        let territories = shapes.territories.iter().filter(claimed).flat_map(|it| &it.polygons);
        shapes.countries.get(&of).into_iter().flatten().chain(territories)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_search_finds_what_looking_at_every_edge_finds((from, of) in asked()) {
            let mut least = f64::INFINITY;
            for polygon in land(of) {
                if polygon.contains(from) {
                    least = 0.0;
                }
                for ring in &polygon.rings {
                    for (one, other) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                        let point = nearest_on_arc(here(from), vector(*one), vector(*other));
                        least = least.min(here(from).angle(point));
                    }
                }
            }
            prop_assert!((distance(from, of) - metres(least)).abs() <= 1.0);
        }

        #[test]
        fn no_corner_is_nearer_and_the_nearest_point_is_land((from, of) in asked()) {
            let nearest = SHAPES.nearest(from, of, Extent::HeldOrClaimed).unwrap();
            let found = f64::from(nearest.distance.metres());
            for corner in land(of).flat_map(|polygon| &polygon.rings).flatten() {
                prop_assert!(found <= metres(here(from).angle(vector(*corner))));
            }
            // It is as far as it is said to be, and on the land's edge.
            let to_point = metres(here(from).angle(here(nearest.point)));
            prop_assert!((found - to_point).abs() < 2.0, "{found} {to_point}");
            prop_assert!(distance(nearest.point, of) < 2.0);
        }

        #[test]
        fn a_vantage_that_moves_changes_a_distance_by_no_more_than_its_way(
            (from, of) in asked(), to in positions(), north in -0.1..0.1, east in -0.1..0.1,
        ) {
            let close = (from.latitude() + north, from.longitude() + east);
            let close = Position::new(close.0, close.1).unwrap_or(from);
            for to in [to, close] {
                let way = metres(here(from).angle(here(to)));
                let change = (distance(from, of) - distance(to, of)).abs();
                prop_assert!(change <= way + 1.0, "{change} {way}");
            }
        }

        #[test]
        fn more_land_is_never_farther((from, of) in asked()) {
            let all = SHAPES.nearest(from, of, Extent::HeldOrClaimed).unwrap();
            if let Some(drawn) = SHAPES.nearest(from, of, Extent::Drawn) {
                prop_assert!(all.distance <= drawn.distance);
                let main = SHAPES.nearest(from, of, Extent::MainPolygon).unwrap();
                prop_assert!(drawn.distance <= main.distance);
            }
        }
    }

    #[test]
    fn a_changed_file_gives_an_error_or_distances_but_no_panic() {
        let places = [(0.0, 0.0), (0.000_2, 179.999_9), (90.0, 0.0), (-90.0, -180.0)];
        let places = places.map(|(north, east)| Position::new(north, east).unwrap());
        for at in 0..SMALL.len() {
            for value in 0..=255 {
                let mut changed = SMALL.to_vec();
                changed[at] = value;
                let Ok(shapes) = Shapes::parse(&changed) else { continue };
                for (place, country) in places.iter().zip(shapes.countries().iter().cycle()) {
                    let found = shapes.nearest(*place, *country, Extent::HeldOrClaimed).unwrap();
                    assert!(found.distance.as_km() < 20_040.0);
                }
            }
        }
    }
}
