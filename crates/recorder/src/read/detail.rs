//! Everything that was recorded of one flow, as the records have it. Each fact carries the number
//! of the record that states it, so that it can be looked up in the log and in a bundle.

use super::rows::FlowRow;
use crate::record::connection::{
    ConnectionClose, ConnectionDial, ConnectionOpen, ConnectionTarget, ConnectionTreatment,
    DatagramsDropped, StreamClose,
};
use crate::record::dns::Dns;
use crate::record::exchange::{ExchangeClose, ExchangeRequest, ExchangeResponse, LostSync};
use crate::record::network::Rtt;
use crate::record::session::Gap;
use crate::record::tls::{TlsClient, TlsClientHello, TlsLeaf, TlsRelayed, TlsUpstream};
use crate::record::{Body, Record};
use flow::event::Ingress;
use flow::time::Stamp;

/// One flow. For an exchange, `connection` is the connection that carried it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowDetail {
    /// As listed, with every claim about its address.
    pub row: FlowRow,
    pub connection: ConnectionDetail,
    /// `None` for a connection.
    pub exchange: Option<ExchangeDetail>,
    /// There are more records of it than are read at once; the rest is only in the log.
    pub cut: bool,
}

/// A record's body with its number and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<T> {
    /// The record's number: its line in the log, from 0.
    pub seq: u64,
    pub at: Stamp,
    pub body: T,
}

/// A connection, in the order in which things happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionDetail {
    pub open: Option<Recorded<ConnectionOpen>>,
    pub target: Option<Recorded<ConnectionTarget>>,
    /// The look-ups that were made for its sake.
    pub lookups: Vec<Recorded<Dns>>,
    pub dials: Vec<Recorded<ConnectionDial>>,
    pub client_hello: Option<Recorded<TlsClientHello>>,
    pub upstream_tls: Option<Recorded<TlsUpstream>>,
    pub leaf: Option<Recorded<TlsLeaf>>,
    pub round_trip: Option<Recorded<Rtt>>,
    pub client_tls: Option<Recorded<TlsClient>>,
    /// The last one counts.
    pub relayed_tls: Option<Recorded<TlsRelayed>>,
    /// The last one counts.
    pub treatments: Vec<Recorded<ConnectionTreatment>>,
    pub lost_sync: Vec<Recorded<LostSync>>,
    pub datagrams_dropped: Option<Recorded<DatagramsDropped>>,
    pub gaps: Vec<Recorded<Gap>>,
    pub streams: Vec<Recorded<StreamClose>>,
    pub close: Option<Recorded<ConnectionClose>>,
}

/// An exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeDetail {
    pub request: Option<Recorded<ExchangeRequest>>,
    /// Interim ones and the final one, in order.
    pub responses: Vec<Recorded<ExchangeResponse>>,
    /// `None` while it runs.
    pub close: Option<Recorded<ExchangeClose>>,
}

impl ConnectionDetail {
    /// The recorded request heads are those that Landfall sent on, which a proxy has to change (RFC
    /// 9110 section 7.6). The device's own are in the up stream of the client leg.
    pub fn has_rewritten_heads(&self) -> bool {
        let ingress = self.open.as_ref().map(|open| open.body.ingress.as_str());
        ingress == Some(Ingress::AbsoluteForm.word())
    }

    /// Sorts the records of a connection.
    pub(super) fn collect(records: Vec<Record>) -> Self {
        let mut detail = Self::default();
        for record in records {
            let (seq, at) = (record.seq, record.at);
            match record.body {
                Body::ConnectionOpen(body) => detail.open = Some(Recorded { seq, at, body }),
                Body::ConnectionTarget(body) => detail.target = Some(Recorded { seq, at, body }),
                Body::Dns(body) => detail.lookups.push(Recorded { seq, at, body }),
                Body::ConnectionDial(body) => detail.dials.push(Recorded { seq, at, body }),
                Body::TlsClientHello(body) => {
                    detail.client_hello = Some(Recorded { seq, at, body: *body });
                }
                Body::TlsUpstream(body) => {
                    detail.upstream_tls = Some(Recorded { seq, at, body });
                }
                Body::TlsLeaf(body) => detail.leaf = Some(Recorded { seq, at, body }),
                Body::Rtt(body) => detail.round_trip = Some(Recorded { seq, at, body }),
                Body::TlsClient(body) => detail.client_tls = Some(Recorded { seq, at, body }),
                Body::TlsRelayed(body) => detail.relayed_tls = Some(Recorded { seq, at, body }),
                Body::ConnectionTreatment(body) => {
                    detail.treatments.push(Recorded { seq, at, body });
                }
                Body::LostSync(body) => detail.lost_sync.push(Recorded { seq, at, body }),
                Body::DatagramsDropped(body) => {
                    detail.datagrams_dropped = Some(Recorded { seq, at, body });
                }
                Body::Gap(body) => detail.gaps.push(Recorded { seq, at, body }),
                Body::StreamClose(body) => detail.streams.push(Recorded { seq, at, body }),
                Body::ConnectionClose(body) => detail.close = Some(Recorded { seq, at, body }),
                // Of an exchange, or of no flow: not asked for.
                _ => {}
            }
        }
        detail
    }
}

impl ExchangeDetail {
    /// Sorts the records of an exchange.
    pub(super) fn collect(records: Vec<Record>) -> Self {
        let mut detail = Self::default();
        for record in records {
            let (seq, at) = (record.seq, record.at);
            match record.body {
                Body::ExchangeRequest(body) => {
                    detail.request = Some(Recorded { seq, at, body: *body });
                }
                Body::ExchangeResponse(body) => {
                    detail.responses.push(Recorded { seq, at, body });
                }
                Body::ExchangeClose(body) => {
                    detail.close = Some(Recorded { seq, at, body: *body });
                }
                _ => {}
            }
        }
        detail
    }
}

/// Records that are read for one connection, and for one exchange.
pub(super) const MOST_RECORDS: usize = 10_000;
