//! One session: a line of `landfall session list`.

use super::{SCHEMA, Shown, is_false};
use flow::id::SessionId;
use recorder::read::{NameCounts, SessionSummary};
use recorder::record::session::CloseWhy;
use recorder::record::value::Wall;
use serde::Serialize;

/// A session's totals.
#[derive(Clone, Debug, Serialize)]
pub struct SessionShape<'a> {
    schema: u32,
    name: &'a str,
    id: Shown<SessionId>,
    state: &'static str,
    opened: Wall,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Wall>,
    /// The record's word: `finished`, `disk-floor` or `recovered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_why: Option<CloseWhy>,
    /// What is out of order about its end, as a clause.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_note: Option<String>,
    /// Connections whose ends nobody saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_connections: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    connections: u64,
    exchanges: u64,
    bytes_up: u64,
    bytes_down: u64,
    /// Ciphertext, handshakes included; only where one session is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_bytes_kept: Option<u64>,
    destinations: u64,
    flagged: u64,
    /// Only where one session is shown.
    #[serde(flatten)]
    names: Option<NamesShape>,
    #[serde(skip_serializing_if = "is_false")]
    simulated: bool,
    /// Where its files are.
    directory: String,
}

/// What became of the names that were looked up.
#[derive(Clone, Copy, Debug, Serialize)]
struct NamesShape {
    names_looked_up: u64,
    names_unresolved: u64,
    names_not_reached: u64,
    addresses_without_lookup: u64,
}

impl SessionShape<'_> {
    /// With what became of the names that were looked up.
    pub fn with_names(self, counts: NameCounts) -> Self {
        let names = NamesShape {
            names_looked_up: counts.looked_up,
            names_unresolved: counts.unresolved,
            names_not_reached: counts.not_reached,
            addresses_without_lookup: counts.without_lookup,
        };
        Self { names: Some(names), ..self }
    }

    /// With what it takes a pass over the session's index to count.
    pub fn with_tls_bytes_kept(self, bytes: u64) -> Self {
        Self { tls_bytes_kept: Some(bytes), ..self }
    }
}

impl<'a> From<&'a SessionSummary> for SessionShape<'a> {
    fn from(session: &'a SessionSummary) -> Self {
        Self {
            schema: SCHEMA,
            name: &session.name,
            id: Shown(session.id),
            state: session.state.word(),
            opened: Wall(session.opened),
            closed: session.closed.map(Wall),
            closed_why: session.ending.map(|ending| ending.why),
            closed_note: session.ending.and_then(|ending| ending.note()),
            open_connections: session
                .ending
                .map(|ending| ending.open_connections)
                .filter(|open| *open > 0),
            case: session.case.as_deref(),
            device: session.device.as_deref(),
            connections: session.connections,
            exchanges: session.exchanges,
            bytes_up: session.bytes_up,
            bytes_down: session.bytes_down,
            tls_bytes_kept: None,
            destinations: session.destinations,
            flagged: session.flagged,
            names: None,
            simulated: session.simulated,
            directory: session.directory.display().to_string(),
        }
    }
}
