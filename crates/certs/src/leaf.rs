//! Mints the leaf of the host that a device asks for, and keeps it for the next time. Signing is
//! [`Authority`]'s; what a leaf contains is in [`crate::profile`].

use crate::authority::Authority;
use crate::cache::Cache;
use crate::error::Error;
use crate::profile::{self, Validity};
use flow::address::Host;
use rcgen::KeyPair;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Mints leaves, all with one ECDSA P-256 key, which is made anew for each run and never stored.
pub struct LeafMinter {
    authority: Arc<Authority>,
    key: KeyPair,
    signing_key: Arc<dyn SigningKey>,
    leaves: Mutex<Cache<Slot>>,
}

impl LeafMinter {
    /// A minter that keeps the leaves of at most `cache_entries` hosts (at least one).
    ///
    /// # Errors
    /// The key of the run could not be made.
    pub fn new(authority: Arc<Authority>, cache_entries: usize) -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(|source| Error::Sign { source })?;
        let pkcs8 = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialized_der()));
        let signing_key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&pkcs8)
            .map_err(|source| Error::LeafKey { source })?;
        Ok(Self { authority, key, signing_key, leaves: Mutex::new(Cache::new(cache_entries)) })
    }

    /// The leaf of `host`: the kept one while it is in the first half of its life, else a new one.
    /// The chain is the leaf alone: whoever trusts the authority has its certificate, and the
    /// handshake stays small. Concurrent calls for one host mint once; the others wait for it
    /// (some 100 µs of computing, no IO).
    ///
    /// # Errors
    /// The authority's time is over or has not begun, the clock shows no usable time, or signing
    /// failed.
    pub fn leaf(&self, host: &Host, now: SystemTime) -> Result<Arc<CertifiedKey>, Error> {
        // A panic leaves both kinds of slot as they were, so poison carries no news.
        let slot = self.leaves.lock().unwrap_or_else(PoisonError::into_inner).slot(host);
        let mut kept = slot.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = kept.as_ref().filter(|leaf| leaf.validity.is_fresh(now)) {
            return Ok(Arc::clone(&leaf.certified));
        }
        let leaf = self.mint(host, now)?;
        let certified = Arc::clone(&leaf.certified);
        *kept = Some(leaf);
        Ok(certified)
    }

    fn mint(&self, host: &Host, now: SystemTime) -> Result<Leaf, Error> {
        self.authority.check_time(now)?;
        let validity = Validity::of_leaf(now, self.authority.validity())?;
        let params = profile::leaf(host, validity)?;
        let certificate = self.authority.sign(&params, &self.key)?;
        let certified = CertifiedKey::new(vec![certificate], Arc::clone(&self.signing_key));
        Ok(Leaf { validity, certified: Arc::new(certified) })
    }
}

impl fmt::Debug for LeafMinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key must not reach a log, hence by hand.
        f.debug_struct("LeafMinter").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// The place of one host's leaf; its lock is held while the leaf is minted.
#[derive(Default)]
struct Slot(Mutex<Option<Leaf>>);

struct Leaf {
    validity: Validity,
    certified: Arc<CertifiedKey>,
}
