//! One observer for whichever HTTP version a connection speaks, or for none.

use crate::http1::message_body::Ending;
use crate::http1::observer::Http1Observer;
use crate::http2::Http2Observer;
use crate::relayed_tls::{Offers, TlsRecords};
use crate::undecided::{Decision, Held, Undecided};
use flow::event::Event;
use flow::id::ConnectionId;
use flow::limits::Limits;
use flow::stream::Direction;
use flow::time::Stamp;

/// Follows a connection's relayed bytes.
///
/// Feed both directions in the order in which their bytes passed, then end both. Events come out
/// in the order in which they became known; none points beyond the bytes fed.
#[derive(Debug)]
pub enum Observer {
    Http1(Box<Http1Observer>),
    Http2(Box<Http2Observer>),
    /// Becomes one of the others with the first bytes.
    Undecided(Box<Beginning>),
    /// TLS that is not opened: its record headers.
    RelayedTls(Box<TlsRecords>),
    /// Not HTTP: bytes are not looked at.
    Opaque,
}

/// The beginning of a connection, and what it takes to read on.
#[derive(Debug)]
pub struct Beginning {
    connection: ConnectionId,
    limits: Limits,
    undecided: Undecided,
}

impl Observer {
    /// For HTTP/1.0 and HTTP/1.1.
    pub fn http1(connection: ConnectionId, limits: &Limits) -> Self {
        Self::Http1(Box::new(Http1Observer::new(connection, limits)))
    }

    /// For HTTP/2, from the client's connection preface on.
    pub fn http2(connection: ConnectionId, limits: &Limits) -> Self {
        Self::Http2(Box::new(Http2Observer::new(connection, limits)))
    }

    /// For a connection whose first bytes have yet to say what it speaks: HTTP/1 when the client
    /// opens with a request line, HTTP/2 when either side opens as that demands, else nothing that is
    /// read.
    pub fn undecided(connection: ConnectionId, limits: &Limits) -> Self {
        let (undecided, limits) = (Undecided::default(), limits.clone());
        Self::Undecided(Box::new(Beginning { connection, limits, undecided }))
    }

    /// For TLS that is relayed unopened, from the ClientHello on.
    pub fn relayed_tls(connection: ConnectionId, offers: Offers) -> Self {
        Self::RelayedTls(Box::new(TlsRecords::new(connection, offers)))
    }

    /// Whether it reads the connection as HTTP, by what it has seen so far.
    pub fn reads(&self) -> bool {
        matches!(self, Self::Http1(_) | Self::Http2(_))
    }

    /// Takes the next bytes of a direction.
    pub fn feed(&mut self, direction: Direction, at: Stamp, bytes: &[u8], events: &mut Vec<Event>) {
        match self {
            Self::Http1(observer) => observer.feed(direction, at, bytes, events),
            Self::Http2(observer) => observer.feed(direction, at, bytes, events),
            Self::Undecided(beginning) => {
                if let Some(decision) = beginning.undecided.feed(direction, at, bytes) {
                    *self = beginning.decided(decision, events);
                    self.feed(direction, at, bytes, events);
                }
            }
            Self::RelayedTls(records) => records.feed(direction, at, bytes, events),
            Self::Opaque => {}
        }
    }

    /// Takes the orderly end of a direction (close_notify, or FIN where there is no TLS). No bytes
    /// of it may follow.
    pub fn end(&mut self, direction: Direction, at: Stamp, events: &mut Vec<Event>) {
        match self {
            Self::Http1(observer) => observer.end(direction, Ending::Orderly, at, events),
            Self::Http2(observer) => observer.end(direction, at, events),
            Self::Undecided(beginning) => beginning.undecided.end(direction, at),
            Self::RelayedTls(_) | Self::Opaque => {}
        }
    }

    /// Takes any other end of a direction: a reset, a FIN without close_notify, a shutdown. A body
    /// that only the connection's end delimits is then truncated, not complete.
    pub fn cut(&mut self, direction: Direction, at: Stamp, events: &mut Vec<Event>) {
        match self {
            Self::Http1(observer) => observer.end(direction, Ending::Cut, at, events),
            Self::Http2(observer) => observer.end(direction, at, events),
            Self::Undecided(beginning) => beginning.undecided.cut(direction, at),
            Self::RelayedTls(_) | Self::Opaque => {}
        }
    }

    /// Whether further bytes can still give events. False once sync is lost, another protocol took
    /// over, or both directions have ended.
    pub fn is_following(&self) -> bool {
        match self {
            Self::Http1(observer) => observer.is_following(),
            Self::Http2(observer) => observer.is_following(),
            Self::Undecided(_) => true,
            Self::RelayedTls(records) => records.is_following(),
            Self::Opaque => false,
        }
    }
}

impl Beginning {
    /// The observer that takes over, which has seen what was held.
    fn decided(&mut self, decision: Decision, events: &mut Vec<Event>) -> Observer {
        let mut observer = match decision {
            Decision::Http1 => Observer::http1(self.connection, &self.limits),
            Decision::Http2 => Observer::http2(self.connection, &self.limits),
            Decision::Opaque => return Observer::Opaque,
        };
        for (direction, at, held) in self.undecided.take_held() {
            match held {
                Held::Bytes(bytes) => observer.feed(direction, at, &bytes, events),
                Held::End => observer.end(direction, at, events),
                Held::Cut => observer.cut(direction, at, events),
            }
        }
        observer
    }
}
