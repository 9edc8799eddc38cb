//! Records: the lines of `log/records.jsonl`, format version 1 (`docs/FORMAT.md`). Each line is
//! one object in RFC 8785 (JCS) canonical form. The shapes below are the format: their fields
//! are in the order of the canonical form, so that writing one needs no sorting; reading demands
//! that the line is exactly the one that would be written.
//!
//! This module knows no files, no hashes and no order between records.

pub mod connection;
mod derived;
pub mod destination;
pub mod dns;
pub mod exchange;
pub mod flag;
pub mod message;
pub mod network;
pub mod opinion;
pub mod probe;
pub mod review;
pub mod sealed;
pub mod session;
pub mod store;
pub mod tls;
pub mod value;

use connection::{ConnectionClose, ConnectionDial, ConnectionOpen, ConnectionTarget};
use connection::{ConnectionTreatment, DatagramsDropped, StreamClose, StreamEnd};
use destination::{Assessment, Claims};
use dns::Dns;
use exchange::{ExchangeClose, ExchangeRequest, ExchangeResponse, LostSync};
use flow::id::{ConnectionId, ExchangeId};
use flow::time::Stamp;
use message::ExchangeMessage;
use network::{Network, Rtt};
use sealed::{EachSealed, HasSealed};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use session::{Gap, Marker, Phase, Recovery, SessionClose, SessionOpen};
use std::fmt;
use store::Frames;
use tls::{TlsClient, TlsClientHello, TlsLeaf, TlsRelayed, TlsUpstream};
use value::{Base64, Count, Mono, Nonce, Wall};

/// The format version that is written and read.
pub const VERSION: u64 = 1;

/// Bytes of the longest line, its newline included: nothing longer is written, and what is longer
/// is taken for damage. The largest records hold a certificate chain of 64 KiB or a header block
/// of 256 KiB, in base64 or with every byte escaped.
pub const MAX_LINE_BYTES: u64 = 16 << 20;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it happened; for records of the recorder itself, when it was made.
    pub at: Stamp,
    /// Random, so that a record cannot be guessed from its hash.
    pub nonce: [u8; 16],
    /// The line's number, from 0.
    pub seq: u64,
    pub body: Body,
}

impl Record {
    /// The record's line, without the newline: the leaf of the tree.
    pub fn line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(LINE_CAPACITY_BYTES);
        self.write_line(&mut line);
        line
    }

    /// Appends [`Record::line`].
    pub(crate) fn write_line(&self, out: &mut Vec<u8>) {
        let Self { at, nonce, seq, body } = self;
        write_envelope(out, *at, nonce, *seq, body.kind(), body);
    }

    /// Reads a line without its newline.
    ///
    /// # Errors
    /// [`RecordError`] for every line that [`Record::line`] would not have written.
    pub fn parse(line: &[u8]) -> Result<Self, RecordError> {
        let record = Self::parse_own(line)?;
        if record.line() == line { Ok(record) } else { Err(RecordError::NotCanonical) }
    }

    /// Reads a line that [`Record::line`] has written, for all that is known: that it is the one
    /// form of what it says is not checked, which would cost as much again.
    pub(crate) fn parse_own(line: &[u8]) -> Result<Self, RecordError> {
        let Envelope { at, nonce, seq, kind, body } = Envelope::read(line)?;
        Ok(Self { at, nonce, seq, body: Body::parse(&kind, body)? })
    }
}

/// What a record says; one variant per kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Body {
    SessionOpen(Box<SessionOpen>),
    Dns(Dns),
    ConnectionOpen(ConnectionOpen),
    ConnectionTarget(ConnectionTarget),
    ConnectionDial(ConnectionDial),
    ConnectionTreatment(ConnectionTreatment),
    ConnectionClose(ConnectionClose),
    TlsClientHello(Box<TlsClientHello>),
    TlsLeaf(TlsLeaf),
    TlsClient(TlsClient),
    TlsRelayed(TlsRelayed),
    TlsUpstream(TlsUpstream),
    Rtt(Rtt),
    Network(Network),
    ExchangeRequest(Box<ExchangeRequest>),
    ExchangeResponse(ExchangeResponse),
    ExchangeMessage(Box<ExchangeMessage>),
    ExchangeClose(Box<ExchangeClose>),
    LostSync(LostSync),
    DatagramsDropped(DatagramsDropped),
    Frames(Frames),
    StreamEnd(StreamEnd),
    StreamClose(StreamClose),
    Claims(Claims),
    Assessment(Box<Assessment>),
    Gap(Gap),
    Marker(Marker),
    Phase(Phase),
    Recovery(Recovery),
    SessionClose(SessionClose),
}

impl Body {
    /// The kind of records of which an exchange may have thousands.
    pub(crate) const MESSAGE_KIND: &'static str = "exchange.message";

