//! Which probe files are read at all.

/// The format version that is written and read.
pub const VERSION: u64 = 0;
/// Bytes of the largest file: nothing larger is written or read.
pub const MOST_BYTES: usize = 4 << 20;
