//! `landfall verify`: whether a bundle or a session is what it says, a line for each question.

use crate::args::VerifyArgs;
use crate::config::limits::recorded_limits;
use crate::context::Context;
use crate::error::{Error, Exit, chain};
use crate::output::row::{Column, Kind, Row};
use crate::output::{Format, Output};
use crate::run::trust::roots;
use archive::Archive;
use evidence::handshake::Roots;
use evidence::shape::SCHEMA;
use evidence::sshsig;
use evidence::verify::{Answer, Line, Report, Trust, bundle, is_bundle, session};
use serde::Serialize;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Checks, prints the lines, and exits with what the worst of them says.
pub(crate) fn run(context: &Context, args: &VerifyArgs) -> Result<Exit, Error> {
    let mut keys = Vec::new();
    for file in &args.trust {
        keys.extend(keys_in(file)?);
    }
    let roots = Roots::new(roots(&args.roots, None)?);
    let mut trust = Trust { keys, roots, limits: recorded_limits };
    let path = args.what.as_deref().map(Path::new).filter(|path| path.exists());
    let report = match path {
        Some(path) if path.is_file() => archived(context, path, &trust)?,
        Some(path) if is_bundle(path) => bundle(path, &trust)?,
        Some(path) if path.join("log").exists() => session(path, &trust)?,
        _ => {
            let named = context.session(args.what.as_deref())?;
            // Of this installation's own sessions its own key is known; none is made here.
            let own = context.settings.data.path().join("keys").join("checkpoint.key");
            if own.exists() || context.settings.signing_key.is_some() {
                trust.keys.extend(context.signer().ok().map(|signer| signer.public_key()));
            }
            session(named.directory().path(), &trust)?
        }
    };
    let output = context.output(args.output.clone());
    let mut rows = output.rows::<LineRow<'_>>()?;
    for line in &report.lines {
        if !rows.push(&LineRow::new(&report, line))? {
            break;
        }
    }
    rows.finish()?;
    if output.format == Format::Table {
        findings(&output, &report)?;
    }
    Ok(match report.worst() {
        Answer::Pass => Exit::Ok,
        Answer::NotProven => Exit::Condition,
        Answer::Fail => Exit::Verification,
    })
}

fn keys_in(path: &Path) -> Result<Vec<[u8; 32]>, Error> {
    let failed = |error: io::Error| {
        Error::usage("the file of keys cannot be read").at(path.display()).because(&error)
    };
    let keys = sshsig::keys(&std::fs::read_to_string(path).map_err(failed)?);
    if keys.is_empty() {
        let what = "there is no ssh-ed25519 key in the file";
        return Err(Error::usage(what)
            .at(path.display())
            .hint("give a public key of OpenSSH's form"));
    }
    Ok(keys)
}

/// Checks an archive. It is unpacked into a temporary directory, which needs as much room.
fn archived(context: &Context, path: &Path, trust: &Trust) -> Result<Report, Error> {
    let failed = |error: io::Error| {
        Error::runtime("the archive cannot be unpacked").at(path.display()).because(&error)
    };
    let no_bundle = |error: &dyn std::error::Error| {
        let hint = "hint: an archive that another program packed again is checked unpacked, as a directory";
        context.say(hint);
        let why = chain(error).pop().unwrap_or_default();
        Ok(Report::of_none(format!("it is no archive as Landfall writes them: {why}")))
    };
    let archive = match Archive::open(File::open(path).map_err(failed)?) {
        Ok(archive) => archive,
        Err(error) => return no_bundle(&error),
    };
    let unpacked = tempfile::tempdir().map_err(failed)?;
    for entry in archive.files() {
        let to = unpacked.path().join(entry.name().as_str());
        let parent = to.parent().map_or_else(PathBuf::new, Path::to_owned);
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
        let mut file = File::create_new(to).map_err(failed)?;
        if let Err(error) = io::copy(&mut archive.contents(entry), &mut file) {
            // The archive says of itself what is wrong with it; all else is this machine's.
            return match error.get_ref().is_some_and(|inner| inner.is::<archive::Error>()) {
                true => no_bundle(&error),
                false => Err(failed(error)),
            };
        }
    }
    Ok(bundle(unpacked.path(), trust)?)
}

/// What was found, question by question, where the line does not say all of it.
fn findings(output: &Output, report: &Report) -> Result<(), Error> {
    output.page(|page| {
        for line in report.lines.iter().filter(|line| !line.findings.is_empty()) {
            page.gap();
            page.section(line.question.word());
            for (place, what) in line.findings.iter().take(MOST_SHOWN) {
                page.line(place, what);
            }
            let more = line.findings.len().saturating_sub(MOST_SHOWN) as u64 + line.more;
            if more > 0 {
                page.note(format!("and {more} more; -o json has them"));
            }
        }
    })
}

#[derive(Serialize)]
struct LineRow<'a> {
    schema: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    question: &'static str,
    answer: &'static str,
    what: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<FindingShape<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<u64>,
}

#[derive(Serialize)]
struct FindingShape<'a> {
    place: &'a str,
    what: &'a str,
}

impl<'a> LineRow<'a> {
    fn new(report: &Report, line: &'a Line) -> Self {
        let finding = |(place, what): &'a (String, String)| FindingShape { place, what };
        Self {
            schema: SCHEMA,
            session: report.session.map(|session| session.to_string()),
            question: line.question.word(),
            answer: line.answer.word(),
            what: &line.what,
            findings: line.findings.iter().map(finding).collect(),
            more: Some(line.more).filter(|more| *more > 0),
        }
    }
}

impl Row for LineRow<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::hidden("session", Kind::Text),
        Column::shown("question", "question", Kind::Text).whole(),
        Column::shown("answer", "answer", Kind::Word).whole(),
        Column::shown("what", "because", Kind::Text).wrapped(),
        Column::hidden("findings", Kind::Text),
        Column::hidden("more", Kind::Number),
    ];
}

/// Findings of a question that a page shows.
const MOST_SHOWN: usize = 5;
