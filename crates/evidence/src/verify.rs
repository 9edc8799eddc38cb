//! Checks a session, or a bundle of one, and answers eight questions apart: a single word for all of
//! them would promise what nobody can keep. Nothing is asked of anybody and nothing is written beside what
//! is checked; no key, root or database out of it is trusted.

mod bag;
mod derived;
mod report;
mod servers;
mod trust;

pub use report::{Answer, Line, Question, Report};
pub use trust::Trust;

use crate::bundle::parts;
use crate::error::Error;
use crate::sshsig;
use bag::{Checked, in_file};
use recorder::audit::{Audit, Clause, Findings, Place, Weight, audit};
use recorder::directory::SessionDir;
use recorder::read::Session;
use std::collections::BTreeSet;
use std::path::Path;

/// Checks the session in a directory, running or closed.
///
/// # Errors
/// [`Error::Read`] where there is no session. Everything else is in the report.
pub fn session(directory: &Path, trust: &Trust) -> Result<Report, Error> {
    checked(directory, None, trust)
}

/// Checks a bundle that lies unpacked in a directory.
///
/// # Errors
/// As of [`session`].
pub fn bundle(directory: &Path, trust: &Trust) -> Result<Report, Error> {
    let bag = bag::check(directory)?;
    checked(&directory.join("data"), Some(bag), trust)
}

/// Whether a directory is that of a bundle, and not that of a session.
pub fn is_bundle(directory: &Path) -> bool {
    directory.join("bagit.txt").exists() || directory.join("data").exists()
}

fn checked(directory: &Path, bag: Option<Checked>, trust: &Trust) -> Result<Report, Error> {
    let directory = SessionDir::new(directory);
    let mut audited = audit(&directory)?;
    if let Some(bag) = &bag {
        bag.findings.kept().iter().for_each(|found| {
            let what = found.what.clone();
            audited.findings.add(found.clause, found.weight, found.place.clone(), what);
        });
    }
    // An index that lies beside the log says what whoever made it wants.
    let read = if is_sound(&audited) { Session::open_apart(directory.path()).ok() } else { None };
    if audited.reviews_unsigned > 0 || audited.reviews_torn {
        // An append may be under way, or have been interrupted; a bundle is made of what is whole.
        let weight = if bag.is_some() { Weight::Fails } else { Weight::NotProven };
        let place = Place::File { name: "log/review.jsonl".to_owned(), offset: 0 };
        let what = format!("{} records at its end are not signed", audited.reviews_unsigned);
        audited.findings.add(Clause::Integrity, weight, place, what);
    }
    if let (Some(session), Some(bag)) = (&read, &bag) {
        strangers(session, bag, &mut audited.findings)?;
    }
    let (servers, derived) = match &read {
        Some(session) => (
            servers::check(session, &audited.intercepted, trust)?,
            derived::check(session, bag.as_ref().map(|bag| bag.by.as_str()), trust)?,
        ),
        None => (unread(Question::Servers), unread(Question::Derived)),
    };
    let lines = vec![
        of_clause(&audited, Question::Integrity, Clause::Integrity, &integrity(&audited, &bag)),
        of_sound(&audited, Question::Completeness, Clause::Completeness, &complete(&audited)),
        of_sound(&audited, Question::Order, Clause::Order, "each record in its place"),
        identity(&audited, bag.as_ref(), trust),
        Line::new(Question::Time, Answer::NotProven, NO_TIME),
        servers,
        derived,
        of_sound(&audited, Question::Trace, Clause::Trace, "whatever is cited is there"),
    ];
    Ok(Report { session: audited.session, records: audited.records, lines })
}

/// Files of a bundle that are neither the session's own nor made of it.
fn strangers(session: &Session, bag: &Checked, found: &mut Findings) -> Result<(), Error> {
    let known: BTreeSet<String> = parts(session)?.into_iter().map(|(name, _)| name).collect();
    for name in &bag.payload {
        if !known.contains(name) {
            in_file(found, &format!("data/{name}"), "no such file belongs to a bundle");
        }
    }
    Ok(())
}

fn unread(question: Question) -> Line {
    Line::new(question, Answer::NotProven, "not looked at: the records are not sound")
}

fn of_clause(audited: &Audit, question: Question, clause: Clause, passes: &str) -> Line {
    Line::of_findings(question, clause, &audited.findings, passes)
}

/// As [`of_clause`]; but what is not as it was signed passes in nothing else.
fn of_sound(audited: &Audit, question: Question, clause: Clause, passes: &str) -> Line {
    let line = of_clause(audited, question, clause, passes);
    match line.answer {
        Answer::Pass if !is_sound(audited) => Line::new(question, Answer::NotProven, NOT_AS_SIGNED),
        _ => line,
    }
}

fn is_sound(audited: &Audit) -> bool {
    audited.findings.worst(Clause::Integrity) != Some(Weight::Fails)
}

fn integrity(audited: &Audit, bag: &Option<Checked>) -> String {
    let files = bag.as_ref().map_or_else(String::new, |bag| format!("{} files, ", bag.files));
    let reviews = match audited.reviews {
        0 => String::new(),
        reviews => format!(", {reviews} of reviews"),
    };
    format!(
        "{files}{} records{reviews} and {} frames of {} bytes, as they were signed",
        audited.records, audited.frames, audited.frame_bytes
    )
}

fn complete(audited: &Audit) -> String {
    format!("{} connections, each with its end; nothing was left out", audited.connections)
}

/// Whose keys signed what is here. A key that is only named, by a log that it did not sign, is none.
fn identity(audited: &Audit, bag: Option<&Checked>, trust: &Trust) -> Line {
    if !is_sound(audited) || audited.signed == 0 {
        let what = if is_sound(audited) { "nothing is signed yet" } else { NOT_AS_SIGNED };
        return Line::new(Question::Identity, Answer::NotProven, what);
    }
    let mut keys: Vec<[u8; 32]> = audited.keys.clone();
    keys.extend(&audited.review_keys);
    keys.extend(bag.and_then(|bag| bag.sealed_by));
    keys.sort_unstable();
    keys.dedup();
    let said: Vec<String> = keys.iter().map(sshsig::fingerprint).collect();
    let said = format!("signed with {}", said.join(" and "));
    let unknown = keys.iter().filter(|key| !trust.keys.contains(key)).count();
    let what = match (unknown, trust.keys.len()) {
        (0, _) => return Line::new(Question::Identity, Answer::Pass, said),
        (_, 0) => format!("{said}; nobody said whose key that is (--trust)"),
        (_, 1) => format!("{said}; the key that you trust is another one"),
        (_, trusted) => {
            format!("{said}; not all of that is among the {trusted} keys that you trust")
        }
    };
    Line::new(Question::Identity, Answer::NotProven, what)
}

const NO_TIME: &str = "no third party has stamped it with a time";
const NOT_AS_SIGNED: &str = "what is here is not what was signed";
