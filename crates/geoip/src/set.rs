//! Sets of databases: which files of the publishers belong together. A set is a manifest, and its
//! name is the SHA-256 of that manifest's text; so a set never changes, and whoever knows its name
//! knows the hash of every file in it.
//!
//! `<data>/geoip/sets/<name>.csv` are all sets that were ever used here, the embedded ones of earlier
//! programs too; `<data>/geoip/active` names the one that an update put in place of the embedded.
//! Sets are added, and removed by [`crate::prune`] alone: sessions that were recorded with them name
//! their files.

use crate::bundle;
use crate::digest::sha256;
use crate::error::Error;
use crate::manifest::{Entry, Kind, Manifest};
use crate::source_name::{DBIP, IPFIRE, IPTOASN};
use crate::store::{appear, directory, file_error, make_folder};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A set's name: the SHA-256 of its manifest, hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetId(String);

impl SetId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As many characters as tell sets apart in practice.
    pub fn short(&self) -> &str {
        self.0.get(..SHORT_CHARS).unwrap_or(&self.0)
    }
}

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which set is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SetChoice {
    /// That of the last update, else the embedded one.
    #[default]
    Active,
    /// That of this program.
    Embedded,
    /// The one whose name begins like this.
    Named(SetName),
}

/// The beginning of a set's name: 8 to 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetName(String);

/// The text means no set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASet;

impl fmt::Display for NotASet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither active nor embedded, nor 8 or more hexadecimal digits of a set's name")
    }
}

impl std::error::Error for NotASet {}

impl FromStr for SetChoice {
    type Err = NotASet;

    fn from_str(text: &str) -> Result<Self, NotASet> {
        match text {
            "active" => Ok(Self::Active),
            "embedded" => Ok(Self::Embedded),
            name => {
                let digits = name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                match digits && (LEAST_DIGITS..=64).contains(&name.len()) {
                    true => Ok(Self::Named(SetName(name.to_owned()))),
                    false => Err(NotASet),
                }
            }
        }
    }
}

impl fmt::Display for SetChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Embedded => "embedded",
            Self::Named(name) => &name.0,
        })
    }
}

/// A set that can be opened.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) id: SetId,
    pub(crate) origin: SetOrigin,
    manifest: Manifest,
}

/// How a set came to this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOrigin {
    /// With this program.
    Embedded,
    /// By an update, or with an earlier program.
    Kept,
}

/// One set, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetStatus {
    pub id: SetId,
    pub origin: SetOrigin,
    /// Whether it is asked where nobody says otherwise.
    pub active: bool,
    pub files: Vec<SetFile>,
}

/// One file of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetFile {
    /// The source's name in claims.
    pub name: String,
    /// `YYYY-MM-DD`.
    pub built: String,
    /// Whence it was taken.
    pub origin: String,
    pub bytes: u64,
    pub sha256: String,
}

/// All sets that there are: the active one, the embedded one, then the others by the dates of their
/// files, the newest first.
///
/// # Errors
/// A manifest that cannot be read or is not what its name says.
pub fn sets(data_dir: &Path) -> Result<Vec<SetStatus>, Error> {
    let (all, mut broken) = readable(data_dir)?;
    if let Some(error) = broken.pop() {
        return Err(error);
    }
    let active = Set::active_id(data_dir)?;
    let mut listed: Vec<SetStatus> = all.iter().map(|set| set.status(set.id == active)).collect();
    let dates = |set: &SetStatus| {
        let mut dates: Vec<String> = set.files.iter().map(|file| file.built.clone()).collect();
        dates.sort();
        dates.reverse();
        dates
    };
    listed.sort_by(|a, b| {
        let key = |set: &SetStatus| (set.active, set.origin == SetOrigin::Embedded, dates(set));
        key(b).cmp(&key(a)).then_with(|| a.id.0.cmp(&b.id.0))
    });
    Ok(listed)
}

