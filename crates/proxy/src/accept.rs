//! The listener: accepts devices' connections, runs each in a task of its own, and ends them in
//! order: stop accepting, let running ones finish, abort the rest.

use crate::client::{Client, Served};
use crate::connection;
use crate::setup::Setup;
use crate::wire::Wire;
use feed::Sender;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Opens the port that devices connect to.
///
/// # Errors
/// The operating system's.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop` is cancelled, then drains within `limits.shutdown_grace`. Returns once every
/// connection has ended and its record is closed; the event sender is dropped with it.
pub async fn serve(
    listener: TcpListener,
    setup: Arc<Setup>,
    events: Sender,
    stop: CancellationToken,
) {
    let listening = listener.local_addr().ok();
    let mut tasks = JoinSet::new();
    let abort = CancellationToken::new();
    let room = Arc::new(Semaphore::new(setup.limits.connections));
    let grace = setup.limits.shutdown_grace;
    let served = Served { setup, events, numbers: Arc::default(), abort: abort.clone() };
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = tasks.join_next() => {
                report(ended);
                continue;
            }
            accepted = accept(&listener, &room) => accepted,
        };
        let (tcp, device, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "Could not accept a connection, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let reached = tcp.local_addr().ok();
        let client = Client::new(
            Wire::new(tcp),
            canonical(device),
            canonical(reached.or(listening).unwrap_or(UNKNOWN_LISTENER)),
            own_addresses(&served.setup.machine, reached, listening),
        );
        let served = served.clone();
        tasks.spawn(async move {
            connection::run(client, &served).await;
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, drain(&mut tasks)).await.is_err() {
        abort.cancel();
        drain(&mut tasks).await;
    }
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

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (tcp, device) = listener.accept().await?;
    Ok((tcp, device, permit))
}

fn own_addresses(
    machine: &[IpAddr],
    reached: Option<SocketAddr>,
    listening: Option<SocketAddr>,
) -> Vec<SocketAddr> {
    let Some(port) = listening.map(|listening| listening.port()) else { return Vec::new() };
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let bound = reached.into_iter().chain(listening).map(|own| own.ip());
    let own = bound.chain(loopback).chain(machine.iter().copied());
    own.map(|ip| SocketAddr::new(ip.to_canonical(), port)).collect()
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

const UNKNOWN_LISTENER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
/// Pause after a failed accept, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
