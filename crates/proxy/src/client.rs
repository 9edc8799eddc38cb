//! A device's connection as accepted, and what serving it takes.

use crate::devices::{Devices, Place};
use crate::journal::Journal;
use crate::listener::Original;
use crate::setup::Setup;
use crate::tls_failure;
use crate::wire::Wire;
use feed::Sender;
use flow::address::DeviceAddr;
use flow::event::{Ingress, Opened};
use flow::id::ConnectionId;
use flow::time::Stamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// A device's connection as accepted, and what is learnt of it before it asks for something.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    /// The peer, or whom a trusted forwarder names.
    pub(crate) device: DeviceAddr,
    /// The forwarder that names the device.
    pub(crate) forwarded_by: Option<SocketAddr>,
    /// Our end of it.
    pub(crate) listener: SocketAddr,
    /// Its place among the connections of the device.
    pub(crate) place: Option<Place>,
    /// Addresses at which Landfall itself listens, as far as this connection shows.
    pub(crate) own: Vec<SocketAddr>,
    /// Where it was going to when the kernel took it; `None` for a client that asks a proxy.
    pub(crate) original: Option<Original>,
    /// The client spoke TLS to the proxy itself, which the wire has taken off.
    pub(crate) over_tls: bool,
    /// The user name that it gave.
    pub(crate) app: Option<String>,
    /// What it understands as an answer.
    pub(crate) speaks: Speaks,
}

impl Client {
    pub(crate) fn new(
        wire: Wire,
        device: SocketAddr,
        listener: SocketAddr,
        own: Vec<SocketAddr>,
        original: Option<Original>,
    ) -> Self {
        let device = DeviceAddr(device);
        let (forwarded_by, over_tls, app, place) = (None, false, None, None);
        let speaks = if original.is_some() { Speaks::ToTheServer } else { Speaks::Http };
        Self { wire, device, forwarded_by, listener, place, own, original, over_tls, app, speaks }
    }

    /// What is told first of a conversation with it.
    pub(crate) fn opened(&self, connection: ConnectionId, at: Stamp, ingress: Ingress) -> Opened {
        Opened {
            connection,
            at,
            device: self.device,
            listener: self.listener,
            ingress,
            app: self.app.clone(),
            over_tls: self.over_tls,
            forwarded_by: self.forwarded_by,
        }
    }
}

/// The protocol, and how far in it the client is: what an answer to it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http,
    Socks4,
    /// SOCKS5, before a method was chosen.
    Socks5Methods,
    /// SOCKS5, waiting whether its password is right.
    Socks5Password,
    /// SOCKS5, waiting for the reply to its request.
    Socks5,
    /// TLS; the alert record that says no.
    Tls([u8; 7]),
    /// It asked nobody, and takes us for the server: a reset is all that it can be told.
    ToTheServer,
    /// Nothing that it would understand can be said.
    Nothing,
}

impl Speaks {
    /// Of a client that is refused whatever it wants, by its first byte.
    pub(crate) fn before_a_word(first: u8) -> Self {
        match first {
            4 => Self::Socks4,
            5 => Self::Socks5Methods,
            22 => Self::Tls(tls_failure::ACCESS_DENIED),
            _ => Self::Http,
        }
    }

    /// The way in of what is asked for in this protocol.
    pub(crate) fn is_socks5(self) -> bool {
        matches!(self, Self::Socks5Methods | Self::Socks5Password | Self::Socks5)
    }
}

/// What serving one connection takes.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) setup: Arc<Setup>,
    pub(crate) events: Sender,
    pub(crate) numbers: Arc<Numbers>,
    /// Connections that were refused because nothing could be recorded any more.
    pub(crate) unrecorded: Arc<AtomicU64>,
    pub(crate) devices: Devices,
    /// Room for conversations of datagrams, of all associations together.
    pub(crate) datagram_flows: Arc<Semaphore>,
    /// Cancelled when the grace time of a shutdown is over, or when recording has stopped.
    pub(crate) abort: CancellationToken,
    /// Cancelled when the grace time of a shutdown is over, and `abort` with it. What watches this one
    /// alone may still say why nothing is served.
    pub(crate) over: CancellationToken,
}

impl Served {
    /// Nothing can be recorded any more, and so nothing is served.
    pub(crate) fn recording_has_stopped(&self) -> bool {
        self.events.is_closed()
    }

    /// The journal of a new conversation.
    pub(crate) fn journal(&self) -> Journal {
        Journal::new(self.numbers.next(), Arc::clone(&self.setup.clock), self.events.clone())
            .on_malformed(self.setup.on_malformed)
    }
}

/// Hands out connection numbers, from 1.
#[derive(Debug, Default)]
pub(crate) struct Numbers(AtomicU64);

impl Numbers {
    fn next(&self) -> ConnectionId {
        ConnectionId(self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }
}