    /// The kind's name in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SessionOpen(_) => "session.open",
            Self::Dns(_) => "dns",
            Self::ConnectionOpen(_) => "connection.open",
            Self::ConnectionTarget(_) => "connection.target",
            Self::ConnectionDial(_) => "connection.dial",
            Self::ConnectionTreatment(_) => "connection.treatment",
            Self::ConnectionClose(_) => "connection.close",
            Self::TlsClientHello(_) => "tls.client.hello",
            Self::TlsLeaf(_) => "tls.leaf",
            Self::TlsClient(_) => "tls.client",
            Self::TlsRelayed(_) => "tls.relayed",
            Self::TlsUpstream(_) => "tls.upstream",
            Self::Rtt(_) => "rtt",
            Self::Network(_) => "network",
            Self::ExchangeRequest(_) => "exchange.request",
            Self::ExchangeResponse(_) => "exchange.response",
            Self::ExchangeMessage(_) => Self::MESSAGE_KIND,
            Self::ExchangeClose(_) => "exchange.close",
            Self::LostSync(_) => "lost-sync",
            Self::DatagramsDropped(_) => "datagrams.dropped",
            Self::Frames(_) => "frames",
            Self::StreamEnd(_) => "stream.end",
            Self::StreamClose(_) => "stream.close",
            Self::Claims(_) => "claims",
            Self::Assessment(_) => "assessment",
            Self::Gap(_) => "gap",
            Self::Marker(_) => "marker",
            Self::Phase(_) => "phase",
            Self::Recovery(_) => "recovery",
            Self::SessionClose(_) => "session.close",
        }
    }

    /// Which connection the record is about, and which of its exchanges by number: 0 for what is
    /// about the connection itself.
    pub(crate) fn subject(&self) -> Option<(ConnectionId, u32)> {
        let of_exchange = |id: ExchangeId| Some((id.connection, id.number));
        let connection = match self {
            Self::Dns(dns) => dns.connection.as_ref()?.0,
            Self::ConnectionOpen(open) => open.connection.0,
            Self::ConnectionTarget(target) => target.connection.0,
            Self::ConnectionDial(dial) => dial.connection.0,
            Self::ConnectionTreatment(treatment) => treatment.connection.0,
            Self::ConnectionClose(close) => close.connection.0,
            Self::TlsClientHello(hello) => hello.connection.0,
            Self::TlsLeaf(leaf) => leaf.connection.0,
            Self::TlsClient(client) => client.connection.0,
            Self::TlsRelayed(relayed) => relayed.connection.0,
            Self::TlsUpstream(upstream) => upstream.connection.0,
            Self::Rtt(rtt) => rtt.connection.0,
            Self::LostSync(lost) => lost.connection.0,
            Self::DatagramsDropped(dropped) => dropped.connection.0,
            Self::StreamEnd(end) => end.connection.0,
            Self::StreamClose(close) => close.connection.0,
            Self::Gap(gap) => gap.connection.as_ref()?.0,
            Self::ExchangeRequest(request) => return of_exchange(request.exchange.0),
            Self::ExchangeResponse(response) => return of_exchange(response.exchange.0),
            Self::ExchangeMessage(message) => return of_exchange(message.exchange.0),
            Self::ExchangeClose(close) => return of_exchange(close.exchange.0),
            Self::SessionOpen(_)
            | Self::Network(_)
            | Self::Frames(_)
            | Self::Claims(_)
            | Self::Assessment(_)
            | Self::Marker(_)
            | Self::Phase(_)
            | Self::Recovery(_)
            | Self::SessionClose(_) => return None,
        };
        Some((connection, 0))
    }

    fn parse(kind: &str, json: &str) -> Result<Self, RecordError> {
        Ok(match kind {
            "session.open" => Self::SessionOpen(shape(json)?),
            "dns" => Self::Dns(shape(json)?),
            "connection.open" => Self::ConnectionOpen(shape(json)?),
            "connection.target" => Self::ConnectionTarget(shape(json)?),
            "connection.dial" => Self::ConnectionDial(shape(json)?),
            "connection.treatment" => Self::ConnectionTreatment(shape(json)?),
            "connection.close" => Self::ConnectionClose(shape(json)?),
            "tls.client.hello" => Self::TlsClientHello(shape(json)?),
            "tls.leaf" => Self::TlsLeaf(shape(json)?),
            "tls.client" => Self::TlsClient(shape(json)?),
            "tls.relayed" => Self::TlsRelayed(shape(json)?),
            "tls.upstream" => Self::TlsUpstream(shape(json)?),
            "rtt" => Self::Rtt(shape(json)?),
            "network" => Self::Network(shape(json)?),
            "exchange.request" => Self::ExchangeRequest(shape(json)?),
            "exchange.response" => Self::ExchangeResponse(shape(json)?),
            Self::MESSAGE_KIND => Self::ExchangeMessage(shape(json)?),
            "exchange.close" => Self::ExchangeClose(shape(json)?),
            "lost-sync" => Self::LostSync(shape(json)?),
            "datagrams.dropped" => Self::DatagramsDropped(shape(json)?),
            "frames" => Self::Frames(shape(json)?),
            "stream.end" => Self::StreamEnd(shape(json)?),
            "stream.close" => Self::StreamClose(shape(json)?),
            "claims" => Self::Claims(shape(json)?),
            "assessment" => Self::Assessment(shape(json)?),
            "gap" => Self::Gap(shape(json)?),
            "marker" => Self::Marker(shape(json)?),
            "phase" => Self::Phase(shape(json)?),
            "recovery" => Self::Recovery(shape(json)?),
            "session.close" => Self::SessionClose(shape(json)?),
            other => return Err(RecordError::Kind(other.to_owned())),
        })
    }
}

