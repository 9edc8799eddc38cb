//! Distances to the land of countries and what round trips say, by the bundled shapes: the check
//! values of `docs/PHYSICS.md`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use flow::claim::Country;
use flow::physics::{ExclusionStrength, LandKind, NearestLand, Position, RoundTrip, Vantage};
use geoip::{Extent, Shapes, decide, deciding_vantages};
use std::sync::LazyLock;
use std::time::Duration;

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| Shapes::bundled().unwrap().1);

const SINGAPORE: (f64, f64) = (1.3521, 103.8198);
const HONG_KONG: (f64, f64) = (22.3193, 114.1694);
const TOKYO: (f64, f64) = (35.6762, 139.6503);
const FRANKFURT: (f64, f64) = (50.1109, 8.6821);
const SYDNEY: (f64, f64) = (-33.8688, 151.2093);
const NEW_YORK: (f64, f64) = (40.7128, -74.0060);

fn country(code: &str) -> Country {
    code.parse().unwrap()
}

fn nearest(from: (f64, f64), of: &str, extent: Extent) -> NearestLand {
    SHAPES.nearest(Position::new(from.0, from.1).unwrap(), country(of), extent).unwrap()
}

fn km(from: (f64, f64), of: &str) -> f64 {
    nearest(from, of, Extent::HeldOrClaimed).distance.as_km()
}

#[track_caller]
fn check(found: f64, expected: f64) {
    assert!((found - expected).abs() <= expected / 100.0, "{found} is not {expected}");
}

#[test]
fn check_values_as_drawn() {
    for (from, of, expected) in [
        (SINGAPORE, "CN", 1796.0),
        (HONG_KONG, "CN", 24.0),
        (TOKYO, "CN", 1090.0),
        (FRANKFURT, "CN", 5078.0),
        (FRANKFURT, "SG", 10243.0),
        (SYDNEY, "CN", 6941.0),
        (SYDNEY, "SG", 6292.0),
        (NEW_YORK, "CN", 9397.0),
    ] {
        check(nearest(from, of, Extent::Drawn).distance.as_km(), expected);
    }
    let paracels = nearest(SINGAPORE, "CN", Extent::Drawn);
    assert_eq!(paracels.lies_on, LandKind::OtherPolygon);
    let main = nearest(SINGAPORE, "CN", Extent::MainPolygon);
    check(main.distance.as_km(), 2202.0);
    assert_eq!(main.lies_on, LandKind::MainPolygon);
}

#[test]
fn check_values_with_territories() {
    let singapore = Position::new(SINGAPORE.0, SINGAPORE.1).unwrap();
    let to = |name: &str| SHAPES.nearest_of_territory(singapore, name).unwrap();
    check(to("Fiery Cross Reef").distance.as_km(), 1356.0);
    check(to("Spratly Is.").distance.as_km(), 1484.0);
    // The nearest is what decides, and there are two that are nearer than Fiery Cross.
    check(to("Cuarteron Reef").distance.as_km(), 1300.0);
    let nearest = nearest(SINGAPORE, "CN", Extent::HeldOrClaimed);
    check(nearest.distance.as_km(), 1209.0);
    assert_eq!(nearest.lies_on, LandKind::Territory("Spratly Island".to_owned()));
    assert_eq!(to("Spratly Island"), nearest);
    assert_eq!(SHAPES.nearest_of_territory(singapore, "Atlantis"), None);
    // Elsewhere territories change little.
    for (from, of, expected) in
        [(HONG_KONG, "CN", 24.0), (TOKYO, "CN", 1090.0), (FRANKFURT, "CN", 5078.0)]
    {
        check(km(from, of), expected);
    }
}

#[test]
fn every_country_has_land_and_a_vantage_within_is_at_no_distance() {
    // All of ISO 3166-1, and XK.
    assert_eq!(SHAPES.countries().len(), 250);
    for (from, of) in [
        (SINGAPORE, "SG"),
        (HONG_KONG, "HK"),
        (TOKYO, "JP"),
        (FRANKFURT, "DE"),
        (SYDNEY, "AU"),
        (NEW_YORK, "US"),
        ((39.9042, 116.4074), "CN"),
        ((22.1900, 113.5440), "MO"),
        ((25.0330, 121.5654), "TW"),
        ((42.6629, 21.1655), "XK"),
        ((4.9224, -52.3135), "GF"),
        ((78.2232, 15.6267), "SJ"),
        ((-10.49, 105.63), "CX"),
    ] {
        let found = nearest(from, of, Extent::HeldOrClaimed);
        assert_eq!(found.distance.metres(), 0, "{of} {found:?}");
        assert_eq!(found.point, Position::new(from.0, from.1).unwrap());
    }
    // An enclave is a hole in what surrounds it.
    assert_eq!(km((-29.31, 27.48), "LS"), 0.0);
    assert!(km((-29.31, 27.48), "ZA") > 1.0);
    let nowhere = Position::new(0.0, 0.0).unwrap();
    assert_eq!(SHAPES.nearest(nowhere, country("QQ"), Extent::HeldOrClaimed), None);
}

