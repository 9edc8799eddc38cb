//! Single records out of the log, found through the index.

use super::error::ReadError;
use crate::index::log::line_at;
use crate::index::{IndexError, cell::number};
use crate::record::Record;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

/// The log with the index that knows where its lines are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records<'a> {
    pub(super) db: &'a Connection,
    /// The index's name in errors.
    pub(super) index: &'a Path,
    pub(super) log: &'a Path,
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

    /// The first `most` records of a connection's exchange, in order; of the connection itself for
    /// the exchange 0.
    pub(super) fn of_flow(
        &self,
        connection: i64,
        exchange: u32,
        most: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let sql = "SELECT offset, length FROM records
                   WHERE connection = ?1 AND exchange = ?2 ORDER BY seq LIMIT ?3";
        let places: Vec<(u64, u64)> = self
            .db
            .prepare_cached(sql)
            .and_then(|mut query| {
                query
                    .query_map(params![connection, exchange, most as i64], |row| {
                        Ok((whole(row, 0)?, whole(row, 1)?))
                    })?
                    .collect()
            })
            .map_err(|source| self.failed(source))?;
        places.into_iter().map(|(offset, length)| self.parsed(offset, length)).collect()
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
        Record::parse(&line).map_err(|source| {
            ReadError::Index(IndexError::Record { path: self.log.to_owned(), offset, source })
        })
    }
}

/// A column that is never negative.
pub(super) fn whole(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}
