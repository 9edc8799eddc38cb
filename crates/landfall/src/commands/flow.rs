//! `landfall flow list` and `flow body`; `flow show` is in [`super::flow_page`].

use super::{Context, flow_page};
use crate::args::{self, OutputArgs};
use crate::clock;
use crate::error::{Error, Exit};
use crate::output::row::{Column, Kind, Row};
use crate::output::{Output, Sort};
use evidence::shape::{FlowDetailShape, FlowShape};
use flow::filter::{self, Filter};
use flow::id::FlowId;
use recorder::read::{DestinationQuery, FlowColumn, FlowQuery, Order, Part};
use std::io::{BufWriter, Write};
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
    rows.finish()?;
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

/// A body on stdout.
pub(crate) fn body(
    context: &Context,
    id: FlowId,
    part: args::Part,
    decoded: bool,
) -> Result<Exit, Error> {
    context.no_rows()?;
    let FlowId::Exchange(exchange) = id else {
        return Err(Error::usage("a connection has no body of its own")
            .at(id)
            .hint("name one of its exchanges, such as c12.1; `landfall flow list` shows them"));
    };
    let part = match part {
        args::Part::Request => Part::Request,
        args::Part::Response => Part::Response,
    };
    let session = context.session(None)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if decoded {
        let encoding = evidence::decode::content_encoding(&session.flow(id)?, part);
        let mut decoder = evidence::decode::decoder(&encoding, &mut out).map_err(|error| {
            Error::runtime("the body cannot be decoded")
                .at(id)
                .because(&error)
                .hint("leave --decoded out to get it as it was transferred")
        })?;
        session.body(exchange, part, &mut decoder)?;
        decoder.flush().map_err(|error| Error::output(&error))?;
    } else {
        session.body(exchange, part, &mut out)?;
    }
    out.flush().map_err(|error| Error::output(&error))?;
    Ok(Exit::Ok)
}

/// The words of the command line as one filter.
pub(super) fn filter(words: &[String]) -> Result<Filter, Error> {
    filter::parse(&words.join(" ")).map_err(|error| Error::usage(error.to_string()))
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

const FLOW_COLUMNS: [Column; 33] = [
    Column::hidden("schema", Kind::Number),
    Column::shown("id", "id", Kind::Text),
    Column::shown("time", "time", Kind::Time),
    Column::hidden("device", Kind::Text),
    Column::shown("treatment", "treatment", Kind::Word),
    Column::shown("method", "method", Kind::Text),
    Column::shown("status", "status", Kind::Status),
    Column::shown("host", "host", Kind::Text),
    Column::hidden("port", Kind::Number),
    Column::shown("path", "path", Kind::Text),
    Column::hidden("address", Kind::Text),
    Column::hidden("why", Kind::Text),
    Column::hidden("protocol", Kind::Text),
    Column::shown("request_bytes", "sent", Kind::Bytes),
    Column::shown("response_bytes", "received", Kind::Bytes),
    Column::hidden("type", Kind::Text),
    Column::hidden("duration_ms", Kind::Number),
    Column::hidden("outcome", Kind::Text),
    Column::hidden("ja4", Kind::Text),
    Column::shown("country", "country", Kind::Text),
    Column::hidden("countries", Kind::Text),
    Column::hidden("asn", Kind::Number),
    Column::hidden("as_name", Kind::Text),
    Column::shown("operator", "operator", Kind::Text),
    Column::hidden("operator_country", Kind::Text),
    Column::hidden("registered_country", Kind::Text),
    Column::hidden("as_registered_country", Kind::Text),
    Column::hidden("anycast", Kind::Text),
    Column::shown("flags", "flags", Kind::Flags),
    Column::hidden("flag_reasons", Kind::Text),
    Column::hidden("special_range", Kind::Text),
    Column::hidden("dialled_without_lookup", Kind::Text),
    Column::hidden("simulated", Kind::Text),
];

/// The columns of a flow, and those of its details.
const DETAIL_COLUMNS: [Column; 36] = {
    let mut columns = [Column::hidden("claims", Kind::Text); 36];
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
