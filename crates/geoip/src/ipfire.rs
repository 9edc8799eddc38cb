//! The IPFire location database and the claims that it makes of an address.
//!
//! Its flags for anonymous proxies, satellites and hostile networks make no claim. Countries are
//! taken as given; `EU`, `AP` and an empty code say nothing.

use crate::error::Error;
use flow::claim::{Asn, Claim, Country, Source, Statement};
use libloc::Locations;
use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// The open file, mapped into memory.
pub(crate) struct Ipfire {
    locations: Locations,
    source: Arc<Source>,
}

impl Ipfire {
    /// Opens a file whose hash or layout was checked: the reader panics on corrupt ones, at opening,
    /// which is caught here, and later, which the check excludes.
    pub(crate) fn open(path: &Path, source: Arc<Source>) -> Result<Self, Error> {
        match catch_unwind(AssertUnwindSafe(|| Locations::open(path))) {
            Ok(Ok(locations)) => Ok(Self { locations, source }),
            Ok(Err(source)) => Err(Error::Ipfire { path: path.to_owned(), source }),
            Err(_panic) => Err(Error::IpfirePanicked { path: path.to_owned() }),
        }
    }

    /// Where it places `address`.
    pub(crate) fn country(&self, address: IpAddr) -> Option<Country> {
        self.locations.lookup(address)?.country_code().parse().ok()
    }

    /// Adds what it says of `address`, which must be canonical.
    pub(crate) fn claim(&self, address: IpAddr, claims: &mut Vec<Claim>) {
        let Some(network) = self.locations.lookup(address) else { return };
        let matched = network.addrs().to_string();
        let mut say = |statement| {
            let source = Arc::clone(&self.source);
            claims.push(Claim { source, statement, matched: matched.clone() });
        };
        if let Ok(country) = network.country_code().parse() {
            say(Statement::Located(country));
        }
        // AS 0 says that no AS announces the network (RFC 7607).
        if network.asn() != 0 {
            let asn = Asn(network.asn());
            say(Statement::OriginAs { asn, name: self.as_name(asn) });
        }
        if network.is_anycast() {
            say(Statement::Anycast);
        }
    }

    /// The name of an AS.
    pub(crate) fn as_name(&self, asn: Asn) -> Option<String> {
        self.locations.as_(asn.0).map(|found| found.name().to_owned())
    }
}

impl fmt::Debug for Ipfire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ipfire").field("source", &self.source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_database_is_an_error_and_no_panic() {
        let source = Arc::new(Source {
            name: "test".to_owned(),
            licence: String::new(),
            built: None,
            sha256: None,
        });
        // The magic bytes and the version, then nothing, or a header whose ranges lie outside.
        let mut header = b"LOCDBXX\x01".to_vec();
        header.resize(8192, 0xff);
        let mut zeroes = b"LOCDBXX\x01".to_vec();
        zeroes.resize(8192, 0);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("location.db");
        for bytes in [b"", &b"LOCDBXX"[..], b"LOCDBXX\x01", b"LOCDBXX\x02", &header, &zeroes] {
            std::fs::write(&path, bytes).unwrap();
            let error = Ipfire::open(&path, Arc::clone(&source)).unwrap_err();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }
}
