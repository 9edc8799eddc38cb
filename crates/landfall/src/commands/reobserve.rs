//! `landfall session reobserve`: whether the log tells of the exchanges what the recorded bytes do.

use crate::args::OutputArgs;
use crate::config::limits::recorded_limits;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::escape::printable;
use crate::output::row::{Column, Kind, Row};
use flow::limits::Limits;
use recorder::read::ReadError;
use recorder::record::exchange::OBSERVER;
use recorder::reobserve::{Difference, Reobserved, reobserve};
use serde::Serialize;
use std::io::Write;

/// Lists the differences on stdout, and what they come to on stderr.
pub(crate) fn run(
    context: &Context,
    named: Option<&str>,
    output: OutputArgs,
) -> Result<Exit, Error> {
    let session = context.session(named)?;
    let limits = session.configuration()?.map_or_else(Limits::default, |c| recorded_limits(&c));
    let directory = session.directory().clone();
    drop(session);
    let output = context.output(output);
    let mut rows = output.rows::<DifferenceShape<'_>>()?;
    let mut failed = None;
    let mut each = |difference: &Difference| {
        rows.push(&DifferenceShape::from(difference)).map(drop).map_err(|error| {
            failed = Some(error);
            ReadError::Output(std::io::ErrorKind::BrokenPipe.into())
        })
    };
    let found = reobserve(&directory, &limits, &mut each);
    if let Some(error) = failed {
        return Err(error);
    }
    let found = found?;
    rows.finish()?;
    drop(writeln!(std::io::stderr(), "{}", summary(&found)));
    Ok(if found.is_confirmed() { Exit::Ok } else { Exit::Condition })
}

fn summary(found: &Reobserved) -> String {
    let count = |count: u64, noun: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {noun}{plural}")
    };
    let mut came_to = Vec::new();
    if found.differ > 0 {
        let verb = if found.differ == 1 { "differs" } else { "differ" };
        came_to.push(format!("{} {verb}", found.differ));
    }
    if found.cut > 0 {
        came_to.push(format!("{} cut", found.cut));
    }
    if came_to.is_empty() {
        came_to.push("identical".to_owned());
    }
    let exchanges = count(found.exchanges, "exchange");
    let connections = count(found.connections, "connection");
    let mut text = format!("{exchanges} of {connections}: {}", came_to.join(", "));
    if !found.other_observers.is_empty() {
        let others: Vec<_> = found.other_observers.iter().map(|name| printable(name)).collect();
        text.push_str(&format!(
            "\nnote: recorded by the observer {}, derived by {OBSERVER}: differences between \
             versions are to be expected",
            others.join(", ")
        ));
    }
    text
}

/// One difference.
#[derive(Clone, Debug, Serialize)]
struct DifferenceShape<'a> {
    /// cN.M, or cN for what is about the connection.
    flow: String,
    /// The kind of the record.
    record: &'a str,
    /// Its field, as a path; absent where one side has no such record.
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
    /// JSON; absent where the log has nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<&'a str>,
    /// JSON; absent where the bytes give nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    derived: Option<&'a str>,
    /// The observer that recorded it, where it is another version.
    #[serde(skip_serializing_if = "Option::is_none")]
    observer: Option<&'a str>,
}

impl<'a> From<&'a Difference> for DifferenceShape<'a> {
    fn from(difference: &'a Difference) -> Self {
        Self {
            flow: difference.flow.to_string(),
            record: difference.record,
            field: &difference.field,
            recorded: difference.recorded.as_deref(),
            derived: difference.derived.as_deref(),
            observer: difference.other_observer.as_deref(),
        }
    }
}

impl Row for DifferenceShape<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::shown("flow", "flow", Kind::Text),
        Column::shown("record", "record", Kind::Text).room(17),
        Column::shown("field", "field", Kind::Text),
        Column::shown("recorded", "recorded", Kind::Text),
        Column::shown("derived", "derived", Kind::Text),
        Column::hidden("observer", Kind::Text),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_exchange_differs() {
        let found = Reobserved { connections: 11, exchanges: 12, differ: 1, ..Default::default() };
        assert_eq!(summary(&found), "12 exchanges of 11 connections: 1 differs");
    }

    #[test]
    fn the_summary_says_what_differs_and_what_is_missing() {
        let check = |found: Reobserved, expected: &str| assert_eq!(summary(&found), expected);
        let of = Reobserved { connections: 1, exchanges: 4, ..Reobserved::default() };
        check(of.clone(), "4 exchanges of 1 connection: identical");
        check(
            Reobserved { differ: 2, cut: 1, ..of.clone() },
            "4 exchanges of 1 connection: 2 differ, 1 cut",
        );
        let other_observers = ["http/older".to_owned()].into();
        let shown = summary(&Reobserved { other_observers, ..of });
        assert!(shown.contains("identical\nnote: recorded by the observer http/older"), "{shown}");
    }
}
