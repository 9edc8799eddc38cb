//! Replacing an authority by a new one, so that no interruption leaves anything between the two.
//!
//! The new authority is made whole beside the old one before the old one is touched:
//!
//! 1. the next key is published;
//! 2. the next certificate is published: from here on there is no way back;
//! 3. the old certificate is kept among the former ones;
//! 4. the old key is overwritten;
//! 5. the next key takes its place;
//! 6. the next certificate takes the old one's place.
//!
//! What an interruption leaves tells by itself where it was: a next certificate means forward, a next
//! key alone means back. [`enter`], with which every use of an authority begins, does one or the
//! other before anybody looks.

use crate::authority::{Authority, parse_key};
use crate::error::Error;
use crate::fingerprint;
use crate::former::FormerAuthority;
use crate::hold::{ExclusiveHold, Hold};
use crate::key_kind::KeyKind;
use crate::pem;
use crate::profile;
use crate::store::{Published, Store, Which};
use rcgen::PublicKeyData;
use std::path::Path;
use std::time::SystemTime;

/// What was done about a rotation, or a creation, that had been interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The rotation was finished; the old authority, where that can still be told, and the name of
    /// the new one.
    Finished { old: Option<FormerAuthority>, new: String },
    /// What had been prepared is destroyed; the authority is the one that it was.
    TakenBack,
    /// There was a key without a certificate, that of an authority that had been replaced. It is
    /// destroyed rather than certified again.
    OldKeyDestroyed(FormerAuthority),
}

/// Takes a share in the authority of `dir`, which is created when it is missing, after it has been
/// put right: whoever has the share sees one whole authority, or none.
///
/// # Errors
/// The authority is being replaced or removed, what an interruption left cannot be put right, or
/// the operating system refused.
pub fn enter(dir: &Path) -> Result<(Hold, Option<Settled>), Error> {
    let mut settled = None;
    for _attempt in 0..ATTEMPTS {
        let hold = Hold::shared(dir)?;
        let found = found(&Store::new(dir))?;
        if found == Found::Whole {
            return Ok((hold, settled));
        }
        drop(hold);
        let alone = match found {
            Found::Leftovers => ExclusiveHold::take_if_free(dir)?,
            _ => Some(ExclusiveHold::take(dir)?),
        };
        let Some(alone) = alone else {
            // Perhaps they are those of a process that makes the authority right now.
            return Ok((Hold::shared(dir)?, settled));
        };
        settled = settle(&alone)?.or(settled);
    }
    Err(Error::BeingReplaced { dir: dir.to_owned() })
}

/// Replaces the authority by a new one with a key of this kind; returns both. The old key need not
/// be readable, or even there. An interrupted rotation has to be settled before ([`settle`]).
///
/// # Errors
/// There is none, its certificate cannot be read, something else is in the place of the next one,
/// or the operating system refused.
pub fn rotate(
    hold: &ExclusiveHold,
    key: KeyKind,
    now: SystemTime,
) -> Result<(FormerAuthority, Authority), Error> {
    let store = Store::new(&hold.dir);
    let Some(old_pem) = store.read_certificate(Which::Current)? else {
        return Err(Error::NoAuthority { dir: hold.dir.clone() });
    };
    let old = FormerAuthority::parse(store.certificate_path(Which::Current), &old_pem)?;
    let pair = key.generate()?;
    let params = profile::authority(&pair.subject_public_key_info(), now)?;
    let new = params.self_signed(&pair).map_err(|source| Error::Sign { source })?;
    if store.publish_key(Which::Next, &pair.serialize_pem())? == Published::ThereAlready {
        return Err(Error::InTheWay { path: store.key_path(Which::Next) });
    }
    let certificate = pem::certificate(new.der());
    if store.publish_certificate(Which::Next, &certificate)? == Published::ThereAlready {
        return Err(Error::InTheWay { path: store.certificate_path(Which::Next) });
    }
    finish(&store)?;
    let new = Authority::load(&hold.dir)?;
    let vanished = || Error::Vanished { path: store.certificate_path(Which::Current) };
    Ok((old, new.ok_or_else(vanished)?))
}