/// The embedded set and all others, and what is wrong with those whose manifests are broken.
pub(crate) fn readable(data_dir: &Path) -> Result<(Vec<Set>, Vec<Error>), Error> {
    let (mut all, mut broken) = (vec![Set::embedded()?], Vec::new());
    for id in kept(data_dir)? {
        if all.iter().any(|set| set.id == id) {
            continue;
        }
        match Set::kept(data_dir, &id) {
            Ok(set) => all.push(set),
            Err(error @ Error::BrokenSet { .. }) => broken.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok((all, broken))
}

impl Set {
    /// The name of the one that is asked where nobody says otherwise.
    pub(crate) fn active_id(data_dir: &Path) -> Result<SetId, Error> {
        match active_id(data_dir)? {
            Some(id) => Ok(id),
            None => Self::embedded().map(|set| set.id),
        }
    }

    pub(crate) fn choose(data_dir: &Path, choice: &SetChoice) -> Result<Self, Error> {
        let embedded = Self::embedded()?;
        let wanted = match choice {
            SetChoice::Embedded => return Ok(embedded),
            SetChoice::Active => match active_id(data_dir)? {
                Some(id) => id,
                None => return Ok(embedded),
            },
            SetChoice::Named(SetName(name)) => {
                let mut found: Vec<SetId> = kept(data_dir)?;
                found.push(embedded.id.clone());
                found.retain(|id| id.0.starts_with(name.as_str()));
                found.sort_by(|a, b| a.0.cmp(&b.0));
                found.dedup();
                match <[SetId; 1]>::try_from(found) {
                    Ok([id]) => id,
                    Err(found) => {
                        let (name, several) = (name.clone(), !found.is_empty());
                        return Err(Error::NoSuchSet { name, several });
                    }
                }
            }
        };
        match wanted == embedded.id {
            true => Ok(embedded),
            false => Self::kept(data_dir, &wanted),
        }
    }

    /// That of this program.
    pub(crate) fn embedded() -> Result<Self, Error> {
        let bundled = Manifest::parse(bundle::MANIFEST)?;
        let mut entries = Vec::new();
        for (name, kind, _) in FILES {
            entries.push(bundled.entry(name, kind)?.unpacked());
        }
        Self::of(&entries, SetOrigin::Embedded).map(|(set, _)| set)
    }

    /// The set of these files, and the text of its manifest.
    pub(crate) fn of(entries: &[Entry], origin: SetOrigin) -> Result<(Self, String), Error> {
        let text = Manifest::text(entries)?;
        let manifest = Manifest::parse(&text)?;
        let set = Self { id: SetId(sha256(text.as_bytes())), origin, manifest };
        set.entries()?;
        Ok((set, text))
    }

    fn kept(data_dir: &Path, id: &SetId) -> Result<Self, Error> {
        let path = manifest_path(data_dir, id);
        let broken = |fault: String| Error::BrokenSet { path: path.clone(), fault };
        let text = match read_small(&path) {
            Ok(text) => text,
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(broken("it is missing".to_owned()));
            }
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::InvalidData => {
                return Err(broken(source.to_string()));
            }
            Err(error) => return Err(error),
        };
        let found = sha256(text.as_bytes());
        if found != id.0 {
            return Err(broken(format!("its SHA-256 is {found}, and so not its name")));
        }
        let manifest = Manifest::parse(&text).map_err(|error| broken(error.to_string()))?;
        let set = Self { id: id.clone(), origin: SetOrigin::Kept, manifest };
        set.entries().map_err(|error| broken(error.to_string()))?;
        Ok(set)
    }

    /// The file of a source.
    pub(crate) fn entry(&self, name: &str) -> Result<&Entry, Error> {
        let kind = FILES.iter().find(|(known, ..)| *known == name).map(|(_, kind, _)| *kind);
        self.manifest.entry(name, kind.unwrap_or(Kind::Location))
    }

    /// All files, in the order in which they are asked.
    pub(crate) fn entries(&self) -> Result<Vec<&Entry>, Error> {
        FILES.iter().map(|(name, ..)| self.entry(name)).collect()
    }

    /// Writes its manifest down, unless it lies there.
    pub(crate) fn keep(&self, data_dir: &Path) -> Result<(), Error> {
        let path = manifest_path(data_dir, &self.id);
        if path.exists() {
            return Ok(());
        }
        self.write(&path)
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        let entries: Vec<Entry> = self.entries()?.into_iter().cloned().collect();
        write_small(path, &Manifest::text(&entries)?)
    }

    /// Lets it be asked from now on. Whoever has another one open keeps that one. A manifest of its
    /// name that is broken is replaced.
    pub(crate) fn activate(&self, data_dir: &Path) -> Result<(), Error> {
        if Self::kept(data_dir, &self.id).is_err() {
            self.write(&manifest_path(data_dir, &self.id))?;
        }
        write_small(&active_path(data_dir), &format!("{}\n", self.id))
    }

    fn status(&self, active: bool) -> SetStatus {
        let file = |entry: &Entry| SetFile {
            name: entry.name.clone(),
            built: entry.built.clone(),
            origin: entry.origin.clone(),
            bytes: entry.bytes,
            sha256: entry.sha256.clone(),
        };
        let files = self.entries().unwrap_or_default().into_iter().map(file).collect();
        SetStatus { id: self.id.clone(), origin: self.origin, active, files }
    }
}

/// Whether the file is one of those that are built in.
pub(crate) fn is_bundled(entry: &Entry) -> bool {
    Set::embedded()
        .is_ok_and(|set| set.entry(&entry.name).is_ok_and(|own| own.sha256 == entry.sha256))
}

/// The bundled file of a source of sets, compressed.
pub(crate) fn packed(name: &str) -> &'static [u8] {
    FILES.iter().find(|(known, ..)| *known == name).map_or(&[], |(.., packed)| *packed)
}

