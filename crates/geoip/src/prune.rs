//! Removing sets of databases that nobody asks for any more, with the files that no other set has. Which
//! files sessions were recorded with is the caller's knowledge.

use crate::config::Config;
use crate::error::Error;
use crate::set::{Set, SetOrigin, SetStatus, manifest_path, sets};
use crate::store::{directory, file_error, lock};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What stays beside the active set, the embedded one and the one that the configuration names.
#[derive(Clone, Copy, Debug)]
pub struct Keep<'a> {
    /// So many of the others, the newest.
    pub newest: usize,
    /// SHA-256 of files that sessions were recorded with: they stay, and so do sets of nothing else.
    pub named: &'a BTreeSet<String>,
}

/// Whether it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruning {
    Real,
    /// It is only told what would be.
    Dry,
}

/// What is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub sets: Vec<SetStatus>,
    /// Files that no set has that stays, and how large they are together. Some may have been of no set:
    /// what an update left that was killed.
    pub files: usize,
    pub bytes: u64,
}

/// Removes sets, and then the files that only they had.
///
/// # Errors
/// An update is under way; a manifest is broken; something cannot be listed or removed.
pub fn prune(config: &Config, keep: Keep<'_>, pruning: Pruning) -> Result<Pruned, Error> {
    let data_dir = &config.data_dir;
    let _lock = lock(data_dir)?;
    let pinned = Set::choose(data_dir, &config.set)?.id;
    let (mut kept_hashes, mut pruned) = (keep.named.clone(), Pruned::default());
    let mut newest = keep.newest;
    for set in sets(data_dir)? {
        let in_use = set.active || set.origin == SetOrigin::Embedded || set.id == pinned;
        let named = set.files.iter().all(|file| keep.named.contains(&file.sha256));
        let stays = in_use || named || newest > 0;
        if !in_use && !named {
            newest = newest.saturating_sub(1);
        }
        match stays {
            true => kept_hashes.extend(set.files.into_iter().map(|file| file.sha256)),
            false => pruned.sets.push(set),
        }
    }
    let folders = unknown_folders(data_dir, &kept_hashes)?;
    for folder in &folders {
        let (files, bytes) = contents(folder)?;
        pruned.files += files;
        pruned.bytes += bytes;
    }
    if pruning == Pruning::Real {
        // A set without files would be one that cannot be opened; files without a set are removed by
        // the next run.
        for set in &pruned.sets {
            let path = manifest_path(data_dir, &set.id);
            std::fs::remove_file(&path).map_err(|source| file_error(&path, "remove", source))?;
        }
        for path in &folders {
            std::fs::remove_dir_all(path).map_err(|source| file_error(path, "remove", source))?;
        }
    }
    Ok(pruned)
}

/// The folders of files whose hashes are not among these.
fn unknown_folders(data_dir: &Path, known: &BTreeSet<String>) -> Result<Vec<PathBuf>, Error> {
    let folder = directory(data_dir);
    let unreadable = |source| file_error(&folder, "list", source);
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_hash =
            name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hash && !known.contains(&name) && entry.file_type().map_err(unreadable)?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// How many files lie in a folder, and how large they are together.
fn contents(folder: &Path) -> Result<(usize, u64), Error> {
    let unreadable = |source| file_error(folder, "list", source);
    let mut found = (0, 0);
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.and_then(|entry| entry.metadata()).map_err(unreadable)?;
        found = (found.0 + 1, found.1 + entry.len());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Entry;
    use crate::policy::Policies;
    use crate::set::SetChoice;
    use crate::store::{make_folder, place};

    /// A set whose first file is of that day, with that file in its place; the file's hash.
    fn add(data_dir: &Path, day: u32) -> String {
        let set = Set::embedded().unwrap();
        let mut entries: Vec<Entry> = set.entries().unwrap().into_iter().cloned().collect();
        entries[0].built = format!("2027-01-{day:02}");
        entries[0].sha256 = format!("{day:064x}");
        let path = place(data_dir, &entries[0]);
        make_folder(path.parent().unwrap()).unwrap();
        std::fs::write(path, "some bytes").unwrap();
        Set::of(&entries, SetOrigin::Kept).unwrap().0.activate(data_dir).unwrap();
        entries[0].sha256.clone()
    }

    fn dates(data_dir: &Path) -> Vec<String> {
        let built = |set: SetStatus| set.files[0].built.clone();
        sets(data_dir).unwrap().into_iter().map(built).collect()
    }

    #[test]
    fn sets_stay_that_are_active_pinned_embedded_new_or_named_by_a_session() {
        let dir = tempfile::tempdir().unwrap();
        let hashes: Vec<String> = (1..=6).map(|day| add(dir.path(), day)).collect();
        let all = sets(dir.path()).unwrap();
        let pinned = all.iter().find(|set| set.files[0].built == "2027-01-02").unwrap();
        let config = Config {
            set: pinned.id.as_str().parse::<SetChoice>().unwrap(),
            data_dir: dir.path().to_owned(),
            extra_mmdb: Vec::new(),
            overrides: Vec::new(),
            policies: Policies::default(),
        };
        let mut named: BTreeSet<String> =
            all[0].files[1..].iter().map(|file| file.sha256.clone()).collect();
        named.insert(hashes[0].clone());
        let keep = Keep { newest: 1, named: &named };
        let before = dates(dir.path());
        let told = prune(&config, keep, Pruning::Dry).unwrap();
        assert_eq!((dates(dir.path()), told.sets.len()), (before, 2));
        assert_eq!((told.files, told.bytes), (2, 20));
        let pruned = prune(&config, keep, Pruning::Real).unwrap();
        assert_eq!(pruned, told);
        let embedded = Set::embedded().unwrap().entries().unwrap()[0].built.clone();
        let stay = ["2027-01-06", &embedded, "2027-01-05", "2027-01-02", "2027-01-01"];
        assert_eq!(dates(dir.path()), stay);
        for (day, hash) in (1..).zip(&hashes) {
            let lies = directory(dir.path()).join(hash).exists();
            assert_eq!(lies, ![3, 4].contains(&day), "{day}");
        }
        assert_eq!(prune(&config, keep, Pruning::Real).unwrap(), Pruned::default());
    }

    #[test]
    fn while_an_update_is_under_way_nothing_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = lock(dir.path()).unwrap();
        let config = Config {
            set: SetChoice::Active,
            data_dir: dir.path().to_owned(),
            extra_mmdb: Vec::new(),
            overrides: Vec::new(),
            policies: Policies::default(),
        };
        let keep = Keep { newest: 0, named: &BTreeSet::new() };
        let refused = prune(&config, keep, Pruning::Real);
        assert!(matches!(refused, Err(Error::UpdateUnderWay { .. })), "{refused:?}");
    }
}
