//! What can go wrong with the authority. Never the fault of a device or an upstream: the cause is
//! always a file of this installation, the machine's clock, or us.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no authority or no leaf. [`Error::hint`] says what the operator can do.
#[derive(Debug)]
pub enum Error {
    /// The operating system refused a file operation.
    Io { action: Action, path: PathBuf, source: io::Error },
    /// Other users of the machine may read the key; `mode` is the file's permission bits.
    KeyExposed { path: PathBuf, mode: u32 },
    /// The certificate is there, its key is not.
    KeyMissing { key: PathBuf, certificate: PathBuf },
    /// The key file holds no readable private key.
    BadKey { path: PathBuf, source: Option<rcgen::Error> },
    /// The certificate file holds no readable certificate.
    BadCertificate { path: PathBuf },
    /// The certificate is readable, but it cannot act as an authority; what it lacks.
    NotAnAuthority { path: PathBuf, lacks: &'static str },
    /// The certificate is that of another key.
    Mismatch { certificate: PathBuf, key: PathBuf },
    /// The certificate's time is over.
    Expired { path: PathBuf },
    /// The certificate's time has not begun.
    NotYetValid { path: PathBuf },
    /// There is no authority here to replace.
    NoAuthority { dir: PathBuf },
    /// A running program works with this authority.
    InUse { dir: PathBuf },
    /// Another program is replacing or removing this authority.
    BeingReplaced { dir: PathBuf },
    /// A rotation stopped half way, or goes on right now.
    HalfRotated { dir: PathBuf },
    /// A file that a rotation was to write is there already, and not of its making.
    InTheWay { path: PathBuf },
    /// A file that had just been written was gone again.
    Vanished { path: PathBuf },
    /// The machine's clock is before 1970 or after 9999.
    Clock,
    /// No randomness could be had from the operating system.
    Random,
    /// A certificate could not be built or signed.
    Sign { source: rcgen::Error },
    /// The archive of an export could not be made.
    Archive(archive::Error),
    /// The TLS library refused the leaf's key.
    LeafKey { source: rustls::Error },
}

/// What was being done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Read,
    Create,
    Replace,
    Remove,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

impl Error {
    /// What the operator can do about it, as a sentence without a full stop.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Io { .. } => "the authority's directory must be readable and writable",
            Self::KeyExposed { .. } => {
                "if nobody can have copied the key, make the file private (chmod 600); \
                 otherwise remove this authority from your devices and make a new one with \
                 `landfall ca rotate`"
            }
            Self::KeyMissing { .. } => {
                "restore the key from a backup, or give this authority up with `landfall ca \
                 rotate`; devices must be told to trust the new one"
            }
            Self::BadKey { .. }
            | Self::BadCertificate { .. }
            | Self::NotAnAuthority { .. }
            | Self::Mismatch { .. } => {
                "restore both files from a backup, or give them up with `landfall ca remove`; the \
                 next start makes a new authority, which devices must be told to trust"
            }
            Self::Expired { .. } => {
                "make a new authority with `landfall ca rotate`; devices must be told to trust it"
            }
            Self::NotYetValid { .. } | Self::Clock => "check the machine's date and time",
            Self::NoAuthority { .. } => "`landfall ca create` or the first run makes one",
            Self::InUse { .. } => "stop the running landfall first, with Ctrl-C",
            Self::BeingReplaced { .. } => {
                "wait until `landfall ca rotate` or `landfall ca remove` is done, or end it"
            }
            Self::HalfRotated { .. } => "the next run finishes it, and so does `landfall ca show`",
            Self::InTheWay { .. } => {
                "another program writes there, or the file was copied there by hand: move it away, \
                 then say it again"
            }
            Self::Vanished { .. } => "another program removes files there; start again",
            Self::Random | Self::Archive(_) | Self::Sign { .. } | Self::LeafKey { .. } => {
                return None;
            }
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, .. } => {
                write!(f, "cannot {} the authority's file {}", action.word(), path.display())
            }
            Self::KeyExposed { path, mode } => write!(
                f,
                "the authority's key {} may be read by other users (mode {mode:04o})",
                path.display()
            ),
            Self::KeyMissing { key, certificate } => write!(
                f,
                "the authority's key {} is missing, although its certificate {} is there",
                key.display(),
                certificate.display()
            ),
            Self::BadKey { path, .. } => {
                write!(f, "{} holds no readable private key (PKCS#8, PEM)", path.display())
            }
            Self::BadCertificate { path } => {
                write!(f, "{} holds no readable certificate (X.509, PEM)", path.display())
            }
            Self::NotAnAuthority { path, lacks } => {
                write!(f, "the certificate {} cannot be an authority: {lacks}", path.display())
            }
            Self::Mismatch { certificate, key } => write!(
                f,
                "the certificate {} does not belong to the key {}",
                certificate.display(),
                key.display()
            ),
            Self::Expired { path } => {
                write!(f, "the authority's certificate {} has expired", path.display())
            }
            Self::NotYetValid { path } => {
                write!(f, "the authority's certificate {} is not valid yet", path.display())
            }
            Self::NoAuthority { dir } => write!(f, "there is no authority in {}", dir.display()),
            Self::InUse { dir } => {
                write!(f, "the authority in {} is in use", dir.display())
            }
            Self::BeingReplaced { dir } => {
                write!(f, "the authority in {} is being replaced or removed", dir.display())
            }
            Self::HalfRotated { dir } => {
                write!(f, "the authority in {} is only half replaced", dir.display())
            }
            Self::InTheWay { path } => {
                write!(f, "{} is in the way of the new authority", path.display())
            }
            Self::Vanished { path } => {
                write!(f, "{} was removed just after it was written", path.display())
            }
            Self::Clock => f.write_str("the machine's clock shows no usable time"),
            Self::Archive(_) => f.write_str("the archive could not be made"),
            Self::Random => f.write_str("the operating system gave no random bytes"),
            Self::Sign { .. } => f.write_str("a certificate could not be signed"),
            Self::LeafKey { .. } => f.write_str("the TLS library refused the leaf's key"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::BadKey { source: Some(source), .. } | Self::Sign { source } => Some(source),
            Self::LeafKey { source } => Some(source),
            Self::Archive(source) => Some(source),
            _ => None,
        }
    }
}
