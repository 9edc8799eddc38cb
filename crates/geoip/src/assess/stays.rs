//! Whether a host moved: from its addresses at one time to those at another, by the countries that
//! databases place them in. What they do not agree about moves nothing.

use super::facts::{Facts, Sighting};
use super::level::sorted;
use flow::annotation::Location;
use flow::assessment::Stay;
use flow::claim::Country;

/// The stays of the host in the order of time, each in other countries than the one before; one or
/// none where it did not move.
pub(super) fn stays(facts: &Facts) -> Vec<Stay> {
    let mut sightings: Vec<&Sighting> = facts.sightings.iter().collect();
    sightings.sort_by_key(|sighting| (sighting.first, sighting.last));
    let mut apart: Vec<Stay> = Vec::new();
    for sighting in sightings {
        let Some(stay) = decided(sighting) else { continue };
        match apart.last_mut() {
            // At the same time: not one after the other, but both.
            Some(last) if stay.from < last.until => join(last, stay),
            _ => apart.push(stay),
        }
    }
    let mut stays: Vec<Stay> = Vec::new();
    for stay in apart {
        match stays.last_mut() {
            Some(last) if last.countries == stay.countries => join(last, stay),
            _ => stays.push(stay),
        }
    }
    stays
}

/// Where the addresses were; `None` unless the databases name a country for each of which they were
/// asked. An anycast address is in no place.
fn decided(sighting: &Sighting) -> Option<Stay> {
    let place = |location: &Location, anycast: bool| location.country().filter(|_| !anycast);
    let places = sighting.annotations.iter().map(|known| place(&known.location, known.anycast));
    let countries = places.collect::<Option<Vec<Country>>>()?;
    (!countries.is_empty()).then(|| Stay {
        countries: in_order(countries),
        from: sighting.first,
        until: sighting.last,
        records: sorted(sighting.records.clone()),
    })
}

fn join(stay: &mut Stay, other: Stay) {
    stay.countries.extend(other.countries);
    stay.countries = in_order(std::mem::take(&mut stay.countries));
    stay.until = stay.until.max(other.until);
    stay.records.extend(other.records);
    stay.records = sorted(std::mem::take(&mut stay.records));
}

fn in_order(mut countries: Vec<Country>) -> Vec<Country> {
    countries.sort_unstable();
    countries.dedup();
    countries
}
