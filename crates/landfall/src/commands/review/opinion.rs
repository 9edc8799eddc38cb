//! `landfall review opinion`: what other databases say of the session's addresses, stored beside what the
//! session's own said. The record log is not touched, and a verdict is nobody's but a person's.

use super::super::second_opinion::{Difference, Opinion, Other};
use super::desk::{self, Desk, query};
use super::reviewer::reviewer;
use super::writing::writer;
use super::{OutputArgs, filter};
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::row::{Column, Kind, Row};
use flow::address::Host;
use geoip::SetChoice;
use recorder::read::DestinationRow;
use recorder::record::opinion::{OpinionShape, ReviewOpinion};
use recorder::record::review::ReviewBody;
use recorder::record::sealed::Sealed;
use recorder::record::session::SourceShape;
use recorder::review::Reviews;
use serde::Serialize;

/// Asks, records, and lists what differs.
pub(super) fn run(
    context: &Context,
    words: &[String],
    set: SetChoice,
    named: Option<String>,
    output: OutputArgs,
) -> Result<Exit, Error> {
    let output = context.output(output);
    let mut rows = output.rows::<DifferenceRow<'_>>()?;
    let reviewer = reviewer(context, named)?;
    let session = context.session(None)?;
    let mut writer = writer(context, &session)?;
    let desk = Desk::with(&session, writer.reviews()?)?;
    let other = Other::open(&context.settings.geoip, set, desk.in_effect())?;
    let databases = other.sources();
    if same(&databases, &session.databases()?) {
        rows.finish()?;
        context.say("these are the databases that the session itself asked; nothing is recorded");
        return Ok(Exit::Ok);
    }
    let mut asked = Vec::new();
    for row in desk.destinations(query(filter(words)?))? {
        let Some(host) = desk::host(&row) else { continue };
        let opinion = other.ask(&row);
        for difference in &opinion.differences {
            rows.push(&DifferenceRow::new(host, difference))?;
        }
        asked.extend(unstored(&desk.reviews, &databases, host, &row, &opinion));
    }
    rows.finish()?;
    let total = asked.len();
    if total == 0 {
        context.say("nothing of this is new; nothing is recorded");
        return Ok(Exit::Ok);
    }
    let mut records = Vec::new();
    for addresses in asked.chunks(ReviewOpinion::LISTED) {
        let record = writer.append(ReviewBody::Opinion(ReviewOpinion {
            addresses: addresses.to_vec(),
            databases: databases.clone(),
            reviewer: Sealed::Open(reviewer.clone()),
            set: other.set(),
        }))?;
        records.push(record.seq);
    }
    let addresses = if total == 1 { "1 address".to_owned() } else { format!("{total} addresses") };
    let records = match records[..] {
        [first, .., last] => format!("review records {first} to {last}"),
        [one] => format!("review record {one}"),
        [] => String::new(),
    };
    context.say(&format!("the databases of set {} on {addresses}: {records}", other.set()));
    Ok(Exit::Ok)
}

/// Whether both are the same files; notices and order aside.
fn same(databases: &[SourceShape], others: &[SourceShape]) -> bool {
    let files = |all: &[SourceShape]| {
        let mut files: Vec<_> =
            all.iter().map(|one| (one.name.clone(), one.sha256.clone())).collect();
        files.sort();
        files
    };
    files(databases) == files(others)
}

/// What the log does not have yet: the same files, asked again about the same address by the same names,
/// have nothing to add. An address that the session's own databases were not asked about has to wait.
fn unstored(
    reviews: &Reviews,
    databases: &[SourceShape],
    host: &Host,
    row: &DestinationRow,
    opinion: &Opinion,
) -> Vec<OpinionShape> {
    let stored: Vec<_> =
        reviews.opinions(host).filter(|stored| same(&stored.given.databases, databases)).collect();
    let numbers = row.addresses.iter().filter_map(|seen| Some((seen.address, seen.assessment?)));
    let mut found = Vec::new();
    for (address, number) in numbers {
        let about = opinion.answers.iter().find(|answer| answer.annotation.address == address);
        let Some(answer) = about else { continue };
        let known = stored
            .iter()
            .flat_map(|stored| &stored.addresses)
            .any(|stored| stored.annotation.address == address && stored.names == answer.names);
        if !known {
            found.push(OpinionShape::new(host, number, &answer.names, &answer.annotation));
        }
    }
    found
}

/// In what the other databases differ from the session's.
#[derive(Serialize)]
struct DifferenceRow<'a> {
    schema: u32,
    host: String,
    address: &'a str,
    what: &'static str,
    recorded: &'a str,
    also: &'a str,
}

impl<'a> DifferenceRow<'a> {
    fn new(host: &Host, difference: &'a Difference) -> Self {
        Self {
            schema: evidence::shape::SCHEMA,
            host: host.to_string(),
            address: &difference.address,
            what: difference.what,
            recorded: &difference.recorded,
            also: &difference.also,
        }
    }
}

impl Row for DifferenceRow<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("host", "host", Kind::Text).room(24),
        Column::shown("address", "address", Kind::Text),
        Column::shown("what", "what", Kind::Text),
        Column::shown("recorded", "recorded", Kind::Text),
        Column::shown("also", "the others", Kind::Text),
    ];
}
