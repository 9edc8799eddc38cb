//! What the writer of a log hands over to its index, so that these lines need not be read again.
//! All of it is optional: whatever is not there is read from the log.

use super::entry::Entry;
use super::place::Place;
use crate::record::Record;
use std::collections::VecDeque;

/// Entries of exchanges with their places, in the order of the log, within a bound.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    entries: VecDeque<(Place, u64, Entry)>,
    /// The lengths of their lines and openings together; what an entry keeps is of their size.
    line_bytes: u64,
}

impl Handed {
    /// What is to be handed over of a record, where there is room for more; its values must be there.
    pub(crate) fn entry(&self, record: &Record) -> Option<Entry> {
        if self.line_bytes < MOST_LINE_BYTES { Entry::of_exchange(record) } else { None }
    }

    /// Adds an entry whose line is `length` bytes at `offset`, and whose opening has so many bytes,
    /// if there is room.
    pub(crate) fn add(&mut self, entry: Entry, offset: u64, length: u64, opening: u64) {
        self.push(Place { offset, length }, length.saturating_add(opening), entry);
    }

    /// Adds what was handed over later, as far as there is room.
    pub(super) fn extend(&mut self, later: Self) {
        for (place, bytes, entry) in later.entries {
            self.push(place, bytes, entry);
        }
    }

    /// The entry whose line begins at `position` and ends, with its newline, within `committed`
    /// bytes. What lies before it is let go.
    pub(super) fn take(&mut self, position: u64, committed: u64) -> Option<(Place, Entry)> {
        while let Some((place, ..)) = self.entries.front() {
            if place.offset < position {
                self.pop();
                continue;
            }
            let here = place.offset == position && place.end() <= committed;
            return if here { self.pop() } else { None };
        }
        None
    }

    fn push(&mut self, place: Place, bytes: u64, entry: Entry) {
        if self.line_bytes.saturating_add(bytes) <= MOST_LINE_BYTES {
            self.line_bytes += bytes;
            self.entries.push_back((place, bytes, entry));
        }
    }

    fn pop(&mut self) -> Option<(Place, Entry)> {
        let (place, bytes, entry) = self.entries.pop_front()?;
        self.line_bytes -= bytes;
        Some((place, entry))
    }
}

/// Lines whose entries are in flight. Between two commits of a busy session come about 1 MiB, some
/// thousand lines; a request's line can have 256 KiB by itself.
const MOST_LINE_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testing::{Made, exchange};

    #[test]
    fn ten_thousand_long_targets_were_held_for_an_index_that_came_late() {
        let mut made = Made::new();
        made.request(exchange(1, 1), 1, "GET", &format!("/{}", "x".repeat(200_000)));
        let records = made.records();
        let record = records.last().unwrap();
        // What is long is its opening.
        let (length, opening) = (400, 200_100);
        let filled = |from: u64| {
            let mut handed = Handed::default();
            for n in from..from + 100 {
                if let Some(entry) = handed.entry(record) {
                    handed.add(entry, n * (length + 1), length, opening);
                }
            }
            handed
        };
        let held = |handed: &Handed| handed.entries.iter().map(|(_, bytes, _)| bytes).sum();
        let mut waiting = filled(0);
        waiting.extend(filled(100));
        let bytes: u64 = held(&waiting);
        assert_eq!(bytes, waiting.line_bytes);
        assert!(bytes <= MOST_LINE_BYTES && bytes > MOST_LINE_BYTES - length - opening, "{bytes}");
        // What was taken makes room.
        assert!(waiting.take(0, length + 1).is_some());
        waiting.extend(filled(100));
        assert_eq!(waiting.line_bytes, bytes);
        assert!(waiting.take(u64::MAX, u64::MAX).is_none());
        assert_eq!(waiting.line_bytes, 0);
    }
}
