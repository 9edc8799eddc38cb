//! The destinations of a session as a table: `destinations.csv`, one line per host.

use crate::csv;
use crate::error::Error;
use crate::shape::{DESTINATION_KEYS, DestinationShape};
use flow::filter::Filter;
use flow::time::WallNanos;
use recorder::read::{DestinationQuery, Reviewed, Session};
use std::io::Write;
use std::sync::Arc;

/// A header line and one line per host, with the keys of the JSON form as columns.
///
/// # Errors
/// [`Error`] of the session or the writer.
pub fn write_csv(
    session: &Session,
    reviewed: &Arc<Reviewed>,
    mut out: &mut dyn Write,
) -> Result<(), Error> {
    csv::write_record(&mut out, DESTINATION_KEYS)?;
    // No condition, so that no relative time can be in it.
    let reviewed = Arc::clone(reviewed);
    let all = DestinationQuery { reviewed, ..DestinationQuery::all(Filter::All, WallNanos(0)) };
    for row in session.destinations(&all)? {
        let object = serde_json::to_value(DestinationShape::from(&row))?;
        let cells = DESTINATION_KEYS.iter().map(|key| csv::cell(object.get(key)));
        csv::write_record(&mut out, cells)?;
    }
    Ok(())
}
