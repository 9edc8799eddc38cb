//! `landfall dest`: the destinations of a session, and what is known of each.

use super::flow::{filter, take_sort};
use super::review::{self, Desk, Standing};
use super::second_opinion::{Opinion, Other, WithOpinions};
use super::{dest_names, levels, lookup, session};
use crate::args::OutputArgs;
use crate::clock;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::cell::{bytes, count};
use crate::output::colour::Ink;
use crate::output::page::Page;
use crate::output::row::{Column, Kind, Row};
use evidence::shape::DestinationShape;
use flow::address::Host;
use flow::assessment::Assessment;
use flow::physics::RoundTrip;
use geoip::SetChoice;
use recorder::read::{
    AddressSeen, DestinationColumn, DestinationKey, DestinationQuery, DestinationRow, GroupBy,
    LeastTimes,
};
use std::time::{Duration, SystemTime};

/// The destinations of the flows that match.
pub(crate) fn list(
    context: &Context,
    by: GroupBy,
    words: &[String],
    output: OutputArgs,
) -> Result<Exit, Error> {
    let mut output = context.output(output);
    let mut query = DestinationQuery {
        by,
        ..DestinationQuery::all(filter(words)?, clock::wall(SystemTime::now()))
    };
    if let Some((column, order)) = take_sort(&mut output, |key| column(by, key)) {
        query.sort = vec![(column, order)];
    }
    let session = context.session(None)?;
    let desk = Desk::or_without(context, &session)?;
    let mut rows = output.rows::<DestinationShape<'_>>()?;
    for row in desk.destinations(query)? {
        if !rows.push(&DestinationShape::from(&row))? {
            break;
        }
    }
    if rows.finish()? == 0 && output.limit != Some(0) {
        let name = session.directory().name();
        let (text, hint) = match words {
            [] => {
                (format!("the session {name} holds no destination"), "pick another session with -S")
            }
            _ => (
                format!("no destination of the session {name} matches"),
                "leave the filter out to list all, or pick another session with -S",
            ),
        };
        context.nothing(&text, hint);
    }
    Ok(Exit::Ok)
}

/// One destination, by its host's name or an address; with what another set of databases says.
pub(crate) fn show(
    context: &Context,
    name: &str,
    also_with: Option<SetChoice>,
    output: OutputArgs,
) -> Result<Exit, Error> {
    let host: Host = name.parse().map_err(|error: flow::address::HostError| {
        Error::usage("this is no host name and no address")
            .at(name)
            .because(&error)
            .hint("`landfall dest list` shows what there is")
    })?;
    let session = context.session(None)?;
    let now = clock::wall(SystemTime::now());
    let desk = Desk::or_without(context, &session)?;
    let by_name = filter(&[format!("host:\"{host}\"")])?;
    let mut found = desk.destinations(DestinationQuery::all(by_name, now))?;
    if let (true, Host::Ip(address)) = (found.is_empty(), &host) {
        let query = DestinationQuery::all(filter(&[format!("address:{address}")])?, now);
        found = desk.destinations(DestinationQuery { by: GroupBy::Address, ..query })?;
    }
    let Some(row) = found.into_iter().next() else {
        return Err(Error::runtime("the session has no such destination")
            .at(name)
            .hint("`landfall dest list` shows what there is"));
    };
    let assessment = desk.assess(&row, &context.settings.statements)?;
    let history = match &row.key {
        DestinationKey::Host(Some(Host::Name(name))) => session.name_history(name)?,
        _ => None,
    };
    let times = match &row.key {
        DestinationKey::Host(Some(host)) => session.least_times(host)?,
        _ => Vec::new(),
    };
    let shape = DestinationShape::assessed(&row, assessment.as_ref())
        .with_history(history.as_ref())
        .with_times(&times);
    let standing = desk.standing(&row)?;
    let policies = desk.in_effect();
    let stored = Opinion::all_stored(&desk.reviews, &row, policies);
    let also = match also_with {
        Some(set) => Some(Other::open(&context.settings.geoip, set, policies)?.ask(&row)),
        None => None,
    };
    let shape = WithOpinions::new(shape, &row, &stored, also.as_ref());
    context.output(output).one(&shape, |page| {
        fill(page, &row, assessment.as_ref(), &desk, &standing);
        if let Some(history) = &history {
            dest_names::fill(page, history);
        }
        for seen in &row.addresses {
            address(page, seen, &times);
        }
        stored.iter().chain(&also).for_each(|opinion| opinion.fill(page));
    })?;
    Ok(Exit::Ok)
}

