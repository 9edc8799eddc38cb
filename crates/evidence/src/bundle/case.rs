//! `case.json`: what the session is, in a page that a person reads first.

use crate::error::Error;
use recorder::read::Session;
use recorder::record::session::{CloseWhy, SourceShape};
use recorder::record::value::Wall;
use serde::Serialize;

/// What the first record and the totals say. Keys are absent where nothing is known.
#[derive(Debug, Serialize)]
pub(super) struct CaseShape {
    session: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<String>,
    opened: Wall,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Wall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_why: Option<CloseWhy>,
    simulated: bool,
    connections: u64,
    exchanges: u64,
    bytes_up: u64,
    bytes_down: u64,
    destinations: u64,
    flagged: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_version: Option<String>,
    /// SHA-256 of the program that recorded, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_sha256: Option<String>,
    databases: Vec<SourceShape>,
}

impl CaseShape {
    pub(super) fn of(session: &Session) -> Result<Self, Error> {
        let summary = session.summary()?;
        let open = session.opening()?;
        let tool = open.as_ref().map(|open| open.tool.clone());
        Ok(Self {
            session: summary.id.to_string(),
            name: open.as_ref().map_or_else(String::new, |open| open.name.clone()),
            case: summary.case,
            opened: Wall(summary.opened),
            closed: summary.closed.map(Wall),
            closed_why: summary.ending.map(|ending| ending.why),
            simulated: summary.simulated,
            connections: summary.connections,
            exchanges: summary.exchanges,
            bytes_up: summary.bytes_up,
            bytes_down: summary.bytes_down,
            destinations: summary.destinations,
            flagged: summary.flagged,
            tool_version: tool.as_ref().map(|tool| tool.version.clone()),
            tool_sha256: tool.and_then(|tool| tool.sha256),
            databases: open.map(|open| open.databases).unwrap_or_default(),
        })
    }
}
