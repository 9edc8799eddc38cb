//! The file of a probe: what is signed, and its signature. Whose word it is, is for the reader to know.

use super::bounds::{MOST_BYTES, VERSION};
use super::error::ProbeError;
use super::key::PublicKey;
use super::shape::{AddressShape, HostShape, ProbeFormat, ProbeShape};
use crate::merkle::Hash;
use crate::record::value::Base64;
use crate::signer::Signer;
use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use flow::address::Host;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A probe file whose signature is that of the key that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeFile {
    text: String,
    probe: ProbeShape,
    key: PublicKey,
}

impl ProbeFile {
    /// Signs what was measured. The key in it becomes the signer's.
    ///
    /// # Errors
    /// [`ProbeError`] where [`ProbeFile::parse`] would refuse what comes out.
    pub fn sign(probe: ProbeShape, signer: &Signer) -> Result<Self, ProbeError> {
        let key = signer.public_key();
        let probe = ProbeShape { key: key.into(), ..probe };
        let signature = Base64(signer.sign(&probe.canonical()?).into());
        Self::parse(render(&probe, &signature)?.as_bytes())
    }

    /// Reads the bytes of a whole file.
    ///
    /// # Errors
    /// [`ProbeError`] for everything that [`ProbeFile::sign`] would not have made.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProbeError> {
        if bytes.len() > MOST_BYTES {
            return Err(ProbeError::TooLarge);
        }
        let text = str::from_utf8(bytes).map_err(ProbeError::NoText)?;
        let signed: SignedIn<'_> = serde_json::from_str(text).map_err(ProbeError::NoProbe)?;
        let signed_text = signed.probe.get();
        let Version { v, .. } = serde_json::from_str(signed_text).map_err(ProbeError::NoProbe)?;
        if v != VERSION {
            return Err(ProbeError::Version(v));
        }
        let Signatory { key } = serde_json::from_str(signed_text).map_err(ProbeError::Shape)?;
        let key = PublicKey::read(&key).ok_or(ProbeError::Key)?;
        UnparsedPublicKey::new(&ED25519, key.0)
            .verify(signed_text.as_bytes(), &signed.signature.0)
            .map_err(|_unspecified| ProbeError::Signature)?;
        let probe = ProbeShape::parse(signed_text)?;
        if render(&probe, &signed.signature)? != text {
            return Err(ProbeError::NotCanonical);
        }
        Ok(Self { text: text.to_owned(), probe, key })
    }

    /// The whole file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file's SHA-256, hex.
    pub fn sha256(&self) -> String {
        let digest = digest::digest(&digest::SHA256, self.text.as_bytes());
        format!("{:?}", Hash::from_digest(&digest))
    }

    pub fn probe(&self) -> &ProbeShape {
        &self.probe
    }

    /// What it measured of an address as this host, at one of these ports.
    pub fn measured<'a>(
        &'a self,
        host: &'a Host,
        ports: &'a BTreeSet<u16>,
        address: IpAddr,
    ) -> impl Iterator<Item = &'a AddressShape> {
        let asked = |shape: &&HostShape| shape.host.0 == *host && ports.contains(&shape.port);
        let hosts = self.probe.hosts.iter().filter(asked);
        let same =
            move |shape: &&AddressShape| shape.address.0.to_canonical() == address.to_canonical();
        hosts.flat_map(|host| &host.addresses).filter(same)
    }

    /// The key that signed.
    pub fn key(&self) -> PublicKey {
        self.key
    }
}

/// The file: one line.
fn render(probe: &ProbeShape, signature: &Base64) -> Result<String, ProbeError> {
    let out = serde_json::to_string(&SignedOut { probe, signature });
    Ok(out.map_err(ProbeError::Shape)? + "\n")
}

#[derive(Serialize)]
struct SignedOut<'a> {
    probe: &'a ProbeShape,
    signature: &'a Base64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedIn<'a> {
    #[serde(borrow)]
    probe: &'a RawValue,
    signature: Base64,
}

/// What tells a probe of another version from what is none at all.
#[derive(Deserialize)]
struct Version {
    #[expect(dead_code, reason = "what has another value here is no probe")]
    format: ProbeFormat,
    v: u64,
}

#[derive(Deserialize)]
struct Signatory {
    key: Base64,
}
