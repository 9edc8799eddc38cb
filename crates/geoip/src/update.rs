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
use crate::inspection::{
    Database, Expected, Format, Opened, each_network, inspect, inspect_contents,
};
use crate::ipfire_signature::SigningKey;
use crate::manifest::{Entry, Kind};
use crate::set::{FILES, Set, SetChoice, SetId, SetOrigin, is_bundled};
use crate::source_name::IPFIRE;
use crate::store::{appear, check, directory, file_error, lock, make_folder, place};
use crate::unpacking;
use crate::verification::unpacked_entry;
use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// An update under way. Dropping it leaves everything as it was.
#[derive(Debug)]
pub struct Update {
    data_dir: PathBuf,
    key: SigningKey,
    /// What is compared with: the set in use, as far as it can be used.
    former: Set,
    unusable: Vec<Unusable>,
    taken: Vec<(Entry, NamedTempFile)>,
    /// Held until the end, so that there is one update at a time.
    _lock: File,
}

/// What was in use and cannot be: what came with the program stands in for it.
#[derive(Debug)]
pub enum Unusable {
    /// The whole set.
    Set(Error),
    /// The file of a source.
    File { name: String, error: Error },
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
    /// signed by `key`. A set, or a file, that is in use and broken is one that an update repairs: what
    /// came with the program is compared with in its place, and [`Update::unusable`] says so.
    ///
    /// # Errors
    /// Another update is under way; the data directory cannot be read or written to.
    pub fn begin(config: &Config, key: SigningKey) -> Result<Self, Error> {
        let folder = directory(&config.data_dir);
        let lock = lock(&config.data_dir)?;
        clear_leftovers(&folder)?;
        let (former, unusable) = usable(&config.data_dir)?;
        let data_dir = config.data_dir.clone();
        Ok(Self { data_dir, key, former, unusable, taken: Vec::new(), _lock: lock })
    }

    /// What was in use and could not be used.
    pub fn unusable(&self) -> &[Unusable] {
        &self.unusable
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
        let inspected = &new.inspected;
        let Some(built) = inspected.built.clone() else {
            let fault = Fault::whole("it does not say when it was built");
            return Err(named(Error::Fault { path: file.path().to_owned(), fault }));
        };
        let mut taken_in = TakenIn {
            built: built.clone(),
            sha256: inspected.sha256.clone(),
            networks: inspected.networks,
            known: inspected.sha256 == former.sha256,
            difference: Difference::default(),
        };
        if taken_in.known {
            check(&unpacked_entry(&self.data_dir, &former)?, &former)?;
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
    /// when nothing new was taken in and nothing was to be repaired.
    ///
    /// # Errors
    /// The data directory cannot be written to; the old set is then still in use.
    pub fn commit(self) -> Result<Option<SetId>, Error> {
        if self.taken.is_empty() && self.unusable.is_empty() {
            return Ok(None);
        }
        let mut entries: Vec<Entry> = self.former.entries()?.into_iter().cloned().collect();
        if self.unusable.is_empty() {
            // The former set stays known by its name, so that it can be asked again.
            self.former.keep(&self.data_dir)?;
        }
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
        let path = unpacked_entry(&self.data_dir, former)?;
        check(&path, former)?;
        // Whoever signed it: it was believed when it was taken in.
        let Opened { database, .. } =
            inspect_contents(&path, Expected::Published(format, kind), &self.key)?;
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

/// The active set. What of it is broken and did not come with the program is replaced by what did; a
/// changed file of the program's own stays an error, for whoever opens it, because deleting it is
/// enough to have it back.
fn usable(data_dir: &Path) -> Result<(Set, Vec<Unusable>), Error> {
    let embedded = Set::embedded()?;
    let active = match Set::choose(data_dir, &SetChoice::Active) {
        Ok(set) => set,
        Err(error @ Error::BrokenSet { .. }) => return Ok((embedded, vec![Unusable::Set(error)])),
        Err(error) => return Err(error),
    };
    let mut unusable = Vec::new();
    let mut entries = Vec::new();
    for entry in active.entries()? {
        let own = is_bundled(entry);
        let checked = unpacked_entry(data_dir, entry)
            .and_then(|path| if own { Ok(()) } else { check(&path, entry) });
        let kept = match checked {
            Ok(()) => entry,
            Err(error @ (Error::MissingFile { .. } | Error::WrongHash { .. })) => {
                unusable.push(Unusable::File { name: entry.name.clone(), error });
                embedded.entry(&entry.name)?
            }
            Err(error) => return Err(error),
        };
        entries.push(kept.clone());
    }
    let (set, _) = Set::of(&entries, active.origin)?;
    Ok((set, unusable))
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