#[test]
fn codes_of_their_own_are_never_folded_into_cn() {
    for place in [(22.3964, 114.1095), (22.1900, 113.5440), (25.0330, 121.5654), (22.63, 120.30)] {
        assert!(km(place, "CN") > 0.0, "{place:?}");
    }
    check(km((25.0330, 121.5654), "CN"), 179.0);
}

#[test]
fn the_antimeridian_is_no_edge_of_the_world() {
    // Taveuni, which it crosses; Chukotka and Wrangel Island on both sides.
    for (place, of) in [
        ((-16.85, 179.98), "FJ"),
        ((-16.82, -179.97), "FJ"),
        ((67.0, 179.9), "RU"),
        ((67.0, -179.9), "RU"),
        ((71.2, 179.99), "RU"),
        ((71.2, -179.99), "RU"),
    ] {
        assert_eq!(km(place, of), 0.0, "{place:?} {of}");
    }
    for (north, of) in [(-16.0, "FJ"), (60.0, "RU"), (-45.0, "NZ"), (52.0, "US")] {
        let sides = [180.0, -180.0].map(|east| km((north, east), of));
        assert_eq!(sides[0], sides[1], "{of}");
        assert!((km((north, 179.999), of) - km((north, -179.999), of)).abs() < 0.3, "{of}");
        assert!(sides[0] < 1_000.0, "{of} {sides:?}");
    }
    // 110 km across it, not around the world.
    assert!(km((-16.8, -179.0), "FJ") < 110.0);
}

#[test]
fn poles() {
    for east in [-180.0, -77.7, 0.0, 123.4, 180.0] {
        // Kaffeklubben Island, at 83.66 degrees north.
        check(km((90.0, east), "GL"), 708.0);
        assert!(km((90.0, east), "RU") > 800.0 && km((90.0, east), "CA") > 750.0);
        assert_eq!(km((-90.0, east), "AQ"), 0.0);
        // The Diego Ramírez Islands.
        check(km((-90.0, east), "CL"), (90.0 - 56.6) * 111.195);
        assert!(km((90.0, east), "AQ") > 16_000.0);
    }
}

fn judged(from: (f64, f64), of: &str, millis: u64) -> (ExclusionStrength, LandKind) {
    let vantage = Vantage::new(from.0, from.1, 25.0).unwrap();
    let rtt = RoundTrip(Duration::from_millis(millis));
    let exclusion = decide(&SHAPES, vantage, country(of), rtt).unwrap();
    assert_eq!((exclusion.vantage, exclusion.min_rtt), (vantage, rtt));
    assert!(
        exclusion.limits.d_low < exclusion.nearest.distance || exclusion.limits.d_low.metres() == 0
    );
    (exclusion.strength, exclusion.nearest.lies_on)
}

#[test]
fn four_milliseconds_from_singapore_exclude_cn_beyond_argument() {
    let (strength, lies_on) = judged(SINGAPORE, "CN", 4);
    assert_eq!(strength, ExclusionStrength::PhysicallyImpossible);
    assert_eq!(lies_on, LandKind::Territory("Spratly Island".to_owned()));
    assert_eq!(judged(SINGAPORE, "CN", 9).0, ExclusionStrength::NotOverFibre);
    assert_eq!(judged(SINGAPORE, "CN", 12).0, ExclusionStrength::NotExcluded);
    for own in ["SG", "MY", "ID"] {
        assert_eq!(judged(SINGAPORE, own, 0).0, ExclusionStrength::NotExcluded, "{own}");
    }
}

#[test]
fn ninety_five_milliseconds_from_sydney_exclude_nothing_of_cn() {
    assert_eq!(judged(SYDNEY, "CN", 95).0, ExclusionStrength::NotExcluded);
    let vantage = Vantage::new(SYDNEY.0, SYDNEY.1, 0.0).unwrap();
    let rtt = RoundTrip(Duration::from_millis(250));
    for of in SHAPES.countries() {
        let exclusion = decide(&SHAPES, vantage, of, rtt).unwrap();
        assert_eq!(exclusion.strength, ExclusionStrength::NotExcluded, "{of}");
    }
}

#[test]
fn vantages_that_would_decide() {
    let found = deciding_vantages(&SHAPES, country("CN"), country("SG"));
    let of = |city: &str| found.iter().find(|vantage| vantage.city == city).unwrap();
    assert_eq!(found[0].city, "Singapore");
    assert_eq!(of("Singapore").decides(), ExclusionStrength::PhysicallyImpossible);
    let ms = |rtt: RoundTrip| rtt.0.as_secs_f64() * 1e3;
    check(ms(of("Singapore").limits.vacuum), 7.93);
    check(ms(of("Singapore").limits.fibre), 11.65);
    assert_eq!(of("Sydney").decides(), ExclusionStrength::NotExcluded);
    assert!(of("Sydney").quickest > of("Sydney").limits.fibre);
    assert!(found.iter().all(|vantage| vantage.country != country("CN")));
    assert!(found.is_sorted_by(|one, other| one.decides() >= other.decides()));
    // Nobody can tell a country from itself.
    let itself = deciding_vantages(&SHAPES, country("SG"), country("SG"));
    assert!(itself.iter().all(|vantage| vantage.decides() == ExclusionStrength::NotExcluded));
    assert!(deciding_vantages(&SHAPES, country("QQ"), country("SG")).is_empty());
}
