//! The table: clients, protocols and ways in, and which of their combinations there are.

use harness::field;
use harness::network::Place;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Curl,
    Chromium,
    Nghttp,
    Python,
    Openssl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
    WebSocket,
    /// gRPC-Web from a browser.
    Grpc,
    /// Server-sent events over HTTP/1.1.
    Sse,
    SseHttp2,
    /// SMTP's greeting and commands in TLS.
    Opaque,
    /// The same without TLS.
    OpaquePlain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Connect,
    Socks5,
    Transparent,
}

/// One combination that exists.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub client: Client,
    pub protocol: Protocol,
    pub way: Way,
}

pub const WAYS: [Way; 3] = [Way::Connect, Way::Socks5, Way::Transparent];

const PROTOCOLS: [Protocol; 8] = [
    Protocol::Http1,
    Protocol::Http2,
    Protocol::WebSocket,
    Protocol::Grpc,
    Protocol::Sse,
    Protocol::SseHttp2,
    Protocol::Opaque,
    Protocol::OpaquePlain,
];

/// A client's cells. Its gaps are printed.
pub fn of(client: Client) -> Vec<Cell> {
    let mut cells = Vec::new();
    for protocol in PROTOCOLS {
        match gap(client, protocol) {
            Some(why) => println!("{client:?} x {protocol:?}: gap: {why}"),
            None => cells.extend(WAYS.map(|way| Cell { client, protocol, way })),
        }
    }
    cells
}

/// Why a client does not speak a protocol, whatever the way in. No client misses a way in: those
/// that know no proxy come through a forwarder.
fn gap(client: Client, protocol: Protocol) -> Option<&'static str> {
    use Protocol::{Http1, Opaque, OpaquePlain, Sse, WebSocket};
    match (client, protocol) {
        (Client::Nghttp, Http1 | Sse) => Some("nghttp speaks HTTP/2 only"),
        (Client::Nghttp, WebSocket) => Some("nghttp has no extended CONNECT"),
        (Client::Nghttp, Opaque | OpaquePlain) => Some("nghttp speaks HTTP/2 only"),
        (Client::Chromium, Opaque | OpaquePlain) => Some("a page has no bare sockets"),
        (Client::Openssl, OpaquePlain) => Some("s_client speaks TLS only"),
        _ => None,
    }
}

impl Cell {
    /// The host that is this cell's alone, by which it is found again.
    pub fn host(&self) -> String {
        host(self.protocol, self.way)
    }
}

pub fn host(protocol: Protocol, way: Way) -> String {
    format!("{}-{}.example", protocol.word(), way.word())
}

impl Protocol {
    pub fn word(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
            Self::WebSocket => "websocket",
            Self::Grpc => "grpc",
            Self::Sse => "sse",
            Self::SseHttp2 => "sse-h2",
            Self::Opaque => "opaque",
            Self::OpaquePlain => "opaque-plain",
        }
    }

    pub fn port(self) -> u16 {
        match self {
            Self::Http1 | Self::Sse => field::HTTP1,
            Self::Http2 => field::HTTP2,
            Self::WebSocket => field::WEBSOCKET,
            Self::Grpc | Self::SseHttp2 => field::STREAMS,
            Self::Opaque => field::GREETER_TLS,
            Self::OpaquePlain => field::GREETER,
        }
    }

    pub fn path(self) -> &'static str {
        match self {
            Self::Http1 | Self::Http2 => "/echo",
            Self::WebSocket => "/chat",
            Self::Grpc => "/test.Echo/Say",
            Self::Sse | Self::SseHttp2 => "/events",
            Self::Opaque | Self::OpaquePlain => "",
        }
    }
}

impl Way {
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Socks5 => "socks5",
            Self::Transparent => "transparent",
        }
    }

    /// Where the client runs.
    pub fn place(self) -> Place {
        if self == Self::Transparent { Place::Phone } else { Place::Gateway }
    }
}

/// What is sent where a body is sent, and comes back.
pub const HELLO: &str = "hello matrix";
pub const EVENTS: &str = "data: event 1\n\ndata: event 2\n\ndata: event 3\n\n";

/// A gRPC message (PROTOCOL-HTTP2.md, Length-Prefixed-Message).
pub fn grpc_message() -> Vec<u8> {
    let length = u32::try_from(HELLO.len()).unwrap().to_be_bytes();
    [&[0], &length[..], HELLO.as_bytes()].concat()
}
