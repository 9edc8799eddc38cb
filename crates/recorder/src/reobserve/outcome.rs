//! What a second derivation came to, in numbers.

use std::collections::BTreeSet;

/// What a second derivation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reobserved {
    /// Connections on whose bytes an observer looked.
    pub connections: u64,
    /// Exchanges, of the log and of the second derivation together.
    pub exchanges: u64,
    /// Exchanges with a difference; what a connection lost sync at counts as one.
    pub differ: u64,
    /// Of these, the ones that an observer of another version had recorded: to be expected.
    pub differ_by_version: u64,
    /// Exchanges that could not be derived to their end, because bytes or records are missing: a
    /// limit, a crash, or a session that still runs.
    pub cut: u64,
    /// Bytes of the relay leg that were looked at.
    pub bytes: u64,
    /// Versions of other observers that the records name.
    pub other_observers: BTreeSet<String>,
}

impl Reobserved {
    /// Whether the log says what this version derives, as far as there are bytes, or another
    /// version explains why it does not.
    pub fn is_confirmed(&self) -> bool {
        self.differ == self.differ_by_version
    }
}
