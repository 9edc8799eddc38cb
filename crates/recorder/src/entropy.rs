//! The randomness of a session. It is drawn once at the edge and passed in, so that the same
//! events with the same clock and the same randomness give the same bytes.

use crate::error::Error;
use aws_lc_rs::{hmac, rand};
use std::fmt;

/// Everything random that a session needs.
#[derive(Clone)]
pub struct Entropy {
    /// The session's identity.
    pub session: [u8; 16],
    /// From which the frames' salts are derived; stored with the session's secrets.
    pub frame_seed: [u8; 32],
    /// From which the salts of sealed values are derived; stored with the session's secrets.
    pub field_seed: [u8; 32],
    /// From which the salts of bodies' chunks are derived; stored with the session's secrets.
    pub body_secret: [u8; 32],
    /// From which the records' nonces are derived; never stored.
    pub nonce_seed: [u8; 32],
}

impl Entropy {
    /// Draws from the system's generator.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the system has none.
    pub fn draw() -> Result<Self, Error> {
        let mut drawn = Self {
            session: [0; 16],
            frame_seed: [0; 32],
            field_seed: [0; 32],
            body_secret: [0; 32],
            nonce_seed: [0; 32],
        };
        let Self { session, frame_seed, field_seed, body_secret, nonce_seed } = &mut drawn;
        for part in [&mut session[..], frame_seed, field_seed, body_secret, nonce_seed] {
            rand::fill(part).map_err(|_unspecified| Error::Crypto("drawing random bytes"))?;
        }
        Ok(drawn)
    }

    pub(crate) fn nonces(&self) -> Nonces {
        Nonces(hmac::Key::new(hmac::HMAC_SHA256, &self.nonce_seed))
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

/// The records' nonces: a pseudo-random function of the sequence number.
pub(crate) struct Nonces(hmac::Key);

impl Nonces {
    pub(crate) fn of(&self, seq: u64) -> [u8; 16] {
        let tag = hmac::sign(&self.0, &seq.to_be_bytes());
        let mut nonce = [0; 16];
        for (to, from) in nonce.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        nonce
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(..)")
    }
}
