//! What round-trip times can say of a place: vantages, distances, and the exclusion of a country.
//! Data only. How an exclusion is found, and whence its constants come, is in the crate `geoip` and in
//! `docs/PHYSICS.md`; which times may be used at all is decided where they are measured.
//!
//! All numbers are whole (millionths of a degree, metres, nanoseconds): the same facts give the same
//! records on every machine.

use crate::claim::Country;
use std::fmt;
use std::time::Duration;

/// A point on the globe, in degrees north and east.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    latitude: i32,
    longitude: i32,
}

impl Position {
    /// # Errors
    /// Latitudes beyond 90 and longitudes beyond 180 degrees, and what is no number.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, PositionError> {
        if !(-90.0..=90.0).contains(&latitude) {
            return Err(PositionError::Latitude);
        }
        if !(-180.0..=180.0).contains(&longitude) {
            return Err(PositionError::Longitude);
        }
        let millionths = |degrees: f64| (degrees * 1e6).round() as i32;
        Ok(Self { latitude: millionths(latitude), longitude: millionths(longitude) })
    }

    /// Degrees north.
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude) / 1e6
    }

    /// Degrees east.
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude) / 1e6
    }

    /// Millionths of a degree north and east.
    pub fn millionths(self) -> (i32, i32) {
        (self.latitude, self.longitude)
    }
}

impl fmt::Display for Position {
    /// With four digits, about ten metres.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}, {:.4}", self.latitude(), self.longitude())
    }
}

/// Why numbers are no position, vantage or distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionError {
    Latitude,
    Longitude,
    Distance,
}

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Latitude => "the latitude is not a number from -90 to 90",
            Self::Longitude => "the longitude is not a number from -180 to 180",
            Self::Distance => "the distance is not a number of kilometres from 0 to 20040",
        })
    }
}

impl std::error::Error for PositionError {}

/// A distance on the globe, kept in whole metres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kilometres {
    metres: u32,
}

impl Kilometres {
    pub const ZERO: Self = Self { metres: 0 };

    pub const fn from_metres(metres: u32) -> Self {
        Self { metres }
    }

    /// A declared distance, rounded up: more uncertainty is the safe side.
    ///
    /// # Errors
    /// What is negative, more than half of the globe, or no number.
    pub fn declared(kilometres: f64) -> Result<Self, PositionError> {
        if (0.0..=HALF_OF_THE_GLOBE_KM).contains(&kilometres) {
            Ok(Self { metres: (kilometres * 1e3).ceil() as u32 })
        } else {
            Err(PositionError::Distance)
        }
    }

    pub fn metres(self) -> u32 {
        self.metres
    }

    pub fn as_km(self) -> f64 {
        f64::from(self.metres) / 1e3
    }
}

impl fmt::Display for Kilometres {
    /// Whole kilometres, rounded down.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} km", self.metres / 1000)
    }
}

/// The time of a round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoundTrip(pub Duration);

impl fmt::Display for RoundTrip {
    /// Milliseconds with one digit, rounded down: what is printed as a limit is never beyond it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.as_micros() / 100;
        write!(f, "{}.{} ms", tenths / 10, tenths % 10)
    }
}

/// Where the machine stands that measures, as its operator declares it: a claim itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vantage {
    pub position: Position,
    /// How far from there it may be.
    pub uncertainty: Kilometres,
}

impl Vantage {
    /// From degrees and kilometres.
    ///
    /// # Errors
    /// As [`Position::new`] and [`Kilometres::declared`].
    pub fn new(latitude: f64, longitude: f64, uncertainty_km: f64) -> Result<Self, PositionError> {
        let position = Position::new(latitude, longitude)?;
        Ok(Self { position, uncertainty: Kilometres::declared(uncertainty_km)? })
    }
}

/// The land of a country that is nearest to a point.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NearestLand {
    /// Zero for a point on it.
    pub distance: Kilometres,
    pub point: Position,
    pub lies_on: LandKind,
}

/// What a nearest point lies on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LandKind {
    /// The largest connected piece that the map draws as the country.
    MainPolygon,
    /// Another piece: an island or an exclave.
    OtherPolygon,
    /// A territory that the country holds or claims and that is not, or not only, its own on the
    /// map, such as `Spratly Is.`.
    Territory(String),
}

