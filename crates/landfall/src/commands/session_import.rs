//! `landfall session import`: takes what probes measured elsewhere into a session's review log. The
//! files are from strangers: nothing is taken in that is not sound, and all of them or none.

use super::review::{reviewer, writer};
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::escape::printable;
use flow::filter::Filter;
use flow::time::WallNanos;
use recorder::probe::{MOST_BYTES, ProbeFile, PublicKey};
use recorder::read::{DestinationKey, DestinationQuery, Session};
use recorder::record::probe::{ReviewProbe, Standing};
use recorder::record::review::ReviewBody;
use recorder::record::sealed::Sealed;
use recorder::review::ReviewWriter;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Reads and checks the files, then appends a record for each that is new.
pub(crate) fn run(
    context: &Context,
    session: &str,
    files: &[PathBuf],
    trusted: &[PublicKey],
    named: Option<String>,
) -> Result<Exit, Error> {
    context.no_rows()?;
    let reviewer = reviewer(context, named)?;
    let session = context.session(Some(session))?;
    let simulated = session.summary()?.simulated;
    let mut probes = Vec::new();
    for path in files {
        let probe = read(path)?;
        check(path, &probe, trusted, simulated)?;
        probes.push((path, probe));
    }
    let own = context.signer()?;
    let own = PublicKey(own.public_key());
    let mut writer = writer(context, &session)?;
    for (path, probe) in probes {
        let standing = standing(&probe, trusted, own);
        let standing = take_in(context, &mut writer, path, &probe, standing, &reviewer)?;
        tell(context, &session, &probe, standing)?;
    }
    Ok(Exit::Ok)
}

/// No more of a file is read than a probe can have.
fn read(path: &Path) -> Result<ProbeFile, Error> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map(drop));
    read.map_err(|error| {
        Error::runtime("the probe could not be read").at(path.display()).because(&error)
    })?;
    ProbeFile::parse(&bytes).map_err(|error| Error::from(error).at(path.display()))
}

/// Refuses what would say something else in this session than where it was made.
fn check(
    path: &Path,
    probe: &ProbeFile,
    trusted: &[PublicKey],
    simulated: bool,
) -> Result<(), Error> {
    if probe.probe().is_simulated() && !simulated {
        return Err(Error::runtime("the probe is simulated, and the session is not")
            .at(path.display())
            .hint("measure without [resolve] and [simulate] in the configuration"));
    }
    if !trusted.is_empty() && !trusted.contains(&probe.key()) {
        let key = probe.key();
        return Err(Error::runtime(format!("the probe is signed with another key, {key}"))
            .at(path.display())
            .hint(
                "ask its operator which key is theirs; without --trust it is taken in as unknown",
            ));
    }
    Ok(())
}

fn standing(probe: &ProbeFile, trusted: &[PublicKey], own: PublicKey) -> Standing {
    match probe.key() {
        key if trusted.contains(&key) => Standing::Named,
        key if key == own => Standing::Own,
        _ => Standing::Unknown,
    }
}

/// Appends a record, unless the log has one that says as much; gives back the standing that holds.
fn take_in(
    context: &Context,
    writer: &mut ReviewWriter,
    path: &Path,
    probe: &ProbeFile,
    standing: Standing,
    reviewer: &str,
) -> Result<Standing, Error> {
    let sha256 = probe.sha256();
    let path = path.display().to_string();
    let path = printable(&path);
    let reviews = writer.reviews()?;
    let known = reviews.probes().iter().find(|known| known.sha256 == sha256);
    if let Some(known) = known
        && (known.standing == standing || standing != Standing::Named)
    {
        context.say(&format!("{path}: is in review record {} already", known.seq));
        return Ok(known.standing);
    }
    let record = writer.append(ReviewBody::Probe(ReviewProbe {
        file: probe.text().to_owned(),
        key: probe.key().0.into(),
        reviewer: Sealed::Open(reviewer.to_owned()),
        sha256,
        standing,
    }))?;
    context.say(&format!("{path}: taken in as review record {}", record.seq));
    Ok(standing)
}

/// Says whose word it is, and of what in the session it says anything.
fn tell(
    context: &Context,
    session: &Session,
    probe: &ProbeFile,
    standing: Standing,
) -> Result<(), Error> {
    let key = probe.key();
    match standing {
        Standing::Named => context.say(&format!("signed with the key {key}, which --trust named")),
        Standing::Own => context.say("signed with the key of this installation"),
        Standing::Unknown => context.say(&format!(
            "signed with the key {key}, which is not known to be anybody's: compare it with what the \
             probe's operator tells you, and name it with --trust"
        )),
    }
    let query = DestinationQuery::all(Filter::All, WallNanos(0));
    let mut any = false;
    for row in session.destinations(&query)? {
        let DestinationKey::Host(Some(host)) = &row.key else { continue };
        let ports = session.ports(host)?;
        for seen in &row.addresses {
            if probe.measured(host, &ports, seen.address).next().is_some() {
                any = true;
                let line = format!("measured {} as {host}: see `landfall dest show`", seen.address);
                context.say(&printable(&line));
            }
        }
    }
    if !any {
        context.nothing(
            "none of its addresses is one of this session: it says nothing about it",
            "probe the same hosts, and the addresses that `landfall dest list` shows",
        );
    }
    Ok(())
}
