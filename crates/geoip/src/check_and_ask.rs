//! One file, checked and then asked: what fuzzing does all day, and what tells in a line what a file
//! says.

use crate::error::Error;
use crate::inspection::{Database, Expected, inspect_contents};
use crate::ipfire_signature::SigningKey;
use flow::claim::{Asn, Claim};
use std::net::IpAddr;
use std::path::Path;

/// The claims of a file about each address, where the file is sound.
///
/// # Errors
/// What is wrong with the file.
pub fn check_and_ask(
    path: &Path,
    addresses: &[IpAddr],
    key: &SigningKey,
) -> Result<Vec<Vec<Claim>>, Error> {
    let opened = inspect_contents(path, Expected::Any, key)?;
    let ask = |address: &IpAddr| {
        let mut claims = Vec::new();
        match &opened.database {
            Database::Mmdb(mmdb) => mmdb.claim(*address, &mut claims),
            Database::Ipfire(ipfire) => {
                ipfire.claim(*address, &mut claims);
                // Names are looked up by AS too, for overrides.
                drop(ipfire.as_name(Asn(EXAMPLE_AS)));
            }
        }
        claims
    };
    Ok(addresses.iter().map(ask).collect())
}

/// An AS number of those that are set aside for examples (RFC 5398).
const EXAMPLE_AS: u32 = 64_500;
