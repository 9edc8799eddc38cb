//! Records about exchanges into the tables.

use super::cell::{InsertError, clean_text, execute, id, number};
use super::connection;
use super::place::Place;
use crate::record::message::ExchangeMessage;
use flow::address::Target;
use flow::id::{ConnectionId, ExchangeId};
use rusqlite::{CachedStatement, Connection, params};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// The exchanges of one batch of records. One that begins and ends within it is written once, as a
/// whole; [`Pending::flush`] must come before the batch is committed.
#[derive(Debug, Default)]
pub(super) struct Pending {
    flows: BTreeMap<(i64, u32), Flow>,
    /// Exchanges that began, per connection.
    begun: BTreeMap<i64, i64>,
    /// Messages of exchanges that have not ended.
    messages: BTreeMap<(i64, u32), i64>,
    /// The authority of each connection's last request, as far as the connection was named by it.
    named: HashMap<i64, String>,
}

/// A row that is not written yet.
#[derive(Debug)]
struct Flow {
    at: i64,
    mono: i64,
    place: Place,
    request: Request,
    answer: Option<(i64, Place, Answer)>,
    close: Option<(i64, Place, Closing)>,
}

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    authority: Option<String>,
    protocol: Cow<'static, str>,
    method: String,
    path: String,
}

impl Request {
    pub(super) fn new(
        authority: Option<String>,
        method: String,
        target: &str,
        version: &str,
    ) -> Self {
        Self { authority, protocol: protocol(version), method, path: path(target) }
    }
}

/// A final response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    media_type: Option<String>,
}

impl Answer {
    pub(super) fn new(status: u16, content_type: Option<&str>) -> Self {
        Self { status, media_type: content_type.and_then(media_type) }
    }
}

/// The end of both bodies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) request_bytes: u64,
    /// When the request was sent.
    pub(super) sent: u64,
    pub(super) response_bytes: Option<u64>,
    pub(super) outcome: &'static str,
    pub(super) messages: Option<u64>,
}

impl Pending {
    pub(super) fn request(
        &mut self,
        db: &Connection,
        exchange: ExchangeId,
        request: Request,
        (at, mono): (i64, i64),
        place: Place,
    ) -> Result<(), InsertError> {
        let ExchangeId { connection: carrier, number } = exchange;
        let connection = id(carrier)?;
        if let Some(authority) = &request.authority {
            self.name(db, carrier, connection, authority)?;
        }
        *self.begun.entry(connection).or_default() += 1;
        // A second request of the same number is none: the first one stays.
        self.flows.entry((connection, number)).or_insert(Flow {
            at,
            mono,
            place,
            request,
            answer: None,
            close: None,
        });
        Ok(())
    }

    /// Names the connection by the authority, unless that was done and nothing came between.
    fn name(
        &mut self,
        db: &Connection,
        carrier: ConnectionId,
        connection: i64,
        authority: &str,
    ) -> Result<(), InsertError> {
        if self.named.get(&connection).is_some_and(|named| named == authority) {
            return Ok(());
        }
        self.named.insert(connection, authority.to_owned());
        match Target::parse(authority, Some(0)) {
            Ok(target) => connection::named(db, carrier, &target.host.to_string()),
            Err(_) => Ok(()),
        }
    }

    /// Something was put in about a connection: what names it may apply again.
    pub(super) fn changed(&mut self, connection: i64) {
        self.named.remove(&connection);
    }

    pub(super) fn answer(
        &mut self,
        db: &Connection,
        exchange: ExchangeId,
        answer: Answer,
        mono: i64,
        place: Place,
    ) -> Result<(), InsertError> {
        let ExchangeId { connection, number: exchange } = exchange;
        let connection = id(connection)?;
        if let Some(flow) = self.flows.get_mut(&(connection, exchange)) {
            flow.answer = Some((mono, place, answer));
            return Ok(());
        }
        execute(
            db,
            "UPDATE flows SET status = ?3, type = ?4, answered = ?5, response_offset = ?6,
                 response_length = ?7
             WHERE connection = ?1 AND exchange = ?2",
            params![
                connection,
                exchange,
                answer.status,
                answer.media_type,
                mono,
                number(place.offset),
                number(place.length)
            ],
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
        exchange: ExchangeId,
        closing: Closing,
        mono: i64,
        place: Place,
    ) -> Result<(), InsertError> {
        let ExchangeId { connection, number: exchange } = exchange;
        let connection = id(connection)?;
        self.messages.remove(&(connection, exchange));
        if let Some(flow) = self.flows.get_mut(&(connection, exchange)) {
            flow.close = Some((mono, place, closing));
            return Ok(());
        }
        execute(
            db,
            "UPDATE flows SET request_bytes = ?3, response_bytes = ?4, outcome = ?5,
                 duration = max(0, ?6 - mono), sent = ?7, messages = ?8, close_offset = ?9,
                 close_length = ?10
             WHERE connection = ?1 AND exchange = ?2",
            params![
                connection,
                exchange,
                number(closing.request_bytes),
                closing.response_bytes.map(number),
                closing.outcome,
                mono,
                number(closing.sent),
                closing.messages.map(number),
                number(place.offset),
                number(place.length)
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
        let mut insert = db.prepare_cached(INSERT_FLOW)?;
        for ((connection, exchange), flow) in std::mem::take(&mut self.flows) {
            flow.insert(&mut insert, connection, exchange)?;
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
    fn insert(
        &self,
        insert: &mut CachedStatement<'_>,
        connection: i64,
        exchange: u32,
    ) -> Result<(), InsertError> {
        let (answer, close) = (self.answer.as_ref(), self.close.as_ref());
        insert.execute(params![
            connection,
            exchange,
            self.at,
            self.mono,
            self.request.protocol,
            self.request.method,
            self.request.path,
            answer.map(|(_, _, answer)| answer.status),
            answer.and_then(|(_, _, answer)| answer.media_type.as_deref()),
            answer.map(|(mono, _, _)| mono),
            close.map(|(_, _, close)| number(close.request_bytes)),
            close.and_then(|(_, _, close)| close.response_bytes.map(number)),
            close.map(|(_, _, close)| number(close.sent)),
            close.map(|(mono, _, _)| mono.saturating_sub(self.mono).max(0)),
            close.map(|(_, _, close)| close.outcome),
            close.and_then(|(_, _, close)| close.messages.map(number)),
            number(self.place.offset),
            number(self.place.length),
            answer.map(|(_, place, _)| number(place.offset)),
            answer.map(|(_, place, _)| number(place.length)),
            close.map(|(_, place, _)| number(place.offset)),
            close.map(|(_, place, _)| number(place.length))
        ])?;
        Ok(())
    }
}

const INSERT_FLOW: &str = "
INSERT OR IGNORE INTO flows (connection, exchange, time, mono, protocol, method, path, status, type,
    answered, request_bytes, response_bytes, sent, duration, outcome, messages, request_offset,
    request_length, response_offset, response_length, close_offset, close_length)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
    ?21, ?22)";

/// The ALPN name (RFC 7301) of an HTTP version.
fn protocol(version: &str) -> Cow<'static, str> {
    match version {
        "HTTP/1.0" => "http/1.0".into(),
        "HTTP/1.1" => "http/1.1".into(),
        "HTTP/2" => "h2".into(),
        other => clean_text(other).into(),
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

/// The media type in a `Content-Type` field, without parameters (RFC 9110 section 8.3).
fn media_type(value: &str) -> Option<String> {
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
