//! The key that signs checkpoints: the installation's, which proves that the same installation signed and
//! not who sat before it, or a person's own. Its private half leaves its file only to sign.

mod openssh;

pub use openssh::OpenSshFault;

use crate::directory::{private_dir, private_file, sync_dir};
use crate::error::{Error, Failed};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// An Ed25519 key pair (RFC 8032).
pub struct Signer {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    /// The key in `own`, a file of OpenSSH's, where one is named; else the installation's.
    ///
    /// # Errors
    /// As [`Signer::load_or_create`]; [`Error::OwnKey`] for a key that cannot sign here.
    pub fn load(data_dir: &Path, own: Option<&Path>) -> Result<Self, Error> {
        match own {
            Some(path) => Self::read_own(path),
            None => Self::load_or_create(data_dir),
        }
    }

    /// Reads `keys/checkpoint.key` below the data directory (PKCS#8 in PEM, mode 0600), or creates
    /// it there.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::KeyExposed`] when others than its owner may read it, for it may
    /// have been copied; [`Error::BadKey`] when it holds no such key. It is never overwritten.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, Error> {
        let keys = data_dir.join("keys");
        let path = keys.join("checkpoint.key");
        match File::open(&path) {
            Ok(file) => Self::read(&path, file),
            Err(missing) if missing.kind() == ErrorKind::NotFound => {
                private_dir().recursive(true).create(&keys).failed("create", &keys)?;
                Self::create(&path)
            }
            Err(source) => Err(source).failed("read", &path),
        }
    }

    pub fn public_key(&self) -> [u8; 32] {
        self.public
    }

    /// The Ed25519 signature of a message, 64 bytes.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    fn create(path: &Path) -> Result<Self, Error> {
        let failed = |_unspecified| Error::Crypto("making the key for checkpoints");
        let pair = Ed25519KeyPair::generate().map_err(failed)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        let pem = pem("PRIVATE KEY", der.as_ref());
        // Written whole under another name first: half a key must never be found here. Whoever
        // creates it first wins, as two processes may start at once, and two threads of one.
        let public = STANDARD_NO_PAD.encode(pair.public_key().as_ref()).replace('/', "-");
        let draft = path.with_extension(format!("key.{public}"));
        let written = private_file()
            .create(true)
            .truncate(true)
            .open(&draft)
            .and_then(|mut file| file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()));
        written.failed("write", &draft)?;
        let linked = std::fs::hard_link(&draft, path);
        std::fs::remove_file(&draft).failed("remove", &draft)?;
        match linked {
            Err(source) if source.kind() != ErrorKind::AlreadyExists => {
                return Err(source).failed("create", path);
            }
            Ok(()) | Err(_) => {}
        }
        path.parent().map_or(Ok(()), sync_dir).failed("write", path)?;
        Self::read(path, File::open(path).failed("read", path)?)
    }

    fn read(path: &Path, file: File) -> Result<Self, Error> {
        let key = Self::from_pem(&private_text(path, file)?);
        key.ok_or_else(|| Error::BadKey(path.to_owned()))
    }

    fn read_own(path: &Path) -> Result<Self, Error> {
        let text = private_text(path, File::open(path).failed("read", path)?)?;
        let refused = |fault| Error::OwnKey { path: path.to_owned(), fault };
        let pair = openssh::read(&text).map_err(refused)?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_length| refused(OpenSshFault::Unreadable))?;
        Ok(Self { pair, public })
    }

    fn from_pem(pem: &str) -> Option<Self> {
        let body = pem.trim().strip_prefix("-----BEGIN PRIVATE KEY-----")?;
        let body = body.strip_suffix("-----END PRIVATE KEY-----")?;
        let base64: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(base64).ok()?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public })
    }
}

/// The text of a file that nobody but its owner may read; nothing where it is none.
fn private_text(path: &Path, file: File) -> Result<String, Error> {
    let mode = file.metadata().failed("read", path)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::KeyExposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).failed("read", path)?;
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

fn pem(label: &str, der: &[u8]) -> String {
    // A key of this kind fits one line of PEM (RFC 7468: 64 characters) or two.
    let base64 = STANDARD.encode(der);
    let mut lines = String::new();
    for (at, digit) in base64.chars().enumerate() {
        if at > 0 && at % PEM_LINE == 0 {
            lines.push('\n');
        }
        lines.push(digit);
    }
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// A key's file has some hundred bytes; what is longer is read no further and is none.
const MAX_FILE_BYTES: u64 = 16 << 10;
const PEM_LINE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    #[test]
    fn the_key_is_made_once_and_is_private() {
        let temp = tempfile::tempdir().unwrap();
        let first = Signer::load_or_create(temp.path()).unwrap();
        let again = Signer::load_or_create(temp.path()).unwrap();
        assert_eq!(first.public_key(), again.public_key());
        let keys = temp.path().join("keys");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&keys), 0o700);
        assert_eq!(mode(&keys.join("checkpoint.key")), 0o600);
        assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_and_kept() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("keys")).unwrap();
        let path = temp.path().join("keys").join("checkpoint.key");
        for wrong in ["not a key".to_owned(), " ".repeat(1 << 20), String::new()] {
            std::fs::write(&path, &wrong).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(Signer::load_or_create(temp.path()), Err(Error::BadKey(_))));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), wrong);
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        Signer::load_or_create(temp.path()).unwrap();
        let path = temp.path().join("keys").join("checkpoint.key");
        for exposed in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, Permissions::from_mode(exposed)).unwrap();
            let error = Signer::load_or_create(temp.path()).unwrap_err();
            let refused = matches!(error, Error::KeyExposed { mode, .. } if mode == exposed);
            assert!(refused, "{error}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        Signer::load_or_create(temp.path()).unwrap();
    }
}
