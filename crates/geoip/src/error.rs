//! What can go wrong while databases are opened. Look-ups do not fail: all files are checked
//! before the first one.

use crate::difference::Difference;
use crate::fault::Fault;
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
    /// The file is not sound, and where.
    Fault { path: PathBuf, fault: Fault },
    /// The file answers otherwise than every honest one does.
    WrongAnswers { path: PathBuf, answers: Vec<String> },
    /// A file of a set is not where it belongs.
    MissingFile { path: PathBuf },
    /// There is no set whose name begins like this, or there are several.
    NoSuchSet { name: String, several: bool },
    /// A set's manifest, or the name of the active set, was changed or is missing.
    BrokenSet { path: PathBuf, fault: String },
    /// Another process updates the databases.
    UpdateUnderWay { path: PathBuf },
    /// What was fetched cannot be unpacked: cut, damaged or too large.
    Packed { name: String, source: io::Error },
    /// What was fetched is older than what is in use.
    OlderDatabase { name: String, built: String, in_use: String },
    /// What was fetched answers otherwise for too many networks.
    TooDifferent { name: String, difference: Difference },
    /// A file that was fetched and is not kept; the error is about what it would have become.
    Fetched { what: String, error: Box<Self> },
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
    /// The same about a file that has no name yet: `what` it is, in place of its path.
    pub(crate) fn about(self, what: &str) -> Self {
        Self::Fetched { what: what.to_owned(), error: Box::new(self) }
    }

    /// What is wrong with a file that has no name yet.
    fn tell_of(&self, what: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault { fault, .. } => write!(f, "{what} is not a sound database: {fault}"),
            Self::WrongAnswers { answers, .. } => {
                write!(f, "{what} is no honest database: {}", answers.join("; "))
            }
            Self::NothingKnown { database_type, .. } => {
                write!(f, "{what} holds no country (its type is {database_type:?})")
            }
            Self::Mmdb { .. } | Self::EndlessTree { .. } => {
                write!(f, "{what} is not a sound MMDB file")
            }
            error => write!(f, "{what} is of no use: {error}"),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::File { .. } => {
                "check that the path exists, that its permissions allow this and that the disk is \
                 not full"
                    .to_owned()
            }
            Self::Bundle { .. } => "this build is broken; install Landfall again".to_owned(),
            Self::WrongHash { path, .. } => {
                format!("find out who changed it, then delete {}; {AGAIN}", path.display())
            }
            Self::Ipfire { path, .. } | Self::IpfirePanicked { path } => {
                format!("delete {}; {AGAIN}", path.display())
            }
            Self::Mmdb { path, .. } | Self::EndlessTree { path } => {
                format!("get {} from its publisher again, or leave it out", path.display())
            }
            Self::NothingKnown { path, .. } | Self::TooLarge { path, .. } => {
                format!("leave {} out; a country, city or ASN database is of use", path.display())
            }
            Self::Fault { path, .. } | Self::WrongAnswers { path, .. } => {
                format!("get {} from its publisher again, or leave it out", path.display())
            }
            Self::MissingFile { .. } => {
                "`landfall geo update` fetches databases again; `--databases embedded`, or \
                 `set = \"embedded\"` below [geo], goes back to the program's own"
                    .to_owned()
            }
            Self::BrokenSet { path, .. } => format!(
                "find out who changed it, then delete {}; `landfall geo update` puts another set \
                 in place of the active one, `--databases embedded` asks the program's own",
                path.display()
            ),
            Self::NoSuchSet { .. } => {
                "`landfall geo status --sets` lists the sets; write more of the name".to_owned()
            }
            Self::UpdateUnderWay { .. } => "wait until the other update has ended".to_owned(),
            Self::Packed { .. } => {
                "try again later; if it stays, check the URL below [geo.update]".to_owned()
            }
            Self::OlderDatabase { .. } => {
                "nothing was changed; `--force` takes the older file".to_owned()
            }
            Self::TooDifferent { .. } => "nothing was changed; find out why, compare with another \
                 source, then `--force` takes the file"
                .to_owned(),
            Self::Fetched { error, .. } => match &**error {
                Self::Fault { .. } | Self::WrongAnswers { .. } | Self::Mmdb { .. } => {
                    "nothing was changed; check the URL below [geo.update], or try again later"
                        .to_owned()
                }
                error => error.hint(),
            },
            Self::NameTaken { path, .. } => {
                format!("give {} another file name; sources are named after files", path.display())
            }
            Self::OverriddenTwice { network } => {
                format!("keep one override for {network}")
            }
        }
    }
}

/// How a file that was deleted comes back, whether the program has it or an update brought it.
const AGAIN: &str = "what came with the program is unpacked again at the next start, and `landfall \
                     geo update` fetches what did not";

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
            Self::Fault { path, fault } => {
                write!(f, "{} is not a sound database: {fault}", path.display())
            }
            Self::WrongAnswers { path, answers } => {
                write!(f, "{} is no honest database: {}", path.display(), answers.join("; "))
            }
            Self::MissingFile { path } => write!(f, "{} is missing", path.display()),
            Self::NoSuchSet { name, several: false } => {
                write!(f, "there is no set of databases whose name begins with {name}")
            }
            Self::NoSuchSet { name, several: true } => {
                write!(f, "several sets of databases have names that begin with {name}")
            }
            Self::BrokenSet { path, fault } => {
                write!(f, "{} does not describe a set of databases: {fault}", path.display())
            }
            Self::UpdateUnderWay { path } => {
                write!(f, "another update of the databases is under way ({})", path.display())
            }
            Self::Packed { name, .. } => write!(f, "the new {name} cannot be unpacked"),
            Self::OlderDatabase { name, built, in_use } => {
                write!(f, "the new {name} is of {built}, the one in use of {in_use}")
            }
            Self::TooDifferent { name, difference } => write!(
                f,
                "the new {name} is too different: of {} networks, {} have another country and {} \
                 none",
                difference.networks, difference.changed, difference.lost
            ),
            Self::Fetched { what, error } => error.tell_of(what, f),
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
            Self::Packed { source, .. } => Some(source),
            Self::Fetched { error, .. } => error.source(),
            Self::Fault { .. }
            | Self::WrongAnswers { .. }
            | Self::MissingFile { .. }
            | Self::NoSuchSet { .. }
            | Self::BrokenSet { .. }
            | Self::UpdateUnderWay { .. }
            | Self::OlderDatabase { .. }
            | Self::TooDifferent { .. } => None,
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
