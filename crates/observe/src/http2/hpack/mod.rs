//! Header compression for HTTP/2 (RFC 7541), the decoding half. Nothing here encodes: an observer
//! never sends. Every string and table is bounded by its caller's limits.

mod decoder;
pub(super) mod huffman;
mod integer;
mod table;
#[cfg(test)]
mod vectors;

pub use decoder::{DecodeError, Decoder};
