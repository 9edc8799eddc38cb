//! HTTP/2 (RFC 9113) as it passes: heads decoded, bodies counted and hashed where they lie.
//!
//! The observer sees both directions of one connection from its first byte and never sends. It
//! checks what it needs to be sure of who said what on which stream. Flow control, priorities and
//! the rules of content are left to the two peers.

pub mod body;
mod expansion;
mod fault;
mod fingerprint;
mod frame;
mod head;
pub mod hpack;
mod inbound;
mod observer;
mod settings;
mod stream;
mod streams;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use observer::Http2Observer;
pub(crate) use observer::Upgraded;
