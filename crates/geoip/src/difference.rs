//! How far a database answers otherwise than another: counts alone.

/// How a file differs from the one in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Networks of the file in use that have a country.
    pub networks: u64,
    /// Those that have another country now.
    pub changed: u64,
    /// Those that have none now.
    pub lost: u64,
}

impl Difference {
    /// Networks that changed or went, of a thousand.
    pub fn per_mille(self) -> u64 {
        (self.changed + self.lost).saturating_mul(1000).checked_div(self.networks).unwrap_or(0)
    }
}
