//! What can go wrong while databases are opened. Look-ups do not fail: all files are checked
//! before the first one.

use flow::network::Network;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the set of databases could not be opened.
#[derive(Debug)]
pub enum Error {
    /// A file or directory could not be read or written.
    File { path: PathBuf, doing: &'static str, source: io::Error },
    /// What was built into the program is not what its own manifest says: a broken build.
    Bundle { file: String, fault: String },
    /// An unpacked bundled file was changed, cut or replaced.
    WrongHash { path: PathBuf, expected: String, found: String },
    /// The file is no sound MMDB file.
    Mmdb { path: PathBuf, source: maxminddb::MaxMindDbError },
    /// The search tree of the MMDB file does not end: it yields more networks than it can hold.
    EndlessTree { path: PathBuf },
    /// The MMDB file holds no field that Landfall reads.
    NothingKnown { path: PathBuf, database_type: String },
    /// The file is larger than the limit, in bytes.
    TooLarge { path: PathBuf, limit: u64 },
    /// The file is no sound IPFire location database.
    Ipfire { path: PathBuf, source: libloc::OpenError },
    /// The reader of the IPFire location database panicked.
    IpfirePanicked { path: PathBuf },
    /// Two sources would have the same name.
    NameTaken { path: PathBuf, name: String },
    /// Two overrides are for the same network.
    OverriddenTwice { network: Network },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::File { .. } => {
                "check that the path exists, that its permissions allow this and that the disk is \
                 not full"
                    .to_owned()
            }
            Self::Bundle { .. } => "this build is broken; install Landfall again".to_owned(),
            Self::WrongHash { path, .. } => format!(
                "find out who changed it, then delete {}; it is unpacked again at the next start",
                path.display()
            ),
            Self::Ipfire { path, .. } | Self::IpfirePanicked { path } => {
                format!("delete {}; it is unpacked again at the next start", path.display())
            }
            Self::Mmdb { path, .. } | Self::EndlessTree { path } => {
                format!("get {} from its publisher again, or leave it out", path.display())
            }
            Self::NothingKnown { path, .. } | Self::TooLarge { path, .. } => {
                format!("leave {} out; a country, city or ASN database is of use", path.display())
            }
            Self::NameTaken { path, .. } => {
                format!("give {} another file name; sources are named after files", path.display())
            }
            Self::OverriddenTwice { network } => {
                format!("keep one override for {network}")
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, doing, .. } => write!(f, "cannot {doing} {}", path.display()),
            Self::Bundle { file, fault } => write!(f, "the bundled {file} is broken: {fault}"),
            Self::WrongHash { path, expected, found } => write!(
                f,
                "{} is not the published file: its SHA-256 is {found}, not {expected}",
                path.display()
            ),
            Self::Mmdb { path, .. } => {
                write!(f, "{} is not a sound MMDB file", path.display())
            }
            Self::EndlessTree { path } => write!(
                f,
                "{} is not a sound MMDB file: its search tree does not end",
                path.display()
            ),
            Self::NothingKnown { path, database_type } => write!(
                f,
                "{} holds no country and no AS number (its type is {database_type:?})",
                path.display()
            ),
            Self::TooLarge { path, limit } => {
                write!(f, "{} is larger than {limit} bytes", path.display())
            }
            Self::Ipfire { path, .. } | Self::IpfirePanicked { path } => {
                write!(f, "{} is not a sound IPFire location database", path.display())
            }
            Self::NameTaken { path, name } => write!(
                f,
                "{} cannot be a source named {name:?}: another source has that name",
                path.display()
            ),
            Self::OverriddenTwice { network } => write!(f, "{network} is overridden twice"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Mmdb { source, .. } => Some(source),
            Self::Ipfire { source, .. } => Some(source),
            Self::Bundle { .. }
            | Self::WrongHash { .. }
            | Self::EndlessTree { .. }
            | Self::NothingKnown { .. }
            | Self::TooLarge { .. }
            | Self::IpfirePanicked { .. }
            | Self::NameTaken { .. }
            | Self::OverriddenTwice { .. } => None,
        }
    }
}
