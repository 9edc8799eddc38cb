//! The resolver that the proxy asks. Goes through what is known without asking, the cache, and the
//! servers, and writes down what it learnt where.

use crate::cache::Cache;
use crate::config::Config;
use crate::error::Error;
use crate::local::Local;
use crate::resolved::Resolved;
use crate::server::Server;
use crate::servers::Servers;
use crate::system;
use flow::address::DnsName;
use flow::dns::{Lookup, Sake};
use flow::id::LookupId;
use flow::limits::Limits;
use flow::time::SharedClock;
use rustls::RootCertStore;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Looks names up and keeps the answers for their TTL.
pub struct NameResolver {
    local: Local,
    servers: Servers,
    from_system: bool,
    cache: Mutex<Cache>,
    asking: Mutex<HashMap<DnsName, Arc<Asking>>>,
    clock: SharedClock,
    time: Duration,
    next_id: AtomicU64,
}

/// A question that is under way, and its answer once it is there.
type Asking = OnceCell<Arc<Resolved>>;

impl NameResolver {
    /// A resolver whose look-ups are numbered from 1. The system's configuration, where it is to be
    /// used, is read now and once. `roots` are for servers that are asked over TLS or HTTPS.
    ///
    /// # Errors
    /// The system's configuration cannot be read, an override makes no sense, or TLS cannot be set up.
    pub fn new(
        config: Config,
        roots: RootCertStore,
        limits: &Limits,
        clock: SharedClock,
    ) -> Result<Self, Error> {
        config.check()?;
        let from_system = config.servers.is_empty();
        let (servers, hosts) = match from_system {
            true => {
                let servers = system::servers()?.into_iter().map(Server::plain);
                (servers.collect(), Some(system::hosts()?))
            }
            false => (config.servers, None),
        };
        let entries = usize::try_from(limits.dns_cache_entries).unwrap_or(usize::MAX);
        Ok(Self {
            local: Local { overrides: config.overrides, hosts },
            servers: Servers::new(servers, roots, config.mark, limits)?,
            from_system,
            cache: Mutex::new(Cache::new(entries)),
            asking: Mutex::new(HashMap::new()),
            clock,
            time: limits.resolve_time,
            next_id: AtomicU64::new(1),
        })
    }

    /// Looks `name` up. Always ends within `Limits::resolve_time`, and
    /// with a record: what went wrong is in its outcome. Look-ups of one name at the same time share
    /// one question.
    pub async fn look_up(&self, name: &DnsName, sake: Sake) -> Lookup {
        let at = self.clock.now();
        let id = LookupId(self.next_id.fetch_add(1, Ordering::Relaxed));
        // Whoever watches wants to know, and must not change what devices are answered.
        let (watched, kept) = match sake {
            Sake::Watch { .. } => (true, None),
            Sake::Connection(_) | Sake::Landfall => (false, lock(&self.cache).get(name, at.mono)),
        };
        let (resolved, age) = match (self.local.resolve(name), kept) {
            (Some(known), _) => (Arc::new(known), None),
            (None, Some((kept, age))) => (kept, Some(age)),
            (None, None) if watched => {
                let deadline = Instant::now() + self.time;
                (Arc::new(self.servers.ask(name, deadline).await), None)
            }
            (None, None) => (self.ask(name).await, None),
        };
        Lookup {
            id,
            sake,
            at,
            took: self.clock.now().mono.since(at.mono),
            name: name.clone(),
            resolver: resolved.resolver.clone(),
            cached: age.is_some(),
            chain: resolved.chain.clone(),
            answers: resolved.answers_at(age.unwrap_or_default()),
            outcome: resolved.outcome.clone(),
            dnssec: resolved.dnssec,
            edns: resolved.edns,
        }
    }

