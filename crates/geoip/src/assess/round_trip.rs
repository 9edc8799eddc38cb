//! What round-trip times refute. Only the time to a verified server signature may, of enough
//! samples within one epoch of the network; a long time refutes nothing.

use super::facts::{AddressFacts, Facts};
use super::place::{Place, place};
use crate::physics::{can_be_one_machine, decide};
use crate::shapes::{Shapes, between};
use crate::vantages::deciding_vantages;
use flow::assessment::{
    CountryExclusion, Deciding, MIN_SAMPLES, MeasuredFrom, NoStatement, Probe, RoundTrips, Samples,
};
use flow::claim::Country;
use flow::physics::{ExclusionStrength, RoundTrip, Vantage};
use std::collections::{BTreeMap, BTreeSet};
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
        let usable = |round_trips| usable(facts, address, round_trips);
        for (round_trips, samples) in address.round_trips.iter().filter_map(usable) {
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
fn usable<'a>(
    facts: &Facts,
    address: &AddressFacts,
    round_trips: &'a RoundTrips,
) -> Option<(&'a RoundTrips, Samples)> {
    let silenced = match &round_trips.from {
        MeasuredFrom::Here(_) => facts.no_statement.is_some(),
        MeasuredFrom::Probe(probe) => silence_of(facts, address, probe, round_trips).is_some(),
    };
    let samples = round_trips.signature.filter(|samples| samples.count >= MIN_SAMPLES)?;
    (!silenced).then_some((round_trips, samples))
}

/// Why the times of an imported probe say nothing of an address, if so. What answers elsewhere need
/// not be the machine that the session reached, of which alone something is to be said.
pub(super) fn silence_of(
    facts: &Facts,
    address: &AddressFacts,
    probe: &Probe,
    round_trips: &RoundTrips,
) -> Option<NoStatement> {
    let of_probe = probe.silence.clone();
    let of_address = || match address.annotation.anycast {
        true => Some(NoStatement::AnycastElsewhere),
        false => several_machines(facts, address).then_some(NoStatement::AnotherMachine),
    };
    let of_samples = || match round_trips.signature.map_or(0, |samples| samples.count) {
        0 => Some(NoStatement::NotMeasured),
        few if few < MIN_SAMPLES => Some(NoStatement::TooFewSamples(few)),
        _ => None,
    };
    of_probe.or_else(of_address).or_else(of_samples)
}

/// Whether two places were answered sooner than one machine can answer both.
fn several_machines(facts: &Facts, address: &AddressFacts) -> bool {
    let believed = |round_trips: &&RoundTrips| match &round_trips.from {
        MeasuredFrom::Here(_) => facts.no_statement.is_none(),
        MeasuredFrom::Probe(probe) => probe.silence.is_none(),
    };
    let measured = address.round_trips.iter().filter(believed);
    let times: Vec<(Vantage, RoundTrip)> =
        measured.filter_map(|r| Some((r.from.vantage(), RoundTrip(r.signature?.least)))).collect();
    times.iter().any(|one| times.iter().any(|other| !can_be_one_machine(*one, *other)))
}

/// Why nothing was said of an address, where nothing was.
pub(super) fn silence(facts: &Facts, address: &AddressFacts) -> Option<NoStatement> {
    if address.round_trips.iter().any(|r| usable(facts, address, r).is_some()) {
        return None;
    }
    let own = address.round_trips.iter().filter(|r| matches!(r.from, MeasuredFrom::Here(_)));
    let most = own.filter_map(|r| r.signature).map(|samples| samples.count).max();
    facts.no_statement.clone().or(Some(match most {
        None | Some(0) => NoStatement::NotMeasured,
        Some(count) => NoStatement::TooFewSamples(count),
    }))
}

/// The countries that are refuted for every address of the destination, each with the best exclusion
/// of every address.
pub(super) type Refuted<'a> = BTreeMap<Country, Vec<&'a CountryExclusion>>;

/// Finds them. Of an address that the databases were not asked about, nothing is known.
pub(super) fn refuted<'a>(facts: &Facts, exclusions: &'a [CountryExclusion]) -> Refuted<'a> {
    let countries: BTreeSet<Country> = exclusions.iter().map(|e| e.exclusion.country).collect();
    let best = |country: Country, address: IpAddr| {
        exclusions
            .iter()
            .filter(|e| e.address == address && e.exclusion.country == country && refutes(e))
            .max_by_key(|e| e.exclusion.strength)
    };
    let of_all = |country: Country| {
        let addresses = facts.addresses.iter().map(|a| best(country, a.annotation.address));
        let found = addresses.collect::<Option<Vec<_>>>()?;
        Some((country, found))
    };
    if facts.not_asked > 0 || facts.addresses.is_empty() {
        return Refuted::new();
    }
    countries.into_iter().filter_map(of_all).collect()
}

/// What can be said of all addresses: the weakest of their exclusions.
pub(super) fn weakest(found: &[&CountryExclusion]) -> ExclusionStrength {
    let strengths = found.iter().map(|e| e.exclusion.strength);
    strengths.min().unwrap_or(ExclusionStrength::NotExcluded)
}

/// Whether the country is excluded at all.
pub(super) fn refutes(found: &CountryExclusion) -> bool {
    found.exclusion.strength != ExclusionStrength::NotExcluded
}

/// Whether each address has exclusions from at least two vantages that are apart, so that several
/// vantage points bound every one of them.
pub(super) fn bounded_by_several(facts: &Facts, exclusions: &[CountryExclusion]) -> bool {
    facts.addresses.iter().all(|address| {
        let of_address =
            exclusions.iter().filter(|e| e.address == address.annotation.address && refutes(e));
        let vantages: Vec<Vantage> = of_address.map(|e| e.from.vantage()).collect();
        vantages.iter().any(|one| vantages.iter().any(|other| apart(*one, *other)))
    })
}

/// Two vantages that cannot be one place: farther from each other than both may be off, and by more
/// than a city.
fn apart(one: Vantage, other: Vantage) -> bool {
    let distance = between(one.position, other.position);
    let unsure = one.uncertainty.metres().saturating_add(other.uncertainty.metres());
    distance.metres() > unsure.saturating_add(LEAST_APART_METRES)
}

/// From where the countries that policies ask about, and that are neither refuted nor where all
/// databases say that it is, could be refuted.
pub(super) fn deciding(facts: &Facts, refuted: &Refuted<'_>, shapes: &Shapes) -> Vec<Deciding> {
    let Place::In { country: supposed, .. } = place(facts) else { return Vec::new() };
    let asked = facts.asked_about.iter().copied();
    let open = asked.filter(|country| *country != supposed && !refuted.contains_key(country));
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

const LEAST_APART_METRES: u32 = 50_000;
/// Of many cities that could decide, the best are enough.
const MOST_DECIDING: usize = 2;
/// A signature takes the server some computing, and ours to check it, but not several round trips.
const MIDDLEBOX_FACTOR: u32 = 2;
const MIDDLEBOX_SLACK: Duration = Duration::from_millis(30);
