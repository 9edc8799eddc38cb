//! From a target to a connected upstream: resolve, check every address against the rules, then dial
//! directly or through the upstream proxy. Each attempt is recorded.

use crate::dial::{self, Attempt, Dialling};
use crate::hop::{self, Refused};
use crate::journal::Journal;
use crate::policy::Verdict;
use crate::setup::Setup;
use crate::upstream_proxy::UpstreamProxy;
use crate::watch::{self, Ttl};
use crate::wire::Wire;
use feed::RecorderGone;
use flow::address::{Hop, HopKind, Host, Target, Upstream};
use flow::dns::{Lookup, LookupOutcome, Sake};
use flow::event::{Dialled, Event};
use flow::time::Stamp;
use flow::treatment::{BlockedWhy, Cause, Failure, Side, Stage, Treatment};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// A connected upstream, or how the connection is treated instead.
pub(crate) type Reached = Result<Wire, Treatment>;

/// Resolves and dials the target. `own` are addresses at which Landfall listens.
pub(crate) async fn reach(
    setup: &Setup,
    journal: &Journal,
    target: &Target,
    own: &[SocketAddr],
) -> Result<Reached, RecorderGone> {
    let proxy = setup.outgoing.proxy.as_ref().filter(|proxy| proxy.serves(&target.host));
    if let (Some(proxy), Host::Name(name)) = (proxy, &target.host)
        && proxy.kind != HopKind::Socks5
    {
        if let Err(why) = setup.rules.host(&target.host).and_then(|()| allowed(setup, target, None))
        {
            return Ok(Err(Treatment::Blocked(why)));
        }
        if name.is_within("localhost") && !setup.rules.allow_local {
            return Ok(Err(Treatment::Blocked(BlockedWhy::DestinationLoopback)));
        }
        let reached = Box::pin(through(setup, journal, proxy, target, None, own)).await?;
        return Ok(reached.map_err(|(Unreached::ByProxy(why) | Unreached::Target(why))| why));
    }
    let upstreams = match permitted(setup, journal, target, own).await? {
        Ok(upstreams) => upstreams,
        Err(treatment) => return Ok(Err(treatment)),
    };
    let reached = dialled(setup, journal, target, &upstreams, own).await?;
    Ok(reached.map_err(|(Unreached::ByProxy(why) | Unreached::Target(why))| why))
}

/// Dials once more the address that was reached last, without a look-up: what was learnt of it holds
/// for it alone. The target's other addresses are tried only when it cannot be reached any more.
pub(crate) async fn reach_again(
    setup: &Setup,
    journal: &Journal,
    target: &Target,
    own: &[SocketAddr],
) -> Result<Reached, RecorderGone> {
    let Some(address) = journal.reached().await else {
        // The upstream proxy was given a name.
        return reach(setup, journal, target, own).await;
    };
    let upstream = Upstream { address, simulated_by: setup.dial.in_place_of(address) };
    let treatment = match dialled(setup, journal, target, &[upstream], own).await? {
        Ok(wire) => return Ok(Ok(wire)),
        Err(Unreached::ByProxy(treatment)) => return Ok(Err(treatment)),
        Err(Unreached::Target(treatment)) => treatment,
    };
    if matches!(target.host, Host::Ip(_)) {
        return Ok(Err(treatment));
    }
    let mut others = match permitted(setup, journal, target, own).await? {
        Ok(upstreams) => upstreams,
        Err(treatment) => return Ok(Err(treatment)),
    };
    others.retain(|other| other.address != address);
    if others.is_empty() {
        return Ok(Err(treatment));
    }
    let reached = dialled(setup, journal, target, &others, own).await?;
    Ok(reached.map_err(|(Unreached::ByProxy(why) | Unreached::Target(why))| why))
}

