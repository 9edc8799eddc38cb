//! One observer for whichever HTTP version a connection speaks.

use crate::http1::message_body::Ending;
use crate::http1::observer::Http1Observer;
use crate::http2::Http2Observer;
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

    /// Takes the next bytes of a direction.
    pub fn feed(&mut self, direction: Direction, at: Stamp, bytes: &[u8], events: &mut Vec<Event>) {
        match self {
            Self::Http1(observer) => observer.feed(direction, at, bytes, events),
            Self::Http2(observer) => observer.feed(direction, at, bytes, events),
        }
    }

    /// Takes the orderly end of a direction (close_notify, or FIN where there is no TLS). No bytes
    /// of it may follow.
    pub fn end(&mut self, direction: Direction, at: Stamp, events: &mut Vec<Event>) {
        match self {
            Self::Http1(observer) => observer.end(direction, Ending::Orderly, at, events),
            Self::Http2(observer) => observer.end(direction, at, events),
        }
    }

    /// Takes any other end of a direction: a reset, a FIN without close_notify, a shutdown. A body
    /// that only the connection's end delimits is then truncated, not complete.
    pub fn cut(&mut self, direction: Direction, at: Stamp, events: &mut Vec<Event>) {
        match self {
            Self::Http1(observer) => observer.end(direction, Ending::Cut, at, events),
            Self::Http2(observer) => observer.end(direction, at, events),
        }
    }

    /// Whether further bytes can still give events. False once sync is lost, another protocol took
    /// over, or both directions have ended.
    pub fn is_following(&self) -> bool {
        match self {
            Self::Http1(observer) => observer.is_following(),
            Self::Http2(observer) => observer.is_following(),
        }
    }
}
