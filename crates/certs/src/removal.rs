//! Removing an authority: its key is destroyed, and with it what a rotation had prepared.
//!
//! The steps are ordered so that an interruption leaves what can be removed by saying it again.

use crate::error::Error;
use crate::former::FormerAuthority;
use crate::hold::ExclusiveHold;
use crate::store::{Store, Which};

/// Destroys the authority's key and removes its certificate; returns what it was, where that can
/// still be told. Goes on with what an interruption left.
///
/// # Errors
/// The operating system refused.
pub fn remove(hold: &ExclusiveHold) -> Result<Option<FormerAuthority>, Error> {
    let store = Store::new(&hold.dir);
    let pem = store.read_certificate(Which::Current)?;
    let path = store.certificate_path(Which::Current);
    let was = pem.and_then(|pem| FormerAuthority::parse(path, &pem).ok());
    // The next certificate before anything else: with it there, a rotation would be finished.
    store.remove_certificate(Which::Next)?;
    store.destroy_leftovers()?;
    store.destroy_key(Which::Next)?;
    // The key first: without it the certificate is harmless.
    store.destroy_key(Which::Current)?;
    store.remove_certificate(Which::Current)?;
    Ok(was)
}
