//! The words for what the facts add up to. None of them goes further than a level that is held.

use super::facts::Facts;
use super::round_trip::{Refuted, weakest};
use flow::annotation::{Annotation, Location};
use flow::assessment::{PlacedBy, Word};
use flow::claim::{Country, Operator};
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

/// The words, in a fixed order: place, operator, physics, change.
pub(super) fn words(facts: &Facts, refuted: &Refuted<'_>) -> Vec<Word> {
    let mut words = Vec::new();
    let located = match place(facts) {
        Place::Unknown | Place::NotAsked => None,
        Place::Anycast => {
            words.push(Word::NotDeterminableAnycast);
            None
        }
        Place::Disagreed(_) => {
            words.push(Word::DatabasesDisagree);
            None
        }
        Place::Several(countries) => {
            words.push(Word::NotDeterminableEdge(countries.into_iter().collect()));
            None
        }
        Place::In { country, .. } if refuted.contains_key(&country) => None,
        Place::In { country, by } => {
            words.push(Word::LocatedIn { country, by });
            Some(country)
        }
    };
    words.extend(operator(facts, located));
    words.extend(refuted.iter().map(|(country, found)| Word::PhysicsExcludes {
        country: *country,
        strength: weakest(found),
    }));
    if facts.addresses.iter().any(|a| a.later.iter().any(|o| moved(&a.annotation, &o.annotation))) {
        words.push(Word::PlacedElsewhereLater);
    }
    words
}

/// Both name countries for an address, and not the same ones.
pub(super) fn moved(then: &Annotation, later: &Annotation) -> bool {
    let places = |annotation: &Annotation| -> BTreeSet<Country> {
        match &annotation.location {
            Location::Disagreed { answers, .. } => answers.iter().map(|(_, c)| *c).collect(),
            location => location.country().into_iter().collect(),
        }
    };
    let (then, later) = (places(then), places(later));
    !then.is_empty() && !later.is_empty() && then != later
}

/// The operators of all addresses; `None` unless each is known.
pub(super) fn operators(facts: &Facts) -> Option<Vec<&Operator>> {
    let operators = facts.addresses.iter().map(|address| address.annotation.operator.as_ref());
    operators.collect::<Option<Vec<_>>>().filter(|all| facts.not_asked == 0 && !all.is_empty())
}

fn operator(facts: &Facts, located: Option<Country>) -> Option<Word> {
    let operators = operators(facts)?;
    let first = operators.first()?;
    let same = operators
        .iter()
        .all(|other| other.group == first.group && other.headquarters == first.headquarters);
    let group = first.group.clone();
    // The one that is founded least speaks for all.
    let confidence = operators.iter().map(|operator| operator.confidence).max()?;
    let headquarters = first.headquarters.filter(|_| same)?;
    Some(match located {
        Some(located) if located != headquarters => {
            Word::OperatedFromElsewhere { group, headquarters, confidence, located }
        }
        _ => Word::OperatedBy { group, headquarters, confidence },
    })
}
