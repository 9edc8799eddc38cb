//! What can go wrong with a session's files, each with what the operator can do about it.

use crate::record::VERSION;
use crate::record::sealed::OpeningFault;
use crate::signer::OpenSshFault;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a session cannot be written, finished or recovered.
#[derive(Debug)]
pub enum Error {
    /// A file operation failed.
    File { doing: &'static str, path: PathBuf, source: io::Error },
    /// Free space is below the floor.
    DiskFloor { path: PathBuf, free_bytes: u64, floor_bytes: u64 },
    /// A name that cannot be a session's.
    BadName(String),
    /// There is a session of that name.
    NameTaken(PathBuf),
    /// Somebody else writes the session.
    Busy(PathBuf),
    /// The signing key's file holds no key.
    BadKey(PathBuf),
    /// The key that was named for signing cannot sign.
    OwnKey { path: PathBuf, fault: OpenSshFault },
    /// Others than the owner of the signing key's file may read or write it.
    KeyExposed { path: PathBuf, mode: u32 },
    /// The system gave no random bytes, or the key could not be used.
    Crypto(&'static str),
    /// A checkpoint's file does not hold a checkpoint.
    BadCheckpoint(PathBuf),
    /// The log is not the one of which a checkpoint was signed: it was shortened or changed.
    RolledBack { path: PathBuf, signed: u64, found: u64 },
    /// The session was written in another format version.
    OtherVersion { path: PathBuf, version: u64 },
    /// The values of a record of the review log are not those that it commits to.
    BadOpening { path: PathBuf, seq: u64, fault: OpeningFault },
    /// A mark, a phase or what the session's first record says is longer than one can be.
    TextTooLong { bytes: usize, limit: usize },
    /// Other processes write the session's review log all the time.
    ReviewBusy(PathBuf),
    /// The review log is not one that Landfall wrote for this session.
    BadReview { path: PathBuf, fault: ReviewFault },
    /// The recorder's thread is gone without a result.
    Stopped,
}

/// What is wrong with a review log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewFault {
    /// It, or its checkpoint, is of another session.
    OtherSession,
    /// The key that it names has not signed its checkpoint.
    Signature,
    /// More records follow the checkpoint than an interruption can leave behind.
    Unsigned { signed: u64, found: u64 },
    /// It is larger than any that is read.
    TooLarge { limit: u64 },
    /// Its newest policies are not understood.
    Policies,
    /// The probe in this record is not one that can have been imported.
    Probe(u64),
    /// An opinion in it is not understood.
    Opinion,
}

impl fmt::Display for ReviewFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherSession => f.write_str("it is of another session"),
            Self::Signature => f.write_str("its checkpoint is not signed by the key that it names"),
            Self::Unsigned { signed, found } => {
                write!(f, "it has {found} records, of which {signed} are signed")
            }
            Self::TooLarge { limit } => write!(f, "it has more than {}", size(*limit)),
            Self::Policies => f.write_str("its newest flag policies are not understood"),
            Self::Probe(seq) => write!(f, "the probe in its record {seq} is none"),
            Self::Opinion => f.write_str("an opinion in it is not understood"),
        }
    }
}

