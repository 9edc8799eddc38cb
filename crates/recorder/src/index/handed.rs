//! What the writer of a log hands over to its index, so that these lines need not be read again.
//! All of it is optional: whatever is not there is read from the log.

use super::entry::Entry;
use super::place::Place;
use crate::record::Record;
use std::collections::VecDeque;

/// Entries of exchanges with their places, in the order of the log, within a bound.
#[derive(Debug, Default)]
pub(crate) struct Handed(VecDeque<(Place, Entry)>);

impl Handed {
    /// Adds what a record says, whose line is `length` bytes at `offset`.
    pub(crate) fn add(&mut self, record: &Record, offset: u64, length: u64) {
        if self.0.len() < MOST
            && let Some(entry) = Entry::of_exchange(record)
        {
            self.0.push_back((Place { offset, length }, entry));
        }
    }

    /// Adds what was handed over later, as far as there is room.
    pub(super) fn extend(&mut self, later: Self) {
        let room = MOST.saturating_sub(self.0.len());
        self.0.extend(later.0.into_iter().take(room));
    }

    /// The entry whose line begins at `position` and ends, with its newline, within `committed`
    /// bytes. What lies before it is let go.
    pub(super) fn take(&mut self, position: u64, committed: u64) -> Option<(Place, Entry)> {
        while let Some((place, _)) = self.0.front() {
            if place.offset < position {
                self.0.pop_front();
                continue;
            }
            let here = place.offset == position && place.end() <= committed;
            return if here { self.0.pop_front() } else { None };
        }
        None
    }
}

/// Entries in flight, of a few hundred bytes each: as many as come between two commits.
const MOST: usize = 8_192;
