//! What the recorder remembers of an open connection: enough to ask the databases, to keep to the
//! limit on recorded bytes and to write notices.

use crate::enrich::Assessed;
use crate::notice::{Exchanged, Moment, Notice};
use crate::record::connection::Counted;
use crate::record::exchange::is_final;
use bytes::Bytes;
use flow::address::{DeviceAddr, DnsName, Target};
use flow::dns::Lookup;
use flow::event::Opened;
use flow::http::{ExchangeEnd, HttpVersion, RequestHead, ResponseHead};
use flow::id::{ConnectionId, ExchangeId, FlowId};
use flow::stream::{Direction, Leg, StreamKey};
use flow::time::Stamp;
use flow::treatment::Treatment;
use std::collections::HashMap;
use std::sync::Arc;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    id: ConnectionId,
    device: DeviceAddr,
    pub(crate) target: Option<Target>,
    /// The CNAME chain of the last look-up for it.
    chain: Vec<DnsName>,
    pub(crate) treatment: Option<Treatment>,
    pub(crate) destination: Option<Arc<Assessed>>,
    /// Bytes kept of all its streams together.
    kept: u64,
    /// The limit was met: nothing more is kept.
    full: bool,
    pub(crate) counted: Counted,
    exchanges: HashMap<u32, Exchanged>,
}

/// How much of a chunk is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Whole,
    /// So many bytes, and nothing from here on.
    Last(usize),
    None,
}

impl Connection {
    pub(crate) fn new(opened: &Opened) -> Self {
        Self {
            id: opened.connection,
            device: opened.device,
            target: None,
            chain: Vec::new(),
            treatment: None,
            destination: None,
            kept: 0,
            full: false,
            counted: Counted::default(),
            exchanges: HashMap::new(),
        }
    }

    pub(crate) fn looked(&mut self, lookup: &Lookup) {
        self.chain = bounded_chain(lookup);
    }

    /// The names by which the target's operator may be known: the host, then its CNAME chain.
    pub(crate) fn names(&self) -> Vec<DnsName> {
        let host = self.target.as_ref().and_then(|target| target.host.name());
        let mut names: Vec<_> = host.cloned().into_iter().collect();
        for name in &self.chain {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Makes room for a chunk of so many bytes, of which the connection may keep `limit` in all.
    pub(crate) fn make_room(&mut self, bytes: usize, limit: u64) -> Room {
        if self.full {
            return Room::None;
        }
        let left = limit.saturating_sub(self.kept);
        if bytes as u64 <= left {
            self.kept += bytes as u64;
            return Room::Whole;
        }
        self.full = true;
        self.kept += left;
        Room::Last(usize::try_from(left).unwrap_or(bytes))
    }

    pub(crate) fn relayed(&mut self, stream: StreamKey, bytes: u64) {
        match (stream.leg, stream.direction) {
            (Leg::Relay, Direction::Up) => self.counted.relayed_up = bytes,
            (Leg::Relay, Direction::Down) => self.counted.relayed_down = bytes,
            (Leg::Client | Leg::Upstream | Leg::ClientTls, _) => {}
        }
    }

    pub(crate) fn requested(&mut self, exchange: ExchangeId, head: &RequestHead) {
        self.counted.exchanges += 1;
        if self.exchanges.len() < MAX_EXCHANGES {
            let exchanged = Exchanged {
                protocol: Some(protocol(head.version)),
                method: short(&head.method),
                path: short(&head.target),
                authority: head.authority.as_ref().map(short),
                status: None,
            };
            self.exchanges.insert(exchange.number, exchanged);
        }
    }

    pub(crate) fn responded(&mut self, exchange: ExchangeId, head: &ResponseHead) {
        if let Some(exchanged) = self.exchanges.get_mut(&exchange.number)
            && is_final(head.status)
        {
            exchanged.status = Some(head.status);
        }
    }

    /// The notice of an exchange that ended.
    pub(crate) fn exchanged(&mut self, exchange: ExchangeId, end: &ExchangeEnd) -> Notice {
        let exchanged = self.exchanges.remove(&exchange.number).unwrap_or_default();
        Notice {
            flow: FlowId::Exchange(exchange),
            bytes_up: end.request_body.bytes,
            bytes_down: end.response_body.as_ref().map_or(0, |body| body.bytes),
            ..self.notice(end.at, Moment::Exchanged(exchanged))
        }
    }

    /// A notice about the connection itself.
    pub(crate) fn notice(&self, at: Stamp, moment: Moment) -> Notice {
        Notice {
            at,
            flow: FlowId::Connection(self.id),
            moment,
            device: self.device,
            target: self.target.clone(),
            treatment: self.treatment.clone(),
            destination: self.destination.as_ref().map(|known| Arc::clone(&known.annotation)),
            bytes_up: self.counted.relayed_up,
            bytes_down: self.counted.relayed_down,
        }
    }
}

/// The ALPN name (RFC 7301) of the version.
fn protocol(version: HttpVersion) -> &'static str {
    match version {
        HttpVersion::Http10 => "http/1.0",
        HttpVersion::Http11 => "http/1.1",
        HttpVersion::Http2 => "h2",
    }
}

fn short(bytes: &Bytes) -> String {
    let start = bytes.get(..MAX_TEXT_BYTES).unwrap_or(bytes);
    String::from_utf8_lossy(start).replace(char::is_control, "\u{fffd}")
}

/// Names of a CNAME chain that the databases are asked about.
/// The names of a look-up's chain that databases are asked with.
pub(crate) fn bounded_chain(lookup: &Lookup) -> Vec<DnsName> {
    lookup.chain.iter().take(MAX_CHAIN).cloned().collect()
}

const MAX_CHAIN: usize = 16;
/// Exchanges that wait for their end; further ones have notices without method and path.
const MAX_EXCHANGES: usize = 2_000;
const MAX_TEXT_BYTES: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use flow::event::Ingress;
    use flow::time::{MonoNanos, WallNanos};

    #[test]
    fn a_connection_keeps_its_limit_and_not_a_byte_more() {
        let any = "192.0.2.1:1".parse().unwrap();
        let mut connection = Connection::new(&Opened {
            connection: ConnectionId(1),
            at: Stamp { wall: WallNanos(0), mono: MonoNanos(0) },
            device: DeviceAddr(any),
            listener: any,
            ingress: Ingress::Connect,
            app: None,
            over_tls: false,
            forwarded_by: None,
        });
        assert_eq!(connection.make_room(4, 10), Room::Whole);
        assert_eq!(connection.make_room(6, 10), Room::Whole);
        assert_eq!(connection.make_room(0, 10), Room::Whole);
        assert_eq!(connection.make_room(1, 10), Room::Last(0));
        assert_eq!(connection.make_room(1, 10), Room::None);
        connection.full = false;
        connection.kept = 7;
        assert_eq!(connection.make_room(5, 10), Room::Last(3));
        assert_eq!(connection.make_room(0, 10), Room::None);
    }
}
