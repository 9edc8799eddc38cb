//! Accepts devices' connections from all listeners, runs each in a task of its own, and ends them in
//! order: stop accepting, let running ones finish, abort the rest.

use crate::client::{Client, Served};
use crate::connection;
use crate::devices::Devices;
use crate::listener::{self, Listener};
use crate::setup::Setup;
use crate::wire::Wire;
use feed::Sender;
use flow::event::Ingress;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Serves until `stop` is cancelled, then drains within `limits.shutdown_grace`. Returns once every
/// connection has ended and its record is closed; the event sender is dropped with it. Returns how
/// many connections were refused because nothing could be recorded any more.
pub async fn serve(
    listeners: Vec<Listener>,
    setup: Arc<Setup>,
    events: Sender,
    stop: CancellationToken,
) -> u64 {
    let watched = Arc::clone(&setup);
    let proxied = setup.outgoing.proxy.is_some();
    tokio::select! {
        biased;
        // Told first, so that the record begins with it.
        never = watched.epochs.watch(events.clone(), &watched.clock, proxied) => match never {},
        never = watch_names(&watched, events.clone(), stop.clone()) => match never {},
        ended = accept_all(listeners, setup, events, stop) => ended,
    }
}

/// Looks names up again where the operator asked for it.
async fn watch_names(setup: &Setup, events: Sender, stop: CancellationToken) -> Infallible {
    match &setup.watch {
        Some(watch) => watch.run(&setup.names, events, &stop).await,
        None => {
            drop(events);
            std::future::pending().await
        }
    }
}

async fn accept_all(
    listeners: Vec<Listener>,
    setup: Arc<Setup>,
    events: Sender,
    stop: CancellationToken,
) -> u64 {
    let listening: Vec<_> = listeners.iter().filter_map(|own| own.local_addr().ok()).collect();
    let mut tasks = JoinSet::new();
    let over = CancellationToken::new();
    let abort = over.child_token();
    let room = Arc::new(Semaphore::new(setup.limits.connections));
    let crowd = Crowd { most: setup.limits.connections, told: AtomicBool::new(false) };
    let grace = setup.limits.shutdown_grace;
    let devices = Devices::new(setup.limits.device_connections);
    let most = setup.limits.datagram_flows.min(Semaphore::MAX_PERMITS);
    let datagram_flows = Arc::new(Semaphore::new(most));
    let served = Served {
        setup,
        events,
        numbers: Arc::default(),
        unrecorded: Arc::default(),
        devices,
        datagram_flows,
        abort: abort.clone(),
        over: over.clone(),
    };
    for turn in 0.. {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = tasks.join_next() => {
                report(ended);
                continue;
            }
            // What cannot be recorded is not relayed any further either.
            () = served.events.closed(), if !abort.is_cancelled() => {
                abort.cancel();
                continue;
            }
            accepted = accept(&listeners, turn, &room, &crowd) => accepted,
        };
        let (listener, tcp, device, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "Could not accept a connection, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let original = listener.original(&tcp);
        let own = listener.local_addr().ok();
        // Of a connection that was taken by routing, our end has somebody else's address.
        let taken = original.is_some_and(|original| original.ingress == Ingress::Tproxy);
        let reached = tcp.local_addr().ok().filter(|_| !taken);
        let client = Client::new(
            Wire::new(tcp, served.setup.limits.keepalive_time),
            canonical(device),
            canonical(reached.or(own).unwrap_or(UNKNOWN_LISTENER)),
            own_addresses(&served.setup.machine, reached, &listening),
            original,
        );
        let served = served.clone();
        tasks.spawn(async move {
            Box::pin(connection::run(client, &served)).await;
            drop(permit);
        });
    }
    drop(listeners);
    if tokio::time::timeout(grace, drain(&mut tasks)).await.is_err() {
        over.cancel();
        drain(&mut tasks).await;
    }
    served.unrecorded.load(Ordering::Relaxed)
}

async fn drain(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        report(ended);
    }
}

/// A connection that panicked has no end in the record: that is ours to mend.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "A connection ended abnormally, its record is incomplete");
    }
}

async fn accept<'a>(
    listeners: &'a [Listener],
    turn: usize,
    room: &Arc<Semaphore>,
    crowd: &Crowd,
) -> io::Result<(&'a Listener, TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    crowd.note(room.available_permits());
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (listener, tcp, device) = listener::accept(listeners, turn).await?;
    Ok((listener, tcp, device, permit))
}

/// Whether as many connections are served as may be, which is told once while it lasts.
struct Crowd {
    most: usize,
    told: AtomicBool,
}

impl Crowd {
    fn note(&self, free: usize) {
        if free == 0 && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "As many connections are open as limits.connections = {} allows, further ones wait; \
                 hint: raise it in landfall.toml if that many are meant to be served",
                self.most
            );
        } else if free > self.most / 10 && self.told.swap(false, Ordering::Relaxed) {
            tracing::warn!("There is room for connections again");
        }
    }
}

fn own_addresses(
    machine: &[IpAddr],
    reached: Option<SocketAddr>,
    listening: &[SocketAddr],
) -> Vec<SocketAddr> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let bound = reached.iter().chain(listening).map(SocketAddr::ip);
    let ips: Vec<_> = bound.chain(loopback).chain(machine.iter().copied()).collect();
    let at = |port| ips.iter().map(move |ip| SocketAddr::new(ip.to_canonical(), port));
    listening.iter().flat_map(|own| at(own.port())).collect()
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

const UNKNOWN_LISTENER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
/// Pause after a failed accept, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