impl HasSealed for Body {
    fn each_sealed(&mut self, each: &mut impl EachSealed) {
        match self {
            Self::SessionOpen(open) => open.each_sealed(each),
            Self::Dns(dns) => dns.each_sealed(each),
            Self::ConnectionOpen(open) => open.each_sealed(each),
            Self::TlsUpstream(upstream) => upstream.each_sealed(each),
            Self::ExchangeRequest(request) => request.each_sealed(each),
            Self::ExchangeResponse(response) => response.each_sealed(each),
            Self::ExchangeMessage(message) => message.each_sealed(each),
            Self::ExchangeClose(close) => close.each_sealed(each),
            Self::Marker(marker) => each.value(&mut marker.text),
            Self::Phase(phase) => each.value(&mut phase.name),
            Self::ConnectionTarget(_)
            | Self::ConnectionDial(_)
            | Self::ConnectionTreatment(_)
            | Self::ConnectionClose(_)
            | Self::TlsClientHello(_)
            | Self::TlsLeaf(_)
            | Self::TlsClient(_)
            | Self::TlsRelayed(_)
            | Self::Rtt(_)
            | Self::Network(_)
            | Self::LostSync(_)
            | Self::DatagramsDropped(_)
            | Self::Frames(_)
            | Self::StreamEnd(_)
            | Self::StreamClose(_)
            | Self::Claims(_)
            | Self::Assessment(_)
            | Self::Gap(_)
            | Self::Recovery(_)
            | Self::SessionClose(_) => {}
        }
    }
}

/// Why a line is no record.
#[derive(Debug)]
pub enum RecordError {
    /// No JSON, or not the shape of its kind.
    Syntax(serde_json::Error),
    /// Another format version.
    Version(u64),
    Kind(String),
    Nonce,
    /// The line is not the canonical form of what it says.
    NotCanonical,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(_) => f.write_str("the line is no record"),
            Self::Version(version) => write!(
                f,
                "the record has format version {version}; this program reads version {VERSION}"
            ),
            Self::Kind(kind) => write!(f, "unknown kind of record {kind:?}"),
            Self::Nonce => f.write_str("the record's nonce is not 16 bytes"),
            Self::NotCanonical => f.write_str("the line is not in canonical form"),
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Syntax(source) => Some(source),
            _ => None,
        }
    }
}

/// Appends a line of either log, without its newline.
fn write_envelope(
    out: &mut Vec<u8>,
    at: Stamp,
    nonce: &[u8; 16],
    seq: u64,
    kind: &'static str,
    body: &impl Serialize,
) {
    // Writing to memory cannot fail, and no shape has a key that is not a string.
    let written = serde_json::to_writer(
        out,
        &EnvelopeOut {
            at: Wall(at.wall),
            body,
            kind,
            mono: Mono(at.mono),
            nonce: Nonce(nonce),
            seq: Count(seq),
            v: VERSION,
        },
    );
    debug_assert!(written.is_ok(), "a shape that JSON cannot express");
}

/// What every line of either log has.
struct Envelope<'a> {
    at: Stamp,
    nonce: [u8; 16],
    seq: u64,
    kind: String,
    /// JSON.
    body: &'a str,
}

impl<'a> Envelope<'a> {
    fn read(line: &'a [u8]) -> Result<Self, RecordError> {
        let envelope: EnvelopeIn<'a> = serde_json::from_slice(line).map_err(RecordError::Syntax)?;
        if envelope.v != VERSION {
            return Err(RecordError::Version(envelope.v));
        }
        let nonce = envelope.nonce.0.as_ref().try_into().map_err(|_length| RecordError::Nonce)?;
        Ok(Self {
            at: Stamp { wall: envelope.at.0, mono: envelope.mono.0 },
            nonce,
            seq: envelope.seq.0,
            kind: envelope.kind,
            body: envelope.body.get(),
        })
    }
}

#[derive(Serialize)]
struct EnvelopeOut<'a, B> {
    at: Wall,
    body: &'a B,
    kind: &'static str,
    mono: Mono,
    nonce: Nonce<'a>,
    seq: Count,
    v: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeIn<'a> {
    at: Wall,
    #[serde(borrow)]
    body: &'a RawValue,
    kind: String,
    mono: Mono,
    nonce: Base64,
    seq: Count,
    v: u64,
}

fn shape<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, RecordError> {
    serde_json::from_str(json).map_err(RecordError::Syntax)
}

const LINE_CAPACITY_BYTES: usize = 512;

#[cfg(test)]
mod tests;