/// Finishes an interrupted rotation, or takes it back; destroys keys that nothing uses.
///
/// # Errors
/// The files of the next authority do not fit each other or cannot be read, or the operating system
/// refused.
pub fn settle(hold: &ExclusiveHold) -> Result<Option<Settled>, Error> {
    let store = Store::new(&hold.dir);
    let leftovers = store.destroy_leftovers()? > 0;
    match found(&store)? {
        Found::Forward => finish(&store).map(Some),
        Found::Back => {
            store.destroy_key(Which::Next)?;
            Ok(Some(Settled::TakenBack))
        }
        Found::FormerKey(former) => {
            store.destroy_key(Which::Current)?;
            Ok(Some(Settled::OldKeyDestroyed(former)))
        }
        Found::Leftovers | Found::Whole => Ok(leftovers.then_some(Settled::TakenBack)),
    }
}

/// In which state a directory is.
#[derive(PartialEq, Eq)]
enum Found {
    /// Nothing was interrupted, or a creation before its certificate, which the next one completes.
    Whole,
    /// Past step 2 of a rotation.
    Forward,
    /// Past step 1.
    Back,
    /// A key that nothing certifies any more, which an earlier version could leave.
    FormerKey(FormerAuthority),
    /// Files under temporary names.
    Leftovers,
}

fn found(store: &Store) -> Result<Found, Error> {
    if store.has_certificate(Which::Next) {
        return Ok(Found::Forward);
    }
    if store.has_key(Which::Next) {
        return Ok(Found::Back);
    }
    if let Some(former) = former_of_key(store)? {
        return Ok(Found::FormerKey(former));
    }
    let leftovers = !store.leftovers()?.is_empty();
    Ok(if leftovers { Found::Leftovers } else { Found::Whole })
}

/// Whose key the current one is, if it has no certificate and is that of a former authority.
fn former_of_key(store: &Store) -> Result<Option<FormerAuthority>, Error> {
    if store.has_certificate(Which::Current) || !store.has_key(Which::Current) {
        return Ok(None);
    }
    let former = FormerAuthority::all(store.dir())?;
    if former.is_empty() {
        return Ok(None);
    }
    let Some(key) = store.read_key(Which::Current)? else { return Ok(None) };
    let public_key = parse_key(store, Which::Current, &key)?.subject_public_key_info();
    Ok(former.into_iter().find(|former| former.public_key == public_key))
}

/// Steps 3 to 6, those of them that are still to be done.
fn finish(store: &Store) -> Result<Settled, Error> {
    let path = store.certificate_path(Which::Next);
    let Some(next) = store.read_certificate(Which::Next)? else {
        return Err(Error::Vanished { path });
    };
    let next = FormerAuthority::parse(path.clone(), &next)?;
    // Before the old key is touched.
    let which = if store.has_key(Which::Next) { Which::Next } else { Which::Current };
    if !certifies(&next, store, which)? {
        if which == Which::Next {
            let key = store.key_path(which);
            return Err(Error::Mismatch { certificate: path, key });
        }
        // Somebody took its key away: there is nothing to go forward to.
        store.remove_certificate(Which::Next)?;
        return Ok(Settled::TakenBack);
    }

    let old = store.read_certificate(Which::Current)?;
    let old = old.and_then(|pem| {
        let was = FormerAuthority::parse(store.certificate_path(Which::Current), &pem).ok()?;
        Some((was, pem))
    });
    if let Some((was, pem)) = &old {
        let print = fingerprint::hex(&was.fingerprint_sha256);
        store.keep_former(&print, &String::from_utf8_lossy(pem))?;
    }
    if which == Which::Next {
        store.scrub_key()?;
        store.promote_key()?;
    }
    store.promote_certificate()?;
    Ok(Settled::Finished { old: old.map(|(was, _pem)| was), new: next.name })
}

fn certifies(certificate: &FormerAuthority, store: &Store, which: Which) -> Result<bool, Error> {
    let Some(key) = store.read_key(which)? else { return Ok(false) };
    Ok(parse_key(store, which, &key)?.subject_public_key_info() == certificate.public_key)
}

/// How often a share is asked for anew, because somebody was at work in between.
const ATTEMPTS: u32 = 5;