/// Dials addresses of the target, by way of the upstream proxy where that serves it.
async fn dialled(
    setup: &Setup,
    journal: &Journal,
    target: &Target,
    upstreams: &[Upstream],
    own: &[SocketAddr],
) -> Result<Result<Wire, Unreached>, RecorderGone> {
    let proxy = setup.outgoing.proxy.as_ref().filter(|proxy| proxy.serves(&target.host));
    let Some(proxy) = proxy else {
        return Ok(directly(setup, journal, upstreams).await?.map_err(Unreached::Target));
    };
    let deadline = Instant::now() + setup.limits.upstream_proxy_time.saturating_mul(2);
    let mut refused = failed(Stage::Connect, Cause::TimedOut);
    for &upstream in upstreams {
        match Box::pin(through(setup, journal, proxy, target, Some(upstream), own)).await? {
            Err(Unreached::Target(treatment)) => refused = treatment,
            reached => return Ok(reached),
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    Ok(Err(Unreached::Target(refused)))
}

/// The addresses of the target that may be dialled, in the order in which to try them: at least one.
pub(crate) async fn permitted(
    setup: &Setup,
    journal: &Journal,
    target: &Target,
    own: &[SocketAddr],
) -> Result<Result<Vec<Upstream>, Treatment>, RecorderGone> {
    if let Err(why) = setup.rules.host(&target.host) {
        return Ok(Err(Treatment::Blocked(why)));
    }
    let sake = Sake::Connection(journal.connection());
    let (found, ttl) = match resolve(setup, journal, &target.host, sake).await? {
        Ok(answered) => answered,
        Err(failure) => return Ok(Err(Treatment::Failed(failure))),
    };
    let mut refused = failed(Stage::Resolve, Cause::NoAddresses);
    let mut upstreams = Vec::new();
    let found = found.into_iter().map(|ip| SocketAddr::new(ip, target.port)).collect();
    for address in dial::interleaved(found).into_iter().take(setup.limits.dialled_addresses) {
        let upstream = Upstream { address, simulated_by: setup.dial.in_place_of(address) };
        let destination = match upstream.simulated_by {
            None => setup.rules.destination(address, own),
            Some(_) => Ok(()),
        };
        match destination.and_then(|()| allowed(setup, target, Some(address.ip()))) {
            Ok(()) => upstreams.push(upstream),
            Err(why) => refused = Treatment::Blocked(why),
        }
    }
    if upstreams.is_empty() {
        return Ok(Err(refused));
    }
    if let (Some(watch), Host::Name(name), Some(ttl)) = (&setup.watch, &target.host, ttl) {
        watch.note(name, target.port, ttl);
    }
    Ok(Ok(upstreams))
}

/// Whether no block rule names the target, as far as it is known.
fn allowed(setup: &Setup, target: &Target, ip: Option<IpAddr>) -> Result<(), BlockedWhy> {
    match setup.verdict(&[&target.host.to_string()], target.port, ip) {
        Some(Verdict::Block(rule)) => Err(BlockedWhy::Rule(rule.to_string())),
        _ => Ok(()),
    }
}

/// Dials the addresses themselves.
async fn directly(
    setup: &Setup,
    journal: &Journal,
    upstreams: &[Upstream],
) -> Result<Reached, RecorderGone> {
    let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.dialled()).collect();
    let (tcp, attempts) = dialling(setup).first(&addresses).await;
    let mut treatment = failed(Stage::Connect, Cause::TimedOut);
    for Attempt { index, began, took, failure } in attempts {
        let result = told(took, failure.as_ref());
        attempted(journal, upstreams.get(index).copied(), None, began, result).await?;
        journal.timed(|timings| timings.connect = Some(took)).await;
        if let Some(cause) = failure {
            setup.epochs.suspect();
            treatment = failed(Stage::Connect, cause);
        }
    }
    Ok(tcp.map(|tcp| Wire::new(tcp, setup.limits.keepalive_time)).ok_or(treatment))
}

/// Has the proxy dial: the upstream's address where there is one, else the target as it is.
async fn through(
    setup: &Setup,
    journal: &Journal,
    proxy: &UpstreamProxy,
    target: &Target,
    upstream: Option<Upstream>,
    own: &[SocketAddr],
) -> Result<Result<Wire, Unreached>, RecorderGone> {
    let found = resolve(setup, journal, &proxy.place.host, Sake::Landfall).await?;
    let found = found.map(|(addresses, _)| addresses);
    let began = journal.now();
    let (tcp, address) = match connected(setup, proxy, found, own).await {
        Ok(connected) => connected,
        Err(NotConnected::Loop) => {
            return Ok(Err(Unreached::ByProxy(Treatment::Blocked(BlockedWhy::OwnListener))));
        }
        Err(NotConnected::Failed(address, how)) => {
            if let Some(address) = address {
                let hop = Hop { kind: proxy.kind, address };
                let result = Err(Cause::UpstreamProxy(how.clone()).to_string());
                attempted(journal, upstream, Some(hop), began, result).await?;
            }
            let treatment = failed(Stage::Connect, Cause::UpstreamProxy(how));
            return Ok(Err(Unreached::ByProxy(treatment)));
        }
    };
    let asked = match upstream.map(|upstream| upstream.dialled()) {
        Some(address) => Target { host: Host::Ip(address.ip()), port: address.port() },
        None => target.clone(),
    };
    let mut wire = Wire::new(tcp, setup.limits.keepalive_time);
    let credentials = proxy.credentials.as_ref();
    let asking = async {
        match proxy.kind {
            HopKind::Http => hop::connect(&mut wire, &asked, credentials, &setup.limits).await,
            HopKind::Socks5 | HopKind::Socks5h => hop::socks5(&mut wire, &asked, credentials).await,
        }
    };
    let deadline = Instant::now() + setup.limits.upstream_proxy_time;
    let result = match timeout_at(deadline, asking).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Refused::Target("did not answer in time".to_owned())),
    };
    let is_of_target = matches!(result, Err(Refused::Target(_)));
    let result = result
        .map_err(|(Refused::Target(how) | Refused::Everything(how))| Cause::UpstreamProxy(how));
    let took = journal.now().mono.since(began.mono);
    journal.timed(|timings| timings.connect = Some(took)).await;
    let hop = Hop { kind: proxy.kind, address };
    let told = told(took, result.as_ref().err());
    attempted(journal, upstream, Some(hop), began, told).await?;
    Ok(match result {
        Ok(()) => Ok(wire),
        Err(cause) if is_of_target => Err(Unreached::Target(failed(Stage::Connect, cause))),
        Err(cause) => Err(Unreached::ByProxy(failed(Stage::Connect, cause))),
    })
}

