//! The flows of a session as lines: `flows.jsonl` and `flows.csv`. One row at a time is in memory.

use crate::csv;
use crate::error::Error;
use crate::shape::{FLOW_KEYS, FlowShape};
use flow::filter::Filter;
use flow::time::WallNanos;
use recorder::read::{FlowQuery, FlowRow, Reviewed, Session};
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

/// One JSON object per flow, in the order of time.
///
/// # Errors
/// [`Error`] of the session or the writer.
pub fn write_jsonl(
    session: &Session,
    reviewed: &Arc<Reviewed>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    each(session, reviewed, |row| {
        serde_json::to_writer(&mut *out, &FlowShape::from(row))?;
        out.write_all(b"\n").map_err(Error::Output)
    })
}

/// A header line and one line per flow, with the keys of the JSON form as columns.
///
/// # Errors
/// [`Error`] of the session or the writer.
pub fn write_csv(
    session: &Session,
    reviewed: &Arc<Reviewed>,
    mut out: &mut dyn Write,
) -> Result<(), Error> {
    csv::write_record(&mut out, FLOW_KEYS).map_err(Error::Output)?;
    each(session, reviewed, |row| {
        let object = serde_json::to_value(FlowShape::from(row))?;
        let cells = FLOW_KEYS.iter().map(|key| csv::cell(object.get(key)));
        csv::write_record(&mut out, cells).map_err(Error::Output)
    })
}

/// Hands over every flow, the oldest first, until one fails.
pub(crate) fn each(
    session: &Session,
    reviewed: &Arc<Reviewed>,
    mut one: impl FnMut(&FlowRow) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut result = Ok(());
    // No condition, so that no relative time can be in it.
    let reviewed = Arc::clone(reviewed);
    let everything = FlowQuery { reviewed, ..FlowQuery::all(Filter::All, WallNanos(0)) };
    session.for_each_flow(&everything, |row| {
        result = one(&row);
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    result
}