    /// Whom it asks, in words for the operator.
    pub fn describe(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        let servers = match servers.is_empty() {
            true => "no DNS server".to_owned(),
            false => servers.join(", "),
        };
        let source = match self.from_system {
            true => " and the hosts file (the system's configuration)",
            false => "",
        };
        match self.local.overrides.len() {
            0 => format!("{servers}{source}"),
            1 => format!("{servers}{source}; 1 name overridden"),
            count => format!("{servers}{source}; {count} names overridden"),
        }
    }

    /// Asks the servers, or waits for the one who already does.
    async fn ask(&self, name: &DnsName) -> Arc<Resolved> {
        let deadline = Instant::now() + self.time;
        let turn = Turn::take(&self.asking, name);
        let asked = turn.asking.get_or_init(|| async {
            let resolved = Arc::new(self.servers.ask(name, deadline).await);
            lock(&self.cache).put(name, &resolved, self.clock.now().mono);
            resolved
        });
        Arc::clone(asked.await)
    }
}

impl fmt::Debug for NameResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NameResolver").field(&self.describe()).finish()
    }
}

/// One caller's part in a question. The question leaves the map with its last caller, also when that
/// one is dropped while it waits.
struct Turn<'a> {
    map: &'a Mutex<HashMap<DnsName, Arc<Asking>>>,
    name: &'a DnsName,
    asking: Arc<Asking>,
}

impl<'a> Turn<'a> {
    fn take(map: &'a Mutex<HashMap<DnsName, Arc<Asking>>>, name: &'a DnsName) -> Self {
        let mut questions = lock(map);
        // An answered question is history: who comes now asks anew.
        let running = questions.get(name).filter(|asking| !asking.initialized());
        let asking = match running {
            Some(running) => Arc::clone(running),
            None => {
                let asking = Arc::new(Asking::new());
                questions.insert(name.clone(), Arc::clone(&asking));
                asking
            }
        };
        Self { map, name, asking }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut questions = lock(self.map);
        // The map's and this one: nobody else waits.
        let is_last = |asking: &Arc<Asking>| {
            Arc::ptr_eq(asking, &self.asking) && Arc::strong_count(asking) <= 2
        };
        if questions.get(self.name).is_some_and(is_last) {
            questions.remove(self.name);
        }
    }
}

/// A panic elsewhere leaves these maps usable, so poison carries no news.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::dns::LookupOutcome;
    use flow::time::{Clock, MonoNanos, Stamp, WallNanos};
    use std::net::{IpAddr, Ipv4Addr};

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Stamp {
            Stamp { wall: WallNanos(0), mono: MonoNanos(0) }
        }
    }

    #[tokio::test]
    async fn a_look_up_that_is_dropped_leaves_nothing_behind() {
        let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let config = Config {
            servers: vec![Server::plain(silent.local_addr().unwrap())],
            ..Config::default()
        };
        let resolver = Arc::new(
            NameResolver::new(config, RootCertStore::empty(), &Limits::default(), Arc::new(Still))
                .unwrap(),
        );
        let name: DnsName = "www.example".parse().unwrap();
        for waiters in [1, 3] {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..waiters {
                let (resolver, name) = (Arc::clone(&resolver), name.clone());
                tasks.spawn(async move { resolver.look_up(&name, Sake::Landfall).await });
            }
            while lock(&resolver.asking).get(&name).map(Arc::strong_count) != Some(waiters + 1) {
                tokio::task::yield_now().await;
            }
            tasks.shutdown().await;
            assert!(lock(&resolver.asking).is_empty());
        }
    }

    #[tokio::test]
    async fn the_systems_configuration_is_the_default() {
        let resolver = NameResolver::new(
            Config::default(),
            RootCertStore::empty(),
            &Limits::default(),
            Arc::new(Still),
        )
        .unwrap();
        assert!(resolver.describe().contains("hosts file"), "{}", resolver.describe());
        let lookup = resolver.look_up(&"localhost".parse().unwrap(), Sake::Landfall).await;
        assert_eq!(lookup.outcome, LookupOutcome::Found);
        assert!(lookup.addresses().any(|ip| ip == IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
