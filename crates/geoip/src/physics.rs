//! What a round trip can say against a country: pure arithmetic over a distance. A short round trip
//! excludes far places, a long one excludes nothing, and no round trip speaks for a place. Which
//! times may be judged here at all (those up to a verified signature) is decided where they are
//! measured; no constant below was fitted to measurements.
//!
//! All in whole metres and nanoseconds, each step rounded to the side that excludes less.

use crate::shapes::{Extent, Shapes, between};
use flow::claim::Country;
use flow::physics::{
    Exclusion, ExclusionStrength, Kilometres, RoundTrip, RoundTripLimits, Vantage,
};
use std::time::Duration;

/// Judges the shortest of some round trips from a vantage against a country. `None` where the shapes
/// have no land of it: then nothing can be said.
pub fn decide(
    shapes: &Shapes,
    vantage: Vantage,
    country: Country,
    min_rtt: RoundTrip,
) -> Option<Exclusion> {
    let nearest = shapes.nearest(vantage.position, country, Extent::HeldOrClaimed)?;
    let limits = limits(nearest.distance, vantage.uncertainty);
    let strength = strength(min_rtt, &limits);
    Some(Exclusion { country, vantage, nearest, limits, min_rtt, strength })
}

/// The shortest round trips that are possible over a distance that is known that well.
pub fn limits(distance: Kilometres, uncertainty: Kilometres) -> RoundTripLimits {
    let least = u64::from(distance.metres()) * ELLIPSOID_PER_MILLE / 1_000;
    let least = least.saturating_sub(MAP_METRES).saturating_sub(u64::from(uncertainty.metres()));
    let d_low = Kilometres::from_metres(u32::try_from(least).unwrap_or(u32::MAX));
    RoundTripLimits {
        d_low,
        vacuum: shortest(d_low, VACUUM_METRES_PER_MS),
        fibre: shortest(d_low, FIBRE_METRES_PER_MS),
    }
}

/// Both bounds are strict: a round trip as long as a limit is possible.
pub fn strength(min_rtt: RoundTrip, limits: &RoundTripLimits) -> ExclusionStrength {
    if min_rtt < limits.vacuum {
        ExclusionStrength::PhysicallyImpossible
    } else if min_rtt < limits.fibre {
        ExclusionStrength::NotOverFibre
    } else {
        ExclusionStrength::NotExcluded
    }
}

/// Whether one machine can have answered so soon at two places: what light goes in both times
/// together is at least the way between them.
pub(crate) fn can_be_one_machine(one: (Vantage, RoundTrip), other: (Vantage, RoundTrip)) -> bool {
    let unsure = one.0.uncertainty.metres().saturating_add(other.0.uncertainty.metres());
    let distance = between(one.0.position, other.0.position);
    let least = u64::from(distance.metres()) * ELLIPSOID_PER_MILLE / 1_000;
    let least = least.saturating_sub(u64::from(unsure));
    let nanos = one.1.0.saturating_add(other.1.0).as_nanos();
    u128::from(least) * 1_000_000 <= nanos * u128::from(VACUUM_METRES_PER_MS)
}

/// The shortest round trip over ordinary fibre that is laid straight, without any allowance.
pub(crate) fn over_fibre(distance: Kilometres) -> RoundTrip {
    shortest(distance, FIBRE_METRES_PER_MS)
}

fn shortest(distance: Kilometres, metres_per_ms: u64) -> RoundTrip {
    let nanos = u64::from(distance.metres()) * 1_000_000 / metres_per_ms;
    RoundTrip(Duration::from_nanos(nanos))
}