fn active_id(data_dir: &Path) -> Result<Option<SetId>, Error> {
    let path = active_path(data_dir);
    let text = match read_small(&path) {
        Ok(text) => text,
        Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    match text.trim_end().parse() {
        Ok(SetChoice::Named(SetName(name))) if name.len() == 64 => Ok(Some(SetId(name))),
        _ => Err(Error::BrokenSet { path, fault: "it does not name a set".to_owned() }),
    }
}

fn kept(data_dir: &Path) -> Result<Vec<SetId>, Error> {
    let folder = folder(data_dir);
    let unreadable = |source| file_error(&folder, "list", source);
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(unreadable(source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".csv")
            && let Ok(SetChoice::Named(SetName(name))) = name.parse()
            && name.len() == 64
        {
            found.push(SetId(name));
        }
    }
    Ok(found)
}

fn folder(data_dir: &Path) -> PathBuf {
    directory(data_dir).join("sets")
}

pub(crate) fn manifest_path(data_dir: &Path, id: &SetId) -> PathBuf {
    folder(data_dir).join(format!("{id}.csv"))
}

fn active_path(data_dir: &Path) -> PathBuf {
    directory(data_dir).join("active")
}

fn read_small(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MOST_MANIFEST_BYTES).read_to_string(&mut text))
        .map_err(|source| file_error(path, "read", source))?;
    Ok(text)
}

fn write_small(path: &Path, text: &str) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    make_folder(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".writing-")
        .tempfile_in(folder)
        .map_err(|source| file_error(folder, "write to", source))?;
    file.write_all(text.as_bytes()).map_err(|source| file_error(path, "write", source))?;
    appear(file, path)
}

/// What a set consists of, in the order in which it is asked, each with the bundled file.
pub(crate) const FILES: [(&str, Kind, &[u8]); 3] = [
    (DBIP, Kind::Location, bundle::DBIP),
    (IPFIRE, Kind::Location, bundle::IPFIRE),
    (IPTOASN, Kind::AsRegistration, bundle::IPTOASN),
];

const SHORT_CHARS: usize = 12;
const LEAST_DIGITS: usize = 8;
/// A manifest has some kilobytes.
const MOST_MANIFEST_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A set beside the embedded one: the same files, one of them from elsewhere.
    fn other() -> Set {
        let mut entries: Vec<Entry> =
            Set::embedded().unwrap().entries().unwrap().into_iter().cloned().collect();
        entries[0].origin = "https://mirror.example/a".to_owned();
        Set::of(&entries, SetOrigin::Kept).unwrap().0
    }

    fn chosen(data_dir: &Path, choice: &str) -> Result<SetId, Error> {
        Set::choose(data_dir, &choice.parse().unwrap()).map(|set| set.id)
    }

    #[test]
    fn the_active_set_is_the_embedded_one_until_another_is_put_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let embedded = Set::embedded().unwrap();
        assert_eq!(chosen(dir.path(), "active").unwrap(), embedded.id);
        let other = other();
        assert_ne!(other.id, embedded.id);
        other.activate(dir.path()).unwrap();
        assert_eq!(chosen(dir.path(), "active").unwrap(), other.id);
        assert_eq!(chosen(dir.path(), "embedded").unwrap(), embedded.id);
        assert_eq!(chosen(dir.path(), other.id.short()).unwrap(), other.id);
        assert_eq!(chosen(dir.path(), embedded.id.as_str()).unwrap(), embedded.id);
        let listed = sets(dir.path()).unwrap();
        let found: Vec<_> = listed.iter().map(|set| (&set.id, set.active, set.origin)).collect();
        let expected =
            [(&other.id, true, SetOrigin::Kept), (&embedded.id, false, SetOrigin::Embedded)];
        assert_eq!(found, expected);
        assert_eq!(listed[0].files[0].origin, "https://mirror.example/a");
    }

    #[test]
    fn a_set_that_was_changed_or_lost_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let other = other();
        other.activate(dir.path()).unwrap();
        let path = manifest_path(dir.path(), &other.id);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("mirror", "another")).unwrap();
        let error = chosen(dir.path(), "active").unwrap_err();
        assert!(matches!(error, Error::BrokenSet { .. }), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(chosen(dir.path(), "active").is_err());
        std::fs::write(active_path(dir.path()), "../../etc\n").unwrap();
        assert!(matches!(chosen(dir.path(), "active"), Err(Error::BrokenSet { .. })));
        let error = chosen(dir.path(), "00000000").unwrap_err();
        assert!(matches!(error, Error::NoSuchSet { several: false, .. }), "{error:?}");
    }

    #[test]
    fn what_is_no_choice_is_refused() {
        for text in ["", "newest", "1234567", "ABCDEF012345", "../../../x", &"0".repeat(65)] {
            assert_eq!(text.parse::<SetChoice>(), Err(NotASet), "{text}");
        }
        for text in ["active", "embedded", "0123456789ab"] {
            assert_eq!(text.parse::<SetChoice>().unwrap().to_string(), text);
        }
    }
}
