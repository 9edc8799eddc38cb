//! What a set of databases consists of, for `geo status`, for records and for exports.

use crate::manifest::{Entry, Kind};
use crate::set::is_bundled;
use std::path::PathBuf;

/// One database of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseStatus {
    /// The source's name in claims.
    pub name: String,
    pub kind: DatabaseKind,
    /// The file in use; `None` for what is used as it lies in the program.
    pub path: Option<PathBuf>,
    pub licence: String,
    /// The notice that the licence asks for wherever results are shown.
    pub attribution: Option<String>,
    /// Build date of the data, `YYYY-MM-DD`, where it is known.
    pub built: Option<String>,
    /// SHA-256 of the file as published, hex.
    pub sha256: String,
    /// Number of networks or rows, where it is known.
    pub networks: Option<u64>,
    pub origin: DatabaseOrigin,
}

impl DatabaseStatus {
    /// What the manifest says of a file; without a path it is used as it lies in the program.
    pub(crate) fn of(entry: &Entry, path: Option<PathBuf>) -> Self {
        let kind = match entry.kind {
            Kind::Location => DatabaseKind::Location,
            Kind::AsRegistration => DatabaseKind::AsRegistration,
            Kind::Operators => DatabaseKind::Operators,
            Kind::CnameSuffixes => DatabaseKind::CnameSuffixes,
            Kind::Shapes => DatabaseKind::Shapes,
        };
        let origin = match &path {
            None => DatabaseOrigin::Program,
            Some(_) if is_bundled(entry) => DatabaseOrigin::Embedded,
            Some(_) => DatabaseOrigin::Updated,
        };
        Self {
            origin,
            name: entry.name.clone(),
            kind,
            path,
            licence: entry.licence.clone(),
            attribution: Some(entry.attribution.clone()).filter(|notice| !notice.is_empty()),
            built: Some(entry.built.clone()),
            sha256: entry.sha256.clone(),
            networks: Some(entry.networks),
        }
    }
}

/// How a database came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatabaseOrigin {
    /// It is part of the program, and changes with it alone.
    Program,
    /// With the program, in the set that an update replaces.
    Embedded,
    /// By an update, or with an earlier program.
    Updated,
    /// The user's own file.
    File,
}

impl DatabaseOrigin {
    /// The word for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Embedded => "embedded",
            Self::Updated => "updated",
            Self::File => "file",
        }
    }
}

/// What a database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatabaseKind {
    /// Where the machine is, perhaps with AS and anycast.
    Location,
    /// Which AS announces the address, and no location.
    AutonomousSystem,
    /// Where the announcing AS is registered.
    AsRegistration,
    /// Where the address is registered.
    AddressRegistration,
    /// Who runs an AS.
    Operators,
    /// Who runs a DNS zone.
    CnameSuffixes,
    /// How far away countries are.
    Shapes,
}

impl DatabaseKind {
    /// The word for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::AutonomousSystem => "AS",
            Self::AsRegistration => "AS registration",
            Self::AddressRegistration => "address registration",
            Self::Operators => "operators",
            Self::CnameSuffixes => "CNAME suffixes",
            Self::Shapes => "country shapes",
        }
    }
}
