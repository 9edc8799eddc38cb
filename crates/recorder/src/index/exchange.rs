//! Records about exchanges into the tables.

use super::cell::{InsertError, clean, execute, id, number};
use super::connection;
use crate::record::exchange::{End, ExchangeClose, ExchangeRequest, ExchangeResponse, Messages};
use crate::record::message::ExchangeMessage;
use crate::record::value::Text;
use flow::address::Target;
use flow::id::ExchangeId;
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// The exchanges of one batch of records. One that begins and ends within it is written once, as a
/// whole; [`Pending::flush`] must come before the batch is committed.
#[derive(Debug, Default)]
pub(super) struct Pending {
    flows: BTreeMap<(i64, u32), Flow>,
    /// Exchanges that began, per connection.
    begun: BTreeMap<i64, i64>,
    /// Messages of exchanges that have not ended.
    messages: BTreeMap<(i64, u32), i64>,
}

/// A row that is not written yet.
#[derive(Debug)]
struct Flow {
    at: i64,
    mono: i64,
    protocol: Value,
    method: String,
    path: String,
    response: Option<Answer>,
    close: Option<Closing>,
}

/// A final response.
#[derive(Debug)]
struct Answer {
    status: u16,
    media_type: Option<String>,
    mono: i64,
}

#[derive(Debug)]
struct Closing {
    request_bytes: i64,
    /// When the request was sent.
    sent: i64,
    response_bytes: Option<i64>,
    outcome: &'static str,
    mono: i64,
    messages: Option<i64>,
}

impl Pending {
    pub(super) fn request(
        &mut self,
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
        *self.begun.entry(connection).or_default() += 1;
        // A second request of the same number is none: the first one stays.
        self.flows.entry((connection, number)).or_insert_with(|| Flow {
            at,
            mono,
            protocol: protocol(&request.version),
            method: request.method.to_string_lossy().into_owned(),
            path: path(&request.target.to_string_lossy()),
            response: None,
            close: None,
        });
        Ok(())
    }

    pub(super) fn response(
        &mut self,
        db: &Connection,
        response: &ExchangeResponse,
        mono: i64,
    ) -> Result<(), InsertError> {
        if !response.is_final() {
            return Ok(());
        }
        let ExchangeId { connection, number } = response.exchange.0;
        let connection = id(connection)?;
        let media_type = media_type(&response.fields);
        if let Some(flow) = self.flows.get_mut(&(connection, number)) {
            flow.response = Some(Answer { status: response.status, media_type, mono });
            return Ok(());
        }
        execute(
            db,
            "UPDATE flows SET status = ?3, type = ?4, answered = ?5
             WHERE connection = ?1 AND exchange = ?2",
            params![connection, number, response.status, media_type, mono],
        )
    }

    /// Counts a message until the exchange's end tells how many there were.
    pub(super) fn message(&mut self, message: &ExchangeMessage) -> Result<(), InsertError> {
        let ExchangeId { connection, number } = message.exchange.0;
        *self.messages.entry((id(connection)?, number)).or_default() += 1;
        Ok(())
    }

    pub(super) fn close(
        &mut self,
        db: &Connection,
        close: &ExchangeClose,
        mono: i64,
    ) -> Result<(), InsertError> {
        let ExchangeId { connection, number: exchange } = close.exchange.0;
        let connection = id(connection)?;
        let closing = Closing {
            request_bytes: number(close.request_body.bytes.0),
            response_bytes: close.response_body.as_ref().map(|body| number(body.bytes.0)),
            outcome: outcome(close),
            mono,
            sent: number(close.request_body.mono.0.0),
            messages: messages(close).map(number),
        };
        self.messages.remove(&(connection, exchange));
        if let Some(flow) = self.flows.get_mut(&(connection, exchange)) {
            flow.close = Some(closing);
            return Ok(());
        }
        execute(
            db,
            "UPDATE flows SET request_bytes = ?3, response_bytes = ?4, outcome = ?5,
                 duration = max(0, ?6 - mono), sent = ?7, messages = ?8
             WHERE connection = ?1 AND exchange = ?2",
            params![
                connection,
                exchange,
                closing.request_bytes,
                closing.response_bytes,
                closing.outcome,
                closing.mono,
                closing.sent,
                closing.messages
            ],
        )
    }

    /// Writes what is pending.
    pub(super) fn flush(&mut self, db: &Connection) -> Result<(), InsertError> {
        for (connection, count) in std::mem::take(&mut self.begun) {
            // From its first exchange on, a connection is listed by its exchanges.
            execute(
                db,
                "DELETE FROM flows WHERE connection = ?1 AND exchange = 0",
                params![connection],
            )?;
            execute(
                db,
                "UPDATE connections SET exchanges = exchanges + ?2 WHERE id = ?1",
                params![connection, count],
            )?;
        }
        for ((connection, exchange), flow) in std::mem::take(&mut self.flows) {
            flow.insert(db, connection, exchange)?;
        }
        for ((connection, exchange), count) in std::mem::take(&mut self.messages) {
            execute(
                db,
                "UPDATE flows SET messages = coalesce(messages, 0) + ?3
                 WHERE connection = ?1 AND exchange = ?2",
                params![connection, exchange, count],
            )?;
        }
        Ok(())
    }
}

impl Flow {
    fn insert(&self, db: &Connection, connection: i64, exchange: u32) -> Result<(), InsertError> {
        let (answer, close) = (self.response.as_ref(), self.close.as_ref());
        execute(
            db,
            "INSERT OR IGNORE INTO flows (connection, exchange, time, mono, protocol, method, path,
                 status, type, answered, request_bytes, response_bytes, sent, duration, outcome,
                 messages)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            params![
                connection,
                exchange,
                self.at,
                self.mono,
                self.protocol,
                self.method,
                self.path,
                answer.map(|answer| answer.status),
                answer.and_then(|answer| answer.media_type.as_deref()),
                answer.map(|answer| answer.mono),
                close.map(|close| close.request_bytes),
                close.and_then(|close| close.response_bytes),
                close.map(|close| close.sent),
                close.map(|close| close.mono.saturating_sub(self.mono).max(0)),
                close.map(|close| close.outcome),
                close.and_then(|close| close.messages)
            ],
        )
    }
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
fn protocol(version: &str) -> Value {
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
