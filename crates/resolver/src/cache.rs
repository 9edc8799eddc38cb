//! What servers said of names, each kept for its lifetime and at most a bounded number of names.
//! When it is full, what would expire next goes first.

use crate::resolved::Resolved;
use flow::address::DnsName;
use flow::time::MonoNanos;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Resolved names by name.
pub(crate) struct Cache {
    capacity: usize,
    entries: HashMap<DnsName, Entry>,
    /// Each entry's end and name.
    by_end: BTreeSet<(MonoNanos, DnsName)>,
}

struct Entry {
    resolved: Arc<Resolved>,
    since: MonoNanos,
    end: MonoNanos,
}

impl Cache {
    /// A cache of at most `capacity` names; 0 keeps nothing.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: HashMap::new(), by_end: BTreeSet::new() }
    }

    /// What is kept of `name`, and for how long it has been kept.
    pub(crate) fn get(&self, name: &DnsName, now: MonoNanos) -> Option<(Arc<Resolved>, Duration)> {
        let entry = self.entries.get(name).filter(|entry| now < entry.end)?;
        Some((Arc::clone(&entry.resolved), now.since(entry.since)))
    }

    /// Keeps `resolved` for its lifetime. What has none is not kept, nor an answer of so many
    /// records that ten thousand of its kind would be a burden.
    pub(crate) fn put(&mut self, name: &DnsName, resolved: &Arc<Resolved>, now: MonoNanos) {
        self.remove(name);
        let lifetime = resolved.lifetime.min(LONGEST);
        if lifetime.is_zero() || self.capacity == 0 || resolved.answers.len() > MOST_ANSWERS {
            return;
        }
        while self.entries.len() >= self.capacity {
            let Some((_, next)) = self.by_end.pop_first() else { break };
            self.entries.remove(&next);
        }
        let nanos = u64::try_from(lifetime.as_nanos()).unwrap_or(u64::MAX);
        let end = MonoNanos(now.0.saturating_add(nanos));
        self.by_end.insert((end, name.clone()));
        let entry = Entry { resolved: Arc::clone(resolved), since: now, end };
        self.entries.insert(name.clone(), entry);
    }

    fn remove(&mut self, name: &DnsName) {
        if let Some(entry) = self.entries.remove(name) {
            self.by_end.remove(&(entry.end, name.clone()));
        }
    }
}

/// A day (RFC 8767 section 4 suggests a cap of days to a week).
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Records of one answer; the largest honest ones have some dozens.
const MOST_ANSWERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use flow::dns::{Answer, AnswerData, Dnssec, Edns, LookupOutcome, Resolver};

    fn name(number: usize) -> DnsName {
        format!("h{number}.example").parse().unwrap()
    }

    fn resolved(seconds: u64, answers: usize) -> Arc<Resolved> {
        let answer = Answer {
            owner: name(0),
            ttl_seconds: u32::try_from(seconds).unwrap(),
            data: AnswerData::Address([192, 0, 2, 1].into()),
        };
        Arc::new(Resolved {
            resolver: Resolver::Unknown,
            chain: vec![name(0)],
            answers: vec![answer; answers],
            outcome: LookupOutcome::Found,
            lifetime: Duration::from_secs(seconds),
            dnssec: Dnssec::NotAsked,
            edns: Edns::NotAsked,
        })
    }

    fn at(seconds: u64) -> MonoNanos {
        MonoNanos(seconds * 1_000_000_000)
    }

    #[test]
    fn an_entry_ends_with_its_lifetime_and_shows_what_is_left() {
        let mut cache = Cache::new(10);
        cache.put(&name(1), &resolved(60, 1), at(100));
        let (kept, age) = cache.get(&name(1), at(159)).unwrap();
        assert_eq!(kept.answers_at(age).first().unwrap().ttl_seconds, 1);
        assert!(cache.get(&name(1), at(160)).is_none());
        assert!(cache.get(&name(2), at(100)).is_none());
    }

    #[test]
    fn nothing_is_kept_without_a_lifetime_and_nothing_huge() {
        let mut cache = Cache::new(10);
        cache.put(&name(1), &resolved(0, 1), at(0));
        cache.put(&name(2), &resolved(60, MOST_ANSWERS + 1), at(0));
        cache.put(&name(3), &resolved(1_000_000, 1), at(0));
        assert!(cache.get(&name(1), at(0)).is_none() && cache.get(&name(2), at(0)).is_none());
        assert!(cache.get(&name(3), at(86_399)).is_some());
        assert!(cache.get(&name(3), at(86_400)).is_none());
        let mut none = Cache::new(0);
        none.put(&name(1), &resolved(60, 1), at(0));
        assert!(none.get(&name(1), at(0)).is_none());
    }

    #[test]
    fn a_full_cache_lets_go_of_what_ends_first() {
        let mut cache = Cache::new(3);
        for (number, seconds) in [(1, 30), (2, 10), (3, 20), (3, 40), (4, 50)] {
            cache.put(&name(number), &resolved(seconds, 1), at(0));
            assert!(cache.entries.len() <= 3 && cache.by_end.len() == cache.entries.len());
        }
        let kept: Vec<_> = (1..=4).filter(|n| cache.get(&name(*n), at(0)).is_some()).collect();
        assert_eq!(kept, [1, 3, 4]);
    }
}
