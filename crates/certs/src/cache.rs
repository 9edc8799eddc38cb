//! A bounded map of slots, one per host. Knows nothing of certificates: a slot's content and its
//! freshness are the caller's. Eviction is "second chance": the slot that came in first goes first,
//! unless it was asked for since it was last passed over.

use flow::address::Host;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Slots of `T` for at most `capacity` hosts.
pub(crate) struct Cache<T> {
    capacity: usize,
    slots: HashMap<Host, Entry<T>>,
    /// Every host of `slots` once, the next candidate for eviction in front.
    order: VecDeque<Host>,
}

struct Entry<T> {
    slot: Arc<T>,
    asked_again: bool,
}

impl<T: Default> Cache<T> {
    /// A cache of at least one slot.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), slots: HashMap::new(), order: VecDeque::new() }
    }

    /// The slot of `host`, a new and empty one when there is none.
    pub(crate) fn slot(&mut self, host: &Host) -> Arc<T> {
        if let Some(entry) = self.slots.get_mut(host) {
            entry.asked_again = true;
            return Arc::clone(&entry.slot);
        }
        while self.slots.len() >= self.capacity && self.pass_over_or_evict() {}
        let slot = Arc::new(T::default());
        let entry = Entry { slot: Arc::clone(&slot), asked_again: false };
        self.slots.insert(host.clone(), entry);
        self.order.push_back(host.clone());
        slot
    }

    /// One step of eviction; false when there is nothing to evict. Each host is passed over at most
    /// once, so the steps of one eviction are bounded.
    fn pass_over_or_evict(&mut self) -> bool {
        let Some(host) = self.order.pop_front() else { return false };
        match self.slots.get_mut(&host) {
            Some(entry) if entry.asked_again => {
                entry.asked_again = false;
                self.order.push_back(host);
            }
            _ => {
                self.slots.remove(&host);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;

    fn host(number: usize) -> Host {
        format!("h{number}.example").parse().unwrap()
    }

    #[test]
    fn a_host_keeps_its_slot() {
        let mut cache = Cache::<OnceLock<u8>>::new(2);
        cache.slot(&host(1)).set(7).unwrap();
        assert_eq!(cache.slot(&host(1)).get(), Some(&7));
        assert_eq!(cache.slot(&host(2)).get(), None);
    }

    #[test]
    fn it_never_grows_past_its_bound_and_keeps_what_is_asked_for() {
        let mut cache = Cache::<OnceLock<u8>>::new(10);
        cache.slot(&host(0)).set(7).unwrap();
        for number in 1..1_000 {
            assert_eq!(cache.slot(&host(0)).get(), Some(&7), "the favourite after {number}");
            cache.slot(&host(number));
            assert!(cache.slots.len() <= 10 && cache.order.len() == cache.slots.len());
        }
        assert!(cache.slots.contains_key(&host(999)));
        assert!(!cache.slots.contains_key(&host(1)));
    }

    #[test]
    fn a_full_cache_of_favourites_still_takes_a_new_host() {
        let mut cache = Cache::<OnceLock<u8>>::new(3);
        for number in [0, 1, 2, 0, 1, 2, 3] {
            cache.slot(&host(number));
        }
        assert_eq!(cache.slots.len(), 3);
        assert!(cache.slots.contains_key(&host(3)));
    }

    #[test]
    fn no_capacity_means_one() {
        let mut cache = Cache::<OnceLock<u8>>::new(0);
        cache.slot(&host(1));
        cache.slot(&host(2));
        assert_eq!(cache.slots.len(), 1);
    }
}