/// Why there is no connection through the proxy.
enum Unreached {
    /// It would be the same with another address.
    ByProxy(Treatment),
    Target(Treatment),
}

enum NotConnected {
    /// The proxy is Landfall itself.
    Loop,
    /// The last address that was tried, and how it failed.
    Failed(Option<SocketAddr>, String),
}

/// A connection to the proxy itself, at one of the addresses that were found for it. Its look-up is
/// recorded, but not as one of this connection, whose target has other names.
async fn connected(
    setup: &Setup,
    proxy: &UpstreamProxy,
    found: Result<Vec<IpAddr>, Failure>,
    own: &[SocketAddr],
) -> Result<(TcpStream, SocketAddr), NotConnected> {
    let no_address = |failure: Failure| {
        NotConnected::Failed(None, format!("has no address: its {}", failure.cause))
    };
    let found = found.map_err(no_address)?;
    let all = found.into_iter().map(|ip| SocketAddr::new(ip, proxy.place.port)).collect();
    let mut addresses = dial::interleaved(all);
    addresses.truncate(setup.limits.dialled_addresses);
    if addresses.iter().any(|address| own.contains(address)) {
        return Err(NotConnected::Loop);
    }
    let (tcp, attempts) = dialling(setup).first(&addresses).await;
    let last = attempts.last();
    let address = last.and_then(|attempt| addresses.get(attempt.index)).copied();
    match (tcp, address) {
        (Some(tcp), Some(address)) => Ok((tcp, address)),
        _ => {
            let cause = last.and_then(|attempt| attempt.failure.as_ref());
            let how = cause.map_or_else(|| Cause::TimedOut.to_string(), ToString::to_string);
            Err(NotConnected::Failed(address, how))
        }
    }
}

fn dialling(setup: &Setup) -> Dialling<'_> {
    Dialling { limits: &setup.limits, clock: &setup.clock, mark: setup.outgoing.mark }
}

/// The addresses of a host, looked up where it is a name: for the sake of this connection, or of none.
async fn resolve(
    setup: &Setup,
    journal: &Journal,
    host: &Host,
    sake: Sake,
) -> Result<Result<(Vec<IpAddr>, Option<Ttl>), Failure>, RecorderGone> {
    let name = match host {
        Host::Ip(ip) => return Ok(Ok((vec![*ip], None))),
        Host::Name(name) => name,
    };
    let lookup = setup.names.look_up(name, sake).await;
    if sake.connection().is_some() {
        journal.timed(|timings| timings.dns = Some(lookup.took)).await;
    }
    let found = (lookup.addresses().collect(), watch::answered(&lookup));
    let cause = unresolved(&lookup);
    journal.tell(Event::Looked(lookup)).await?;
    Ok(match cause {
        None => Ok(found),
        Some((side, cause)) => Err(Failure { stage: Stage::Resolve, side, cause }),
    })
}

fn unresolved(lookup: &Lookup) -> Option<(Side, Cause)> {
    Some(match &lookup.outcome {
        LookupOutcome::Found => return None,
        LookupOutcome::NoAddresses => (Side::Upstream, Cause::NoAddresses),
        LookupOutcome::NoSuchName => (Side::Upstream, Cause::NoSuchName),
        LookupOutcome::ServerFailure(code) => {
            (Side::Upstream, Cause::ResolverFailed(format!("the server answered {code}")))
        }
        LookupOutcome::TimedOut => {
            (Side::Upstream, Cause::ResolverFailed("no answer in time".to_owned()))
        }
        LookupOutcome::Unreachable(reason) => {
            (Side::Landfall, Cause::ResolverFailed(reason.clone()))
        }
    })
}

async fn attempted(
    journal: &Journal,
    upstream: Option<Upstream>,
    through: Option<Hop>,
    at: Stamp,
    result: Result<Duration, String>,
) -> Result<(), RecorderGone> {
    let connection = journal.connection();
    journal.tell(Event::Dialled(Dialled { connection, at, upstream, through, result })).await
}

fn told(took: Duration, failure: Option<&Cause>) -> Result<Duration, String> {
    match failure {
        None => Ok(took),
        Some(cause) => Err(cause.to_string()),
    }
}

fn failed(stage: Stage, cause: Cause) -> Treatment {
    Treatment::Failed(Failure { stage, side: Side::Upstream, cause })
}
