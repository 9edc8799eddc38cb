//! The evidence levels in words, and what all that is known of a destination adds up to, sentence by
//! sentence with the records that each rests on.

use crate::output::colour::Ink;
use crate::output::page::Page;
use flow::assessment::Assessment;
use flow::id::RecordSeq;
use geoip::assess::{About, Sentence, contact, content, location, operator, sentences};
use recorder::read::DestinationRow;

/// The four axes of a destination, each with its own level.
pub(super) fn fill(page: &mut Page, row: &DestinationRow) {
    page.section("Evidence levels");
    page.line("contact", format_args!("{} {}", row.contact.code(), contact(row.contact)));
    page.line(
        "operator",
        match row.operator_level {
            Some(level) => format!("{} {}", level.code(), operator(level)),
            None => NOTHING.to_owned(),
        },
    );
    page.line(
        "location",
        match row.location_level {
            Some(level) => format!("{} {}", level.code(), location(level)),
            None => NOTHING.to_owned(),
        },
    );
    page.line(
        "content",
        format_args!("{} {}", row.content_level.code(), content(row.content_level)),
    );
}

/// The whole assessment.
pub(super) fn assessment(page: &mut Page, assessment: &Assessment) {
    let mut section = None;
    for sentence in sentences(assessment) {
        let title = title(sentence.about);
        if section != Some(title) {
            page.section(title);
            section = Some(title);
        }
        page.inked_line(sentence.about.word(), cited(&sentence), ink(sentence.about));
    }
    page.line("assessed by", assessment.version);
}

fn title(about: About) -> &'static str {
    match about {
        About::Contact | About::Operator | About::Location | About::Content => "Evidence levels",
        About::Verdict | About::Exclusion | About::Decision | About::Statement | About::Caveat => {
            "Assessment"
        }
    }
}

fn ink(about: About) -> Ink {
    match about {
        About::Verdict | About::Statement => Ink::Notice,
        _ => Ink::Plain,
    }
}

/// The sentence, with the records in brackets.
fn cited(sentence: &Sentence) -> String {
    let records: Vec<String> =
        sentence.records.iter().take(MOST_CITED).map(RecordSeq::to_string).collect();
    let more = sentence.records.len().saturating_sub(MOST_CITED);
    match (records.is_empty(), more) {
        (true, _) => sentence.text.clone(),
        (false, 0) => format!("{} [{}]", sentence.text, records.join(" ")),
        (false, more) => format!("{} [{} and {more} more]", sentence.text, records.join(" ")),
    }
}

const NOTHING: &str = "nothing is known";
const MOST_CITED: usize = 6;
