//! `landfall flow list` and `flow show`, whose page is in [`super::flow_page`].

use super::flow_page;
use super::review::Desk;
use crate::args::OutputArgs;
use crate::clock;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::row::{Column, Kind, Row};
use crate::output::{Output, Sort};
use evidence::shape::{FlowDetailShape, FlowShape};
use flow::filter::{self, Filter};
use flow::id::FlowId;
use recorder::read::{DestinationQuery, FlowColumn, FlowQuery, Order};
use std::ops::ControlFlow;
use std::time::SystemTime;

/// The flows that match, one by one.
pub(crate) fn list(context: &Context, words: &[String], output: OutputArgs) -> Result<Exit, Error> {
    let mut output = context.output(output);
    let mut query = FlowQuery::all(filter(words)?, clock::wall(SystemTime::now()));
    if let Some((column, order)) = take_sort(&mut output, column) {
        query.sort = vec![(column, order)];
    }
    if output.sort.is_none() {
        query.limit = output.limit.map(|limit| limit as u64);
    }
    let session = context.session(None)?;
    query.reviewed = Desk::or_without(context, &session)?.reviewed();
    let mut rows = output.rows::<FlowShape<'_>>()?;
    let mut failed = None;
    session.for_each_flow(&query, |row| match rows.push(&FlowShape::from(&row)) {
        Ok(true) => ControlFlow::Continue(()),
        Ok(false) => ControlFlow::Break(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if rows.finish()? == 0 && query.limit != Some(0) {
        let name = session.directory().name();
        match words {
            [] => context.nothing(
                &format!("the session {name} holds no flow"),
                "use an app on a device whose proxy is Landfall, and see that `landfall run` shows lines",
            ),
            _ => context.nothing(
                &format!("no flow of the session {name} matches"),
                "leave the filter out to list all, or pick another session with -S",
            ),
        }
    }
    Ok(Exit::Ok)
}

/// Everything that was recorded of one flow.
pub(crate) fn show(context: &Context, id: FlowId, output: OutputArgs) -> Result<Exit, Error> {
    let session = context.session(None)?;
    let detail = session.flow(id)?;
    // The levels of this flow alone: its destination, with nothing else counted.
    let alone = Filter::Term(filter::Term::Id(vec![id]));
    let now = clock::wall(SystemTime::now());
    let levels = session.destinations(&DestinationQuery::all(alone, now))?.pop();
    let shape = FlowDetailShape::new(&detail);
    context.output(output).one(&shape, |page| flow_page::fill(page, &detail, levels.as_ref()))?;
    Ok(Exit::Ok)
}

/// The words of the command line as one filter.
pub(super) fn filter(words: &[String]) -> Result<Filter, Error> {
    let text = words.join(" ");
    filter::parse(&text).map_err(|error| Error::filter(&text, &error))
}

/// Takes the sort key away from the output where the index can sort by it.
pub(super) fn take_sort<C>(
    output: &mut Output,
    column: impl Fn(&str) -> Option<C>,
) -> Option<(C, Order)> {
    let Sort { key, descending } = output.sort.as_ref()?;
    let column = column(key)?;
    let order = if *descending { Order::Descending } else { Order::Ascending };
    output.sort = None;
    Some((column, order))
}

fn column(key: &str) -> Option<FlowColumn> {
    match key {
        "duration_ms" => Some(FlowColumn::Duration),
        key => FlowColumn::ALL.into_iter().find(|column| column.word() == key),
    }
}

impl Row for FlowShape<'_> {
    const COLUMNS: &'static [Column] = &FLOW_COLUMNS;
}

impl Row for FlowDetailShape<'_> {
    const COLUMNS: &'static [Column] = &DETAIL_COLUMNS;
}

const FLOW_COLUMNS: [Column; 49] = [
    Column::hidden("schema", Kind::Number),
    Column::shown("id", "id", Kind::Text).whole(),
    Column::shown("time", "time", Kind::Time).spare(5),
    Column::shown("device", "device", Kind::Text).spare(10),
    Column::shown("app", "app", Kind::Text).spare(4),
    Column::shown("treatment", "treatment", Kind::Word),
    Column::shown("method", "method", Kind::Text).spare(3),
    Column::shown("status", "status", Kind::Status).spare(2),
    Column::shown("host", "host", Kind::Host).room(24),
    Column::hidden("port", Kind::Number),
    Column::shown("path", "path", Kind::Text).spare(1).room(12),
    Column::shown("address", "address", Kind::Text).spare(11),
    Column::shown("why", "why", Kind::Why).below(""),
    Column::hidden("distrust", Kind::Text),
    Column::shown("protocol", "protocol", Kind::Text).spare(8),
    Column::shown("request_bytes", "sent", Kind::Bytes).spare(6),
    Column::shown("response_bytes", "received", Kind::Bytes).spare(7),
    Column::hidden("messages", Kind::Number),
    Column::hidden("type", Kind::Text),
    Column::hidden("duration_ms", Kind::Number),
    Column::shown("outcome", "outcome", Kind::Text).spare(9),
    Column::hidden("connection_outcome", Kind::Text),
    Column::hidden("dns_ms", Kind::Number),
    Column::hidden("connect_ms", Kind::Number),
    Column::hidden("tls_ms", Kind::Number),
    Column::hidden("client_tls_ms", Kind::Number),
    Column::hidden("send_ms", Kind::Number),
    Column::hidden("wait_ms", Kind::Number),
    Column::hidden("receive_ms", Kind::Number),
    Column::hidden("ja4", Kind::Text),
    Column::shown("country", "country", Kind::Country),
    Column::hidden("countries", Kind::Sources),
    Column::hidden("asn", Kind::Number),
    Column::hidden("as_name", Kind::Text),
    Column::shown("operator", "operator", Kind::Text),
    Column::hidden("operator_country", Kind::Text),
    Column::hidden("registered_country", Kind::Text),
    Column::hidden("as_registered_country", Kind::Text),
    Column::hidden("anycast", Kind::Text),
    Column::shown("flags", "flags", Kind::Flags),
    Column::hidden("flag_reasons", Kind::Text),
    Column::hidden("severity", Kind::Text),
    Column::hidden("flags_now", Kind::Flags),
    Column::hidden("verdict", Kind::Word),
    Column::hidden("reviewer", Kind::Text),
    Column::hidden("reviewed_at", Kind::Time),
    Column::hidden("special_range", Kind::Text),
    Column::hidden("dialled_without_lookup", Kind::Text),
    Column::hidden("simulated", Kind::Text),
];

/// The columns of a flow, and those of its details.
const DETAIL_COLUMNS: [Column; 52] = {
    let mut columns = [Column::hidden("claims", Kind::Text); 52];
    let (flow, details) = columns.split_at_mut(FLOW_COLUMNS.len());
    flow.copy_from_slice(&FLOW_COLUMNS);
    details.copy_from_slice(&[
        Column::hidden("claims", Kind::Text),
        Column::hidden("connection", Kind::Text),
        Column::hidden("exchange", Kind::Text),
    ]);
    columns
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_the_keys_of_exports() {
        let mut columns: Vec<_> = FLOW_COLUMNS.iter().map(|column| column.key).collect();
        let mut keys = evidence::shape::FLOW_KEYS;
        columns.sort_unstable();
        keys.sort_unstable();
        assert_eq!(columns, keys);
    }

    #[test]
    fn every_sort_column_of_the_index_is_a_key_of_the_rows() {
        for column in FlowColumn::ALL {
            let key = match column.word() {
                "duration" => "duration_ms",
                key => key,
            };
            assert!(FLOW_COLUMNS.iter().any(|column| column.key == key), "{key}");
        }
    }
}