fn fill(
    page: &mut Page,
    row: &DestinationRow,
    assessment: Option<&Assessment>,
    desk: &Desk<'_>,
    standing: &Standing<'_>,
) {
    page.section(&format!("Destination {}", row.key));
    for alias in &row.cnames {
        page.line("alias", alias);
    }
    page.line("first seen", session::time(row.first_seen));
    page.line("last seen", session::time(row.last_seen));
    page.line("flows", format_args!("{} on {}", row.flows, count(row.connections, "connection")));
    page.line("sent", bytes(row.bytes_up));
    page.line("received", bytes(row.bytes_down));
    for (treatment, count) in &row.treatments {
        page.inked_line(treatment.word(), count, Ink::of_word(treatment.word()));
    }
    review::page::flags(page, row, desk.reviews.newest_policy());
    if let Some((_record, given)) = standing.verdict {
        let (word, by) = (given.verdict.0.word(), &given.reviewer);
        let state = standing.state.word();
        page.line("verdict", format_args!("{word}, by {by} ({state}): {}", given.reason));
    }
    if row.simulated {
        page.inked_line(
            "simulated",
            "names, addresses or times of this session are: no finding on real traffic",
            Ink::Notice,
        );
    }
    match assessment {
        Some(assessment) => levels::assessment(page, assessment),
        None => levels::fill(page, row),
    }
}

fn address(page: &mut Page, seen: &AddressSeen, times: &[LeastTimes]) {
    match seen.annotation.as_deref() {
        Some(annotation) => lookup::facts(page, annotation),
        None => page.section(&format!("Address {}", seen.address)),
    }
    page.line(
        "seen",
        format_args!(
            "{} to {}, {}",
            session::time(seen.first_seen),
            session::time(seen.last_seen),
            count(seen.connections, "connection")
        ),
    );
    if !seen.looked_up {
        page.line("look-up", "no answer of this session holds the address");
    }
    for times in times.iter().filter(|times| times.address == seen.address) {
        let told = |what: &str, time: Option<Duration>| {
            time.map(|time| format!(", {what} {}", RoundTrip(time))).unwrap_or_default()
        };
        let connect = told("connected in", times.connect);
        let kernel = told("TCP", times.kernel);
        let (signature, of) = (RoundTrip(times.signature), count(times.samples, "handshake"));
        page.line("least times", format_args!("{signature} to a signature{connect}{kernel}; {of}"));
    }
    if let Some(annotation) = seen.annotation.as_deref() {
        lookup::claims(page, annotation);
    }
}

/// The index's column of a key. What the rows are grouped by has the key of its own name.
fn column(by: GroupBy, key: &str) -> Option<DestinationColumn> {
    if key == "group" || key == by.word() {
        return Some(DestinationColumn::Key);
    }
    DestinationColumn::ALL
        .into_iter()
        .find(|column| *column != DestinationColumn::Key && column.word() == key)
}

impl Row for DestinationShape<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("group", "group", Kind::Text).room(24),
        Column::shown("host", "host", Kind::Text).room(24),
        Column::hidden("hosts", Kind::Text),
        Column::shown("country", "country", Kind::Country),
        Column::shown("countries", "sources", Kind::Sources).spare(1).room(18),
        Column::shown("operator", "operator", Kind::Text).room(12),
        Column::shown("operator_country", "seat", Kind::Text).spare(3),
        Column::hidden("operators", Kind::Text),
        Column::hidden("asn", Kind::Number),
        Column::hidden("asns", Kind::Text),
        Column::hidden("as_name", Kind::Text),
        Column::hidden("registered_country", Kind::Text),
        Column::hidden("as_registered_country", Kind::Text),
        Column::shown("anycast", "anycast", Kind::Mark).spare(2),
        Column::shown("contact", "C", Kind::Text),
        Column::shown("operator_level", "O", Kind::Text),
        Column::shown("location_level", "G", Kind::Text),
        Column::shown("content_level", "P", Kind::Text),
        Column::shown("flags", "flags", Kind::Flags),
        Column::hidden("flag_reasons", Kind::Text),
        Column::shown("severity", "severity", Kind::Text).spare(6),
        Column::shown("flags_now", "flags now", Kind::Flags).spare(7),
        Column::shown("verdict", "verdict", Kind::Word).spare(1),
        Column::hidden("reviewer", Kind::Text),
        Column::hidden("reviewed_at", Kind::Time),
        Column::shown("flows", "flows", Kind::Number).spare(2),
        Column::hidden("connections", Kind::Number),
        Column::shown("bytes_up", "sent", Kind::Bytes).spare(4),
        Column::shown("bytes_down", "received", Kind::Bytes).spare(5),
        Column::hidden("treatment", Kind::Text),
        Column::hidden("first_seen", Kind::Time),
        Column::hidden("last_seen", Kind::Time),
        Column::hidden("addresses", Kind::Text),
        Column::hidden("cnames", Kind::Text),
        Column::hidden("dialled_without_lookup", Kind::Text),
        Column::hidden("simulated", Kind::Text),
        Column::hidden("assessment", Kind::Text),
        Column::hidden("name_history", Kind::Text),
        Column::hidden("round_trips", Kind::Text),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sort_column_of_the_index_is_a_key_of_the_rows() {
        for column in DestinationColumn::ALL {
            let key = match column.word() {
                "key" => "group",
                key => key,
            };
            assert!(DestinationShape::COLUMNS.iter().any(|column| column.key == key), "{key}");
            assert!(super::column(GroupBy::Host, key).is_some());
        }
    }
}