impl Error {
    /// There is no room for the record any more, or less than the floor.
    pub fn is_full(&self) -> bool {
        match self {
            Self::DiskFloor { .. } => true,
            Self::File { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }

    /// What to do about it, as one sentence without a full stop.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("free some space on that file system, or choose another one with --data")
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("choose a directory that you can write to with --data")
                }
                _ => None,
            },
            Self::DiskFloor { .. } => Some(
                "free some space, choose another file system with --data, or lower \
                 free-disk-bytes under [limits] in landfall.toml",
            ),
            Self::BadName(_) => Some(
                "use 1 to 100 letters a to z or A to Z, digits, dots, dashes and underscores, the \
                 first of them no dot and no dash",
            ),
            Self::NameTaken(_) => Some("choose another name with --session, or leave it out"),
            Self::Busy(_) => Some("another process is recording into it; stop that one first"),
            Self::BadKey(_) => Some(
                "restore the key from a copy, or move the file away: a new \
                                     key is made then, which does not match earlier sessions",
            ),
            Self::OwnKey { fault: OpenSshFault::Encrypted, .. } => Some(
                "name one without a passphrase, such as a key for this use alone made by \
                 `ssh-keygen -t ed25519`; no agent is asked",
            ),
            Self::OwnKey { .. } => Some(
                "name the private half of a key that `ssh-keygen -t ed25519` made, or leave key \
                 under [evidence] out: Landfall then signs with a key of its own",
            ),
            Self::KeyExposed { .. } => Some(
                "make it yours alone with chmod 600 if nobody else had access, else move it away \
                 for a new key",
            ),
            Self::ReviewBusy(_) => Some("try again when the other command is done"),
            Self::BadReview { fault: ReviewFault::Policies | ReviewFault::Opinion, .. } => {
                Some("read it with the version of Landfall that wrote it")
            }
            Self::OtherVersion { .. } => {
                Some("read it with the version of Landfall that wrote it; it was left as it is")
            }
            Self::RolledBack { .. } | Self::BadReview { .. } | Self::BadOpening { .. } => {
                Some("restore the session from a copy; it was left as it is")
            }
            Self::Crypto(_) | Self::BadCheckpoint(_) | Self::TextTooLong { .. } | Self::Stopped => {
                None
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { doing, path, .. } => write!(f, "cannot {doing} {}", path.display()),
            Self::DiskFloor { path, free_bytes, floor_bytes } => write!(
                f,
                "recording stopped: {} are free for {}, the floor is {}",
                size(*free_bytes),
                path.display(),
                size(*floor_bytes)
            ),
            Self::BadName(name) => write!(f, "{name:?} cannot be the name of a session"),
            Self::NameTaken(path) => write!(f, "there is a session in {} already", path.display()),
            Self::Busy(path) => write!(f, "the session in {} is being written", path.display()),
            Self::BadKey(path) => write!(f, "no Ed25519 key in {}", path.display()),
            Self::OwnKey { path, fault } => {
                write!(f, "cannot sign with {}: {fault}", path.display())
            }
            Self::KeyExposed { path, mode } => write!(
                f,
                "others than its owner may use the key in {} (mode {mode:04o})",
                path.display()
            ),
            Self::Crypto(what) => write!(f, "{what} failed"),
            Self::BadCheckpoint(path) => write!(f, "no checkpoint in {}", path.display()),
            Self::RolledBack { path, signed, found } => write!(
                f,
                "{} is not the log that was signed with {signed} records; {found} of them are \
                 there unchanged",
                path.display()
            ),
            Self::OtherVersion { path, version } => write!(
                f,
                "{} has format version {version}; this program knows version {VERSION}",
                path.display()
            ),
            Self::BadOpening { path, seq, fault } => {
                write!(f, "{}: of record {seq}: {fault}", path.display())
            }
            Self::TextTooLong { bytes, limit } => {
                write!(f, "the text has {bytes} bytes; the limit is {limit}")
            }
            Self::ReviewBusy(path) => {
                write!(f, "another process is writing reviews into {}", path.display())
            }
            Self::BadReview { path, fault } => {
                write!(f, "{} is no sound review log: {fault}", path.display())
            }
            Self::Stopped => f.write_str("the recorder has stopped"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// `1234567` -> `1.2 MB`, as the command line writes sizes.
fn size(bytes: u64) -> String {
    let scales =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match scales.into_iter().find(|(_, scale)| bytes >= *scale) {
        Some((unit, scale)) => format!("{}.{} {unit}", bytes / scale, bytes % scale / (scale / 10)),
        None => format!("{bytes} B"),
    }
}

/// Says of an I/O error what was being done to which file.
pub(crate) trait Failed<T> {
    fn failed(self, doing: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> Failed<T> for io::Result<T> {
    fn failed(self, doing: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::File { doing, path: path.to_owned(), source })
    }
}
