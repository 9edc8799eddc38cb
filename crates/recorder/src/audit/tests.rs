use super::*;
use crate::fixture::{exchange, setup, writer};
use crate::record::session::CloseWhy;
use crate::session::SessionWriter;
use std::fs;

fn record(writer: &mut SessionWriter, number: u64) {
    exchange(number).into_iter().for_each(|event| writer.handle(event).unwrap());
    writer.commit().unwrap();
}

/// A closed session.
fn recorded() -> (tempfile::TempDir, SessionDir) {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    record(&mut writer, 1);
    record(&mut writer, 2);
    writer.close(CloseWhy::Finished).unwrap();
    (temp, directory)
}

/// What contradicts a question.
fn contradicted(directory: &SessionDir) -> Vec<Clause> {
    let Ok(audit) = audit(directory) else { return vec![Clause::Integrity] };
    let fails = audit.findings.kept().iter().filter(|found| found.weight == Weight::Fails);
    let mut clauses: Vec<_> = fails.map(|found| found.clause).collect();
    clauses.dedup();
    clauses
}

#[test]
fn a_session_as_it_was_recorded_is_found_sound() {
    let (_temp, directory) = recorded();
    let audit = audit(&directory).unwrap();
    assert_eq!(audit.findings.kept(), []);
    assert_eq!((audit.connections, audit.frames, audit.closed), (2, 4, true));
    assert_eq!((audit.signed, audit.session), (audit.records, Some(SessionId([1; 16]))));
}

#[test]
fn a_session_that_is_being_recorded_is_not_proven_and_not_contradicted() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    record(&mut writer, 1);
    let directory = writer.parts.directory.clone();
    let audit = audit(&directory).unwrap();
    assert_eq!(audit.findings.worst(Clause::Completeness), Some(Weight::NotProven));
    assert_eq!(contradicted(&directory), []);
}

#[test]
fn flipped_bytes_are_found() {
    let (_temp, directory) = recorded();
    let files = [
        directory.log_file(),
        directory.openings_file(),
        directory.checkpoint_file(),
        directory.checkpoints_file(),
        directory.segment_file(1),
        directory.seed_file(),
        directory.field_seed_file(),
    ];
    for path in files {
        let sound = fs::read(&path).unwrap();
        // All of them take a minute; a step of seven comes to every kind of place.
        for at in (0..sound.len()).step_by(if sound.len() > 1_000 { 7 } else { 1 }) {
            let mut changed = sound.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert_ne!(contradicted(&directory), [], "{} byte {at}", path.display());
        }
        for cut in [1, sound.len() / 2, sound.len()] {
            fs::write(&path, &sound[..sound.len() - cut]).unwrap();
            assert_ne!(contradicted(&directory), [], "{} less {cut}", path.display());
        }
        fs::write(&path, [sound.as_slice(), sound.as_slice()].concat()).unwrap();
        assert_ne!(contradicted(&directory), [], "{} twice", path.display());
        fs::write(&path, sound).unwrap();
    }
    assert_eq!(contradicted(&directory), []);
}

#[test]
fn lines_that_are_gone_doubled_or_in_another_order_are_found() {
    let (_temp, directory) = recorded();
    for path in [directory.log_file(), directory.openings_file()] {
        let sound = fs::read(&path).unwrap();
        let lines: Vec<_> = sound.split_inclusive(|byte| *byte == b'\n').collect();
        let check = |changed: Vec<&[u8]>, what: &str| {
            fs::write(&path, changed.concat()).unwrap();
            assert_ne!(contradicted(&directory), [], "{}: {what}", path.display());
        };
        for at in 0..lines.len() {
            let mut changed = lines.clone();
            changed.remove(at);
            check(changed, &format!("line {at} gone"));
            let mut changed = lines.clone();
            changed.insert(at, lines[at]);
            check(changed, &format!("line {at} twice"));
            if at > 0 {
                let mut changed = lines.clone();
                changed.swap(at - 1, at);
                check(changed, &format!("lines {} and {at} swapped", at - 1));
            }
        }
        fs::write(&path, sound).unwrap();
    }
}

#[test]
fn what_does_not_belong_there_is_found() {
    let (_temp, directory) = recorded();
    for name in ["log/more.jsonl", "streams/000002.frames", "secrets/other"] {
        let path = directory.path().join(name);
        fs::write(&path, "x").unwrap();
        assert_eq!(contradicted(&directory), [Clause::Integrity], "{name}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_is_withheld_is_not_proven_and_not_contradicted() {
    for (name, clause) in
        [("log/openings.jsonl", Clause::Completeness), ("secrets/frame.seed", Clause::Integrity)]
    {
        let (_temp, directory) = recorded();
        fs::remove_file(directory.path().join(name)).unwrap();
        let audit = audit(&directory).unwrap();
        assert_eq!(audit.findings.worst(clause), Some(Weight::NotProven), "{name}");
        assert_eq!(contradicted(&directory), []);
    }
}

#[test]
fn the_end_of_an_interrupted_session_is_told_and_not_contradicted() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    record(&mut writer, 1);
    drop(writer);
    let clock = setup(temp.path()).clock;
    let signer = crate::Signer::load_or_create(temp.path()).unwrap();
    crate::recover(&directory, &signer, &clock, &crate::fixture::tool()).unwrap();
    let audit = audit(&directory).unwrap();
    assert_eq!(audit.findings.worst(Clause::Completeness), Some(Weight::NotProven));
    assert_eq!(contradicted(&directory), [], "{:?}", audit.findings);
}
