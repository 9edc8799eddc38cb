//! Single records out of the log, found through the index.

use super::error::ReadError;
use super::rows::Ending;
use crate::index::log::line_at;
use crate::index::{IndexError, cell::number};
use crate::openings::Openings;
use crate::record::session::CloseWhy;
use crate::record::{Body, Record};
use rusqlite::{Connection, OptionalExtension, Params, params};
use std::cell::RefCell;
use std::path::Path;

/// The log with the index that knows where its lines are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records<'a> {
    pub(super) db: &'a Connection,
    /// The index's name in errors.
    pub(super) index: &'a Path,
    pub(super) log: &'a Path,
    pub(super) openings: &'a RefCell<Openings>,
}

impl Records<'_> {
    /// The record with this number, as it is in the log.
    pub(super) fn get(&self, seq: u64) -> Result<Record, ReadError> {
        let sql = "SELECT offset, length FROM records WHERE seq = ?1";
        let place = self
            .db
            .prepare_cached(sql)
            .and_then(|mut query| {
                let place = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                query.query_row([number(seq)], place).optional()
            })
            .map_err(|source| self.failed(source))?;
        let (offset, length) = place.ok_or(ReadError::Record { seq, what: "place in the log" })?;
        self.at(offset, length)
    }

    /// The numbers of the `claims` and `assessment` records of an assessment.
    pub(super) fn of_assessment(&self, assessment: i64) -> Result<Option<(u64, u64)>, ReadError> {
        let sql = "SELECT claims_seq, assessment_seq FROM assessments
                   WHERE number = ?1 AND claims_seq NOT NULL AND assessment_seq NOT NULL";
        self.db
            .prepare_cached(sql)
            .and_then(|mut query| {
                query.query_row([assessment], |row| Ok((whole(row, 0)?, whole(row, 1)?))).optional()
            })
            .map_err(|source| self.failed(source))
    }

    /// The first `most` records of a connection's exchange but those of its messages, in order; of
    /// the connection itself for the exchange 0.
    pub(super) fn of_flow(
        &self,
        connection: i64,
        exchange: u32,
        most: usize,
    ) -> Result<Vec<Record>, ReadError> {
        // Offsets grow as the numbers do.
        let sql = "SELECT offset, length FROM records
                   WHERE connection = ?1 AND exchange = ?2 AND kind <> ?4
                   UNION ALL SELECT request_offset, request_length FROM flows
                   WHERE connection = ?1 AND exchange = ?2 AND request_offset NOT NULL
                   UNION ALL SELECT response_offset, response_length FROM flows
                   WHERE connection = ?1 AND exchange = ?2 AND response_offset NOT NULL
                   UNION ALL SELECT close_offset, close_length FROM flows
                   WHERE connection = ?1 AND exchange = ?2 AND close_offset NOT NULL
                   ORDER BY 1 LIMIT ?3";
        self.listed(sql, params![connection, exchange, most as i64, Body::MESSAGE_KIND])
    }

    /// The records of an exchange's messages, in order.
    pub(super) fn of_messages(
        &self,
        connection: i64,
        exchange: u32,
    ) -> Result<Vec<Record>, ReadError> {
        let sql = "SELECT offset, length FROM records
                   WHERE connection = ?1 AND exchange = ?2 AND kind = ?3 ORDER BY seq";
        self.listed(sql, params![connection, exchange, Body::MESSAGE_KIND])
    }

    /// The records at the places that a query gives: offset and length.
    pub(super) fn listed(&self, sql: &str, values: impl Params) -> Result<Vec<Record>, ReadError> {
        let place = |row: &rusqlite::Row<'_>| Ok((whole(row, 0)?, whole(row, 1)?));
        let places = self
            .db
            .prepare_cached(sql)
            .and_then(|mut query| {
                query.query_map(values, place)?.collect::<rusqlite::Result<Vec<_>>>()
            })
            .map_err(|source| self.failed(source))?;
        places.into_iter().map(|(offset, length)| self.parsed(offset, length)).collect()
    }

    /// The record numbers that a query gives.
    pub(super) fn seqs(&self, sql: &str, values: impl Params) -> Result<Vec<u64>, ReadError> {
        self.db
            .prepare_cached(sql)
            .and_then(|mut query| query.query_map(values, |row| whole(row, 0))?.collect())
            .map_err(|source| self.failed(source))
    }

    /// How the session ended, where it has.
    pub(super) fn ending(&self) -> Result<Option<Ending>, ReadError> {
        let Some(Body::SessionClose(close)) = self.last("session.close")? else { return Ok(None) };
        let mut ending = Ending {
            why: close.why,
            open_connections: close.open_connections.map_or(0, |count| count.0),
            cut_bytes: 0,
            missing_frames: 0,
        };
        if close.why == CloseWhy::Recovered
            && let Some(Body::Recovery(recovery)) = self.last("recovery")?
        {
            ending.open_connections = recovery.open_connections.0;
            ending.cut_bytes = recovery.cut_log_bytes.0.saturating_add(recovery.cut_store_bytes.0);
            let missing = recovery.missing_frames.iter().map(|missing| missing.count.0);
            ending.missing_frames = missing.fold(0, u64::saturating_add);
        }
        Ok(Some(ending))
    }

    /// The last record of a kind that comes late in the log, if at all.
    fn last(&self, kind: &str) -> Result<Option<Body>, ReadError> {
        let sql = "SELECT seq FROM records WHERE kind = ?1 ORDER BY seq DESC LIMIT 1";
        let seq = self
            .db
            .prepare_cached(sql)
            .and_then(|mut query| query.query_row([kind], |row| whole(row, 0)).optional())
            .map_err(|source| self.failed(source))?;
        seq.map(|seq| self.get(seq).map(|record| record.body)).transpose()
    }

    /// A failure of the database.
    pub(super) fn failed(&self, source: rusqlite::Error) -> ReadError {
        ReadError::Index(IndexError::Database { path: self.index.to_owned(), source })
    }

    fn at(&self, offset: i64, length: i64) -> Result<Record, ReadError> {
        let whole = |value: i64| u64::try_from(value).unwrap_or(0);
        self.parsed(whole(offset), whole(length))
    }

    fn parsed(&self, offset: u64, length: u64) -> Result<Record, ReadError> {
        let line = line_at(self.log, offset, length)?;
        let mut record = Record::parse(&line).map_err(|source| {
            ReadError::Index(IndexError::Record { path: self.log.to_owned(), offset, source })
        })?;
        let opened = self.openings.borrow_mut().open(record.seq, &record.nonce, &mut record.body);
        opened.map_err(|error| ReadError::Index(error.into()))?;
        Ok(record)
    }
}

/// A column that is never negative.
pub(super) fn whole(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}
