//! From facts about a destination to an assessment. Pure: the same facts give the same assessment.
//! Nothing is decided by counting votes, and nothing is said beyond the level that is held.

mod caveats;
mod facts;
mod level;
mod place;
mod question;
mod round_trip;
mod sentence;
mod statement;
mod stays;
#[cfg(test)]
mod tests;
mod words;

pub use facts::{AddressFacts, Cited, ConnectionFacts, Facts, Opinion, Sighting};
pub use level::{contact_level, content_level, location_level, operator_level};
pub use sentence::{About, Sentence, contact, content, location, operator, sentences};

use crate::shapes::Shapes;
use flow::assessment::{Assessment, CountryExclusion, LocationLevel};
use flow::claim::Country;
use place::{Place, place};
use round_trip::{Refuted, bounded_by_several};
use std::collections::BTreeSet;

/// What the facts add up to. `shapes` are those of the countries that times may refute.
pub fn assess(facts: &Facts, shapes: &Shapes) -> Assessment {
    let countries = question::in_question(facts);
    let exclusions = round_trip::exclusions(facts, &countries, shapes);
    let refuted = round_trip::refuted(facts, &exclusions);
    let operator = level::operator(facts);
    let mut location = level::location(facts);
    if let Some(location) = &mut location
        && location.level == LocationLevel::AllDatabases
        && bounded(facts, &countries, &refuted, &exclusions)
    {
        location.level = LocationLevel::Bounded;
        let measured = exclusions.iter().flat_map(|exclusion| exclusion.records.iter().copied());
        location.records =
            level::sorted(location.records.iter().copied().chain(measured).collect());
    }
    let held = statement::Held {
        facts,
        operator: operator.as_ref(),
        location: location.as_ref(),
        refuted: &refuted,
    };
    Assessment {
        version: VERSION,
        contact: facts.contact.clone(),
        words: words::words(facts, &refuted),
        caveats: caveats::caveats(facts, &exclusions),
        answers: statement::answers(&held),
        operator,
        location,
        content: facts.content.clone(),
        deciding: round_trip::deciding(facts, &refuted, shapes),
        exclusions,
    }
}

/// Measurements from several vantage points leave one of the countries in question, the one that all
/// databases name.
fn bounded(
    facts: &Facts,
    countries: &BTreeSet<Country>,
    refuted: &Refuted<'_>,
    exclusions: &[CountryExclusion],
) -> bool {
    let mut left = countries.iter().filter(|country| !refuted.contains_key(country));
    let Place::In { country, .. } = place(facts) else { return false };
    let only = left.next() == Some(&country) && left.next().is_none();
    only && bounded_by_several(facts, exclusions)
}

/// Changes with every change of what the same facts add up to.
pub const VERSION: &str = "assess/5";
