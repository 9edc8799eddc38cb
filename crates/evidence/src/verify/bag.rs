//! The bag around a session: manifests, seal, and nothing beside what they list.

use crate::bundle::SEAL;
use crate::bundle::bag::{BAGIT, MANIFEST, PAYLOAD, TAG_MANIFEST};
use crate::error::Error;
use crate::sshsig::SshSignature;
use archive::Name;
use geoip::digest::sha256_of;
use recorder::audit::{Clause, Findings, Place, Weight};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What a bag came to.
pub(super) struct Checked {
    pub(super) findings: Findings,
    /// Files that the manifests list.
    pub(super) files: usize,
    /// The names of the files below `data/`.
    pub(super) payload: Vec<String>,
    /// The key of a seal that holds.
    pub(super) sealed_by: Option<[u8; 32]>,
    /// The program that wrote it, by its own word.
    pub(super) by: String,
}

/// Checks the bag in a directory.
///
/// # Errors
/// [`Error::File`] where its directory cannot be listed.
pub(super) fn check(root: &Path) -> Result<Checked, Error> {
    let mut found = Findings::default();
    let mut stands = BTreeSet::new();
    walk(root, "", &mut stands, &mut found).map_err(Error::File)?;
    let tags = read(root, TAG_MANIFEST, &mut found);
    let sealed_by = seal(&read(root, SEAL, &mut found), &tags, &mut found);
    let mut listed = BTreeMap::new();
    list(TAG_MANIFEST, &tags, false, &mut listed, &mut found);
    list(MANIFEST, &read(root, MANIFEST, &mut found), true, &mut listed, &mut found);
    for name in TAGS {
        if !listed.contains_key(name) {
            in_file(&mut found, name, "the manifest of tag files does not list it");
        }
    }
    for (name, hash) in &listed {
        // What is no file was found fault with, and is not opened.
        if !stands.contains(name) {
            in_file(&mut found, name, "it is missing");
            continue;
        }
        match File::open(root.join(name)).and_then(|mut file| sha256_of(&mut file)) {
            Ok(is) if is == *hash => {}
            Ok(_) => in_file(&mut found, name, "it is not the file that the manifest lists"),
            Err(error) => in_file(&mut found, name, format!("it cannot be read: {error}")),
        }
    }
    for name in &stands {
        let is_manifest = [TAG_MANIFEST, SEAL].contains(&name.as_str());
        if !is_manifest && !listed.contains_key(name) {
            in_file(&mut found, name, "no manifest lists it");
        }
    }
    if read(root, "bagit.txt", &mut found) != BAGIT {
        in_file(&mut found, "bagit.txt", "it is not that of a bag of version 1.0");
    }
    let info = read(root, "bag-info.txt", &mut found);
    let agent = info.lines().find_map(|line| line.strip_prefix("Bag-Software-Agent: "));
    let by = agent.unwrap_or_default().to_owned();
    let payload = stands.iter().filter_map(|name| name.strip_prefix(PAYLOAD)).map(str::to_owned);
    Ok(Checked { findings: found, files: listed.len(), payload: payload.collect(), sealed_by, by })
}

/// The files below a directory. What is neither file nor directory is found fault with.
fn walk(
    directory: &Path,
    prefix: &str,
    files: &mut BTreeSet<String>,
    found: &mut Findings,
) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if name.parse::<Name>().is_err() {
            in_file(found, &name, "no file of a bundle has such a name");
        } else if kind.is_dir() {
            walk(&entry.path(), &format!("{name}/"), files, found)?;
        } else if kind.is_file() {
            files.insert(name);
        } else {
            in_file(found, &name, "it is neither a file nor a directory");
        }
    }
    Ok(())
}

/// A small file of the bag; empty where it is missing, which is found fault with.
fn read(root: &Path, name: &str, found: &mut Findings) -> String {
    let read = || {
        let path = root.join(name);
        if !std::fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let file = File::open(path)?;
        let mut text = String::new();
        file.take(MOST_MANIFEST).read_to_string(&mut text).map(|_| text)
    };
    read().unwrap_or_else(|error: io::Error| {
        in_file(found, name, format!("it cannot be read: {error}"));
        String::new()
    })
}

/// The key of a seal that holds.
fn seal(seal: &str, tags: &str, found: &mut Findings) -> Option<[u8; 32]> {
    match SshSignature::parse(seal) {
        Some(signature) if signature.is_of(tags.as_bytes()) => Some(signature.key),
        Some(_) => {
            in_file(found, SEAL, "it is not a signature over the manifest of tag files");
            None
        }
        None => {
            in_file(found, SEAL, "it is no signature of a bundle");
            None
        }
    }
}

/// Adds the lines of a manifest.
fn list(
    manifest: &str,
    lines: &str,
    payload: bool,
    listed: &mut BTreeMap<String, String>,
    found: &mut Findings,
) {
    let mut before = "";
    for line in lines.split_terminator('\n') {
        let entry = line.split_once("  ").filter(|(hash, name)| {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            hash.len() == 64
                && hash.bytes().all(hex)
                && name.starts_with(PAYLOAD) == payload
                && (payload || TAGS.contains(name))
                && name.parse::<Name>().is_ok()
        });
        match entry {
            Some((hash, name)) if name > before => {
                listed.insert(name.to_owned(), hash.to_owned());
                before = name;
            }
            Some((_, name)) => {
                in_file(found, manifest, format!("{name} is out of order or listed twice"));
            }
            None => in_file(found, manifest, "a line is no entry"),
        }
    }
    if !lines.is_empty() && !lines.ends_with('\n') {
        in_file(found, manifest, "its last line has no end");
    }
}

/// A finding about a file of the bag.
pub(super) fn in_file(findings: &mut Findings, name: &str, what: impl Into<String>) {
    let place = Place::File { name: name.to_owned(), offset: 0 };
    findings.add(Clause::Integrity, Weight::Fails, place, what);
}

const TAGS: [&str; 3] = ["bag-info.txt", "bagit.txt", MANIFEST];
/// Of about a million files.
const MOST_MANIFEST: u64 = 256 << 20;
