//! The bounds of a fetch, each with its unit.

use std::time::Duration;

/// What a fetch may take.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Addresses of a host that are tried.
    pub(crate) addresses: usize,
    /// For the connection to an address, and for its TLS handshake.
    pub(crate) connect_time: Duration,
    /// Until the head of the answer is there, and between any two pieces of its body.
    pub(crate) silence_time: Duration,
    /// For everything.
    pub(crate) whole_time: Duration,
    pub(crate) redirects: usize,
    /// Of the body.
    pub(crate) bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            addresses: 4,
            connect_time: Duration::from_secs(15),
            silence_time: Duration::from_secs(30),
            whole_time: Duration::from_secs(30 * 60),
            redirects: 5,
            bytes: 128 << 20,
        }
    }
}
