//! `landfall review`: what people make of the destinations that were flagged. It appends to the
//! session's review log; the record log is only read.

mod desk;
mod opinion;
pub(super) mod page;
mod reflag;
mod reviewer;
mod writing;

pub(super) use desk::{Desk, Standing};
pub(super) use reviewer::reviewer;
pub(super) use writing::writer;

use super::flow::filter;
use crate::args::{OutputArgs, ReviewVerb};
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::row::{Column, Kind, Row};
use desk::query;
use evidence::shape::ReviewShape;
use flow::address::Host;
use flow::verdict::Verdict;
use recorder::read::DestinationRow;
use recorder::record::review::{ReviewBody, ReviewNote, ReviewVerdict};
use recorder::record::sealed::Sealed;
use recorder::record::value::Spelled;
use reviewer::text;
use std::collections::BTreeSet;

pub(super) fn run(context: &Context, verb: ReviewVerb) -> Result<Exit, Error> {
    match verb {
        ReviewVerb::List { filter, output } => list(context, &filter, output),
        ReviewVerb::Show { name, output } => show(context, &name, output),
        ReviewVerb::Set { name, verdict, reason, reviewer } => {
            set(context, &name, verdict.into(), &reason, reviewer)
        }
        ReviewVerb::Note { name, text, reviewer } => note(context, &name, &text, reviewer),
        ReviewVerb::Reflag { reviewer, output } => reflag::run(context, reviewer, output),
        ReviewVerb::Opinion { filter, with, reviewer, output } => {
            opinion::run(context, &filter, with, reviewer, output)
        }
    }
}

fn list(context: &Context, words: &[String], output: OutputArgs) -> Result<Exit, Error> {
    let output = context.output(output);
    let session = context.session(None)?;
    let desk = Desk::open(&session)?;
    let judged: BTreeSet<&Host> = desk.reviews.judged().collect();
    let mut rows = output.rows::<ReviewShape<'_>>()?;
    for row in desk.destinations(query(filter(words)?))? {
        let Some(host) = desk::host(&row) else { continue };
        let flagged =
            !row.flags.is_empty() || row.flags_now.as_ref().is_some_and(|f| !f.is_empty());
        if !flagged && !judged.contains(host) {
            continue;
        }
        let Standing { state, verdict, difference } = desk.standing(&row)?;
        if !rows.push(&ReviewShape::new(&row, host, state, verdict, &difference))? {
            break;
        }
    }
    if rows.finish()? == 0 && output.limit != Some(0) {
        let name = session.directory().name();
        context.nothing(
            &format!("nothing of the session {name} is to be reviewed"),
            "`landfall dest list` shows all destinations; [[flag]] in landfall.toml says what is flagged",
        );
    }
    Ok(Exit::Ok)
}

fn show(context: &Context, name: &str, output: OutputArgs) -> Result<Exit, Error> {
    let session = context.session(None)?;
    let desk = Desk::open(&session)?;
    let (host, row) = find(&desk, name)?;
    let standing = desk.standing(&row)?;
    let Standing { state, verdict, difference } = &standing;
    let shape = ReviewShape::new(&row, &host, *state, *verdict, difference)
        .with_history(desk.reviews.of_destination(&host));
    context.output(output).one(&shape, |page| page::fill(page, &desk, &host, &row, &standing))?;
    Ok(Exit::Ok)
}

fn set(
    context: &Context,
    name: &str,
    verdict: Verdict,
    reason: &str,
    named: Option<String>,
) -> Result<Exit, Error> {
    context.no_rows()?;
    let reason = text("--reason", reason, LONGEST_TEXT_BYTES)?;
    let reviewer = reviewer(context, named)?;
    let session = context.session(None)?;
    let mut writer = writer(context, &session)?;
    let desk = Desk::with(&session, writer.reviews()?)?;
    let (host, row) = find(&desk, name)?;
    let Some(seen) = desk.seen(&row)? else { return Err(no_host(name)) };
    let record = writer.append(ReviewBody::Verdict(ReviewVerdict {
        assessment: seen.shape(),
        destination: Spelled(host.clone()),
        reason: Sealed::Open(reason),
        reviewer: Sealed::Open(reviewer.clone()),
        verdict: Spelled(verdict),
    }))?;
    context.say(&format!("{host}: {} by {reviewer}, review record {}", verdict.word(), record.seq));
    Ok(Exit::Ok)
}

fn note(
    context: &Context,
    name: &str,
    written: &str,
    named: Option<String>,
) -> Result<Exit, Error> {
    context.no_rows()?;
    let text = text("--text", written, LONGEST_TEXT_BYTES)?;
    let reviewer = reviewer(context, named)?;
    let session = context.session(None)?;
    let mut writer = writer(context, &session)?;
    let desk = Desk::with(&session, writer.reviews()?)?;
    let (host, _row) = find(&desk, name)?;
    let destination = Some(Spelled(host.clone()));
    let body = ReviewBody::Note(ReviewNote {
        destination,
        reviewer: Sealed::Open(reviewer),
        text: Sealed::Open(text),
    });
    let record = writer.append(body)?;
    context.say(&format!("{host}: noted, review record {}", record.seq));
    Ok(Exit::Ok)
}

/// The destination of this name, which must be a host that was asked for.
fn find(desk: &Desk<'_>, name: &str) -> Result<(Host, DestinationRow), Error> {
    let host: Host = name.parse().map_err(|error: flow::address::HostError| {
        Error::usage("this is no host name and no address")
            .at(name)
            .because(&error)
            .hint("`landfall review list` shows what there is")
    })?;
    let found = desk.destinations(query(filter(&[format!("host:\"{host}\"")])?))?;
    match found.into_iter().next() {
        Some(row) => Ok((host, row)),
        None => Err(no_host(name)),
    }
}

fn no_host(name: &str) -> Error {
    Error::runtime("no host of the session is called so")
        .at(name)
        .hint("`landfall review list` shows what is flagged, `landfall dest list` what there is")
}

impl Row for ReviewShape<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("host", "host", Kind::Text).room(24),
        Column::shown("state", "state", Kind::Word),
        Column::shown("verdict", "verdict", Kind::Word),
        Column::shown("flags", "flags", Kind::Flags),
        Column::shown("flags_now", "flags now", Kind::Flags),
        Column::shown("severity", "severity", Kind::Text).spare(3),
        Column::hidden("flag_reasons", Kind::Text),
        Column::shown("contact", "C", Kind::Text),
        Column::shown("operator_level", "O", Kind::Text),
        Column::shown("location_level", "G", Kind::Text),
        Column::shown("content_level", "P", Kind::Text),
        Column::shown("reviewer", "reviewer", Kind::Text).spare(1),
        Column::shown("reviewed_at", "time", Kind::Time).spare(2),
        Column::hidden("reason", Kind::Text),
        Column::hidden("new", Kind::Text),
        Column::hidden("gone", Kind::Text),
        Column::hidden("history", Kind::Text),
        Column::hidden("simulated", Kind::Text),
    ];
}

/// Of a reason or a note.
const LONGEST_TEXT_BYTES: usize = 16 << 10;
