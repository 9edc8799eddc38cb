//! What goes wrong here ends the run; nobody branches on it.

/// Any error, for a person to read.
pub(crate) type Problem = Box<dyn std::error::Error + Send + Sync>;
