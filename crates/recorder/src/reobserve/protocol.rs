//! Which observer looked at a connection: it follows from what the log says of the connection, so
//! it is no record of its own.

use crate::record::connection::ConnectionTreatment;
use crate::record::value::Text;
use flow::id::ConnectionId;
use flow::limits::Limits;
use observe::Observer;
use observe::sniff::{Sniffed, sniff};

/// What the bytes of a connection's relay leg were read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
    /// Inside TLS that negotiated nothing: what the first bytes of either side say.
    Undecided,
    /// HTTP in the clear: HTTP/2 if the device's first bytes are its preface, else HTTP/1.
    ByFirstBytes,
    /// Nothing that is observed.
    Opaque,
}

impl Protocol {
    /// `None` for a treatment under which no byte passes.
    pub(super) fn of(treatment: &ConnectionTreatment, alpn: Option<&Text>) -> Option<Self> {
        let alpn = alpn.map(|alpn| alpn.0.as_ref());
        match (treatment.treatment.as_str(), treatment.reason.as_str()) {
            ("intercepted", _) => Some(match alpn {
                Some(b"h2") => Self::Http2,
                Some(b"http/1.1" | b"http/1.0") => Self::Http1,
                Some(_) => Self::Opaque,
                None => Self::Undecided,
            }),
            ("plaintext", "http") => Some(Self::ByFirstBytes),
            ("plaintext", "own-pages" | "last-hop") => Some(Self::Http1),
            ("failed" | "blocked", _) => None,
            _ => Some(Self::Opaque),
        }
    }

    /// The protocol of a conversation in the clear, by the device's first bytes.
    pub(super) fn by_first_bytes(first: &[u8]) -> Self {
        match sniff(first) {
            Sniffed::Http2Preface => Self::Http2,
            _ => Self::Http1,
        }
    }

    /// The observer, as the proxy made it.
    pub(super) fn observer(self, connection: ConnectionId, limits: &Limits) -> Option<Observer> {
        match self {
            Self::Http1 => Some(Observer::http1(connection, limits)),
            Self::Http2 => Some(Observer::http2(connection, limits)),
            Self::Undecided => Some(Observer::undecided(connection, limits)),
            Self::ByFirstBytes | Self::Opaque => None,
        }
    }
}
