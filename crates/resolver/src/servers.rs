//! Asks DNS servers, in order, until one gives a conclusive answer: addresses, or that there are
//! none. Which server, over which transport, stays known.

use crate::channel::Opener;
use crate::encrypted::Encrypted;
use crate::error::Error;
use crate::exchange::{self, Extension, Failure, Peer};
use crate::reply::{self, Reply, Verdict};
use crate::resolved::Resolved;
use crate::server::Server;
use flow::address::DnsName;
use flow::dns::{Edns, LookupOutcome, Resolver, Transport};
use flow::limits::Limits;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use rustls::RootCertStore;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// The servers to ask.
pub(crate) struct Servers {
    known: Vec<Known>,
    /// The server to begin with: the one that answered last, so that a dead one costs its time once.
    first: AtomicUsize,
}

/// A server, and what it takes to ask it.
struct Known {
    server: Server,
    peer: Peer,
    /// `None`: it is asked in the clear.
    encrypted: Option<Encrypted>,
}

impl Servers {
    /// `roots` are whom encrypted servers must be vouched for by, and `mark` is `SO_MARK` of the
    /// sockets.
    pub(crate) fn new(
        servers: Vec<Server>,
        roots: RootCertStore,
        mark: Option<u32>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let roots = Arc::new(roots);
        let known = servers.into_iter().map(|server| {
            let peer = Peer { address: server.address, mark };
            let opener = Opener::new(&server, peer, &roots);
            let opener = opener.map_err(|source| Error::Tls {
                server: Box::new(server.clone()),
                source: Box::new(source),
            })?;
            let encrypted = opener.map(|opener| Encrypted::new(opener, limits));
            Ok(Known { server, peer, encrypted })
        });
        Ok(Self { known: known.collect::<Result<_, Error>>()?, first: AtomicUsize::new(0) })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Server> {
        self.known.iter().map(|known| &known.server)
    }

    /// Asks for both families of `name`'s addresses; done by `deadline`.
    pub(crate) async fn ask(&self, name: &DnsName, deadline: Instant) -> Resolved {
        let mut worst: Option<(&Server, Refusal)> = None;
        let mut silent = Vec::new();
        let count = u32::try_from(self.known.len()).unwrap_or(u32::MAX).max(1);
        let patience = match count {
            1 => deadline.saturating_duration_since(Instant::now()),
            _ => (deadline.saturating_duration_since(Instant::now()) / (2 * count)).min(PATIENCE),
        };
        let begin = self.first.load(Ordering::Relaxed);
        let order = self.known.iter().enumerate();
        for (index, known) in order.clone().skip(begin).chain(order.take(begin)) {
            match known.ask(name, deadline.min(Instant::now() + patience)).await {
                Ok(resolved) => {
                    self.first.store(index, Ordering::Relaxed);
                    return resolved;
                }
                Err(refusal) => {
                    if refusal.failure == Failure::TimedOut {
                        silent.push((index, known));
                    }
                    worst = Some(worse(worst, &known.server, refusal));
                }
            }
        }
        // The silent ones may only be slow. When another one said that it cannot answer, waiting
        // for them is not worth the device's time.
        if !matches!(&worst, Some((_, Refusal { failure: Failure::Server(_), .. }))) {
            while let Some((index, known)) = silent.pop().filter(|_| Instant::now() < deadline) {
                let left = deadline.saturating_duration_since(Instant::now());
                let share = left / u32::try_from(silent.len() + 1).unwrap_or(u32::MAX);
                match known.ask(name, Instant::now() + share).await {
                    Ok(resolved) => {
                        self.first.store(index, Ordering::Relaxed);
                        return resolved;
                    }
                    Err(refusal) => worst = Some(worse(worst, &known.server, refusal)),
                }
            }
        }
        failed(name, worst)
    }
}

/// Why one server was of no use, and over which transport that was found.
struct Refusal {
    transport: Transport,
    failure: Failure,
}

fn worse<'a>(
    worst: Option<(&'a Server, Refusal)>,
    server: &'a Server,
    refusal: Refusal,
) -> (&'a Server, Refusal) {
    match worst {
        Some((former, kept)) if kept.failure.weight() >= refusal.failure.weight() => (former, kept),
        _ => (server, refusal),
    }
}

fn failed(name: &DnsName, worst: Option<(&Server, Refusal)>) -> Resolved {
    let Some((server, Refusal { transport, failure })) = worst else {
        let outcome = LookupOutcome::Unreachable("no DNS server is configured".to_owned());
        return Resolved::failed(name, Resolver::Unknown, outcome);
    };
    let answered = answered_by(server, transport);
    let (resolver, outcome) = match failure {
        Failure::Server(text) => (answered, LookupOutcome::ServerFailure(text)),
        Failure::Unreadable => {
            (answered, LookupOutcome::ServerFailure("malformed answer".to_owned()))
        }
        Failure::TimedOut => (Resolver::Unknown, LookupOutcome::TimedOut),
        // A handshake has many ways to fail, and the next reader will want to try it.
        Failure::Unreachable(words) if server.is_encrypted() => {
            (Resolver::Unknown, LookupOutcome::Unreachable(format!("{server}: {words}")))
        }
        Failure::Unreachable(words) => (Resolver::Unknown, LookupOutcome::Unreachable(words)),
    };
    Resolved::failed(name, resolver, outcome)
}

fn answered_by(server: &Server, transport: Transport) -> Resolver {
    Resolver::Server { address: server.address, transport, name: server.name().cloned() }
}

impl Known {
    /// Asks one server. Over UDP, when an answer did not fit or cannot be read, then over TCP: both
    /// families again, so that one transport can be named for both. What is encrypted has no other
    /// way.
    async fn ask(&self, name: &DnsName, deadline: Instant) -> Result<Resolved, Refusal> {
        let first = self.server.transport();
        let (v4, v6) = self.ask_both(first, name, deadline).await;
        let cut = [&v4, &v6].into_iter().any(|half| matches!(half, Err(Failure::Unreadable)));
        let reply = Reply::merge(v4, v6);
        let (transport, reply) = match cut && first == Transport::Udp {
            false => (first, reply),
            true => {
                let (v4, v6) = self.ask_both(Transport::Tcp, name, deadline).await;
                match (Reply::merge(v4, v6), reply) {
                    // Half an answer is better than none.
                    (Err(_), Ok(half)) => (Transport::Udp, Ok(half)),
                    (by_tcp, _) => (Transport::Tcp, by_tcp),
                }
            }
        };
        match reply {
            Ok(Reply { verdict, chain, answers, lifetime, dnssec, edns }) => {
                let outcome = match verdict {
                    Verdict::Found => LookupOutcome::Found,
                    Verdict::NoAddresses => LookupOutcome::NoAddresses,
                    Verdict::NoSuchName => LookupOutcome::NoSuchName,
                };
                let resolver = answered_by(&self.server, transport);
                Ok(Resolved { resolver, chain, answers, outcome, lifetime, dnssec, edns })
            }
            Err(failure) => Err(Refusal { transport, failure }),
        }
    }

