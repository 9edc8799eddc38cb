//! Mints the leaf of the host that a device asks for, and keeps it for the next time. Signing is
//! [`Authority`]'s; what a leaf contains is in [`crate::profile`].

use crate::authority::Authority;
use crate::cache::Cache;
use crate::error::Error;
use crate::key_kind::KeyKind;
use crate::profile::{self, Validity};
use flow::address::Host;
use rcgen::KeyPair;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Mints leaves, all of one kind with one key, which is made anew for each run and never stored.
/// Clones share keys and leaves.
#[derive(Clone)]
pub struct LeafMinter(Arc<Shared>);

struct Shared {
    authority: Arc<Authority>,
    p256: RunKey,
    /// Made when the first client asks for it: most runs never need it.
    rsa2048: Mutex<Option<Arc<RunKey>>>,
    leaves: Mutex<Cache<Slot>>,
}

impl LeafMinter {
    /// A minter that keeps the leaves of at most `cache_entries` hosts (at least one).
    ///
    /// # Errors
    /// The key of the run could not be made.
    pub fn new(authority: Arc<Authority>, cache_entries: usize) -> Result<Self, Error> {
        Ok(Self(Arc::new(Shared {
            authority,
            p256: RunKey::generate(KeyKind::P256)?,
            rsa2048: Mutex::default(),
            leaves: Mutex::new(Cache::new(cache_entries)),
        })))
    }

    /// The leaf of `host` with a key of this kind: the kept one while it is in the first half of
    /// its life, else a new one. The chain is the leaf alone: whoever trusts the authority has its
    /// certificate, and the handshake stays small. Concurrent calls for one leaf mint once; the
    /// others wait for it (some 100 µs of computing, no IO). The first RSA leaf of a run takes a
    /// fraction of a second, for its key is made then.
    ///
    /// # Errors
    /// The authority's time is over or has not begun, the clock shows no usable time, or signing
    /// failed.
    pub fn leaf(
        &self,
        host: &Host,
        key: KeyKind,
        now: SystemTime,
    ) -> Result<Arc<CertifiedKey>, Error> {
        // A panic leaves both kinds of slot as they were, so poison carries no news.
        let slot = self.0.leaves.lock().unwrap_or_else(PoisonError::into_inner).slot(host);
        let place = match key {
            KeyKind::P256 => &slot.p256,
            KeyKind::Rsa2048 => &slot.rsa2048,
        };
        let mut kept = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = kept.as_ref().filter(|leaf| leaf.validity.is_fresh(now)) {
            return Ok(Arc::clone(&leaf.certified));
        }
        let leaf = match key {
            KeyKind::P256 => self.mint(host, &self.0.p256, now)?,
            KeyKind::Rsa2048 => self.mint(host, &*self.rsa_key()?, now)?,
        };
        let certified = Arc::clone(&leaf.certified);
        *kept = Some(leaf);
        Ok(certified)
    }

    fn mint(&self, host: &Host, key: &RunKey, now: SystemTime) -> Result<Leaf, Error> {
        let authority = &self.0.authority;
        authority.check_time(now)?;
        let validity = Validity::of_leaf(now, authority.validity())?;
        let params = profile::leaf(host, key.kind, validity)?;
        let certificate = authority.sign(&params, &key.pair)?;
        let certified = CertifiedKey::new(vec![certificate], Arc::clone(&key.signing));
        Ok(Leaf { validity, certified: Arc::new(certified) })
    }

    /// The run's RSA key. Who comes while it is being made waits for it.
    fn rsa_key(&self) -> Result<Arc<RunKey>, Error> {
        let mut made = self.0.rsa2048.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*made {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(RunKey::generate(KeyKind::Rsa2048)?);
        *made = Some(Arc::clone(&key));
        Ok(key)
    }
}

/// A key that all leaves of a run and kind share: to be certified, and to sign handshakes.
struct RunKey {
    kind: KeyKind,
    pair: KeyPair,
    signing: Arc<dyn SigningKey>,
}

impl RunKey {
    fn generate(kind: KeyKind) -> Result<Self, Error> {
        let pair = kind.generate()?;
        let pkcs8 = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialized_der()));
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&pkcs8)
            .map_err(|source| Error::LeafKey { source })?;
        Ok(Self { kind, pair, signing })
    }
}

impl fmt::Debug for LeafMinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key must not reach a log, hence by hand.
        f.debug_struct("LeafMinter").field("authority", &self.0.authority).finish_non_exhaustive()
    }
}

/// The places of one host's leaves; a lock is held while its leaf is minted.
#[derive(Default)]
struct Slot {
    p256: Mutex<Option<Leaf>>,
    rsa2048: Mutex<Option<Leaf>>,
}

struct Leaf {
    validity: Validity,
    certified: Arc<CertifiedKey>,
}
