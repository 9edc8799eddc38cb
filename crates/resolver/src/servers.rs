//! Asks DNS servers, in order, until one gives a conclusive answer: addresses, or that there are
//! none. Which server, over which transport, stays known.

use crate::exchange::{self, Extension, Failure, Server};
use crate::reply::{self, Reply, Verdict};
use crate::resolved::Resolved;
use flow::address::DnsName;
use flow::dns::{Edns, LookupOutcome, Resolver, Transport};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// The servers to ask.
#[derive(Debug)]
pub(crate) struct Servers {
    addresses: Vec<SocketAddr>,
    /// The server to begin with: the one that answered last, so that a dead one costs its time once.
    first: AtomicUsize,
    /// `SO_MARK` of the sockets.
    mark: Option<u32>,
}

impl Servers {
    pub(crate) fn new(addresses: Vec<SocketAddr>, mark: Option<u32>) -> Self {
        Self { addresses, first: AtomicUsize::new(0), mark }
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Asks for both families of `name`'s addresses; done by `deadline`.
    pub(crate) async fn ask(&self, name: &DnsName, deadline: Instant) -> Resolved {
        let mut worst: Option<(SocketAddr, Refusal)> = None;
        let mut silent = Vec::new();
        let count = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX).max(1);
        let patience = match count {
            1 => deadline.saturating_duration_since(Instant::now()),
            _ => (deadline.saturating_duration_since(Instant::now()) / (2 * count)).min(PATIENCE),
        };
        let begin = self.first.load(Ordering::Relaxed);
        let order = self.addresses.iter().enumerate();
        for (index, server) in order.clone().skip(begin).chain(order.take(begin)) {
            match ask_one(self.server(*server), name, deadline.min(Instant::now() + patience)).await
            {
                Ok(resolved) => {
                    self.first.store(index, Ordering::Relaxed);
                    return resolved;
                }
                Err(refusal) => {
                    if refusal.failure == Failure::TimedOut {
                        silent.push((index, *server));
                    }
                    worst = Some(worse(worst, *server, refusal));
                }
            }
        }
        // The silent ones may only be slow. When another one said that it cannot answer, waiting
        // for them is not worth the device's time.
        if !matches!(&worst, Some((_, Refusal { failure: Failure::Server(_), .. }))) {
            while let Some((index, server)) = silent.pop().filter(|_| Instant::now() < deadline) {
                let left = deadline.saturating_duration_since(Instant::now());
                let share = left / u32::try_from(silent.len() + 1).unwrap_or(u32::MAX);
                match ask_one(self.server(server), name, Instant::now() + share).await {
                    Ok(resolved) => {
                        self.first.store(index, Ordering::Relaxed);
                        return resolved;
                    }
                    Err(refusal) => worst = Some(worse(worst, server, refusal)),
                }
            }
        }
        failed(name, worst)
    }

    fn server(&self, address: SocketAddr) -> Server {
        Server { address, mark: self.mark }
    }
}

/// Why one server was of no use, and over which transport that was found.
struct Refusal {
    transport: Transport,
    failure: Failure,
}

fn worse(
    worst: Option<(SocketAddr, Refusal)>,
    server: SocketAddr,
    refusal: Refusal,
) -> (SocketAddr, Refusal) {
    match worst {
        Some((former, kept)) if kept.failure.weight() >= refusal.failure.weight() => (former, kept),
        _ => (server, refusal),
    }
}

fn failed(name: &DnsName, worst: Option<(SocketAddr, Refusal)>) -> Resolved {
    let Some((address, Refusal { transport, failure })) = worst else {
        let outcome = LookupOutcome::Unreachable("no DNS server is configured".to_owned());
        return Resolved::failed(name, Resolver::Unknown, outcome);
    };
    let answered = Resolver::Server { address, transport };
    let (resolver, outcome) = match failure {
        Failure::Server(text) => (answered, LookupOutcome::ServerFailure(text)),
        Failure::Unreadable => {
            (answered, LookupOutcome::ServerFailure("malformed answer".to_owned()))
        }
        Failure::TimedOut => (Resolver::Unknown, LookupOutcome::TimedOut),
        Failure::Unreachable(words) => (Resolver::Unknown, LookupOutcome::Unreachable(words)),
    };
    Resolved::failed(name, resolver, outcome)
}

/// Asks one server over UDP and, when an answer did not fit or cannot be read, over TCP: both
/// families again, so that one transport can be named for both.
async fn ask_one(server: Server, name: &DnsName, deadline: Instant) -> Result<Resolved, Refusal> {
    let (v4, v6) = ask_both(server, Transport::Udp, name, deadline).await;
    let cut = [&v4, &v6].into_iter().any(|half| matches!(half, Err(Failure::Unreadable)));
    let by_udp = Reply::merge(v4, v6);
    let (transport, reply) = match cut {
        false => (Transport::Udp, by_udp),
        true => {
            let (v4, v6) = ask_both(server, Transport::Tcp, name, deadline).await;
            match (Reply::merge(v4, v6), by_udp) {
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
            let resolver = Resolver::Server { address: server.address, transport };
            Ok(Resolved { resolver, chain, answers, outcome, lifetime, dnssec, edns })
        }
        Err(failure) => Err(Refusal { transport, failure }),
    }
}

type Half = Result<Reply, Failure>;

/// Asks for A and AAAA at once. When one has addresses, the other gets a little longer only: some
/// servers drop questions for AAAA.
async fn ask_both(
    server: Server,
    transport: Transport,
    name: &DnsName,
    deadline: Instant,
) -> (Half, Half) {
    let mut v4 = pin!(ask_half(server, transport, name, RecordType::A, deadline));
    let mut v6 = pin!(ask_half(server, transport, name, RecordType::AAAA, deadline));
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

async fn the_other<F: Future<Output = Half>>(done: &Half, pending: Pin<&mut F>) -> Half {
    match done {
        Ok(Reply { verdict: Verdict::Found, .. }) => {
            timeout(GRACE, pending).await.unwrap_or(Err(Failure::TimedOut))
        }
        _ => pending.await,
    }
}

async fn ask_half(
    server: Server,
    transport: Transport,
    name: &DnsName,
    kind: RecordType,
    deadline: Instant,
) -> Half {
    let labels = name.as_str().split('.').map(str::as_bytes);
    let asked = Name::from_labels(labels).map_err(|_never| Failure::Unreadable)?;
    let query = Query::query(asked, kind);
    let asking = async |extension| match transport {
        Transport::Udp => exchange::over_udp(server, &query, extension).await,
        // The encrypted transports are not asked for yet.
        _ => exchange::over_tcp(server, &query, extension).await,
    };
    let in_time = async |extension| {
        timeout_at(deadline, asking(extension)).await.unwrap_or(Err(Failure::TimedOut))
    };
    let mut message = in_time(Extension::Edns).await?;
    let refused = reply::refuses_edns(&message);
    if refused {
        message = in_time(Extension::None).await?;
    }
    if message.metadata.truncation && transport == Transport::Udp {
        return Err(Failure::Unreadable);
    }
    let reply = Reply::read(name, kind, &message)?;
    Ok(if refused { Reply { edns: Edns::Refused, ..reply } } else { reply })
}

/// Time that a server gets before the next one is asked.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time that the second family gets once the first has addresses: enough for one datagram to be sent
/// again.
const GRACE: Duration = Duration::from_millis(1_500);
