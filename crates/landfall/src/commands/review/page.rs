//! One destination's review for people: where it stands, what is new, and everything that was said.

use super::super::session;
use super::desk::{Desk, Standing};
use crate::output::colour::Ink;
use crate::output::page::Page;
use evidence::shape::ReviewState;
use flow::address::Host;
use flow::annotation::Flag;
use recorder::read::DestinationRow;
use recorder::record::review::{ReviewBody, ReviewRecord};

pub(super) fn fill(
    page: &mut Page,
    desk: &Desk<'_>,
    host: &Host,
    row: &DestinationRow,
    standing: &Standing<'_>,
) {
    page.section(&format!("Review of {host}"));
    let ink = match standing.state {
        ReviewState::Reviewed => Ink::Good,
        ReviewState::Unreviewed | ReviewState::Reopened => Ink::Notice,
    };
    page.inked_line("state", standing.state.word(), ink);
    if let Some((record, given)) = standing.verdict {
        page.line("verdict", given.verdict.0.word());
        page.line("reviewer", &given.reviewer);
        page.line("time", session::time(record.at.wall));
        page.line("reason", &given.reason);
    }
    for sentence in &standing.difference.new {
        page.inked_line("new", format_args!("{}: {}", sentence.about, sentence.text), Ink::Notice);
    }
    for sentence in &standing.difference.gone {
        page.inked_line("gone", format_args!("{}: {}", sentence.about, sentence.text), Ink::Notice);
    }
    flags(page, row, desk.reviews.newest_policy());
    let mut history = desk.reviews.of_destination(host).peekable();
    if history.peek().is_some() {
        page.section("History");
    }
    for record in history {
        said(page, record);
    }
}

/// The flags at capture, and beside them those by later policies.
pub(in crate::commands) fn flags(page: &mut Page, row: &DestinationRow, by: Option<&ReviewRecord>) {
    let reasons = |page: &mut Page, flags: &[Flag]| {
        for flag in flags {
            for reason in &flag.reasons {
                page.inked_line(&flag.policy, reason, Ink::of_severity(flag.severity));
            }
        }
    };
    let (Some(now), Some(by)) = (&row.flags_now, by) else { return reasons(page, &row.flags) };
    page.line("flagged at capture", names(&row.flags));
    let (seq, at) = (by.seq, session::time(by.at.wall));
    page.line("flagged now by", format_args!("{} (review record {seq}, {at})", names(now)));
    reasons(page, now);
}

fn names(flags: &[Flag]) -> String {
    let names: Vec<&str> = flags.iter().map(|flag| flag.policy.as_str()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn said(page: &mut Page, record: &ReviewRecord) {
    let label = format!("record {}", record.seq);
    let at = session::time(record.at.wall);
    match &record.body {
        ReviewBody::Verdict(given) => {
            let word = given.verdict.0.word();
            page.line(&label, format_args!("{at}, {}: {word}: {}", given.reviewer, given.reason));
        }
        ReviewBody::Note(note) => {
            page.line(&label, format_args!("{at}, {}: note: {}", note.reviewer, note.text));
        }
        ReviewBody::Opinion(given) => {
            let set = given.set.get(..12).unwrap_or(&given.set);
            let text = format!("{at}, {}: opinion of the databases of set {set}", given.reviewer);
            page.line(&label, text);
        }
        ReviewBody::Open(_) | ReviewBody::Key(_) | ReviewBody::Policy(_) | ReviewBody::Probe(_) => {
        }
    }
}
