//! What devices and upstreams did earlier in the run that decides over later connections: which
//! device accepted or refused our leaf for whom, and who demanded a client certificate. Bounded in
//! entries. What decides over a connection is also bounded in time; the names that a device accepted
//! or refused, which only say what a refusal means, count to the end of the run. Nothing outlives it.

use flow::address::Target;
use flow::distrust::{Distrust, DistrustClass};
use flow::id::ConnectionId;
use flow::limits::Limits;
use flow::time::{MonoNanos, Stamp, WallNanos};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The memory of one run.
pub struct Memory {
    time: Duration,
    state: Mutex<State>,
}

struct State {
    /// Device and name for which it accepted our leaf.
    accepted: Recent<(IpAddr, String), ()>,
    /// Device and name for which it refused our leaf with an alert.
    refused: Recent<(IpAddr, String), ()>,
    /// Those that decide over the next connection.
    refusals: Recent<Asked, (MonoNanos, Refusal)>,
    /// By the name as well: at one address of a network of servers, each name has its own rules.
    demands: Recent<(Target, String), (MonoNanos, ConnectionId)>,
}

/// What stands for one app of one device that asks for one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(crate) by: Asker,
    /// The name in the ClientHello, else the host that was asked for.
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) ja4: String,
}

/// A device, and the app where it gave the proxy a user name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asker {
    pub(crate) device: IpAddr,
    pub(crate) app: Option<String>,
}

/// A refusal of our leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) on: ConnectionId,
    pub(crate) distrust: Distrust,
    /// When it decides over nothing any more.
    pub(crate) until: WallNanos,
}

impl Memory {
    /// Remembers nothing yet, and later as much as `limits` say.
    pub fn new(limits: &Limits) -> Self {
        let entries = limits.fail_open_entries;
        let state = State {
            accepted: Recent::new(entries),
            refused: Recent::new(entries),
            refusals: Recent::new(entries),
            demands: Recent::new(entries),
        };
        Self { time: limits.fail_open_time, state: Mutex::new(state) }
    }

    /// The device sent data over TLS with our leaf, so it trusts it: what it refused for want of
    /// trust in the authority, and what the same app refused for the same name, is worth another try.
    pub(crate) fn accepted(&self, asked: &Asked) {
        let mut state = self.state();
        state.accepted.put((asked.by.device, asked.name.clone()), ());
        state.refusals.retain(|own, (_, refusal)| {
            let for_all = refusal.distrust.class == DistrustClass::AuthorityNotTrusted;
            let same = own.by == asked.by && own.name == asked.name && own.ja4 == asked.ja4;
            !(same || for_all && own.by.device == asked.by.device)
        });
    }

    /// The device refused our leaf with an alert; what that means by what is known now.
    pub(crate) fn refused(
        &self,
        at: Stamp,
        asked: &Asked,
        on: ConnectionId,
        alert: u8,
    ) -> Distrust {
        let mut state = self.state();
        state.refused.put((asked.by.device, asked.name.clone()), ());
        let of_device = |(device, _): &(IpAddr, String)| *device == asked.by.device;
        let distrust = Distrust::judged(
            alert,
            state.accepted.count(of_device),
            state.refused.count(of_device),
        );
        let nanos = u64::try_from(self.time.as_nanos()).unwrap_or(u64::MAX);
        let until = WallNanos(at.wall.0.saturating_add(nanos));
        state.refusals.put(asked.clone(), (at.mono, Refusal { on, distrust, until }));
        distrust
    }

    /// Whether the same app was refused lately.
    pub(crate) fn refusal(&self, at: MonoNanos, asked: &Asked) -> Option<Refusal> {
        let state = self.state();
        let (since, refusal) = state.refusals.get(asked)?;
        self.is_recent(at, *since).then_some(*refusal)
    }

