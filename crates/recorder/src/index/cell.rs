//! Values of the database, and the statements that take them.

use flow::id::ConnectionId;
use rusqlite::types::Value;
use rusqlite::{Connection, ToSql};
use std::net::IpAddr;

/// Why a record could not be taken in.
#[derive(Debug)]
pub(super) enum InsertError {
    Database(rusqlite::Error),
    /// An id that does not fit the database's 63 bits.
    Number(u64),
}

impl From<rusqlite::Error> for InsertError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database(source)
    }
}

/// An address as bytes in network order: 4 or 16 of them, so that a network is a range.
pub(crate) fn address_key(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// Runs a statement that changes rows; its text must be constant, since it is kept prepared.
pub(super) fn execute(
    db: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
) -> Result<(), InsertError> {
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// A quantity; the database's 63 bits are more than any that occurs, larger ones are cut to it.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// An id: two of them must never become the same.
pub(super) fn number_of_id(value: u64) -> Result<i64, InsertError> {
    i64::try_from(value).map_err(|_too_large| InsertError::Number(value))
}

pub(super) fn id(connection: ConnectionId) -> Result<i64, InsertError> {
    number_of_id(connection.0)
}

/// A text without control characters, which would end comparisons early or upset terminals.
pub(super) fn clean(text: &str) -> Value {
    Value::Text(clean_text(text))
}

/// As [`clean`], not yet a value.
pub(super) fn clean_text(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
