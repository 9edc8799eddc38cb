//! From a target to a connected upstream: resolve, check every address against the rules, dial in
//! order. Each attempt is recorded; nothing here speaks a protocol.

use crate::journal::Journal;
use crate::policy::Verdict;
use crate::setup::Setup;
use crate::wire::Wire;
use feed::RecorderGone;
use flow::address::{Host, Target, Upstream};
use flow::dns::{Lookup, LookupOutcome};
use flow::event::{Dialled, Event};
use flow::treatment::{BlockedWhy, Cause, Failure, Side, Stage, Treatment};
use std::io;
use std::net::{IpAddr, SocketAddr};
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
    if let Err(why) = setup.rules.host(&target.host) {
        return Ok(Err(Treatment::Blocked(why)));
    }
    let host = target.host.to_string();
    let addresses = match addresses(setup, journal, &target.host).await? {
        Ok(addresses) => addresses,
        Err(failure) => return Ok(Err(Treatment::Failed(failure))),
    };
    let mut treatment = failed(Stage::Resolve, Cause::NoAddresses);
    let deadline = Instant::now() + setup.limits.connect_time * ALL_ADDRESSES_FACTOR;
    for ip in addresses.into_iter().take(DIALLED_ADDRESSES) {
        let address = SocketAddr::new(ip, target.port);
        let upstream = Upstream { address, simulated_by: setup.dial.in_place_of(address) };
        if upstream.simulated_by.is_none()
            && let Err(why) = setup.rules.destination(address, own)
        {
            treatment = Treatment::Blocked(why);
            continue;
        }
        if let Some(Verdict::Block(rule)) = setup.verdict(&[&host], target.port, Some(ip)) {
            treatment = Treatment::Blocked(BlockedWhy::Rule(rule.to_string()));
            continue;
        }
        match dial(setup, journal, upstream, deadline).await? {
            Ok(tcp) => return Ok(Ok(Wire::new(tcp))),
            Err(cause) => treatment = failed(Stage::Connect, cause),
        }
    }
    Ok(Err(treatment))
}

/// The addresses of a host, looked up where it is a name.
pub(crate) async fn addresses(
    setup: &Setup,
    journal: &Journal,
    host: &Host,
) -> Result<Result<Vec<IpAddr>, Failure>, RecorderGone> {
    let name = match host {
        Host::Ip(ip) => return Ok(Ok(vec![*ip])),
        Host::Name(name) => name,
    };
    let lookup = setup.names.look_up(name, Some(journal.connection())).await;
    journal.timed(|timings| timings.dns = Some(lookup.took)).await;
    let found = lookup.addresses().collect();
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

async fn dial(
    setup: &Setup,
    journal: &Journal,
    upstream: Upstream,
    deadline: Instant,
) -> Result<Result<TcpStream, Cause>, RecorderGone> {
    let at = journal.now();
    let connecting = TcpStream::connect(upstream.dialled());
    let deadline = deadline.min(Instant::now() + setup.limits.connect_time);
    let connected = match timeout_at(deadline, connecting).await {
        Ok(Ok(tcp)) => Ok(tcp),
        Ok(Err(error)) => Err(unconnected(&error)),
        Err(_elapsed) => Err(Cause::TimedOut),
    };
    let took = journal.now().mono.since(at.mono);
    let result = match &connected {
        Ok(_) => Ok(took),
        Err(cause) => Err(cause.to_string()),
    };
    journal.timed(|timings| timings.connect = Some(took)).await;
    journal
        .tell(Event::Dialled(Dialled { connection: journal.connection(), at, upstream, result }))
        .await?;
    Ok(connected)
}

fn unconnected(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::ConnectionReset => Cause::Reset,
        io::ErrorKind::TimedOut => Cause::TimedOut,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Cause::Unreachable(error.to_string())
        }
        _ => Cause::Io(error.to_string()),
    }
}

fn failed(stage: Stage, cause: Cause) -> Treatment {
    Treatment::Failed(Failure { stage, side: Side::Upstream, cause })
}

/// All addresses of a target together get this many times the time of one.
const ALL_ADDRESSES_FACTOR: u32 = 2;
/// Addresses of one look-up that are tried before giving up.
const DIALLED_ADDRESSES: usize = 8;
