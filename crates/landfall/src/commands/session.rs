//! `landfall session`: what was recorded, and the index of it.

use super::Context;
use crate::args::OutputArgs;
use crate::error::{Error, Exit};
use crate::output::cell::{bytes, short_time};
use crate::output::escape::printable;
use crate::output::row::{Column, Kind, Row};
use evidence::shape::SessionShape;
use recorder::read::{SessionState, SessionSummary};
use recorder::record::value::Wall;
use std::io::Write;

/// All sessions, the newest first. A damaged one is named on stderr and hides no other.
pub(crate) fn list(context: &Context, output: OutputArgs) -> Result<Exit, Error> {
    let output = context.output(output);
    let mut rows = output.rows::<SessionShape<'_>>()?;
    let mut exit = Exit::Ok;
    for listed in context.sessions().list()?.into_iter().rev() {
        match listed.summary {
            Ok(summary) => {
                if !rows.push(&SessionShape::from(&summary))? {
                    break;
                }
            }
            Err(error) => {
                exit = Exit::Runtime;
                let error = Error::from(error).at(listed.directory.display());
                drop(writeln!(std::io::stderr(), "{error}"));
            }
        }
    }
    rows.finish()?;
    Ok(exit)
}

/// One session.
pub(crate) fn show(
    context: &Context,
    named: Option<&str>,
    output: OutputArgs,
) -> Result<Exit, Error> {
    let session = context.session(named)?;
    let summary = session.summary()?;
    context.output(output).one(&SessionShape::from(&summary), |page| {
        page.section(&format!("Session {}", summary.name));
        page.line("id", summary.id);
        page.line("state", state(&summary));
        page.line("opened", time(summary.opened));
        page.some("closed", summary.closed.map(time));
        page.some("case", summary.case.as_deref());
        page.some("device", summary.device.as_deref());
        if summary.simulated {
            page.line("simulated", "addresses or names were simulated: no finding on real traffic");
        }
        page.line("connections", summary.connections);
        page.line("exchanges", summary.exchanges);
        page.line(
            "destinations",
            format_args!("{} ({} flagged)", summary.destinations, summary.flagged),
        );
        page.line("sent", bytes(summary.bytes_up));
        page.line("received", bytes(summary.bytes_down));
        page.line("directory", summary.directory.display());
    })?;
    Ok(Exit::Ok)
}

/// Builds the index of a session again.
pub(crate) fn reindex(context: &Context, named: Option<&str>) -> Result<Exit, Error> {
    context.no_rows()?;
    let session = context.session(named)?;
    let directory = session.directory().clone();
    let running = session.summary()?.state == SessionState::Running;
    drop(session);
    if running {
        return Err(Error::runtime("the session is being recorded")
            .at(directory.name())
            .hint("wait for its end: the recording keeps its index up to date"));
    }
    recorder::index::reindex(&directory).map_err(|error| {
        Error::runtime(error.to_string()).at(directory.path().display()).hint(error.hint())
    })?;
    let name = directory.name();
    let written = writeln!(std::io::stderr(), "The index of {} is rebuilt.", printable(&name));
    drop(written);
    Ok(Exit::Ok)
}

fn state(summary: &SessionSummary) -> &'static str {
    match summary.state {
        SessionState::Running => "running",
        SessionState::Closed => "closed",
        SessionState::Interrupted => "interrupted; the next run closes it",
    }
}

pub(super) fn time(at: flow::time::WallNanos) -> String {
    format!("{} UTC", short_time(&Wall(at).to_string()))
}

impl Row for SessionShape<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("name", "session", Kind::Text),
        Column::hidden("id", Kind::Text),
        Column::shown("state", "state", Kind::Word),
        Column::shown("opened", "opened", Kind::Time),
        Column::hidden("closed", Kind::Time),
        Column::shown("case", "case", Kind::Text),
        Column::shown("device", "device", Kind::Text),
        Column::shown("connections", "connections", Kind::Number),
        Column::shown("exchanges", "exchanges", Kind::Number),
        Column::shown("bytes_up", "sent", Kind::Bytes),
        Column::shown("bytes_down", "received", Kind::Bytes),
        Column::shown("destinations", "destinations", Kind::Number),
        Column::shown("flagged", "flagged", Kind::Number),
        Column::shown("simulated", "simulated", Kind::Text),
        Column::hidden("directory", Kind::Text),
    ];
}
