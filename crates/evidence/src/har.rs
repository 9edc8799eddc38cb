//! HTTP Archive 1.2 (<http://www.softwareishard.com/blog/har-12-spec/>): every flow of a session
//! as an entry, failed, blocked and passed-through connections among them, so that nothing that
//! happened is missing from it. Extras have keys that begin with `_`. One entry at a time is in
//! memory; a decoded body of more than 16 MiB is left out of it, with a comment.

mod content;
mod entry;
mod message;
mod messages;
mod timings;
mod url;

use crate::error::Error;
use crate::flows::each;
use crate::opening::notices;
use entry::Entry;
use recorder::read::{Reviewed, Session, SessionState, SessionSummary};
use recorder::record::value::Wall;
use serde::Serialize;
use std::io::Write;
use std::sync::Arc;

/// Writes the archive, with the notices that the licences of the session's databases ask for.
///
/// # Errors
/// [`Error`] of the session or the writer.
pub fn write(
    session: &Session,
    reviewed: &Arc<Reviewed>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let summary = session.summary()?;
    let open = session.opening()?;
    let head = Head {
        version: "1.2",
        creator: Creator { name: "Landfall", version: env!("CARGO_PKG_VERSION") },
        comment: comment(&summary),
        session: SessionHead {
            name: open.as_ref().map_or(summary.name.as_str(), |open| &open.name),
            id: summary.id.to_string(),
            opened: Wall(summary.opened),
            case: summary.case.as_deref(),
            device: summary.device.as_deref(),
            tool: open.as_ref().map(|open| open.tool.version.as_str()),
        },
        simulated: summary.simulated,
        attributions: open.as_deref().map(notices).unwrap_or_default(),
        databases: open.as_ref().map(|open| &open.databases),
        pages: [],
    };
    // The entries are written into the object one by one: its closing brace comes after them.
    let head = serde_json::to_vec(&head)?;
    let fields = head.strip_suffix(b"}").unwrap_or(&head);
    let text = |out: &mut dyn Write, text: &[u8]| out.write_all(text).map_err(Error::Output);
    text(out, b"{\"log\":")?;
    text(out, fields)?;
    text(out, b",\"entries\":[")?;
    let mut separator: &[u8] = b"\n";
    each(session, reviewed, |row| {
        let entry = Entry::read(session, row)?;
        text(out, separator)?;
        separator = b",\n";
        serde_json::to_writer(&mut *out, &entry)?;
        Ok(())
    })?;
    text(out, b"\n]}}\n")
}

/// What a reader has to know before anything else.
fn comment(summary: &SessionSummary) -> String {
    let derived = if summary.simulated { SIMULATED } else { RECORDED };
    match summary.state_text() {
        state if state == SessionState::Closed.word() => derived.to_owned(),
        state => format!("{derived} State of the session: {state}."),
    }
}

#[derive(Serialize)]
struct Head<'a> {
    version: &'static str,
    creator: Creator,
    comment: String,
    #[serde(rename = "_session")]
    session: SessionHead<'a>,
    #[serde(rename = "_simulated")]
    simulated: bool,
    #[serde(rename = "_attributions")]
    attributions: Vec<&'a str>,
    #[serde(rename = "_databases", skip_serializing_if = "Option::is_none")]
    databases: Option<&'a Vec<recorder::record::session::SourceShape>>,
    /// Nobody saw which page a request belongs to.
    pages: [(); 0],
}

#[derive(Serialize)]
struct Creator {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct SessionHead<'a> {
    name: &'a str,
    id: String,
    opened: Wall,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
}

const RECORDED: &str =
    "Derived from a Landfall session; the session is the evidence, not this file.";
const SIMULATED: &str = "SIMULATED: addresses or names were simulated, so that this shows no real \
                         traffic. Derived from a Landfall session.";
