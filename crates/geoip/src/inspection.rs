//! The check of one database file from end to end, whoever made it: its form, every network and
//! record, the answers that every honest file gives, and the publisher's signature where there is one.

use crate::digest::sha256;
use crate::error::Error;
use crate::ipfire::Ipfire;
use crate::ipfire_layout::{self, Layout};
use crate::ipfire_signature::{Signature, SigningKey};
use crate::manifest::Kind;
use crate::mmdb::{Meaning, Mmdb};
use crate::sanity::wrong_answers;
use crate::status::DatabaseKind;
use crate::user_files::{date, meaning, read};
use flow::claim::{Country, Source};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// What a sound file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    pub format: Format,
    pub kind: DatabaseKind,
    /// `YYYY-MM-DD`, as the file says.
    pub built: Option<String>,
    pub bytes: u64,
    pub networks: u64,
    pub sha256: String,
    /// Where the format has one.
    pub signature: Option<Signature>,
}

/// Formats of database files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Mmdb,
    Ipfire,
}

impl Format {
    /// The word for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mmdb => "MMDB",
            Self::Ipfire => "IPFire",
        }
    }
}

/// What a file is expected to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// Of a source of sets: it answers for the whole Internet.
    Published(Format, Kind),
    /// Somebody's own, by the name of the file.
    Any,
}

/// A file that was inspected, open.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) inspected: Inspected,
}

pub(crate) enum Database {
    Mmdb(Mmdb),
    Ipfire(Ipfire),
}

impl Database {
    pub(crate) fn country(&self, address: IpAddr) -> Option<Country> {
        match self {
            Self::Mmdb(mmdb) => mmdb.country(address),
            Self::Ipfire(ipfire) => ipfire.country(address),
        }
    }
}

/// Checks a file: what is in it, and that its publisher signed it where the format has signatures.
pub(crate) fn inspect(path: &Path, expected: Expected, key: &SigningKey) -> Result<Opened, Error> {
    let opened = inspect_contents(path, expected, key)?;
    match opened.inspected.signature {
        None | Some(Signature::Valid) => Ok(opened),
        Some(Signature::Missing) => Err(faulty(path, "it is not signed")),
        Some(Signature::Wrong) => Err(faulty(path, "its signature is not that of its publisher")),
    }
}

/// Checks what is in a file, whoever signed it.
pub(crate) fn inspect_contents(
    path: &Path,
    expected: Expected,
    key: &SigningKey,
) -> Result<Opened, Error> {
    let bytes = read(path)?;
    if bytes.is_empty() {
        return Err(faulty(path, "it is empty"));
    }
    let format = match bytes.starts_with(ipfire_layout::MAGIC) {
        true => Format::Ipfire,
        false => Format::Mmdb,
    };
    if let Expected::Published(wanted, _) = expected
        && wanted != format
        && wanted == Format::Ipfire
    {
        return Err(faulty(path, "it does not begin like an IPFire location database"));
    }
    let opened = match format {
        Format::Ipfire => ipfire(path, bytes, key)?,
        Format::Mmdb => mmdb(path, bytes, expected)?,
    };
    let kind = match opened.inspected.kind {
        DatabaseKind::AsRegistration => Kind::AsRegistration,
        DatabaseKind::Location => Kind::Location,
        // It names no country, of which there could be a wrong one.
        _ => return Ok(opened),
    };
    let must_answer = matches!(expected, Expected::Published(..));
    let wrong = wrong_answers(kind, must_answer, |address| opened.database.country(address));
    match wrong.is_empty() {
        true => Ok(opened),
        false => Err(Error::WrongAnswers { path: path.to_owned(), answers: wrong }),
    }
}

fn ipfire(path: &Path, mut bytes: Vec<u8>, key: &SigningKey) -> Result<Opened, Error> {
    let sha256 = sha256(&bytes);
    let layout =
        Layout::check(&bytes).map_err(|fault| Error::Fault { path: path.to_owned(), fault })?;
    let (built, networks) = (date(layout.created), layout.networks);
    let signature = key.check(&mut bytes);
    let size = bytes.len() as u64;
    drop(bytes);
    let database = Database::Ipfire(Ipfire::open(path, nobody(&sha256))?);
    let inspected = Inspected {
        format: Format::Ipfire,
        kind: DatabaseKind::Location,
        built,
        bytes: size,
        networks,
        sha256,
        signature: Some(signature),
    };
    Ok(Opened { database, inspected })
}

fn mmdb(path: &Path, bytes: Vec<u8>, expected: Expected) -> Result<Opened, Error> {
    let sha256 = sha256(&bytes);
    let size = bytes.len() as u64;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let meaning = match expected {
        Expected::Published(_, Kind::AsRegistration) => Meaning::AsRegistration,
        Expected::Published(..) => Meaning::Location,
        Expected::Any => meaning(&name),
    };
    let source = nobody(&sha256);
    let (mmdb, survey) = Mmdb::unknown(path, bytes, |_, _| ((*source).clone(), meaning))?;
    if matches!(expected, Expected::Published(..)) && !survey.locates {
        return Err(faulty(path, "it names no countries"));
    }
    let kind = match (meaning, mmdb.locates()) {
        (Meaning::AsRegistration, _) => DatabaseKind::AsRegistration,
        (Meaning::Location, true) => DatabaseKind::Location,
        (Meaning::Location, false) => DatabaseKind::AutonomousSystem,
    };
    let inspected = Inspected {
        format: Format::Mmdb,
        kind,
        built: date(mmdb.built()),
        bytes: size,
        networks: survey.networks,
        sha256,
        signature: None,
    };
    Ok(Opened { database: Database::Mmdb(mmdb), inspected })
}

/// Calls `each` with the first address and the country of every network of a sound file.
pub(crate) fn each_network(
    path: &Path,
    database: &Database,
    each: impl FnMut(IpAddr, Country),
) -> Result<(), Error> {
    match database {
        Database::Mmdb(mmdb) => mmdb.each_network(each),
        Database::Ipfire(_) => {
            let bytes = read(path)?;
            Layout::check(&bytes)
                .map_err(|fault| Error::Fault { path: path.to_owned(), fault })?
                .each_network(each);
        }
    }
    Ok(())
}

/// A source for files that are asked, but make no claims.
fn nobody(sha256: &str) -> Arc<Source> {
    Arc::new(Source {
        name: String::new(),
        licence: String::new(),
        built: None,
        sha256: Some(sha256.to_owned()),
    })
}

fn faulty(path: &Path, what: &str) -> Error {
    Error::Fault { path: path.to_owned(), fault: crate::fault::Fault::whole(what) }
}
