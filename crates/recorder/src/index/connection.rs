//! Records about connections and their streams into the tables.

use super::cell::{InsertError, address_key, clean, execute, id, number};
use crate::record::connection::{
    ConnectionClose, ConnectionDial, ConnectionOpen, ConnectionTarget, ConnectionTreatment,
    StreamClose,
};
use crate::record::sealed::Sealed;
use crate::record::store::{Direction, Frames, Leg};
use crate::record::tls::{TlsClient, TlsClientHello, TlsRelayed};
use crate::record::value::Count;
use flow::address::Host;
use flow::event::Ingress;
use flow::id::ConnectionId;
use flow::tls::Shown;
use rusqlite::{Connection, params};

pub(super) fn open(
    db: &Connection,
    open: &ConnectionOpen,
    at: i64,
    mono: i64,
) -> Result<(), InsertError> {
    let connection = id(open.connection.0)?;
    execute(
        db,
        "INSERT OR IGNORE INTO connections (id, opened, opened_mono, device, ingress, app)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            connection,
            at,
            mono,
            open.device.open().map(|device| device.ip().to_canonical().to_string()),
            clean(&open.ingress),
            open.app.as_ref().and_then(Sealed::open).map(|app| clean(app))
        ],
    )?;
    execute(
        db,
        "INSERT OR IGNORE INTO flows (connection, exchange, time, mono) VALUES (?1, 0, ?2, ?3)",
        params![connection, at, mono],
    )
}

pub(super) fn target(db: &Connection, target: &ConnectionTarget) -> Result<(), InsertError> {
    let (address, assessment) = match (&target.host.0, target.assessment) {
        (Host::Ip(ip), Some(assessment)) => (Some(*ip), Some(number(assessment.0))),
        (Host::Ip(ip), None) => (Some(*ip), None),
        (Host::Name(_), _) => (None, None),
    };
    execute(
        db,
        "UPDATE connections SET host = ?2, port = ?3, address = ?4, address_key = ?5,
             assessment = ?6
         WHERE id = ?1",
        params![
            id(target.connection.0)?,
            target.host.0.to_string(),
            target.port,
            address.map(|ip| ip.to_string()),
            address.map(address_key),
            assessment
        ],
    )
}

pub(super) fn dial(db: &Connection, dial: &ConnectionDial) -> Result<(), InsertError> {
    let reached = dial.error.is_none();
    let Some(address) = &dial.address else {
        // Through a proxy that was given a name: where that led to, nobody here knows.
        let sql = "UPDATE connections SET reached = ?2 WHERE id = ?1 AND reached = 0";
        return execute(db, sql, params![id(dial.connection.0)?, reached]);
    };
    let ip = address.0.ip().to_canonical();
    // The address that was reached stays, whatever is tried after it.
    execute(
        db,
        "UPDATE connections SET address = ?2, address_key = ?3, assessment = ?4, reached = ?5,
             simulated = ?6
         WHERE id = ?1 AND (reached = 0 OR ?5)",
        params![
            id(dial.connection.0)?,
            ip.to_string(),
            address_key(ip),
            dial.assessment.map(|assessment| number(assessment.0)),
            reached,
            dial.simulated_by.is_some()
        ],
    )
}

pub(super) fn treatment(
    db: &Connection,
    treatment: &ConnectionTreatment,
) -> Result<(), InsertError> {
    let protocol = match treatment.reason.as_str() {
        "http" | "own-pages" if treatment.treatment == "plaintext" => Some("http"),
        "not-tls" | "server-spoke-first" if treatment.treatment == "plaintext" => Some("tcp"),
        "datagrams" => Some("udp"),
        _ => None,
    };
    execute(
        db,
        "UPDATE connections SET treatment = ?2, why = ?3, protocol = coalesce(?4, protocol),
             distrust = ?5
         WHERE id = ?1",
        params![
            id(treatment.connection.0)?,
            clean(&treatment.treatment),
            clean(&treatment.why),
            protocol,
            treatment.distrust.as_ref().map(|distrust| clean(&distrust.class))
        ],
    )
}

