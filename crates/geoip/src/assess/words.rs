//! The words for what the facts add up to. None of them goes further than a level that is held.

use super::facts::Facts;
use flow::annotation::{Annotation, Location};
use flow::assessment::{PlacedBy, Word};
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
    /// Each address has its own country.
    Several(BTreeSet<Country>),
}

/// Where the addresses are, by the databases of the session.
pub(super) fn place(facts: &Facts) -> Place {
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

/// The words, in a fixed order: place, operator, physics, change.
pub(super) fn words(facts: &Facts, refuted: &BTreeSet<Country>) -> Vec<Word> {
    let mut words = Vec::new();
    let located = match place(facts) {
        Place::Unknown => None,
        Place::Anycast => {
            words.push(Word::NotDeterminableAnycast);
            None
        }
        Place::Disagreed(_) => {
            words.push(Word::DatabasesDisagree);
            None
        }
        Place::Several(_) => {
            words.push(Word::NotDeterminableEdge);
            None
        }
        Place::In { country, .. } if refuted.contains(&country) => None,
        Place::In { country, by } => {
            words.push(Word::LocatedIn { country, by });
            Some(country)
        }
    };
    words.extend(operator(facts, located));
    words.extend(refuted.iter().copied().map(Word::PhysicsExcludes));
    if facts.addresses.iter().any(|a| a.later.iter().any(|o| moved(&a.annotation, &o.annotation))) {
        words.push(Word::LocationChanged);
    }
    words
}

/// Both say where an address is, and not the same.
pub(super) fn moved(then: &Annotation, later: &Annotation) -> bool {
    then.location != later.location
        && then.location != Location::Unknown
        && later.location != Location::Unknown
}

fn operator(facts: &Facts, located: Option<Country>) -> Option<Word> {
    let mut operators = facts.addresses.iter().map(|address| address.annotation.operator.as_ref());
    let first = operators.next()??;
    let same = operators.all(|other| {
        other.is_some_and(|o| o.group == first.group && o.headquarters == first.headquarters)
    });
    let (group, confidence) = (first.group.clone(), first.confidence);
    let headquarters = first.headquarters.filter(|_| same)?;
    Some(match located {
        Some(located) if located != headquarters => {
            Word::OperatedFromElsewhere { group, headquarters, confidence, located }
        }
        _ => Word::OperatedBy { group, headquarters, confidence },
    })
}
