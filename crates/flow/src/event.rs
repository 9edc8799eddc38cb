//! Events: what the proxy tells the recorder, in the order in which it became known.

use crate::address::{DeviceAddr, Hop, Target, Upstream};
use crate::dns::Lookup;
use crate::http::{Body, ExchangeEnd, Field, LostSync, RequestHead, ResponseHead};
use crate::id::{ConnectionId, ExchangeId};
use crate::message::{Message, MessageKind};
use crate::round_trip::RoundTripSample;
use crate::stream::{Chunk, Extent, StreamKey};
use crate::time::Stamp;
use crate::tls::{Agreed, ClientHello, RelayedTls, Secret, UpstreamTls};
use crate::treatment::{Outcome, Treatment};
use crate::uplink::Epoch;
use std::net::SocketAddr;
use std::time::Duration;

/// One thing that happened. For one connection the order is: `Opened`, then `Targeted` (unless the
/// request was refused before), `Looked`, `Dialled`, the TLS facts, `Treated`, chunks and exchanges,
/// and `StreamEnded` per direction that ended in order, `StreamClosed` per stream, `Closed`. A chunk comes before every event that points into it.
#[derive(Clone, Debug)]
pub enum Event {
    Opened(Opened),
    Targeted {
        connection: ConnectionId,
        at: Stamp,
        target: Target,
    },
    Looked(Lookup),
    Dialled(Dialled),
    ClientHello {
        connection: ConnectionId,
        at: Stamp,
        hello: Box<ClientHello>,
    },
    UpstreamTls {
        connection: ConnectionId,
        at: Stamp,
        tls: Box<UpstreamTls>,
    },
    /// The leaf that the device is shown, DER; before its handshake, whatever comes of that.
    Leaf {
        connection: ConnectionId,
        at: Stamp,
        certificate: bytes::Bytes,
    },
    /// What the handshake with the upstream took, once it is complete.
    RoundTrip(Box<RoundTripSample>),
    ClientTls {
        connection: ConnectionId,
        at: Stamp,
        agreed: Agreed,
    },
    /// What the records of relayed TLS show, as soon as they do; at most once for each.
    RelayedTls {
        connection: ConnectionId,
        at: Stamp,
        tls: RelayedTls,
    },
    Secret {
        connection: ConnectionId,
        secret: Secret,
    },
    /// What was decided, as soon as it is known. A later one for the same connection replaces it.
    Treated {
        connection: ConnectionId,
        at: Stamp,
        treatment: Treatment,
    },
    Chunk(Chunk),
    Request {
        exchange: ExchangeId,
        head: Box<RequestHead>,
    },
    /// Interim (1xx) and final response heads.
    Response {
        exchange: ExchangeId,
        head: Box<ResponseHead>,
    },
    /// A message inside a body of an exchange; those of one direction come in the order of their
    /// ends.
    Message {
        exchange: ExchangeId,
        message: Box<Message>,
    },
    ExchangeEnded {
        exchange: ExchangeId,
        end: Box<ExchangeEnd>,
    },
    LostSync {
        connection: ConnectionId,
        lost: LostSync,
    },
    /// Datagrams of an association that were not relayed; told at its end, when there are any.
    DatagramsDropped {
        connection: ConnectionId,
        at: Stamp,
        dropped: DroppedDatagrams,
    },
    /// The sender of a stream ended it in order (close_notify, or FIN where there is no TLS). A
    /// stream of which this is not said was cut.
    StreamEnded {
        stream: StreamKey,
        at: Stamp,
    },
    StreamClosed(StreamClosed),
    Closed(Closed),
    /// Of no connection: the network of the machine, at the start and when it has changed.
    Network(Box<Epoch>),
}

impl Event {
    /// Bytes that the event counts for in the channel: its payload plus a flat cost.
    pub fn weight(&self) -> usize {
        let payload = match self {
            Self::Chunk(chunk) => chunk.bytes.len(),
            Self::Request { head, .. } => head_weight(head.extent, &head.fields),
            Self::Response { head, .. } => head_weight(head.extent, &head.fields),
            Self::Message { message, .. } => message_weight(&message.kind),
            Self::ExchangeEnded { end, .. } => {
                let bodies = [Some(&end.request_body), end.response_body.as_ref()];
                bodies.into_iter().flatten().map(body_weight).sum()
            }
            Self::ClientHello { hello, .. } => hello.raw.len(),
            Self::Leaf { certificate, .. } => certificate.len(),
            Self::UpstreamTls { tls, .. } => {
                tls.ocsp.len() + tls.chain.iter().map(bytes::Bytes::len).sum::<usize>()
            }
            _ => 0,
        };
        payload.saturating_add(FLAT_WEIGHT_BYTES)
    }
}

