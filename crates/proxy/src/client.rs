//! A device's connection as accepted, and what serving it takes.

use crate::journal::Journal;
use crate::setup::Setup;
use crate::wire::Wire;
use feed::Sender;
use flow::address::DeviceAddr;
use flow::id::ConnectionId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

/// A device's connection as accepted.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    pub(crate) device: DeviceAddr,
    /// Our end of it.
    pub(crate) listener: SocketAddr,
    /// Addresses at which Landfall itself listens, as far as this connection shows.
    pub(crate) own: Vec<SocketAddr>,
}

/// What serving one connection takes.
pub(crate) struct Served<'a> {
    pub(crate) setup: &'a Setup,
    events: &'a Sender,
    numbers: &'a Numbers,
    /// Cancelled when the grace time of a shutdown is over.
    pub(crate) abort: &'a CancellationToken,
}

impl<'a> Served<'a> {
    pub(crate) fn new(
        setup: &'a Setup,
        events: &'a Sender,
        numbers: &'a Numbers,
        abort: &'a CancellationToken,
    ) -> Self {
        Self { setup, events, numbers, abort }
    }

    /// The journal of a new conversation.
    pub(crate) fn journal(&self) -> Journal {
        Journal::new(self.numbers.next(), Arc::clone(&self.setup.clock), self.events.clone())
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