    /// The upstream ended a finished handshake for want of a client certificate. `name` is the one
    /// in the ClientHello, else the target's host.
    pub(crate) fn demanded_certificate(
        &self,
        at: MonoNanos,
        target: &Target,
        name: &str,
        on: ConnectionId,
    ) {
        self.state().demands.put((target.clone(), name.to_owned()), (at, on));
    }

    /// The connection on which the upstream lately demanded a client certificate for this name.
    pub(crate) fn certificate_demand(
        &self,
        at: MonoNanos,
        target: &Target,
        name: &str,
    ) -> Option<ConnectionId> {
        let state = self.state();
        let (since, on) = state.demands.get(&(target.clone(), name.to_owned()))?;
        self.is_recent(at, *since).then_some(*on)
    }

    fn is_recent(&self, at: MonoNanos, since: MonoNanos) -> bool {
        at.since(since) < self.time
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("time", &self.time).finish_non_exhaustive()
    }
}

/// A map of so many entries at most; past it the one that was put longest ago is forgotten.
struct Recent<K, V> {
    entries: usize,
    /// Each with its number in `order`.
    map: HashMap<K, (u64, V)>,
    /// The keys of `map`, by when they were last put.
    order: BTreeMap<u64, K>,
    puts: u64,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    fn new(entries: usize) -> Self {
        Self { entries, map: HashMap::new(), order: BTreeMap::new(), puts: 0 }
    }

