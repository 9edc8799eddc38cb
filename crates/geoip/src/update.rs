//! Taking newer files in: unpack, check from end to end, compare with what is in use, and put a new
//! set in its place. Where the files come from is the caller's business; nothing here is believed of
//! them but their bytes.
//!
//! Everything is written beside and appears by rename, the name of the active set last, so that a
//! process that is killed at any moment leaves the old set in use and whole.

use crate::config::Config;
use crate::difference::Difference;
use crate::error::Error;
use crate::fault::Fault;
use crate::inspection::{Database, Expected, Format, Opened, each_network, inspect};
use crate::ipfire_signature::{Signature, SigningKey};
use crate::manifest::{Entry, Kind};
use crate::set::{FILES, Set, SetChoice, SetId, SetOrigin, packed};
use crate::source_name::IPFIRE;
use crate::store::{appear, directory, file_error, make_folder, place, unpacked};
use crate::unpacking;
use std::fs::{File, TryLockError};
use std::io::{self, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// An update under way. Dropping it leaves everything as it was.
#[derive(Debug)]
pub struct Update {
    data_dir: PathBuf,
    key: SigningKey,
    former: Set,
    taken: Vec<(Entry, NamedTempFile)>,
    /// Held until the end, so that there is one update at a time.
    _lock: File,
}

/// What an update would take in, or took in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenIn {
    pub built: String,
    pub sha256: String,
    pub networks: u64,
    /// It is the file that is in use already.
    pub known: bool,
    pub difference: Difference,
}

/// Which doubts the user sets aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubts {
    /// None: a file that is older or very different is refused.
    Refuse,
    /// Both; broken, unsigned and dishonest files are still refused.
    SetAside,
}

