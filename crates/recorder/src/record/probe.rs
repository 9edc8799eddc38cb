//! The record of an imported probe, of the review log alone. What a probe is, is in [`crate::probe`].

use super::sealed::Sealed;
use super::value::Base64;
use flow::assessment::KeyStanding;
use serde::{Deserialize, Serialize};

/// `review.probe`: what another machine measured was taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewProbe {
    /// The whole file.
    pub file: String,
    /// The Ed25519 public key that signed it, 32 bytes.
    pub key: Base64,
    /// Who imported it.
    pub reviewer: Sealed<String>,
    /// The file's, hex.
    pub sha256: String,
    pub standing: Standing,
}

/// See [`KeyStanding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    Named,
    Own,
    Unknown,
}

impl From<Standing> for KeyStanding {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Named => Self::Named,
            Standing::Own => Self::Own,
            Standing::Unknown => Self::Unknown,
        }
    }
}
