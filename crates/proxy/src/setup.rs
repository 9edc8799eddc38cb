//! What a running proxy works with: made once at the start, read by every connection.

use crate::client_identity::ClientIdentity;
use crate::credentials::Credentials;
use crate::dial;
use crate::epochs::Epochs;
use crate::memory::Memory;
use crate::policy::{Rules, Verdict};
use crate::rule::{Destination, Origin};
use crate::upstream_proxy::UpstreamProxy;
use crate::upstream_trust::UpstreamTrust;
use crate::watch::Watch;
use flow::limits::Limits;
use flow::time::SharedClock;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Everything that connections share.
pub struct Setup {
    pub authority: Arc<certs::Authority>,
    pub leaves: certs::LeafMinter,
    pub names: resolver::NameResolver,
    /// Names that are looked up again; `None` unless the operator asked for it.
    pub watch: Option<Watch>,
    pub trust: UpstreamTrust,
    pub rules: Rules,
    pub credentials: Credentials,
    /// Asked about an address only where a rule needs it.
    pub origin_of: OriginOf,
    /// Client certificates for upstreams that demand one.
    pub identities: Vec<ClientIdentity>,
    pub memory: Arc<Memory>,
    /// The machine's own addresses, at which Landfall must not be led to itself.
    pub machine: Vec<IpAddr>,
    pub dial: DialTable,
    pub epochs: Epochs,
    /// The `[simulate]` times, in place of what handshakes with an address take.
    pub simulated_times: BTreeMap<IpAddr, Duration>,
    pub outgoing: Outgoing,
    pub limits: Limits,
    pub on_malformed: OnMalformed,
    pub wire: KeptWire,
    pub clock: SharedClock,
}

/// Tells what the databases say of an address: they are not known here.
pub type OriginOf = Arc<dyn Fn(IpAddr) -> Origin + Send + Sync>;

impl Setup {
    /// What the lists say of a destination, as far as it is known.
    pub(crate) fn verdict(
        &self,
        names: &[&str],
        port: u16,
        address: Option<IpAddr>,
    ) -> Option<Verdict<'_>> {
        let asked = address.filter(|_| self.rules.needs_origin());
        let origin = asked.map(|address| (self.origin_of)(address));
        let origin = origin.as_ref();
        self.rules.verdict(&Destination { names, address, port: Some(port), origin })
    }
}

/// How upstreams are dialled.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// The proxy through which they are; none: directly.
    pub proxy: Option<UpstreamProxy>,
    /// The mark of outgoing sockets (Linux `SO_MARK`), by which packet filter rules know them.
    pub mark: Option<u32>,
}

impl Outgoing {
    /// Whether sockets can be marked as asked.
    ///
    /// # Errors
    /// The operating system's, for lack of a capability or on another system than Linux.
    pub fn check(&self) -> io::Result<()> {
        self.mark.map_or(Ok(()), dial::try_mark)
    }
}

/// Which TLS bytes are kept of connections that are intercepted. Of those that are not, the relayed
/// bytes are the TLS bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptWire {
    /// Those of the handshake with the upstream.
    #[default]
    Handshake,
    /// All of both legs.
    Full,
}

/// What happens to a connection whose bytes an observer can no longer follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMalformed {
    /// Its bytes are relayed on, and recorded as they are.
    #[default]
    Relay,
    /// It is ended before the bytes that are not understood are passed on.
    Close,
}

/// The `[dial]` simulation: sockets that are dialled in place of addresses. Each use is recorded
/// and marks the session as simulated.
#[derive(Clone, Debug, Default)]
pub struct DialTable {
    /// In place of an address at any port.
    pub by_address: BTreeMap<IpAddr, SocketAddr>,
    /// In place of an address at one port; goes before `by_address`.
    pub by_socket: BTreeMap<SocketAddr, SocketAddr>,
}

impl DialTable {
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty() && self.by_socket.is_empty()
    }

    /// The socket that is dialled in place of an address, if one is.
    pub fn in_place_of(&self, address: SocketAddr) -> Option<SocketAddr> {
        self.by_socket.get(&address).or_else(|| self.by_address.get(&address.ip())).copied()
    }
}
