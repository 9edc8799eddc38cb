//! What the location sources say of all addresses of a destination together.

use super::facts::Facts;
use flow::annotation::{Annotation, Location};
use flow::assessment::PlacedBy;
use flow::claim::Country;
use std::collections::BTreeSet;

/// What the location sources say of all addresses of a destination together.
pub(super) enum Place {
    Unknown,
    /// At least one address has many machines.
    Anycast,
    In {
        country: Country,
        by: PlacedBy,
    },
    /// Of at least one address; source and country each.
    Disagreed(Vec<String>),
    /// The databases were not asked about every address.
    NotAsked,
    /// Each address has its own country.
    Several(BTreeSet<Country>),
}

/// Where the addresses are, by the databases of the session.
pub(super) fn place(facts: &Facts) -> Place {
    if facts.not_asked > 0 {
        return Place::NotAsked;
    }
    let annotations = || facts.addresses.iter().map(|address| &*address.annotation);
    if annotations().any(|annotation| annotation.anycast) {
        return Place::Anycast;
    }
    let disagreed = annotations().find_map(|annotation| match &annotation.location {
        Location::Disagreed { answers, .. } => Some(answers),
        _ => None,
    });
    if let Some(answers) = disagreed {
        return Place::Disagreed(
            answers.iter().map(|(source, c)| format!("{source} {c}")).collect(),
        );
    }
    let countries: BTreeSet<Country> = annotations().filter_map(|a| a.location.country()).collect();
    let unknown = annotations().any(|a| a.location == Location::Unknown);
    match (countries.first(), countries.len()) {
        (Some(country), 1) if !unknown => Place::In { country: *country, by: by(annotations()) },
        (None, _) | (Some(_), 1) => Place::Unknown,
        (Some(_), _) => Place::Several(countries),
    }
}

/// On whose word, at its weakest.
fn by<'a>(annotations: impl Iterator<Item = &'a Annotation>) -> PlacedBy {
    let weakest = annotations.min_by_key(|annotation| match annotation.location {
        Location::Agreed { answered, .. } => answered,
        _ => 0,
    });
    match weakest.map(|annotation| &annotation.location) {
        Some(Location::Agreed { answered, asked, .. }) => {
            PlacedBy::Databases { answered: *answered, asked: *asked }
        }
        _ => PlacedBy::Override,
    }
}
