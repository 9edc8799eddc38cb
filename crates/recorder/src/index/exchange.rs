//! Records about exchanges into the tables.

use super::cell::{InsertError, clean, execute, id, number};
use super::connection;
use crate::record::exchange::{End, ExchangeClose, ExchangeRequest, ExchangeResponse, Messages};
use crate::record::message::ExchangeMessage;
use crate::record::value::Text;
use flow::address::Target;
use flow::id::ExchangeId;
use rusqlite::{Connection, params};

pub(super) fn request(
    db: &Connection,
    request: &ExchangeRequest,
    at: i64,
    mono: i64,
) -> Result<(), InsertError> {
    let ExchangeId { connection: carrier, number } = request.exchange.0;
    let connection = id(carrier)?;
    if let Some(authority) = &request.authority
        && let Ok(target) = Target::parse(&authority.to_string_lossy(), Some(0))
    {
        connection::named(db, carrier, &target.host.to_string())?;
    }
    // From its first exchange on, a connection is listed by its exchanges.
    execute(db, "DELETE FROM flows WHERE connection = ?1 AND exchange = 0", params![connection])?;
    execute(
        db,
        "UPDATE connections SET exchanges = exchanges + 1 WHERE id = ?1",
        params![connection],
    )?;
    execute(
        db,
        "INSERT OR IGNORE INTO flows (connection, exchange, time, mono, protocol, method, path)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            connection,
            number,
            at,
            mono,
            protocol(&request.version),
            request.method.to_string_lossy(),
            path(&request.target.to_string_lossy())
        ],
    )
}

pub(super) fn response(
    db: &Connection,
    response: &ExchangeResponse,
    mono: i64,
) -> Result<(), InsertError> {
    if !response.is_final() {
        return Ok(());
    }
    let ExchangeId { connection, number } = response.exchange.0;
    execute(
        db,
        "UPDATE flows SET status = ?3, type = ?4, answered = ?5
         WHERE connection = ?1 AND exchange = ?2",
        params![id(connection)?, number, response.status, media_type(&response.fields), mono],
    )
}

/// Counts a message until the exchange's end tells how many there were.
pub(super) fn message(db: &Connection, message: &ExchangeMessage) -> Result<(), InsertError> {
    let ExchangeId { connection, number } = message.exchange.0;
    execute(
        db,
        "UPDATE flows SET messages = coalesce(messages, 0) + 1
         WHERE connection = ?1 AND exchange = ?2",
        params![id(connection)?, number],
    )
}

pub(super) fn close(db: &Connection, close: &ExchangeClose, mono: i64) -> Result<(), InsertError> {
    let ExchangeId { connection, number: exchange } = close.exchange.0;
    execute(
        db,
        "UPDATE flows SET request_bytes = ?3, response_bytes = ?4, outcome = ?5,
             duration = max(0, ?6 - mono), sent = ?7, messages = ?8
         WHERE connection = ?1 AND exchange = ?2",
        params![
            id(connection)?,
            exchange,
            number(close.request_body.bytes.0),
            close.response_body.as_ref().map(|body| number(body.bytes.0)),
            outcome(close),
            mono,
            number(close.request_body.mono.0.0),
            messages(close).map(number)
        ],
    )
}

/// The messages of both bodies; `None` where neither was read as messages.
fn messages(close: &ExchangeClose) -> Option<u64> {
    let response = close.response_body.as_ref().and_then(|body| body.messages);
    let seen = |messages: Messages| messages.seen.0;
    match (close.request_body.messages.map(seen), response.map(seen)) {
        (None, None) => None,
        (up, down) => Some(up.unwrap_or(0).saturating_add(down.unwrap_or(0))),
    }
}

/// The response's end decides, unless it is in order and the request's is not.
fn outcome(close: &ExchangeClose) -> &'static str {
    let Some(response) = &close.response_body else { return "no-response" };
    match (response.end, close.request_body.end) {
        (End::Complete, request) => end_word(request),
        (response, _) => end_word(response),
    }
}

fn end_word(end: End) -> &'static str {
    match end {
        End::Complete => "complete",
        End::Truncated => "truncated",
        End::Reset => "reset",
        End::NotFollowed => "not-followed",
    }
}

/// The ALPN name (RFC 7301) of an HTTP version.
fn protocol(version: &str) -> rusqlite::types::Value {
    match version {
        "HTTP/1.0" => clean("http/1.0"),
        "HTTP/1.1" => clean("http/1.1"),
        "HTTP/2" => clean("h2"),
        other => clean(other),
    }
}

/// Path and query of a request target; a target in absolute form without scheme and authority.
fn path(target: &str) -> String {
    let after_scheme = target.split_once("://").filter(|(scheme, _)| !scheme.contains('/'));
    match after_scheme {
        Some((_, rest)) => match rest.find(['/', '?']).and_then(|start| rest.get(start..)) {
            Some(path) => path.to_owned(),
            None => "/".to_owned(),
        },
        None => target.to_owned(),
    }
}

/// The media type of the first `Content-Type` field, without parameters (RFC 9110 section 8.3).
fn media_type(fields: &[(Text, Text)]) -> Option<String> {
    let is_type = |(name, _): &&(Text, Text)| name.0.eq_ignore_ascii_case(b"content-type");
    let (_, value) = fields.iter().find(is_type)?;
    let value = value.to_string_lossy();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!essence.is_empty()).then_some(essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_from_every_form_of_a_target() {
        for (target, expected) in [
            ("/a?b=http://c/d", "/a?b=http://c/d"),
            ("http://host/a/b?c", "/a/b?c"),
            ("http://host", "/"),
            ("http://host?q", "?q"),
            ("*", "*"),
            ("host:443", "host:443"),
            ("", ""),
        ] {
            assert_eq!(path(target), expected, "{target}");
        }
    }
}