    /// Asks for A and AAAA at once. When one has addresses, the other gets a little longer only: some
    /// servers drop questions for AAAA.
    async fn ask_both(
        &self,
        transport: Transport,
        name: &DnsName,
        deadline: Instant,
    ) -> (Half, Half) {
        let mut v4 = pin!(self.ask_half(transport, name, RecordType::A, deadline));
        let mut v6 = pin!(self.ask_half(transport, name, RecordType::AAAA, deadline));
        tokio::select! {
            half = &mut v4 => {
                let other = the_other(&half, v6).await;
                (half, other)
            }
            half = &mut v6 => {
                let other = the_other(&half, v4).await;
                (other, half)
            }
        }
    }

    async fn ask_half(
        &self,
        transport: Transport,
        name: &DnsName,
        kind: RecordType,
        deadline: Instant,
    ) -> Half {
        let labels = name.as_str().split('.').map(str::as_bytes);
        let asked = Name::from_labels(labels).map_err(|_never| Failure::Unreadable)?;
        let query = Query::query(asked, kind);
        let asking = async |extension| match (&self.encrypted, transport) {
            // Large, and most look-ups have none of it.
            (Some(encrypted), _) => Box::pin(encrypted.ask(&query, extension)).await,
            (None, Transport::Udp) => exchange::over_udp(self.peer, &query, extension).await,
            (None, _) => exchange::over_tcp(self.peer, &query, extension).await,
        };
        let in_time = async |extension| {
            timeout_at(deadline, asking(extension)).await.unwrap_or(Err(Failure::TimedOut))
        };
        let mut message = in_time(Extension::Edns).await?;
        let refused = reply::refuses_edns(&message);
        if refused {
            message = in_time(Extension::None).await?;
        }
        // Over plain TCP there is nothing more to be had.
        if message.metadata.truncation && transport != Transport::Tcp {
            return Err(Failure::Unreadable);
        }
        let reply = Reply::read(name, kind, &message)?;
        Ok(if refused { Reply { edns: Edns::Refused, ..reply } } else { reply })
    }
}

type Half = Result<Reply, Failure>;

async fn the_other<F: Future<Output = Half>>(done: &Half, pending: Pin<&mut F>) -> Half {
    match done {
        Ok(Reply { verdict: Verdict::Found, .. }) => {
            timeout(GRACE, pending).await.unwrap_or(Err(Failure::TimedOut))
        }
        _ => pending.await,
    }
}

/// Time that a server gets before the next one is asked.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time that the second family gets once the first has addresses: enough for one datagram to be sent
/// again.
const GRACE: Duration = Duration::from_millis(1_500);
