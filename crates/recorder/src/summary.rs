//! What a session amounts to, counted while it is recorded.

use flow::address::Host;
use flow::id::SessionId;
use flow::treatment::Treatment;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// The counts of a finished session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub session: SessionId,
    /// The session's directory.
    pub directory: PathBuf,
    pub records: u64,
    pub connections: u64,
    pub exchanges: u64,
    /// Connections by the word of their treatment.
    pub treatments: BTreeMap<&'static str, u64>,
    /// Distinct hosts that were asked for.
    pub destinations: u64,
    /// Those of them that a policy flags.
    pub flagged: u64,
    /// Bytes relayed from devices.
    pub bytes_up: u64,
    /// Bytes relayed to devices.
    pub bytes_down: u64,
}

/// The counts so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: u64,
    pub(crate) exchanges: u64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    treatments: BTreeMap<&'static str, u64>,
    /// Whether each host is flagged.
    hosts: HashMap<Host, bool>,
}

impl Tally {
    /// Counts a treatment in place of the one before it.
    pub(crate) fn treated(&mut self, before: Option<&Treatment>, now: &Treatment) {
        if let Some(before) = before
            && let Some(count) = self.treatments.get_mut(before.word())
        {
            *count = count.saturating_sub(1);
        }
        *self.treatments.entry(now.word()).or_default() += 1;
    }

    pub(crate) fn contacted(&mut self, host: &Host, flagged: bool, most_hosts: usize) {
        if let Some(known) = self.hosts.get_mut(host) {
            *known |= flagged;
        } else if self.hosts.len() < most_hosts {
            self.hosts.insert(host.clone(), flagged);
        }
    }

    pub(crate) fn summary(&self, session: SessionId, directory: PathBuf, records: u64) -> Summary {
        let treatments = self.treatments.iter().filter(|(_, count)| **count > 0);
        Summary {
            session,
            directory,
            records,
            connections: self.connections,
            exchanges: self.exchanges,
            treatments: treatments.map(|(word, count)| (*word, *count)).collect(),
            destinations: self.hosts.len() as u64,
            flagged: self.hosts.values().filter(|flagged| **flagged).count() as u64,
            bytes_up: self.bytes_up,
            bytes_down: self.bytes_down,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_hosts_are_told_apart_as_the_limit_says() {
        let mut tally = Tally::default();
        for name in ["a.example", "b.example", "c.example", "a.example"] {
            tally.contacted(&name.parse().unwrap(), name.starts_with('a'), 2);
        }
        let summary = tally.summary(SessionId([0; 16]), PathBuf::new(), 0);
        assert_eq!((summary.destinations, summary.flagged), (2, 1));
    }
}