    fn put(&mut self, key: K, value: V) {
        self.puts += 1;
        if let Some((earlier, _)) = self.map.insert(key.clone(), (self.puts, value)) {
            self.order.remove(&earlier);
        }
        self.order.insert(self.puts, key);
        if self.order.len() > self.entries
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.map.remove(&oldest);
        }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key).map(|(_, value)| value)
    }

    fn retain(&mut self, keeps: impl Fn(&K, &V) -> bool) {
        let Self { map, order, .. } = self;
        map.retain(|key, (put, value)| {
            let kept = keeps(key, value);
            if !kept {
                order.remove(put);
            }
            kept
        });
    }

    fn count(&self, is: impl Fn(&K) -> bool) -> u64 {
        self.map.keys().filter(|key| is(key)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::distrust::DistrustClass;

    fn memory(entries: usize) -> Memory {
        let fail_open_time = Duration::from_secs(600);
        Memory::new(&Limits { fail_open_entries: entries, fail_open_time, ..Limits::default() })
    }

    fn asked(device: &str, name: &str, ja4: &str) -> Asked {
        let by = Asker { device: device.parse().unwrap(), app: None };
        Asked { by, name: name.into(), port: 443, ja4: ja4.into() }
    }

    fn stamp(seconds: u64) -> Stamp {
        let mono = self::seconds(seconds);
        Stamp { wall: WallNanos(mono.0 + 1_000), mono }
    }

    fn seconds(seconds: u64) -> MonoNanos {
        MonoNanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_refusal_is_about_one_app_and_one_name_for_a_time() {
        let memory = memory(10);
        let app = asked("10.0.0.1", "a.example", "t13d");
        let distrust = memory.refused(stamp(5), &app, ConnectionId(1), 48);
        let until = WallNanos(605_000_001_000);
        let refusal = Refusal { on: ConnectionId(1), distrust, until };
        assert_eq!(memory.refusal(seconds(604), &app), Some(refusal));
        assert_eq!(memory.refusal(seconds(605), &app), None);
        for other in [
            asked("10.0.0.2", "a.example", "t13d"),
            asked("10.0.0.1", "b.example", "t13d"),
            asked("10.0.0.1", "a.example", "t12d"),
            Asked { port: 8443, ..app.clone() },
            Asked { by: Asker { app: Some("mail".into()), ..app.by.clone() }, ..app.clone() },
        ] {
            assert_eq!(memory.refusal(seconds(5), &other), None, "{other:?}");
        }
        memory.refused(stamp(700), &app, ConnectionId(9), 48);
        assert_eq!(memory.refusal(seconds(701), &app).unwrap().on, ConnectionId(9));
    }

    #[test]
    fn the_class_is_what_is_known_then() {
        let memory = memory(10);
        let app = asked("10.0.0.1", "a.example", "t13d");
        memory.accepted(&asked("10.0.0.2", "b.example", "t13d"));
        let first = memory.refused(stamp(0), &app, ConnectionId(1), 48);
        assert_eq!((first.class, first.refused_hosts), (DistrustClass::AuthorityNotTrusted, 1));
        for _ in 0..2 {
            memory.accepted(&Asked { name: "b.example".into(), ..app.clone() });
        }
        let second = memory.refused(stamp(1), &app, ConnectionId(2), 46);
        assert_eq!((second.class, second.trusted_hosts), (DistrustClass::Pinned, 1));
        assert_eq!((second.alert, second.refused_hosts), (46, 1));
    }

    #[test]
    fn an_app_was_passed_through_although_its_device_trusts_us_by_now() {
        let memory = memory(10);
        let [app, other] = ["a", "b"].map(|name| asked("10.0.0.1", name, "t13d"));
        let elsewhere = asked("10.0.0.2", "a", "t13d");
        for app in [&app, &other, &elsewhere] {
            memory.refused(stamp(0), app, ConnectionId(1), 48);
        }
        memory.accepted(&asked("10.0.0.1", "c", "t12d"));
        let known = |apps: &[&Asked]| {
            apps.iter().filter(|app| memory.refusal(seconds(1), app).is_some()).count()
        };
        assert_eq!((known(&[&app, &other]), known(&[&elsewhere])), (0, 1));
        assert_eq!(memory.state().refusals.order.len(), 1);

        // What pins now is known to pin: trust elsewhere says nothing of it, its own does.
        let pinned = memory.refused(stamp(2), &app, ConnectionId(2), 48);
        assert_eq!(pinned.class, DistrustClass::Pinned);
        memory.accepted(&other);
        memory.accepted(&Asked {
            by: Asker { app: Some("mail".into()), ..app.by.clone() },
            ..app.clone()
        });
        assert_eq!(known(&[&app]), 1);
        memory.accepted(&Asked { port: 8443, ..app.clone() });
        assert_eq!(known(&[&app]), 0);
    }

    #[test]
    fn entries_are_bounded() {
        let memory = memory(2);
        let apps = ["a", "b", "c"].map(|name| asked("10.0.0.1", name, "t13d"));
        for app in &apps {
            memory.refused(stamp(0), app, ConnectionId(1), 48);
        }
        let known = apps.each_ref().map(|app| memory.refusal(seconds(0), app).is_some());
        assert_eq!(known, [false, true, true]);
        assert_eq!(memory.state().refused.order.len(), 2);
        assert_eq!(memory.state().refusals.map.len(), 2);
    }

    #[test]
    fn what_was_put_longest_ago_is_forgotten_first() {
        let memory = memory(2);
        let apps = ["a", "b", "c"].map(|name| asked("10.0.0.1", name, "t13d"));
        let [a, b, c] = &apps;
        for app in [a, b, a, c] {
            memory.refused(stamp(0), app, ConnectionId(1), 48);
        }
        let known = apps.each_ref().map(|app| memory.refusal(seconds(0), app).is_some());
        assert_eq!(known, [true, false, true]);
        assert_eq!(memory.state().refusals.order.len(), 2);
    }

    #[test]
    fn a_demanded_certificate_is_about_one_target_and_name() {
        let memory = memory(2);
        let target = |port| Target { host: "192.0.2.1".parse().unwrap(), port };
        memory.demanded_certificate(seconds(0), &target(443), "a.example", ConnectionId(4));
        let demand = |at, port, name| memory.certificate_demand(seconds(at), &target(port), name);
        assert_eq!(demand(1, 443, "a.example"), Some(ConnectionId(4)));
        assert_eq!(demand(1, 444, "a.example"), None);
        assert_eq!(demand(1, 443, "b.example"), None);
        assert_eq!(demand(601, 443, "a.example"), None);
    }
}
