//! `landfall session`: what was recorded, and the index of it.

use crate::args::OutputArgs;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::cell::{bytes, short_time};
use crate::output::colour::Ink;
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
    let listed = context.sessions().list()?;
    if listed.is_empty() {
        let text = format!("there is no session in {}", context.settings.data.path().display());
        let hint = "record one with `landfall run`, or choose another directory with --data";
        context.nothing(&text, hint);
    }
    for listed in listed.into_iter().rev() {
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
    let tls_bytes = session.tls_bytes_kept()?;
    let names = session.name_counts()?;
    let shape = SessionShape::from(&summary).with_tls_bytes_kept(tls_bytes).with_names(names);
    context.output(output).one(&shape, |page| {
        page.section(&format!("Session {}", summary.name));
        page.line("id", summary.id);
        page.inked_line("state", summary.state_text(), ink(&summary));
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
        page.line(
            "names looked up",
            format_args!(
                "{} by Landfall, for connections that were asked for ({} without an answer, {} not \
                 reached)",
                names.looked_up, names.unresolved, names.not_reached
            ),
        );
        page.line(
            "without look-up",
            match names.without_lookup {
                1 => "1 address was reached".to_owned(),
                many => format!("{many} addresses were reached"),
            },
        );
        page.line("sent", bytes(summary.bytes_up));
        page.line("received", bytes(summary.bytes_down));
        page.line("TLS bytes kept", bytes(tls_bytes));
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

fn ink(summary: &SessionSummary) -> Ink {
    let in_order = summary.ending.is_none_or(|ending| ending.note().is_none());
    match summary.state {
        SessionState::Running | SessionState::Closed if in_order => Ink::Plain,
        _ => Ink::Notice,
    }
}

pub(super) fn time(at: flow::time::WallNanos) -> String {
    format!("{} UTC", short_time(&Wall(at).to_string()))
}

impl Row for SessionShape<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("name", "session", Kind::Text).room(24),
        Column::hidden("id", Kind::Text),
        Column::shown("state", "state", Kind::Word),
        Column::shown("opened", "opened", Kind::Time).spare(1),
        Column::hidden("closed", Kind::Time),
        Column::hidden("closed_why", Kind::Text),
        // Beside the state and never left out: an interrupted recording must not look whole.
        Column::shown("closed_note", "note", Kind::Text).below("note: "),
        Column::hidden("open_connections", Kind::Number),
        Column::shown("case", "case", Kind::Text).spare(2),
        Column::shown("device", "device", Kind::Text).spare(7),
        Column::shown("connections", "connections", Kind::Number).spare(4),
        Column::shown("exchanges", "exchanges", Kind::Number).spare(5),
        Column::shown("bytes_up", "sent", Kind::Bytes).spare(8),
        Column::shown("bytes_down", "received", Kind::Bytes).spare(9),
        Column::hidden("tls_bytes_kept", Kind::Bytes),
        Column::shown("destinations", "destinations", Kind::Number).spare(6),
        Column::shown("flagged", "flagged", Kind::Number),
        Column::hidden("names_looked_up", Kind::Number),
        Column::hidden("names_unresolved", Kind::Number),
        Column::hidden("names_not_reached", Kind::Number),
        Column::hidden("addresses_without_lookup", Kind::Number),
        Column::shown("simulated", "simulated", Kind::Mark),
        Column::hidden("directory", Kind::Text),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::id::SessionId;
    use flow::time::WallNanos;
    use recorder::read::Ending;
    use recorder::record::session::CloseWhy;

    fn summary(why: CloseWhy, open_connections: u64) -> SessionSummary {
        SessionSummary {
            directory: "d".into(),
            name: "s".to_owned(),
            id: SessionId([0; 16]),
            state: SessionState::Closed,
            opened: WallNanos(0),
            closed: Some(WallNanos(1)),
            ending: Some(Ending { why, open_connections, cut_bytes: 0, missing_frames: 0 }),
            case: Some("c".to_owned()),
            device: Some("p".to_owned()),
            simulated: true,
            connections: 0,
            exchanges: 0,
            bytes_up: 0,
            bytes_down: 0,
            destinations: 0,
            flagged: 0,
        }
    }

    #[test]
    fn a_recording_that_was_cut_short_looked_whole() {
        let check = |why, open: u64, word: &str, note: Option<&str>| {
            let summary = summary(why, open);
            let row = serde_json::to_value(SessionShape::from(&summary)).unwrap();
            let text = |key: &str| row.get(key).and_then(|value| value.as_str());
            assert_eq!((text("state"), text("closed_why")), (Some("closed"), Some(word)));
            assert_eq!(text("closed_note"), note);
            assert_eq!(
                row.get("open_connections").and_then(|n| n.as_u64()),
                (open > 0).then_some(open)
            );
            for key in row.as_object().unwrap().keys() {
                let column = SessionShape::COLUMNS.iter().find(|column| column.key == key);
                assert!(column.is_some(), "{key}");
            }
        };
        check(CloseWhy::Finished, 0, "finished", None);
        let recovered = "recovered after an interruption; 2 connections were open";
        check(CloseWhy::Recovered, 2, "recovered", Some(recovered));
        let floor = "free disk space fell below the floor";
        check(CloseWhy::DiskFloor, 0, "disk-floor", Some(floor));
    }
}
