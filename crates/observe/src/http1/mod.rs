//! HTTP/1.0 and HTTP/1.1 (RFC 9112), read and never written.
//!
//! The pieces are public because the active path for absolute-form requests reads heads and body
//! lengths with the very same code as the observer: [`head_buffer`] collects a head, [`head`] reads
//! it, [`framing`] decides how long its body is and [`message_body`] follows that body.

mod chunked;
pub mod defect;
mod exchange;
pub mod framing;
pub mod head;
pub mod head_buffer;
pub mod message_body;
pub mod observer;
mod side;

pub(crate) use chunked::{ChunkedDecoder, Piece};
