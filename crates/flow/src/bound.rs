//! A bound that was reached, named as its key in the configuration file, with its value: whoever
//! reads why something was refused can change it. What comes of a bound is decided elsewhere.

use std::fmt;

/// A bound of [`crate::limits::Limits`] that a client ran into, and how much it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    DeviceConnections(usize),
    ClientHelloBytes(usize),
    RequestHeadBytes(usize),
}

impl Bound {
    /// The key in `landfall.toml`, with its table.
    pub fn key(self) -> &'static str {
        match self {
            Self::DeviceConnections(_) => "limits.device-connections",
            Self::ClientHelloBytes(_) => "limits.client-hello-bytes",
            Self::RequestHeadBytes(_) => "limits.request-head-bytes",
        }
    }

    /// What can be done about it, as an imperative sentence without a full stop.
    pub fn hint(self) -> String {
        format!("raise {} in landfall.toml if that much is meant to be served", self.key())
    }
}

/// As it could stand in the file: `limits.request-head-bytes = 64KiB`.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = ", self.key())?;
        match *self {
            Self::DeviceConnections(count) => write!(f, "{count}"),
            Self::ClientHelloBytes(bytes) | Self::RequestHeadBytes(bytes) => size(f, bytes),
        }
    }
}

/// In the largest binary unit that gives a whole number.
fn size(f: &mut fmt::Formatter<'_>, bytes: usize) -> fmt::Result {
    for (unit, size) in [("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(size) {
            return write!(f, "{}{unit}", bytes / size);
        }
    }
    write!(f, "{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_written_as_in_the_file() {
        for (bound, text) in [
            (Bound::DeviceConnections(4_000), "limits.device-connections = 4000"),
            (Bound::RequestHeadBytes(65_536), "limits.request-head-bytes = 64KiB"),
            (Bound::ClientHelloBytes(2 << 20), "limits.client-hello-bytes = 2MiB"),
            (Bound::ClientHelloBytes(517), "limits.client-hello-bytes = 517B"),
        ] {
            assert_eq!(bound.to_string(), text);
            assert!(bound.hint().contains(bound.key()));
        }
    }
}
