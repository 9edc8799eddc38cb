//! Protocol observers: bytes of the two directions of a connection in, with their times, and
//! [`flow::event::Event`]s out.
//!
//! Pure functions and state machines over bytes, no IO. Observers never hold a body: a body is
//! reported as an extent of its stream, and [`body::BodyReader`] takes it out of the
//! recorded stream again. Content encodings (gzip and the like) are not undone here. Everything
//! that is read may be hostile: it can end the decoding of its connection, and nothing else.

mod base64url;
pub mod body;
mod chunks;
pub mod client_hello;
mod fingerprint;
mod found;
pub mod grpc;
pub mod http1;
pub mod http2;
mod messages;
pub mod observer;
pub mod proxy_protocol;
pub mod relayed_tls;
pub mod sniff;
pub mod socks5;
pub mod socks5_reply;
pub mod sse;
mod tally;
mod undecided;
pub mod websocket;

pub use observer::Observer;