pub(super) fn close(
    db: &Connection,
    close: &ConnectionClose,
    mono: i64,
) -> Result<(), InsertError> {
    execute(
        db,
        "UPDATE connections SET outcome = ?2, bytes_up = ?3, bytes_down = ?4,
             duration = max(0, ?5 - opened_mono), dns = ?6, connect = ?7, upstream_tls = ?8,
             tls_to_client = ?9
         WHERE id = ?1",
        params![
            id(close.connection.0)?,
            clean(&close.outcome),
            number(close.relayed_up.0),
            number(close.relayed_down.0),
            mono,
            nanos(close.timings.dns_ns),
            nanos(close.timings.connect_ns),
            nanos(close.timings.upstream_tls_ns),
            nanos(close.timings.client_tls_ns)
        ],
    )
}

/// A connection that was taken transparently is for an address. The name that the device gives for
/// it (SNI, `Host`) labels it, and is no more than the device's word: the address was dialled.
pub(super) fn named(
    db: &Connection,
    connection: ConnectionId,
    name: &str,
) -> Result<(), InsertError> {
    let Ok(Host::Name(name)) = name.parse::<Host>() else { return Ok(()) };
    let [redirect, tproxy] = [Ingress::Redirect, Ingress::Tproxy].map(Ingress::word);
    execute(
        db,
        "UPDATE connections SET host = ?2 WHERE id = ?1 AND host = address AND ingress IN (?3, ?4)",
        params![id(connection)?, name.as_str(), redirect, tproxy],
    )
}

fn nanos(count: Option<Count>) -> Option<i64> {
    count.map(|count| number(count.0))
}

pub(super) fn tls_client_hello(db: &Connection, hello: &TlsClientHello) -> Result<(), InsertError> {
    if let Some(name) = &hello.server_name {
        named(db, hello.connection.0, name)?;
    }
    execute(
        db,
        "UPDATE connections SET ja4 = ?2, protocol = coalesce(protocol, 'tls') WHERE id = ?1",
        params![id(hello.connection.0)?, clean(&hello.ja4)],
    )
}

pub(super) fn tls_client(db: &Connection, client: &TlsClient) -> Result<(), InsertError> {
    let alpn = client.agreed.alpn.as_ref().map(|alpn| alpn.to_string_lossy().into_owned());
    execute(
        db,
        "UPDATE connections SET client_tls = 1, protocol = coalesce(?2, protocol) WHERE id = ?1",
        params![id(client.connection.0)?, alpn],
    )
}

/// The handshake was the device's own with the server.
pub(super) fn tls_relayed(db: &Connection, relayed: &TlsRelayed) -> Result<(), InsertError> {
    let sent = relayed.shows == Shown::DataSent.word();
    execute(
        db,
        "UPDATE connections SET client_tls = 1, tls_data_sent = max(tls_data_sent, ?2) WHERE id = ?1",
        params![id(relayed.connection.0)?, sent],
    )
}

pub(super) fn stream_close(db: &Connection, close: &StreamClose) -> Result<(), InsertError> {
    if close.leg != Leg::Relay {
        return Ok(());
    }
    let sql = match close.direction {
        Direction::Up => "UPDATE connections SET bytes_up = ?2 WHERE id = ?1",
        Direction::Down => "UPDATE connections SET bytes_down = ?2 WHERE id = ?1",
    };
    execute(db, sql, params![id(close.connection.0)?, number(close.relayed.0)])
}

pub(super) fn frames(db: &Connection, frames: &Frames) -> Result<(), InsertError> {
    for run in &frames.streams {
        let connection = id(run.connection.0)?;
        execute(
            db,
            "INSERT OR IGNORE INTO runs (connection, leg, direction, start, end, segment, offset,
                 bytes, first_frame)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                connection,
                leg_word(run.leg),
                direction_word(run.direction),
                number(run.start.0),
                number(run.end.0),
                number(frames.segment.0),
                number(frames.offset.0),
                number(frames.bytes.0),
                number(frames.first.0)
            ],
        )?;
        // What is kept so far stands for what was relayed, until the stream's totals come.
        let sql = match (run.leg, run.direction) {
            (Leg::Relay, Direction::Up) => {
                "UPDATE connections SET bytes_up = max(bytes_up, ?2) WHERE id = ?1"
            }
            (Leg::Relay, Direction::Down) => {
                "UPDATE connections SET bytes_down = max(bytes_down, ?2) WHERE id = ?1"
            }
            _ => continue,
        };
        execute(db, sql, params![connection, number(run.end.0)])?;
    }
    Ok(())
}

pub(crate) fn leg_word(leg: Leg) -> &'static str {
    match leg {
        Leg::Relay => "relay",
        Leg::Client => "client",
        Leg::Upstream => "upstream",
        Leg::ClientTls => "client-tls",
    }
}

pub(crate) fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}
