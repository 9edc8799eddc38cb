//! One session as a bundle: a bag with the session itself, what is made of it for other programs, and
//! a seal. The same session gives the same bytes. What is made of it can be made again, by anyone, from
//! what lies beside it.

pub mod bag;
mod case;
mod package;

use crate::error::Error;
use crate::{attributions, destinations, flows, har, lookups, pcapng};
use bag::{Bag, Sink};
use case::CaseShape;
use recorder::Signer;
use recorder::read::{Reviewed, Session, SessionState};
use recorder::review::Reviews;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes the bundle of a closed session, signed by `signer`.
///
/// # Errors
/// [`Error::Running`] for a session that is still being recorded; [`Error`] of the session or the output.
pub fn write(session: &Session, signer: &Signer, sink: Sink) -> Result<(), Error> {
    let summary = session.summary()?;
    if summary.state == SessionState::Running {
        return Err(Error::Running);
    }
    let info = [
        ("Bag-Software-Agent", AGENT.to_owned()),
        ("External-Identifier", summary.id.to_string()),
        ("Source-Organization", "see data/case.json".to_owned()),
    ];
    let reviewed = reviewed(session)?;
    let mut bag = Bag::begin(sink, &info)?;
    for (name, part) in parts(session)? {
        bag.add(&name, |out| part.write(session, &reviewed, out))?;
    }
    bag.finish(|tags| {
        let sign = |message: &[u8]| {
            signer.sign(message).try_into().map_err(|_other_length| Error::Unsigned)
        };
        let seal = crate::sshsig::SshSignature::make(signer.public_key(), tags, sign)?;
        Ok(vec![(SEAL.to_owned(), seal.armoured().into_bytes())])
    })
}

/// What people made of the session.
pub(crate) fn reviewed(session: &Session) -> Result<Arc<Reviewed>, Error> {
    Ok(Arc::new(Reviews::read(session.directory(), session.id()?)?.reviewed()))
}

/// Where a file of a bundle comes from.
pub(crate) enum Part {
    /// The session's own file.
    Copied(PathBuf),
    /// Made of the session: anybody can make it again.
    Derived(Derive),
}

/// Of the session and what people made of it, which its review log says.
type Derive = fn(&Session, &Arc<Reviewed>, &mut dyn Write) -> Result<(), Error>;

impl Part {
    pub(crate) fn write(
        &self,
        session: &Session,
        reviewed: &Arc<Reviewed>,
        out: &mut dyn Write,
    ) -> Result<(), Error> {
        match self {
            Self::Copied(path) => {
                let mut file = File::open(path).map_err(Error::File)?;
                io::copy(&mut file, out)?;
                Ok(())
            }
            Self::Derived(derive) => derive(session, reviewed, out),
        }
    }
}

/// All files below `data/`, sorted by name.
pub(crate) fn parts(session: &Session) -> Result<Vec<(String, Part)>, Error> {
    let mut parts: Vec<_> =
        DERIVED.iter().map(|(name, derive)| ((*name).to_owned(), Part::Derived(*derive))).collect();
    for directory in OWN {
        let path = session.directory().path().join(directory);
        for name in names_in(&path)? {
            parts.push((format!("{directory}/{name}"), Part::Copied(path.join(name))));
        }
    }
    parts.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(parts)
}

fn names_in(directory: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        // An archive has no directory without a file.
        Err(none) if none.kind() == io::ErrorKind::NotFound => return Ok(names),
        Err(error) => return Err(Error::File(error)),
    };
    for entry in entries {
        names.push(entry.map_err(Error::File)?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn readme(out: &mut dyn Write) -> Result<(), Error> {
    Ok(out.write_all(include_bytes!("bundle/README.md"))?)
}

fn verifier(out: &mut dyn Write) -> Result<(), Error> {
    Ok(out.write_all(include_bytes!("bundle/verify.py"))?)
}

fn notices(session: &Session, out: &mut dyn Write) -> Result<(), Error> {
    for notice in attributions(session)? {
        writeln!(out, "{notice}")?;
    }
    Ok(())
}

fn case_json(session: &Session, out: &mut dyn Write) -> Result<(), Error> {
    let case = CaseShape::of(session)?;
    serde_json::to_writer_pretty(&mut *out, &case)?;
    Ok(out.write_all(b"\n")?)
}

/// The directories of a session that a bundle holds as they are.
const OWN: [&str; 3] = ["log", "secrets", "streams"];

/// What is made of a session, by name.
const DERIVED: &[(&str, Derive)] = &[
    ("README.md", |_, _, out| readme(out)),
    ("case.json", |session, _, out| case_json(session, out)),
    ("datapackage.json", |session, _, out| package::write(session, out)),
    ("destinations.csv", destinations::write_csv),
    ("dns.jsonl", |session, _, out| lookups::write_jsonl(session, out)),
    ("flows.csv", flows::write_csv),
    ("flows.jsonl", flows::write_jsonl),
    ("geo/attributions.txt", |session, _, out| notices(session, out)),
    ("har/capture.har", har::write),
    ("pcap/capture.pcapng", |session, _, out| pcapng::write(session, out)),
    ("tool/verify.py", |_, _, out| verifier(out)),
];

/// The program that makes bundles; another version may make other files of the same session.
pub(crate) const AGENT: &str = concat!("Landfall ", env!("CARGO_PKG_VERSION"));
pub(crate) const SEAL: &str = "tagmanifest-sha256.txt.sig";
