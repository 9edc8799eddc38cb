//! A request's head as it came, raw and read.

use bytes::Bytes;
use observe::http1::head::RequestHeadParts;

/// A request's head.
pub(crate) struct Received {
    /// From the request line through the empty line.
    pub(crate) raw: Bytes,
    pub(crate) head: RequestHeadParts,
}