/// How a connection reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingress {
    /// `CONNECT host:port`.
    Connect,
    /// `GET http://host/path`.
    AbsoluteForm,
    /// SOCKS5 (RFC 1928): a CONNECT, or the connection that an association of datagrams lives by.
    Socks5,
    /// The datagrams of a SOCKS5 association to one destination.
    SocksUdp,
    /// Taken by a NAT rule (Linux REDIRECT); the kernel kept the original destination.
    Redirect,
    /// Taken by routing (Linux TPROXY); the socket's own address is the original destination.
    Tproxy,
    /// Landfall's own pages.
    Onboarding,
    /// The connection ended before it said what it wanted.
    Unknown,
}

impl Ingress {
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::AbsoluteForm => "absolute-form",
            Self::Socks5 => "socks5",
            Self::SocksUdp => "socks-udp",
            Self::Redirect => "redirect",
            Self::Tproxy => "tproxy",
            Self::Onboarding => "onboarding",
            Self::Unknown => "unknown",
        }
    }
}

/// A connection of the device.
#[derive(Clone, Debug)]
pub struct Opened {
    pub connection: ConnectionId,
    pub at: Stamp,
    pub device: DeviceAddr,
    /// The listener that accepted it.
    pub listener: SocketAddr,
    pub ingress: Ingress,
    /// The user name that the client gave the proxy, which tells apps apart. Anybody can claim any
    /// name unless credentials are demanded.
    pub app: Option<String>,
    /// The client spoke TLS to the proxy itself.
    pub over_tls: bool,
    /// The forwarder that named `device` in a PROXY protocol header: the peer that connected.
    pub forwarded_by: Option<SocketAddr>,
}

/// How many datagrams of an association were not relayed, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedDatagrams {
    /// Fragments (RFC 1928 section 7), which are not put together.
    pub fragmented: u64,
    /// Without a header that can be read.
    pub malformed: u64,
    /// From another address than the client's.
    pub foreign: u64,
    /// To a destination that is blocked or cannot be reached, or was not reached before the end.
    pub refused: u64,
    /// Past a bound of the association: too many destinations, or too many bytes that wait.
    pub overflowed: u64,
    /// To a further destination when the run had as many conversations of datagrams as it may have.
    pub over_flow_limit: u64,
}

impl DroppedDatagrams {
    pub fn total(&self) -> u64 {
        let Self { fragmented, malformed, foreign, refused, overflowed, over_flow_limit } = *self;
        [fragmented, malformed, foreign, refused, overflowed, over_flow_limit].iter().sum()
    }
}

/// An attempt to reach an upstream.
#[derive(Clone, Debug)]
pub struct Dialled {
    pub connection: ConnectionId,
    pub at: Stamp,
    /// `None` where a hop was given a name: only the hop knows the address that it led to.
    pub upstream: Option<Upstream>,
    /// The upstream proxy that was asked to connect; `None` for a direct connection.
    pub through: Option<Hop>,
    /// Time to connect, a hop's answer included; `Err` holds why it failed.
    pub result: Result<Duration, String>,
}

/// The totals of one stream.
#[derive(Clone, Debug)]
pub struct StreamClosed {
    pub stream: StreamKey,
    pub at: Stamp,
    /// Bytes that passed.
    pub relayed: u64,
}

/// The end of a connection.
#[derive(Clone, Debug)]
pub struct Closed {
    pub connection: ConnectionId,
    pub at: Stamp,
    pub outcome: Outcome,
    pub timings: Timings,
}

/// Durations on the monotonic clock; `None` where the step did not take place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    pub dns: Option<Duration>,
    pub connect: Option<Duration>,
    pub upstream_tls: Option<Duration>,
    pub client_tls: Option<Duration>,
}

/// Compressed heads are small on the wire and large in memory, so fields count too.
fn head_weight(extent: Extent, fields: &[Field]) -> usize {
    (extent.len() as usize).saturating_add(size_of_val(fields))
}

fn body_weight(body: &Body) -> usize {
    let digests = body.digests.as_ref();
    digests.map_or(0, |digests| size_of_val(digests.0.as_slice()))
}

fn message_weight(kind: &MessageKind) -> usize {
    match kind {
        MessageKind::Sse(event) => {
            [&event.event, &event.id].into_iter().flatten().map(bytes::Bytes::len).sum()
        }
        MessageKind::WebSocket(_) | MessageKind::Grpc(_) => 0,
    }
}

const FLAT_WEIGHT_BYTES: usize = 256;
