//! Where an address is registered, by the delegated statistics of the regional registries as the
//! crate `iptocc` packages them. Its release is the provenance: data of that day, and no file of
//! ours. It does not tell the extent of a delegation, so the address itself is what matched.

use crate::source_name;
use crate::status::{DatabaseKind, DatabaseOrigin, DatabaseStatus};
use flow::claim::{Claim, Source, Statement};
use std::net::IpAddr;
use std::sync::Arc;

/// The registries' data.
#[derive(Debug)]
pub(crate) struct Registry {
    source: Arc<Source>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            source: Arc::new(Source {
                name: source_name::REGISTRY.to_owned(),
                licence: LICENCE.to_owned(),
                built: Some(RELEASED.to_owned()),
                sha256: Some(PACKAGE_SHA256.to_owned()),
            }),
        }
    }

    pub(crate) fn status(&self) -> DatabaseStatus {
        DatabaseStatus {
            name: self.source.name.clone(),
            kind: DatabaseKind::AddressRegistration,
            path: None,
            licence: LICENCE.to_owned(),
            attribution: None,
            built: Some(RELEASED.to_owned()),
            sha256: PACKAGE_SHA256.to_owned(),
            networks: None,
            origin: DatabaseOrigin::Program,
        }
    }

    /// Adds what it says of `address`, which must be canonical.
    pub(crate) fn claim(&self, address: IpAddr, claims: &mut Vec<Claim>) {
        if let Some(country) = iptocc::country_code(address).and_then(|code| code.parse().ok()) {
            claims.push(Claim {
                source: Arc::clone(&self.source),
                statement: Statement::AddressRegistered(country),
                matched: address.to_string(),
            });
        }
    }
}

/// The day on which version 1.4.175 of the package was published, with the data of that day.
const RELEASED: &str = "2026-11-01";
/// SHA-256 of the package file, as in `Cargo.lock`.
const PACKAGE_SHA256: &str = "7cccf3372a028e502acf17004f033eb063747c848d82b858d868e4e172b9299a";
/// Of the package; the registries' statistics themselves are facts that they publish freely.
const LICENCE: &str = "MIT OR Apache-2.0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provenance_is_that_of_the_package_in_use() {
        let lock = include_str!("../../../Cargo.lock");
        let package = lock
            .split("[[package]]")
            .find(|package| package.contains("name = \"iptocc\""))
            .expect("iptocc is a dependency");
        assert!(package.contains("version = \"1.4.175\""), "{package}");
        assert!(package.contains(&format!("checksum = \"{PACKAGE_SHA256}\"")), "{package}");
    }
}
