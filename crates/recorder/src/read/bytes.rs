//! The bytes of a stream, out of the segments of the stream store. The index says in which
//! stretches of which segment a stream has frames; every frame read is checked by its sum. Memory
//! is that of one frame.

use super::error::ReadError;
use super::records::{Records, whole};
use super::stretch::Stretch;
use crate::directory::SessionDir;
use crate::index::cell::number;
use crate::index::connection::{direction_word, leg_word};
use flow::stream::{Extent, Leg, StreamKey};
use rusqlite::params;

/// Hands the bytes of `extent` to `sink`, in order, in pieces. An `extent` that reaches beyond
/// what is known of the stream ends with a [`ReadError::Gap`], unless its end is `u64::MAX`.
pub(super) fn copy(
    records: &Records<'_>,
    session: &SessionDir,
    stream: StreamKey,
    extent: Extent,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut wanted = extent;
    for run in runs(records, stream, extent)? {
        if wanted.is_empty() {
            break;
        }
        if run.extent.start > wanted.start {
            return Err(ReadError::Gap { stream, offset: wanted.start });
        }
        let mut stretch = Stretch::open(session.segment_file(run.segment), run.offset, run.bytes)?;
        let mut at = run.extent.start;
        while at < run.extent.end.min(wanted.end) {
            let Some(frame) = stretch.next()? else {
                return Err(stretch.misplaced(stream));
            };
            if frame.header.stream != stream {
                continue;
            }
            let skipped = usize::try_from(wanted.start.saturating_sub(at)).unwrap_or(usize::MAX);
            let most = usize::try_from(wanted.len()).unwrap_or(usize::MAX);
            let piece = frame.payload.get(skipped..).unwrap_or_default();
            let piece = piece.get(..most).unwrap_or(piece);
            at = at.saturating_add(frame.payload.len() as u64);
            wanted.start += piece.len() as u64;
            sink(piece)?;
        }
    }
    if wanted.is_empty() || wanted.end == u64::MAX {
        return Ok(());
    }
    Err(ReadError::Gap { stream, offset: wanted.start })
}

/// Bytes kept of a stream.
pub(super) fn kept(records: &Records<'_>, stream: StreamKey) -> Result<u64, ReadError> {
    let Ok(connection) = i64::try_from(stream.connection.0) else { return Ok(0) };
    let sql = "SELECT coalesce(max(end), 0) FROM runs
               WHERE connection = ?1 AND leg = ?2 AND direction = ?3";
    let words = (leg_word(stream.leg.into()), direction_word(stream.direction.into()));
    let found = records.db.query_row(sql, params![connection, words.0, words.1], |r| whole(r, 0));
    found.map_err(|source| records.failed(source))
}

/// Bytes kept of the legs that hold ciphertext where TLS is terminated.
pub(super) fn tls_bytes_kept(records: &Records<'_>) -> Result<u64, ReadError> {
    let sql = "SELECT coalesce(sum(end - start), 0) FROM runs WHERE leg IN (?1, ?2)";
    let legs = [Leg::Upstream, Leg::ClientTls].map(|leg| leg_word(leg.into()));
    let found = records.db.query_row(sql, legs, |row| whole(row, 0));
    found.map_err(|source| records.failed(source))
}

/// What one flush added to a stream, and where.
#[derive(Clone, Copy, Debug)]
struct Run {
    extent: Extent,
    segment: u64,
    offset: u64,
    bytes: u64,
}

/// The runs that hold something of `extent`, in order.
///
/// All at once, so that a slow receiver of bytes holds no lock: a flush every 200 ms makes 18,000
/// runs of 40 bytes in an hour.
fn runs(records: &Records<'_>, stream: StreamKey, extent: Extent) -> Result<Vec<Run>, ReadError> {
    let Ok(connection) = i64::try_from(stream.connection.0) else { return Ok(Vec::new()) };
    let sql = "SELECT start, end, segment, offset, bytes FROM runs
               WHERE connection = ?1 AND leg = ?2 AND direction = ?3 AND start < ?5 AND end > ?4
               ORDER BY start";
    records
        .db
        .prepare_cached(sql)
        .and_then(|mut query| {
            let run = |row: &rusqlite::Row<'_>| {
                Ok(Run {
                    extent: Extent { start: whole(row, 0)?, end: whole(row, 1)? },
                    segment: whole(row, 2)?,
                    offset: whole(row, 3)?,
                    bytes: whole(row, 4)?,
                })
            };
            let words = (leg_word(stream.leg.into()), direction_word(stream.direction.into()));
            let range = (number(extent.start), number(extent.end));
            query.query_map(params![connection, words.0, words.1, range.0, range.1], run)?.collect()
        })
        .map_err(|source| records.failed(source))
}
