//! What is wrong with a file, and where in it: a byte, or a network. No file names; the error that
//! carries a fault has them.

use std::error::Error as StdError;
use std::fmt;

/// A fault and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub what: String,
    pub spot: Spot,
}

/// Where in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// Counted from the beginning of the file, from 0.
    Byte(u64),
    Network(String),
    Whole,
}

impl Fault {
    pub(crate) fn at(byte: usize, what: impl Into<String>) -> Self {
        Self { what: what.into(), spot: Spot::Byte(byte as u64) }
    }

    pub(crate) fn of(network: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { what: what.into(), spot: Spot::Network(network.to_string()) }
    }

    pub(crate) fn whole(what: impl Into<String>) -> Self {
        Self { what: what.into(), spot: Spot::Whole }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spot {
            Spot::Byte(byte) => write!(f, "{} (at byte {byte})", self.what),
            Spot::Network(network) => write!(f, "{} (at {network})", self.what),
            Spot::Whole => f.write_str(&self.what),
        }
    }
}

impl StdError for Fault {}