impl fmt::Display for LandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MainPolygon => f.write_str("its largest landmass"),
            Self::OtherPolygon => f.write_str("an island or exclave"),
            Self::Territory(name) => f.write_str(name),
        }
    }
}

/// Whether a round trip is too short for a country, with every number that the answer rests on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exclusion {
    pub country: Country,
    pub vantage: Vantage,
    pub nearest: NearestLand,
    pub limits: RoundTripLimits,
    /// The shortest round trip that was measured.
    pub min_rtt: RoundTrip,
    pub strength: ExclusionStrength,
}

/// The shortest round trips that are possible to a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoundTripLimits {
    /// The least distance that the country can have, with all allowances.
    pub d_low: Kilometres,
    /// A shorter round trip is physically impossible.
    pub vacuum: RoundTrip,
    /// A shorter round trip is not possible over ordinary silica fibre.
    pub fibre: RoundTrip,
}

/// What a round trip says against a country, weakest first. Nothing ever speaks *for* a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExclusionStrength {
    NotExcluded,
    /// Hollow-core fibre and microwave links exist.
    NotOverFibre,
    /// Faster than light in vacuum.
    PhysicallyImpossible,
}

impl ExclusionStrength {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotExcluded => "not excluded",
            Self::NotOverFibre => "not possible over ordinary silica fibre",
            Self::PhysicallyImpossible => "physically impossible",
        }
    }
}

/// What a measurement from a city could decide about a machine that is supposed to stand in one
/// country, against another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DecidingVantage {
    pub city: &'static str,
    /// The city's.
    pub country: Country,
    pub position: Position,
    /// The nearest land of the country that is to be excluded.
    pub nearest: NearestLand,
    /// Shorter round trips would exclude it.
    pub limits: RoundTripLimits,
    /// The shortest round trip over fibre to where the machine is supposed to be.
    pub quickest: RoundTrip,
}

impl DecidingVantage {
    /// The strongest exclusion that a machine at its supposed place could earn from here: a limit
    /// that is not above [`Self::quickest`] will not be met.
    pub fn decides(&self) -> ExclusionStrength {
        if self.quickest < self.limits.vacuum {
            ExclusionStrength::PhysicallyImpossible
        } else if self.quickest < self.limits.fibre {
            ExclusionStrength::NotOverFibre
        } else {
            ExclusionStrength::NotExcluded
        }
    }
}

/// Half of the equator, rounded up: no two places are farther from each other.
const HALF_OF_THE_GLOBE_KM: f64 = 20_040.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_distances_are_parsed() {
        for (latitude, longitude, uncertainty, expected) in [
            (90.0, 180.0, 0.0, Ok(())),
            (-90.0, -180.0, 20_040.0, Ok(())),
            (90.000_001, 0.0, 0.0, Err(PositionError::Latitude)),
            (f64::NAN, 0.0, 0.0, Err(PositionError::Latitude)),
            (0.0, -180.1, 0.0, Err(PositionError::Longitude)),
            (0.0, f64::INFINITY, 0.0, Err(PositionError::Longitude)),
            (0.0, 0.0, -0.1, Err(PositionError::Distance)),
            (0.0, 0.0, f64::NAN, Err(PositionError::Distance)),
            (0.0, 0.0, 20_041.0, Err(PositionError::Distance)),
        ] {
            let vantage = Vantage::new(latitude, longitude, uncertainty);
            assert_eq!(vantage.map(|_| ()), expected, "{latitude} {longitude} {uncertainty}");
        }
    }

    #[test]
    fn rounding_is_to_the_safe_side() {
        assert_eq!(Kilometres::declared(1.000_1).unwrap().metres(), 1_001);
        assert_eq!(Kilometres::from_metres(1_999).to_string(), "1 km");
        assert_eq!(RoundTrip(Duration::from_micros(8_999)).to_string(), "8.9 ms");
        let here = Position::new(1.352_1, -103.819_8).unwrap();
        assert_eq!(here.to_string(), "1.3521, -103.8198");
        assert_eq!(here.millionths(), (1_352_100, -103_819_800));
    }
}
