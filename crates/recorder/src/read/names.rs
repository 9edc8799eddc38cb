//! Names and connections that have no counterpart: names that were looked up and never reached, and
//! addresses that were reached without a look-up. Counts only; filters find the rows.

use super::error::ReadError;
use super::records::{Records, whole};

/// What became of the names of a session. A look-up that no connection asked for, such as that of an
/// upstream proxy's own name, counts nowhere here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameCounts {
    /// Distinct names that were looked up because a device asked for a connection to them.
    pub looked_up: u64,
    /// Those among them of which no look-up gave an address.
    pub unresolved: u64,
    /// Those that had addresses, none of which was reached.
    pub not_reached: u64,
    /// Distinct addresses that were reached though no answer of the session holds them.
    pub without_lookup: u64,
}

/// Counts the names of a session.
pub(super) fn count(records: &Records<'_>) -> Result<NameCounts, ReadError> {
    let sql = "
        WITH names AS (
            SELECT max(lookups.outcome = 'found') AS found, max(connections.reached) AS reached
            FROM lookups JOIN connections ON connections.id = lookups.connection
            GROUP BY lookups.name)
        SELECT count(*), coalesce(sum(NOT found), 0), coalesce(sum(found AND NOT reached), 0),
            (SELECT count(DISTINCT address) FROM connections
             WHERE reached AND ingress <> 'onboarding' AND address NOT NULL AND NOT EXISTS
                (SELECT 1 FROM answers WHERE answers.address = connections.address))
        FROM names";
    let counts = |row: &rusqlite::Row<'_>| {
        Ok(NameCounts {
            looked_up: whole(row, 0)?,
            unresolved: whole(row, 1)?,
            not_reached: whole(row, 2)?,
            without_lookup: whole(row, 3)?,
        })
    };
    records.db.query_row(sql, [], counts).map_err(|source| records.failed(source))
}
