//! Names that devices asked for, looked up again while the proxy serves, to see whether their answers
//! change. Only names that a DNS server answered and the rules let through; nothing is dialled, and
//! what devices are answered stays as it is. Says nothing of what a change means.

use feed::Sender;
use flow::address::DnsName;
use flow::dns::{AnswerData, Lookup, LookupOutcome, Resolver, Sake};
use flow::event::Event;
use flow::limits::Limits;
use resolver::NameResolver;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The names that are watched.
pub struct Watch {
    names: Mutex<Names>,
    /// Another name may be the next one.
    changed: Notify,
    most: usize,
    interval: Duration,
}

#[derive(Default)]
struct Names {
    known: HashMap<DnsName, Watched>,
    by_due: BTreeSet<(Instant, DnsName)>,
    /// There was no room for one, which is said once.
    full: bool,
}

#[derive(Clone, Copy)]
struct Watched {
    due: Instant,
    /// The port that a device last asked for.
    port: u16,
}

/// For how long a DNS server said that its answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ttl(Duration);

impl Watch {
    /// Watches nothing yet. `watched_names` and `watch_interval` are its bounds.
    pub fn new(limits: &Limits) -> Self {
        let (names, changed) = (Mutex::default(), Notify::new());
        Self { names, changed, most: limits.watched_names, interval: limits.watch_interval }
    }

    /// A device was led to an address of `name` by this answer.
    pub(crate) fn note(&self, name: &DnsName, port: u16, ttl: Ttl) {
        self.schedule(name, Some(port), Instant::now() + self.pause(Some(ttl)));
        self.changed.notify_one();
    }

    /// Looks names up when they are due, until `stop`. Never returns.
    pub(crate) async fn run(
        &self,
        resolver: &NameResolver,
        events: Sender,
        stop: &CancellationToken,
    ) -> Infallible {
        let stopped = tokio::select! {
            biased;
            () = stop.cancelled() => Stopped,
            stopped = self.work(resolver, &events) => stopped,
        };
        let Stopped = stopped;
        drop(events);
        std::future::pending().await
    }

    async fn work(&self, resolver: &NameResolver, events: &Sender) -> Stopped {
        loop {
            let due = self.names().by_due.first().map(|(due, _)| *due);
            tokio::select! {
                () = reached(due) => {}
                () = self.changed.notified() => continue,
            }
            let Some((name, port)) = self.next(Instant::now()) else { continue };
            let lookup = resolver.look_up(&name, Sake::Watch { port }).await;
            self.schedule(&name, None, Instant::now() + self.pause(answered(&lookup)));
            if events.send(Event::Looked(lookup)).await.is_err() {
                return Stopped;
            }
        }
    }

    /// The name that is due first, if one is; it stays where it is until it is scheduled again.
    fn next(&self, now: Instant) -> Option<(DnsName, u16)> {
        let names = self.names();
        let (_, name) = names.by_due.first().filter(|(due, _)| *due <= now)?;
        Some((name.clone(), names.known.get(name)?.port))
    }

    /// Puts a name where it belongs; without a port, one that is known already.
    fn schedule(&self, name: &DnsName, port: Option<u16>, due: Instant) {
        let mut names = self.names();
        let former = names.known.get(name).copied();
        let Some(port) = port.or(former.map(|former| former.port)) else { return };
        match former {
            Some(former) => {
                names.by_due.remove(&(former.due, name.clone()));
            }
            None if names.known.len() >= self.most => {
                if !std::mem::replace(&mut names.full, true) {
                    tracing::warn!(
                        "As many names are watched as limits.watched-names = {} allows, further \
                         ones are not; hint: raise it in landfall.toml",
                        self.most
                    );
                }
                return;
            }
            None => {}
        }
        names.by_due.insert((due, name.clone()));
        names.known.insert(name.clone(), Watched { due, port });
    }

    /// Time until an answer is looked at again.
    fn pause(&self, ttl: Option<Ttl>) -> Duration {
        // A TTL of decades is none that anybody waits for.
        ttl.map_or(self.interval, |Ttl(ttl)| ttl.min(LONGEST).max(self.interval))
    }

    /// A panic elsewhere leaves the names usable, so poison carries no news.
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("names", &self.names().known.len()).finish_non_exhaustive()
    }
}

/// The TTL of an answer that a DNS server just gave; what a cache, a file or the configuration says
/// has none.
pub(crate) fn answered(lookup: &Lookup) -> Option<Ttl> {
    let by_server = matches!(lookup.resolver, Resolver::Server { .. });
    if lookup.cached || !by_server || lookup.outcome != LookupOutcome::Found {
        return None;
    }
    let addresses = lookup.answers.iter().filter(|a| matches!(a.data, AnswerData::Address(_)));
    let least = addresses.map(|answer| answer.ttl_seconds).min()?;
    Some(Ttl(Duration::from_secs(u64::from(least))))
}

async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

struct Stopped;

/// A day: whatever a server says, a long session looks again.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(most: usize) -> Watch {
        let (watched_names, watch_interval) = (most, Duration::from_secs(100));
        Watch::new(&Limits { watched_names, watch_interval, ..Limits::default() })
    }

    fn name(text: &str) -> DnsName {
        text.parse().unwrap()
    }

    /// The seconds after which a name is due that has this TTL.
    #[track_caller]
    fn check(ttl: u64, expected: u64) {
        let watch = watch(1);
        let before = Instant::now();
        watch.note(&name("a.example"), 443, Ttl(Duration::from_secs(ttl)));
        let due = |seconds| watch.next(before + Duration::from_secs(seconds));
        assert_eq!(due(expected - 1), None);
        assert_eq!(due(expected + 10), Some((name("a.example"), 443)));
    }

    #[test]
    fn a_name_is_due_at_its_ttl_and_not_before_the_interval() {
        check(0, 100);
        check(99, 100);
        check(300, 300);
        check(u64::from(u32::MAX), 24 * 60 * 60);
    }

    #[test]
    fn no_more_names_are_watched_than_may_be() {
        let watch = watch(2);
        for host in ["a.example", "b.example", "c.example", "a.example"] {
            watch.note(&name(host), 443, Ttl(Duration::ZERO));
        }
        let names = watch.names();
        let mut known: Vec<_> = names.known.keys().map(DnsName::as_str).collect();
        known.sort_unstable();
        assert_eq!(known, ["a.example", "b.example"]);
        assert_eq!(names.by_due.len(), 2);
        assert!(names.full);
    }

    #[test]
    fn a_name_that_is_asked_for_again_is_due_later_and_at_its_new_port() {
        let watch = watch(2);
        watch.note(&name("a.example"), 443, Ttl(Duration::ZERO));
        let first = Instant::now() + Duration::from_secs(101);
        watch.note(&name("a.example"), 80, Ttl(Duration::from_secs(500)));
        assert_eq!(watch.next(first), None);
        let later = first + Duration::from_secs(500);
        assert_eq!(watch.next(later), Some((name("a.example"), 80)));
    }
}
