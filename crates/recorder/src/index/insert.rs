//! One record into the tables. Records come in the order of the log; what they say of one thing
//! may come in parts, and parts that never come leave NULLs.

use super::cell::{InsertError, clean, execute, id, number};
use super::entry::{Entry, Said};
use super::exchange::Pending;
use super::place::Place;
use super::{connection, destination, round_trip};
use crate::record::Body;
use crate::record::sealed::Sealed;
use crate::record::session::{Recovery, SessionOpen};
use rusqlite::{Connection, params};

/// Takes in one record.
pub(super) fn insert(
    db: &Connection,
    pending: &mut Pending,
    entry: Entry,
    place: Place,
) -> Result<(), InsertError> {
    let at = number(entry.at.wall.0);
    let mono = number(entry.at.mono.0);
    match entry.said {
        Said::Request(exchange, request) => {
            pending.request(db, exchange, request, (at, mono), place)
        }
        Said::Answer(exchange, answer) => pending.answer(db, exchange, answer, mono, place),
        Said::Closing(exchange, closing) => pending.close(db, exchange, closing, mono, place),
        Said::Other(body) => {
            let connection = recorded(db, &body, entry.seq, place)?;
            connection.into_iter().for_each(|connection| pending.changed(connection));
            other(db, pending, &body, entry.seq, (at, mono))
        }
    }
}

/// Notes where a record is; returns the connection that it is about.
fn recorded(
    db: &Connection,
    body: &Body,
    seq: u64,
    place: Place,
) -> Result<Option<i64>, InsertError> {
    let subject = body.subject();
    let connection = subject.map(|(connection, _)| id(connection)).transpose()?;
    execute(
        db,
        "INSERT INTO records (seq, offset, length, kind, connection, exchange)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            number(seq),
            number(place.offset),
            number(place.length),
            body.kind(),
            connection,
            subject.map(|(_, exchange)| exchange)
        ],
    )?;
    Ok(connection)
}

fn other(
    db: &Connection,
    pending: &mut Pending,
    body: &Body,
    seq: u64,
    (at, mono): (i64, i64),
) -> Result<(), InsertError> {
    match body {
        Body::SessionOpen(open) => session_open(db, open, at),
        Body::SessionClose(_) => execute(db, "UPDATE session SET closed = ?1", params![at]),
        Body::ConnectionOpen(open) => connection::open(db, open, at, mono),
        Body::ConnectionTarget(target) => connection::target(db, target),
        Body::ConnectionDial(dial) => connection::dial(db, dial),
        Body::ConnectionTreatment(treatment) => connection::treatment(db, treatment),
        Body::ConnectionClose(close) => connection::close(db, close, mono),
        Body::TlsClientHello(hello) => connection::tls_client_hello(db, hello),
        Body::TlsClient(client) => connection::tls_client(db, client),
        Body::TlsRelayed(relayed) => connection::tls_relayed(db, relayed),
        Body::StreamClose(close) => connection::stream_close(db, close),
        Body::Dns(dns) => destination::lookup(db, dns, seq, at),
        Body::Claims(claims) => destination::claims(db, claims, seq),
        Body::Assessment(assessment) => destination::assessment(db, assessment, seq),
        Body::Frames(frames) => connection::frames(db, frames),
        Body::Network(network) => round_trip::network(db, network, seq),
        Body::Rtt(rtt) => round_trip::rtt(db, rtt, seq),
        Body::ExchangeMessage(message) => pending.message(message),
        // Those of an exchange's beginning, final response and end are not among the others.
        Body::ExchangeRequest(_)
        | Body::ExchangeResponse(_)
        | Body::ExchangeClose(_)
        | Body::TlsUpstream(_)
        | Body::TlsLeaf(_)
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
            open.device.as_ref().and_then(Sealed::open).map(|device| clean(device)),
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
