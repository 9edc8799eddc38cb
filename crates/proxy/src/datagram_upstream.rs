//! From a target to a socket for datagrams to it: resolve, check every address against the rules,
//! take the first that may be reached. The socket takes datagrams of that address alone.

use crate::dial;
use crate::journal::Journal;
use crate::setup::Setup;
use crate::upstream;
use feed::RecorderGone;
use flow::address::{Target, Upstream};
use flow::event::{Dialled, Event};
use flow::treatment::{BlockedWhy, Cause, Failure, Side, Stage, Treatment};
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::UdpSocket;

/// A socket that is connected to a destination.
pub(crate) struct DatagramUpstream {
    pub(crate) socket: UdpSocket,
    /// The address that stands for the target, which answers are said to come from.
    pub(crate) address: SocketAddr,
}

/// Resolves the target and opens a socket to it. `own` are addresses at which Landfall listens.
pub(crate) async fn reach(
    setup: &Setup,
    journal: &Journal,
    target: &Target,
    own: &[SocketAddr],
) -> Result<Result<DatagramUpstream, Treatment>, RecorderGone> {
    if setup.outgoing.proxy.as_ref().is_some_and(|proxy| proxy.serves(&target.host)) {
        // Around the proxy they would leave by a way that the operator did not choose.
        return Ok(Err(Treatment::Blocked(BlockedWhy::DatagramsNotProxied)));
    }
    let upstreams = match upstream::permitted(setup, journal, target, own).await? {
        Ok(upstreams) => upstreams,
        Err(treatment) => return Ok(Err(treatment)),
    };
    let mut treatment = failed(Cause::NoAddresses);
    for upstream in upstreams {
        match open(journal, upstream, setup.outgoing.mark).await? {
            Ok(socket) => return Ok(Ok(DatagramUpstream { socket, address: upstream.address })),
            Err(error) => treatment = failed(Cause::Unreachable(error.to_string())),
        }
    }
    Ok(Err(treatment))
}

async fn open(
    journal: &Journal,
    upstream: Upstream,
    mark: Option<u32>,
) -> Result<io::Result<UdpSocket>, RecorderGone> {
    let at = journal.now();
    let opening = async {
        let any: IpAddr = match upstream.dialled() {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        if let Some(mark) = mark {
            dial::set_mark(&SockRef::from(&socket), mark)?;
        }
        socket.connect(upstream.dialled()).await?;
        Ok(socket)
    };
    let opened: io::Result<UdpSocket> = opening.await;
    let result = match &opened {
        Ok(_) => Ok(journal.now().mono.since(at.mono)),
        Err(error) => Err(error.to_string()),
    };
    let dialled = Dialled {
        connection: journal.connection(),
        at,
        upstream: Some(upstream),
        through: None,
        result,
    };
    journal.tell(Event::Dialled(dialled)).await?;
    Ok(opened)
}

fn failed(cause: Cause) -> Treatment {
    Treatment::Failed(Failure { stage: Stage::Connect, side: Side::Upstream, cause })
}
