//! Answers to statements under test: *supports*, *contradicts* or *cannot tell*, never further than
//! the level that is held.

use super::facts::Facts;
use super::level::sorted;
use super::place::{Place, place};
use super::round_trip::Refuted;
use super::sentence;
use super::words::operators;
use flow::assessment::{
    Answer, Answered, CountryExclusion, LocationLevel, OperatorLevel, PlacedBy, Says, Statement,
    Supported,
};
use flow::claim::{Confidence, Country, Operator};
use flow::id::RecordSeq;

/// What the other axes came to; answers rest on them.
pub(super) struct Held<'a> {
    pub(super) facts: &'a Facts,
    pub(super) operator: Option<&'a Supported<OperatorLevel>>,
    pub(super) location: Option<&'a Supported<LocationLevel>>,
    pub(super) refuted: &'a Refuted<'a>,
}

/// Each statement with its answer, in the order in which they were made.
pub(super) fn answers(held: &Held<'_>) -> Vec<Answered> {
    held.facts.statements.iter().map(|statement| answered(held, statement)).collect()
}

fn answered(held: &Held<'_>, statement: &Statement) -> Answered {
    let reason = match &statement.says {
        Says::Located(country) => located(held, *country),
        Says::NotLocated(country) => located(held, *country).negated(),
        Says::Operator(group) => operated_by(held, group),
        Says::OperatorCountry(country) => operated_from(held, *country),
        Says::NotOperatorCountry(country) => operated_from(held, *country).negated(),
    };
    Answered {
        statement: statement.clone(),
        answer: reason.answer,
        why: reason.why,
        level: reason.level,
        records: sorted(reason.records),
    }
}

/// An answer to be, with what it rests on.
struct Reason {
    answer: Answer,
    why: String,
    level: Option<&'static str>,
    records: Vec<RecordSeq>,
}

impl Reason {
    fn cannot_tell(why: String) -> Self {
        Self { answer: Answer::CannotTell, why, level: None, records: Vec::new() }
    }

    /// The answer to the opposite statement.
    fn negated(self) -> Self {
        let answer = match self.answer {
            Answer::Supports => Answer::Contradicts,
            Answer::Contradicts => Answer::Supports,
            Answer::CannotTell => Answer::CannotTell,
        };
        Self { answer, ..self }
    }
}

fn located(held: &Held<'_>, country: Country) -> Reason {
    if let Some(found) = held.refuted.get(&country) {
        return refuted(country, found);
    }
    let place = place(held.facts);
    let (Place::In { country: located, by }, Some(location)) = (&place, held.location) else {
        return Reason::cannot_tell(undecided(&place));
    };
    if *by == PlacedBy::Override {
        return Reason::cannot_tell(format!(
            "the analyst's own correction alone says {located}: no answer to anybody's statement"
        ));
    }
    Reason {
        answer: if *located == country { Answer::Supports } else { Answer::Contradicts },
        why: format!("located in {located} {by}"),
        level: Some(location.level.code()),
        records: location.records.clone(),
    }
}

/// Refuted for every address; the weakest of the exclusions speaks for all.
fn refuted(country: Country, found: &[&CountryExclusion]) -> Reason {
    let speaking = found.iter().min_by_key(|e| e.exclusion.strength);
    let more = match found.len() {
        0 | 1 => String::new(),
        many => {
            format!(" (the weakest of {many} addresses, each of which {country} is refuted for)")
        }
    };
    Reason {
        answer: Answer::Contradicts,
        why: speaking.map_or_else(String::new, |e| sentence::exclusion(e)) + &more,
        level: Some("physics"),
        records: found.iter().flat_map(|e| e.records.iter().copied()).collect(),
    }
}

/// Why the location sources decide nothing.
fn undecided(place: &Place) -> String {
    match place {
        Place::Anycast => "the address is anycast: databases cannot say which of many machines \
                           answered"
            .to_owned(),
        Place::NotAsked => "databases were not asked about all of its addresses".to_owned(),
        Place::Disagreed(answers) => format!("databases disagree: {}", answers.join(", ")),
        Place::Several(countries) => {
            let countries: Vec<_> = countries.iter().map(Country::as_str).collect();
            format!("databases place its addresses in {}", countries.join(" and "))
        }
        Place::Unknown | Place::In { .. } => "no location database answers".to_owned(),
    }
}

fn operated_by(held: &Held<'_>, group: &str) -> Reason {
    operated(held, |operator| Some(operator.group.eq_ignore_ascii_case(group)))
}

fn operated_from(held: &Held<'_>, country: Country) -> Reason {
    operated(held, |operator| operator.headquarters.map(|seat| seat == country))
}

/// What the operators of all addresses say together. `fits` is `None` where it is not known of one.
fn operated(held: &Held<'_>, fits: impl Fn(&Operator) -> Option<bool>) -> Reason {
    let level = held.operator.filter(|operator| operator.level >= OperatorLevel::Curated);
    let (Some(level), Some(mut named)) = (level, operators(held.facts)) else {
        return Reason::cannot_tell("no curated list names who runs all of it".to_owned());
    };
    // The one that is founded least is described.
    named.sort_by_key(|operator| std::cmp::Reverse(operator.confidence));
    let why = named.first().map_or_else(String::new, |operator| describe(operator));
    let fitting: Option<Vec<bool>> = named.iter().map(|operator| fits(operator)).collect();
    let answer = match fitting {
        None => return Reason::cannot_tell(format!("{why}; where it is seated is not known")),
        Some(all) if all.iter().all(|fits| *fits) => Answer::Supports,
        Some(all) if all.iter().any(|fits| *fits) => {
            return Reason::cannot_tell(format!("run by several, among them: {why}"));
        }
        Some(_none) => Answer::Contradicts,
    };
    Reason { answer, why, level: Some(level.level.code()), records: level.records.clone() }
}

/// Who runs it, with how that is known.
pub(super) fn describe(operator: &Operator) -> String {
    let seat = operator
        .headquarters
        .map_or_else(String::new, |country| format!(", headquartered in {country}"));
    let possibly = if operator.confidence == Confidence::C { "possibly " } else { "" };
    format!(
        "{possibly}operated by {}{seat} (confidence {}, by {}: {})",
        operator.group,
        operator.confidence.as_str(),
        operator.matched,
        operator.basis
    )
}
