//! How a device refused our leaf: what it said, and what was known of the device at that moment.
//! Later connections may show more; a record keeps what was known when it was written.

use std::fmt;

/// What the refusal of our leaf means, as far as it was known then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DistrustClass {
    /// An alert against our certificate by a device that had accepted none of our leaves so far.
    AuthorityNotTrusted,
    /// The same by a device that had accepted our leaf for another host: the app pins, or trusts
    /// other roots than the device does.
    Pinned,
    /// Closed without an alert right after our certificate. Preconnects do this too, so nothing
    /// follows from it.
    Probable,
    /// The handshake failed on the device's side in a way that says nothing of trust.
    Unknown,
}

impl DistrustClass {
    pub const ALL: [Self; 4] =
        [Self::AuthorityNotTrusted, Self::Pinned, Self::Probable, Self::Unknown];

    /// The word used in filters, tables and records.
    pub fn word(self) -> &'static str {
        match self {
            Self::AuthorityNotTrusted => "authority-not-trusted",
            Self::Pinned => "pinned",
            Self::Probable => "probable",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for DistrustClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuthorityNotTrusted => "authority not trusted",
            Self::Pinned => "pinned or app-private trust",
            Self::Probable => "probable: closed without an alert",
            Self::Unknown => "unknown",
        })
    }
}

/// An alert that says that our certificate is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distrust {
    /// The code of the TLS alert.
    pub alert: u8,
    pub class: DistrustClass,
    /// Hosts for which the device had accepted our leaf by then, as far as remembered.
    pub trusted_hosts: u64,
    /// Hosts for which the device had refused it by then, this one among them.
    pub refused_hosts: u64,
}

impl Distrust {
    /// What the alert means of a device that accepted our leaf for so many hosts.
    pub fn judged(alert: u8, trusted_hosts: u64, refused_hosts: u64) -> Self {
        let class = if trusted_hosts == 0 {
            DistrustClass::AuthorityNotTrusted
        } else {
            DistrustClass::Pinned
        };
        Self { alert, class, trusted_hosts, refused_hosts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_elsewhere_tells_pinning_from_an_authority_that_is_not_installed() {
        assert_eq!(Distrust::judged(48, 0, 3).class, DistrustClass::AuthorityNotTrusted);
        assert_eq!(Distrust::judged(48, 1, 1).class, DistrustClass::Pinned);
    }
}
