//! One record into the tables. Records come in the order of the log; what they say of one thing
//! may come in parts, and parts that never come leave NULLs.

use super::cell::{InsertError, clean, execute, id, number};
use super::exchange::Pending;
use super::{connection, destination};
use crate::record::session::{Recovery, SessionOpen};
use crate::record::{Body, Record};
use rusqlite::{Connection, params};

/// Where a record stands in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    /// Without the newline.
    pub(super) length: u64,
}

/// Takes in one record.
pub(super) fn insert(
    db: &Connection,
    pending: &mut Pending,
    record: &Record,
    place: Place,
) -> Result<(), InsertError> {
    let subject = record.body.subject();
    let connection = subject.map(|(connection, _)| id(connection)).transpose()?;
    execute(
        db,
        "INSERT INTO records (seq, offset, length, kind, connection, exchange)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            number(record.seq),
            number(place.offset),
            number(place.length),
            record.body.kind(),
            connection,
            subject.map(|(_, exchange)| exchange)
        ],
    )?;
    let at = number(record.at.wall.0);
    let mono = number(record.at.mono.0);
    match &record.body {
        Body::SessionOpen(open) => session_open(db, open, at),
        Body::SessionClose(_) => execute(db, "UPDATE session SET closed = ?1", params![at]),
        Body::ConnectionOpen(open) => connection::open(db, open, at, mono),
        Body::ConnectionTarget(target) => connection::target(db, target),
        Body::ConnectionDial(dial) => connection::dial(db, dial),
        Body::ConnectionTreatment(treatment) => connection::treatment(db, treatment),
        Body::ConnectionClose(close) => connection::close(db, close, mono),
        Body::TlsClientHello(hello) => connection::tls_client_hello(db, hello),
        Body::TlsClient(client) => connection::tls_client(db, client),
        Body::StreamClose(close) => connection::stream_close(db, close),
        Body::Dns(dns) => destination::lookup(db, dns, record.seq, at),
        Body::Claims(claims) => destination::claims(db, claims, record.seq),
        Body::Assessment(assessment) => destination::assessment(db, assessment, record.seq),
        Body::Frames(frames) => connection::frames(db, frames),
        Body::ExchangeRequest(request) => pending.request(db, request, at, mono),
        Body::ExchangeResponse(response) => pending.response(db, response, mono),
        Body::ExchangeMessage(message) => pending.message(message),
        Body::ExchangeClose(close) => pending.close(db, close, mono),
        Body::TlsUpstream(_)
        | Body::LostSync(_)
        | Body::DatagramsDropped(_)
        | Body::StreamEnd(_)
        | Body::Gap(_)
        | Body::Marker(_)
        | Body::Phase(_) => Ok(()),
        Body::Recovery(recovery) => first_record_lost(db, recovery, at),
    }
}

fn session_open(db: &Connection, open: &SessionOpen, at: i64) -> Result<(), InsertError> {
    execute(
        db,
        "INSERT OR IGNORE INTO session (only, id, name, case_name, device, simulated, opened)
         VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            open.session.0.to_string(),
            clean(&open.name),
            open.case.as_deref().map(clean),
            open.device.as_deref().map(clean),
            open.simulated,
            at
        ],
    )
}

/// A log that lost its first record begins with the recovery, which knows the session by its id
/// alone.
fn first_record_lost(db: &Connection, recovery: &Recovery, at: i64) -> Result<(), InsertError> {
    let Some(session) = &recovery.session else { return Ok(()) };
    execute(
        db,
        "INSERT OR IGNORE INTO session (only, id, name, simulated, opened)
         VALUES (0, ?1, '', 0, ?2)",
        params![session.0.to_string(), at],
    )
}
