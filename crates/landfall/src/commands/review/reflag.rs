//! `landfall review reflag`: the policies of today over a session that was recorded under others.

use super::desk::{self, Desk, query};
use super::reviewer::reviewer;
use super::writing::writer;
use crate::args::OutputArgs;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::row::{Column, Kind, Row};
use flow::annotation::Flag;
use flow::filter::Filter;
use recorder::read::{DestinationQuery, DestinationRow, Reviewed};
use recorder::record::flag::FlagShape;
use recorder::record::review::{Change, PolicyShape, ReviewBody, ReviewPolicy};
use recorder::record::sealed::Sealed;
use recorder::record::value::{Count, Spelled};
use serde::Serialize;
use std::sync::Arc;

/// Evaluates, records, and lists what changed.
pub(super) fn run(
    context: &Context,
    named: Option<String>,
    output: OutputArgs,
) -> Result<Exit, Error> {
    let output = context.output(output);
    let mut rows = output.rows::<ChangeRow>()?;
    let reviewer = reviewer(context, named)?;
    let session = context.session(None)?;
    let mut writer = writer(context, &session)?;
    let desk = Desk::with(&session, writer.reviews()?)?;
    let policies = &context.settings.geoip.policies;
    if desk.in_effect() == policies {
        context.say("the session is flagged by these policies already; nothing is recorded");
        rows.finish()?;
        return Ok(Exit::Ok);
    }
    let before = desk.destinations(query(Filter::All))?;
    let reviewed = Reviewed { policies: Some(policies.clone()), ..Reviewed::default() };
    let by_new = DestinationQuery { reviewed: Arc::new(reviewed), ..query(Filter::All) };
    let after = session.destinations(&by_new)?;
    let mut changes: Vec<Change> =
        before.iter().zip(&after).filter_map(|(before, after)| change(before, after)).collect();
    for change in &changes {
        if !rows.push(&ChangeRow::new(change))? {
            break;
        }
    }
    let changed = changes.len();
    changes.truncate(ReviewPolicy::LISTED);
    let record = writer.append(ReviewBody::Policy(ReviewPolicy {
        changed: Count(changed as u64),
        changes,
        policies: policies.iter().map(PolicyShape::from).collect(),
        reviewer: Sealed::Open(reviewer),
    }))?;
    rows.finish()?;
    let (all, seq) = (after.len(), record.seq);
    context.say(&format!("{changed} of {all} destinations have other flags, review record {seq}"));
    Ok(Exit::Ok)
}

/// What became of a destination's flags; `None` when nothing did.
fn change(before: &DestinationRow, after: &DestinationRow) -> Option<Change> {
    // A session that is being recorded may have got new ones in between; the next one takes them in.
    let host = desk::host(after).filter(|host| desk::host(before) == Some(host))?;
    let then = before.flags_now.as_deref().unwrap_or(&before.flags);
    let now = after.flags_now.as_deref().unwrap_or_default();
    let missing = |of: &[Flag], among: &[Flag]| -> Vec<FlagShape> {
        of.iter().filter(|flag| !among.contains(flag)).map(FlagShape::from).collect()
    };
    let (gained, lost) = (missing(now, then), missing(then, now));
    let destination = Spelled(host.clone());
    (!gained.is_empty() || !lost.is_empty()).then_some(Change { destination, gained, lost })
}

/// A destination whose flags changed.
#[derive(Serialize)]
struct ChangeRow {
    schema: u32,
    host: String,
    gained: Vec<String>,
    lost: Vec<String>,
}

impl ChangeRow {
    fn new(change: &Change) -> Self {
        let names = |flags: &[FlagShape]| flags.iter().map(|flag| flag.policy.clone()).collect();
        Self {
            schema: evidence::shape::SCHEMA,
            host: change.destination.0.to_string(),
            gained: names(&change.gained),
            lost: names(&change.lost),
        }
    }
}

impl Row for ChangeRow {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("host", "host", Kind::Text),
        Column::shown("gained", "gained", Kind::Flags),
        Column::shown("lost", "lost", Kind::Flags),
    ];
}