impl Update {
    /// The sources that can be updated.
    pub fn sources() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, ..)| *name)
    }

    /// Begins, and clears away what an update left behind that was killed. IPFire's database must be
    /// signed by `key`.
    ///
    /// # Errors
    /// Another update is under way; the data directory cannot be written to; the set in use is broken.
    pub fn begin(config: &Config, key: SigningKey) -> Result<Self, Error> {
        let folder = directory(&config.data_dir);
        make_folder(&folder)?;
        let path = folder.join(".updating");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| file_error(&path, "open", source))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::UpdateUnderWay { path: path.clone() },
            TryLockError::Error(source) => file_error(&path, "lock", source),
        })?;
        clear_leftovers(&folder)?;
        let former = Set::choose(&config.data_dir, &SetChoice::Active)?;
        let data_dir = config.data_dir.clone();
        Ok(Self { data_dir, key, former, taken: Vec::new(), _lock: lock })
    }

    /// An empty file to write a download into, in any form that [`Update::take_in`] reads.
    ///
    /// # Errors
    /// The data directory cannot be written to.
    pub fn landing(&self) -> Result<NamedTempFile, Error> {
        let folder = directory(&self.data_dir);
        tempfile::Builder::new()
            .prefix(LEFTOVER)
            .tempfile_in(&folder)
            .map_err(|source| file_error(&folder, "write to", source))
    }

    /// Checks a download of a source and keeps it for the end. `origin` says whence it is.
    ///
    /// # Errors
    /// It cannot be unpacked, is not sound, is not what the source publishes, is not signed where it
    /// must be; or, unless doubts are set aside, is older than the file in use or too different.
    pub fn take_in(
        &mut self,
        name: &str,
        download: NamedTempFile,
        origin: &str,
        doubts: Doubts,
    ) -> Result<TakenIn, Error> {
        let former = self.former.entry(name)?.clone();
        let (format, kind) = match name {
            IPFIRE => (Format::Ipfire, former.kind),
            _ => (Format::Mmdb, former.kind),
        };
        let file = self.unpack(name, download)?;
        let named = |error: Error| error.about(&format!("the new {name}"));
        let expected = Expected::Published(format, kind);
        let new = inspect(file.path(), expected, &self.key).map_err(named)?;
        let whole = |what: String| {
            named(Error::Fault { path: file.path().to_owned(), fault: Fault::whole(what) })
        };
        let inspected = &new.inspected;
        match inspected.signature {
            None | Some(Signature::Valid) => {}
            Some(Signature::Missing) => return Err(whole("it is not signed".to_owned())),
            Some(Signature::Wrong) => {
                return Err(whole("its signature is not that of its publisher".to_owned()));
            }
        }
        let Some(built) = inspected.built.clone() else {
            return Err(whole("it does not say when it was built".to_owned()));
        };
        let mut taken_in = TakenIn {
            built: built.clone(),
            sha256: inspected.sha256.clone(),
            networks: inspected.networks,
            known: inspected.sha256 == former.sha256,
            difference: Difference::default(),
        };
        if taken_in.known {
            return Ok(taken_in);
        }
        taken_in.difference = self.difference(&former, kind, format, &new.database)?;
        let name = name.to_owned();
        if doubts == Doubts::Refuse && built < former.built {
            return Err(Error::OlderDatabase { name, built, in_use: former.built });
        }
        if doubts == Doubts::Refuse && taken_in.difference.per_mille() > MOST_CHANGED_PER_MILLE {
            return Err(Error::TooDifferent { name, difference: taken_in.difference });
        }
        let entry = Entry {
            origin: origin.to_owned(),
            built,
            bytes: inspected.bytes,
            networks: inspected.networks,
            sha256: inspected.sha256.clone(),
            ..former
        };
        self.taken.push((entry, file));
        Ok(taken_in)
    }

    /// Puts the new set in place of the old one: what was taken in, and the rest as it was. `None`
    /// when nothing new was taken in.
    ///
    /// # Errors
    /// The data directory cannot be written to; the old set is then still in use.
    pub fn commit(self) -> Result<Option<SetId>, Error> {
        if self.taken.is_empty() {
            return Ok(None);
        }
        let mut entries: Vec<Entry> = self.former.entries()?.into_iter().cloned().collect();
        // The former set stays known by its name, so that it can be asked again.
        self.former.keep(&self.data_dir)?;
        for (entry, file) in self.taken {
            let path = place(&self.data_dir, &entry);
            make_folder(path.parent().unwrap_or(&path))?;
            appear(file, &path)?;
            if let Some(old) = entries.iter_mut().find(|old| old.name == entry.name) {
                *old = entry;
            }
        }
        let (set, _) = Set::of(&entries, SetOrigin::Kept)?;
        set.activate(&self.data_dir)?;
        Ok(Some(set.id))
    }

    fn unpack(&self, name: &str, mut download: NamedTempFile) -> Result<NamedTempFile, Error> {
        let broken = |source| Error::Packed { name: name.to_owned(), source };
        download.as_file_mut().flush().and_then(|()| download.rewind()).map_err(broken)?;
        let mut out = self.landing()?;
        let packed = BufReader::with_capacity(READ_BYTES, download.as_file());
        let mut contents = unpacking::unpacked(packed, MOST_BYTES).map_err(broken)?;
        io::copy(&mut contents, out.as_file_mut()).map_err(broken)?;
        out.as_file_mut().flush().map_err(broken)?;
        Ok(out)
    }

    fn difference(
        &self,
        former: &Entry,
        kind: Kind,
        format: Format,
        new: &Database,
    ) -> Result<Difference, Error> {
        let path = unpacked(&self.data_dir, former, packed(&former.name))?;
        let Opened { database, inspected } =
            inspect(&path, Expected::Published(format, kind), &self.key)?;
        if inspected.sha256 != former.sha256 {
            let (expected, found) = (former.sha256.clone(), inspected.sha256);
            return Err(Error::WrongHash { path, expected, found });
        }
        let mut difference = Difference::default();
        each_network(&path, &database, |address, _| {
            let Some(before) = database.country(address) else { return };
            difference.networks += 1;
            match new.country(address) {
                Some(now) if now == before => {}
                Some(_) => difference.changed += 1,
                None => difference.lost += 1,
            }
        })?;
        Ok(difference)
    }
}

/// Removes what a killed update left.
fn clear_leftovers(folder: &Path) -> Result<(), Error> {
    let unreadable = |source| file_error(folder, "list", source);
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with(LEFTOVER) {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(|source| file_error(&path, "remove", source))?;
        }
    }
    Ok(())
}

const LEFTOVER: &str = ".fetched-";
const READ_BYTES: usize = 64 * 1024;
/// Unpacked. The largest, IPFire's, has 50 MB.
const MOST_BYTES: u64 = 256 << 20;
/// A month changes some per cent; a year, or another publisher's opinion, more.
const MOST_CHANGED_PER_MILLE: u64 = 200;
