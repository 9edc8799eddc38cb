//! Reads a person's own key from the file in which OpenSSH keeps it (PROTOCOL.key of OpenSSH,
//! `openssh-key-v1`). Keys with a passphrase and keys of other kinds are told and not read; no agent is
//! asked.

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// Why a file is no key that can sign here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenSshFault {
    /// No private key in this form.
    Unreadable,
    /// It has a passphrase.
    Encrypted,
    /// It is of another kind than `ssh-ed25519`.
    Kind(String),
}

impl fmt::Display for OpenSshFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("it holds no private key of OpenSSH"),
            Self::Encrypted => f.write_str("the key has a passphrase"),
            Self::Kind(kind) => write!(f, "the key is of the kind {kind}"),
        }
    }
}

/// The key pair in the text of such a file.
pub(super) fn read(text: &str) -> Result<Ed25519KeyPair, OpenSshFault> {
    let body = text
        .trim()
        .strip_prefix("-----BEGIN OPENSSH PRIVATE KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END OPENSSH PRIVATE KEY-----"));
    let base64: String = body.ok_or(OpenSshFault::Unreadable)?.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(base64).map_err(|_no_base64| OpenSshFault::Unreadable)?;
    let mut rest = bytes.strip_prefix(b"openssh-key-v1\0").ok_or(OpenSshFault::Unreadable)?;
    let (cipher, kdf) = (string(&mut rest)?, string(&mut rest)?);
    let _kdf_options = string(&mut rest)?;
    if number(&mut rest)? != 1 {
        return Err(OpenSshFault::Unreadable);
    }
    // The public half tells the kind also of a key with a passphrase.
    let kind = string(&mut string(&mut rest)?)?;
    if kind != ED25519 {
        return Err(OpenSshFault::Kind(String::from_utf8_lossy(kind).into_owned()));
    }
    if (cipher, kdf) != (b"none", b"none") {
        return Err(OpenSshFault::Encrypted);
    }
    let mut private = string(&mut rest)?;
    let checks = [number(&mut private)?, number(&mut private)?];
    let kind = string(&mut private)?;
    let (public, both) = (string(&mut private)?, string(&mut private)?);
    let (seed, again) = both.split_at_checked(SEED_BYTES).ok_or(OpenSshFault::Unreadable)?;
    if checks[0] != checks[1] || kind != ED25519 || public != again {
        return Err(OpenSshFault::Unreadable);
    }
    Ed25519KeyPair::from_seed_and_public_key(seed, public)
        .map_err(|_rejected| OpenSshFault::Unreadable)
}

/// A string of the SSH protocol: its length, and so many bytes (RFC 4251 section 5).
fn string<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], OpenSshFault> {
    let length = usize::try_from(number(rest)?).map_err(|_large| OpenSshFault::Unreadable)?;
    let (string, others) = rest.split_at_checked(length).ok_or(OpenSshFault::Unreadable)?;
    *rest = others;
    Ok(string)
}

fn number(rest: &mut &[u8]) -> Result<u32, OpenSshFault> {
    let (number, others) = rest.split_first_chunk().ok_or(OpenSshFault::Unreadable)?;
    *rest = others;
    Ok(u32::from_be_bytes(*number))
}

const ED25519: &[u8] = b"ssh-ed25519";
const SEED_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::KeyPair;
    use std::path::Path;
    use std::process::Command;

    /// A key that OpenSSH itself made; the text of the private half, and the public half in base64.
    fn made(directory: &Path, options: &[&str]) -> (String, String) {
        let path = directory.join(options.concat());
        let made = Command::new("ssh-keygen").args(["-q", "-f"]).arg(&path).args(options).status();
        assert!(made.unwrap().success());
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        let public = public.split(' ').nth(1).unwrap().to_owned();
        (std::fs::read_to_string(path).unwrap(), public)
    }

    #[test]
    fn a_key_that_openssh_made_is_read() {
        let temp = tempfile::tempdir().unwrap();
        let (text, public) = made(temp.path(), &["-t", "ed25519", "-N", ""]);
        let pair = read(&text).unwrap();
        let public = STANDARD.decode(public).unwrap();
        assert!(public.ends_with(pair.public_key().as_ref()));
        // Cut anywhere it is none, and nothing panics.
        for cut in 0..text.trim_end().len() {
            assert!(read(text.get(..cut).unwrap()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn keys_that_cannot_sign_here_say_why() {
        let temp = tempfile::tempdir().unwrap();
        let (text, _) = made(temp.path(), &["-t", "ed25519", "-N", "a phrase"]);
        assert_eq!(read(&text).unwrap_err(), OpenSshFault::Encrypted);
        let (text, _) = made(temp.path(), &["-t", "ecdsa", "-N", ""]);
        assert_eq!(read(&text).unwrap_err(), OpenSshFault::Kind("ecdsa-sha2-nistp256".to_owned()));
        for no_key in ["", "-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-ed25519 AAAA"] {
            assert_eq!(read(no_key).unwrap_err(), OpenSshFault::Unreadable);
        }
    }
}
