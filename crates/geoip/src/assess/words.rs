//! The words for what the facts add up to. None of them goes further than a level that is held.

use super::facts::Facts;
use super::place::{Place, place};
use super::round_trip::{Refuted, weakest};
use super::stays::stays;
use flow::annotation::{Annotation, Location};
use flow::assessment::Word;
use flow::claim::{Country, Operator};
use std::collections::BTreeSet;

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
    let stays = stays(facts);
    if stays.len() > 1 {
        words.push(Word::LocationMoved(stays));
    }
    words
}

/// Both name countries for an address, and not the same ones.
fn moved(then: &Annotation, later: &Annotation) -> bool {
    let (then, later) = (places(then), places(later));
    !then.is_empty() && !later.is_empty() && then != later
}

/// The countries that the location sources name.
pub(super) fn places(annotation: &Annotation) -> BTreeSet<Country> {
    match &annotation.location {
        Location::Disagreed { answers, .. } => answers.iter().map(|(_, c)| *c).collect(),
        location => location.country().into_iter().collect(),
    }
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
