//! What round-trip times refute. Only the time to a verified server signature may, of enough
//! samples within one epoch of the network; a long time refutes nothing.

use super::facts::{AddressFacts, Facts};
use super::words::{Place, place};
use crate::physics::decide;
use crate::shapes::Shapes;
use crate::vantages::deciding_vantages;
use flow::assessment::{
    CountryExclusion, Deciding, MIN_SAMPLES, MeasuredFrom, NoStatement, RoundTrips, Samples,
};
use flow::claim::Country;
use flow::physics::{ExclusionStrength, RoundTrip};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// What the round trips to all addresses say of the countries in question.
pub(super) fn exclusions(
    facts: &Facts,
    countries: &BTreeSet<Country>,
    shapes: &Shapes,
) -> Vec<CountryExclusion> {
    let mut exclusions = Vec::new();
    for address in &facts.addresses {
        for (round_trips, samples) in address.round_trips.iter().filter_map(|r| usable(facts, r)) {
            let vantage = round_trips.from.vantage();
            exclusions.extend(countries.iter().filter_map(|country| {
                Some(CountryExclusion {
                    address: address.annotation.address,
                    from: round_trips.from.clone(),
                    samples,
                    exclusion: decide(shapes, vantage, *country, RoundTrip(samples.least))?,
                    records: round_trips.records.clone(),
                })
            }));
        }
    }
    exclusions
}

/// The samples that may refute, where these are enough and their vantage is to be believed.
fn usable<'a>(facts: &Facts, round_trips: &'a RoundTrips) -> Option<(&'a RoundTrips, Samples)> {
    let silenced =
        matches!(round_trips.from, MeasuredFrom::Here(_)) && facts.no_statement.is_some();
    let samples = round_trips.signature.filter(|samples| samples.count >= MIN_SAMPLES)?;
    (!silenced).then_some((round_trips, samples))
}

/// Why nothing was said of an address, where nothing was.
pub(super) fn silence(facts: &Facts, address: &AddressFacts) -> Option<NoStatement> {
    if address.round_trips.iter().any(|r| usable(facts, r).is_some()) {
        return None;
    }
    let most = address.round_trips.iter().filter_map(|r| r.signature).map(|s| s.count).max();
    facts.no_statement.clone().or(Some(match most {
        None | Some(0) => NoStatement::NotMeasured,
        Some(count) => NoStatement::TooFewSamples(count),
    }))
}

/// The countries that are refuted for every address of the destination, however it was measured.
pub(super) fn refuted(facts: &Facts, exclusions: &[CountryExclusion]) -> BTreeSet<Country> {
    let refuted_for = |address: IpAddr| -> BTreeSet<Country> {
        exclusions
            .iter()
            .filter(|e| e.address == address && refutes(e))
            .map(|e| e.exclusion.country)
            .collect()
    };
    let mut addresses = facts.addresses.iter().map(|a| refuted_for(a.annotation.address));
    let first = addresses.next().unwrap_or_default();
    addresses.fold(first, |common, next| common.intersection(&next).copied().collect())
}

/// Whether the country is excluded at all.
pub(super) fn refutes(found: &CountryExclusion) -> bool {
    found.exclusion.strength != ExclusionStrength::NotExcluded
}

/// The vantages from which something was refuted, without doubles.
pub(super) fn bounding(exclusions: &[CountryExclusion]) -> Vec<&MeasuredFrom> {
    let mut vantages: Vec<&MeasuredFrom> = Vec::new();
    for exclusion in exclusions {
        let known = vantages.iter().any(|known| known.vantage() == exclusion.from.vantage());
        if refutes(exclusion) && !known {
            vantages.push(&exclusion.from);
        }
    }
    vantages
}

/// From where the countries that policies ask about, and that are neither refuted nor where all
/// databases say that it is, could be refuted.
pub(super) fn deciding(
    facts: &Facts,
    refuted: &BTreeSet<Country>,
    shapes: &Shapes,
) -> Vec<Deciding> {
    let Place::In { country: supposed, .. } = place(facts) else { return Vec::new() };
    let asked = facts.asked_about.iter().copied();
    let open = asked.filter(|country| *country != supposed && !refuted.contains(country));
    open.map(|excluded| {
        let mut vantages = deciding_vantages(shapes, excluded, supposed);
        vantages.retain(|vantage| vantage.decides() != ExclusionStrength::NotExcluded);
        vantages.truncate(MOST_DECIDING);
        Deciding { supposed, excluded, vantages }
    })
    .collect()
}

/// The TLS time is so much longer than the TCP time that something may stand between: both times
/// that were compared.
pub(super) fn middlebox(round_trips: &RoundTrips) -> Option<(Duration, Duration)> {
    let (signature, connect) = (round_trips.signature?.least, round_trips.connect?.least);
    (signature > connect * MIDDLEBOX_FACTOR + MIDDLEBOX_SLACK).then_some((signature, connect))
}

/// Of many cities that could decide, the best are enough.
const MOST_DECIDING: usize = 2;
/// A signature takes the server some computing, and ours to check it, but not several round trips.
const MIDDLEBOX_FACTOR: u32 = 2;
const MIDDLEBOX_SLACK: Duration = Duration::from_millis(30);
