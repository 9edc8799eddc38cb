//! Answers to statements under test: *supports*, *contradicts* or *cannot tell*, never further than
//! the level that is held.

use super::facts::Facts;
use super::level::sorted;
use super::round_trip::refutes;
use super::sentence;
use super::words::{Place, place};
use flow::assessment::{
    Answer, Answered, CountryExclusion, LocationLevel, OperatorLevel, Says, Statement, Supported,
};
use flow::claim::{Confidence, Country, Operator};
use flow::id::RecordSeq;
use std::collections::BTreeSet;

/// What the other axes came to; answers rest on them.
pub(super) struct Held<'a> {
    pub(super) facts: &'a Facts,
    pub(super) operator: Option<&'a Supported<OperatorLevel>>,
    pub(super) location: Option<&'a Supported<LocationLevel>>,
    pub(super) exclusions: &'a [CountryExclusion],
    /// The countries that are refuted for every address.
    pub(super) refuted: &'a BTreeSet<Country>,
}

/// Each statement with its answer, in the order in which they were made.
pub(super) fn answers(held: &Held<'_>) -> Vec<Answered> {
    held.facts.statements.iter().map(|statement| answered(held, statement)).collect()
}

fn answered(held: &Held<'_>, statement: &Statement) -> Answered {
    let reason = match &statement.says {
        Says::Located(country) => located(held, *country),
        Says::NotLocated(country) => located(held, *country).negated(),
        Says::Operator(group) => {
            operated(held, |operator| operator.group.eq_ignore_ascii_case(group), group)
        }
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
    if held.refuted.contains(&country)
        && let Some(refuting) = strongest(held.exclusions, country)
    {
        return Reason {
            answer: Answer::Contradicts,
            why: sentence::physics(refuting),
            level: Some("physics"),
            records: refuting.records.clone(),
        };
    }
    let Some(location) = held.location else {
        return Reason::cannot_tell("no source says where the machine is".to_owned());
    };
    let decided = |answer, why| Reason {
        answer,
        why,
        level: Some(location.level.code()),
        records: location.records.clone(),
    };
    match place(held.facts) {
        Place::Anycast => Reason::cannot_tell(
            "the address is anycast: databases cannot say which of many machines answered"
                .to_owned(),
        ),
        Place::Unknown => Reason::cannot_tell("no location database answers".to_owned()),
        Place::Disagreed(answers) => {
            Reason::cannot_tell(format!("databases disagree: {}", answers.join(", ")))
        }
        Place::Several(countries) => {
            let countries: Vec<_> = countries.iter().map(Country::as_str).collect();
            Reason::cannot_tell(format!("its addresses are placed in {}", countries.join(" and ")))
        }
        Place::In { country: held, by } => {
            let answer = if held == country { Answer::Supports } else { Answer::Contradicts };
            decided(answer, format!("located in {held} {by}"))
        }
    }
}

/// The exclusion of the country that argues best.
fn strongest(exclusions: &[CountryExclusion], country: Country) -> Option<&CountryExclusion> {
    exclusions
        .iter()
        .filter(|e| e.exclusion.country == country && refutes(e))
        .max_by_key(|e| e.exclusion.strength)
}

fn operated_from(held: &Held<'_>, country: Country) -> Reason {
    operated(held, |operator| operator.headquarters == Some(country), country.as_str())
}

fn operated(held: &Held<'_>, fits: impl Fn(&Operator) -> bool, asked: &str) -> Reason {
    let Some(level) = held.operator.filter(|o| o.level >= OperatorLevel::Curated) else {
        return Reason::cannot_tell("no curated list names who runs it".to_owned());
    };
    let mut named: Vec<&Operator> =
        held.facts.addresses.iter().filter_map(|a| a.annotation.operator.as_ref()).collect();
    named.dedup();
    let Some(first) = named.first() else {
        return Reason::cannot_tell("no curated list names who runs it".to_owned());
    };
    let why = describe(first);
    let fitting = named.iter().filter(|operator| fits(operator)).count();
    if fitting != 0 && fitting != named.len() {
        return Reason::cannot_tell(format!(
            "its addresses are run by several: {why}, among others"
        ));
    }
    if fitting == 0 && first.headquarters.is_none() {
        return Reason::cannot_tell(format!("{why}; nothing is known of {asked}"));
    }
    let answer = if fitting > 0 { Answer::Supports } else { Answer::Contradicts };
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
