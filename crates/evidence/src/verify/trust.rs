//! What the person who checks brings along.

use crate::handshake::Roots;
use flow::limits::Limits;

/// What the person who checks trusts, and how to read what they check.
pub struct Trust {
    /// Ed25519 keys that may have signed.
    pub keys: Vec<[u8; 32]>,
    /// Roots to which servers' chains must lead.
    pub roots: Roots,
    /// The limits in the configuration that a session was recorded with (TOML), by which its exchanges
    /// are derived again.
    pub limits: fn(&str) -> Limits,
}