/// The earth is no sphere. The tightest curve on the WGS 84 ellipsoid, a meridian at the equator,
/// has the radius b² / a = 6335.44 km; that is 0.9944 of the mean radius with which distances are
/// computed, so no way is shorter than 0.994 of its spherical length.
const ELLIPSOID_PER_MILLE: u64 = 994;
/// Coastlines are simplified, and rounded to 0.4 km east and 0.2 km north in the published file.
const MAP_METRES: u64 = 10_000;
/// Light in vacuum: 299.792458 km/ms (exact, SI), half of it as the way is gone twice, rounded up.
const VACUUM_METRES_PER_MS: u64 = 149_900;
/// Light in silica fibre: 299.792458 km/ms over the group index 1.468 (at 1550 nm, as data sheets
/// of G.652 fibre state it), half of it: 102.109.
const FIBRE_METRES_PER_MS: u64 = 102_100;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn km(kilometres: f64) -> Kilometres {
        Kilometres::declared(kilometres).unwrap()
    }

    #[test]
    fn limits_in_numbers() {
        // 0.994 * 1000 - 10 - 5 = 979.
        let limits = limits(km(1_000.0), km(5.0));
        assert_eq!(limits.d_low, km(979.0));
        assert_eq!(limits.vacuum.0, Duration::from_nanos(6_531_020));
        assert_eq!(limits.fibre.0, Duration::from_nanos(9_588_638));
    }

    #[test]
    fn both_bounds_at_their_edges() {
        let limits = limits(km(1_000.0), km(5.0));
        let nanosecond = Duration::from_nanos(1);
        for (rtt, expected) in [
            (Duration::ZERO, ExclusionStrength::PhysicallyImpossible),
            (limits.vacuum.0 - nanosecond, ExclusionStrength::PhysicallyImpossible),
            (limits.vacuum.0, ExclusionStrength::NotOverFibre),
            (limits.fibre.0 - nanosecond, ExclusionStrength::NotOverFibre),
            (limits.fibre.0, ExclusionStrength::NotExcluded),
            (Duration::MAX, ExclusionStrength::NotExcluded),
        ] {
            assert_eq!(strength(RoundTrip(rtt), &limits), expected, "{rtt:?}");
        }
    }

    #[test]
    fn one_machine_is_no_farther_from_two_places_than_light_goes() {
        // One degree of a meridian apart: 111.19 km, less 0.6 % and 1 km each, 108.53 km.
        let [one, other] = [0.0, 1.0].map(|north| Vantage::new(north, 0.0, 1.0).unwrap());
        let micros = |micros| RoundTrip(Duration::from_micros(micros));
        for (here, there, expected) in
            [(0, 0, false), (300, 423, false), (300, 425, true), (425, 300, true), (9_000, 0, true)]
        {
            let found = can_be_one_machine((one, micros(here)), (other, micros(there)));
            assert_eq!(found, expected, "{here} {there}");
        }
        assert!(can_be_one_machine((one, micros(0)), (one, micros(0))));
    }

    #[test]
    fn nothing_near_is_ever_excluded() {
        for (distance, uncertainty) in [(0.0, 0.0), (10.0, 0.0), (5_000.0, 4_960.0), (1.0, 9_000.0)]
        {
            let limits = limits(km(distance), km(uncertainty));
            assert_eq!(limits.d_low, Kilometres::ZERO);
            assert_eq!(strength(RoundTrip::default(), &limits), ExclusionStrength::NotExcluded);
        }
    }

    proptest! {
        #[test]
        fn a_longer_time_a_shorter_way_and_less_certainty_never_exclude_more(
            metres in 0..20_040_000_u32, nearer in 0..20_040_000_u32,
            unsure in 0..1_000_000_u32, more in 0..1_000_000_u32,
            nanos in 0..300_000_000_u64, longer in 0..100_000_000_u64,
        ) {
            let judge = |metres, unsure, nanos| {
                let metres = Kilometres::from_metres(metres);
                let limits = limits(metres, Kilometres::from_metres(unsure));
                strength(RoundTrip(Duration::from_nanos(nanos)), &limits)
            };
            let judged = judge(metres, unsure, nanos);
            prop_assert!(judge(metres.min(nearer), unsure, nanos) <= judged);
            prop_assert!(judge(metres, unsure + more, nanos) <= judged);
            prop_assert!(judge(metres, unsure, nanos + longer) <= judged);
        }

        #[test]
        fn the_limits_are_those_of_the_formula(metres in 0..20_040_000_u32) {
            let limits = limits(Kilometres::from_metres(metres), Kilometres::ZERO);
            let d_low = (0.994 * f64::from(metres) / 1e3 - 10.0).max(0.0);
            prop_assert!((limits.d_low.as_km() - d_low).abs() <= 0.001_001);
            let ms = |rtt: RoundTrip| rtt.0.as_secs_f64() * 1e3;
            prop_assert!((ms(limits.vacuum) - d_low / 149.9).abs() < 1e-5);
            prop_assert!((ms(limits.fibre) - d_low / 102.1).abs() < 2e-5);
        }
    }
}
