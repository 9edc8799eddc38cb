//! The review log: appended, interrupted at every byte, changed by hand.

use super::*;
use crate::checkpoint::Checkpoint;
use crate::fixture::{Ticking, exchange, tool, writer};
use crate::merkle::{Hash, Tree};
use crate::record::review::{ReviewNote, SeenShape};
use crate::record::sealed::Sealed;
use crate::record::session::CloseWhy;
use crate::record::value::Spelled;
use crate::signer::Signer;
use flow::verdict::Verdict;
use std::sync::Arc;
use tempfile::TempDir;

/// A recorded session.
struct Made {
    temp: TempDir,
    directory: SessionDir,
}

const SESSION: SessionId = SessionId([1; 16]);

impl Made {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let mut writer = writer(temp.path());
        let directory = writer.parts.directory.clone();
        exchange(1).into_iter().for_each(|event| writer.handle(event).unwrap());
        writer.close(CloseWhy::Finished).unwrap();
        Self { temp, directory }
    }

    fn signer(&self) -> Signer {
        Signer::load_or_create(self.temp.path()).unwrap()
    }

    fn open_with(&self, signer: Signer) -> Result<ReviewWriter, Error> {
        ReviewWriter::open(&self.directory, SESSION, signer, Arc::new(Ticking::default()), tool())
    }

    fn open(&self) -> Result<ReviewWriter, Error> {
        self.open_with(self.signer())
    }

    fn note(&self, text: &str) {
        self.open().unwrap().append(note(text)).unwrap();
    }

    fn read(&self) -> Result<Reviews, Error> {
        Reviews::read(&self.directory, SESSION)
    }

    #[track_caller]
    fn texts(&self) -> Vec<String> {
        texts(&self.read().unwrap())
    }

    /// The two files.
    fn files(&self) -> [Vec<u8>; 2] {
        [self.directory.review_file(), self.directory.review_checkpoint_file()]
            .map(|path| std::fs::read(path).unwrap())
    }

    fn openings(&self) -> Vec<u8> {
        std::fs::read(self.directory.review_openings_file()).unwrap()
    }

    fn put(&self, log: &[u8], note: Option<&[u8]>) {
        std::fs::write(self.directory.review_file(), log).unwrap();
        let checkpoint = self.directory.review_checkpoint_file();
        match note {
            Some(note) => std::fs::write(checkpoint, note).unwrap(),
            None => drop(std::fs::remove_file(checkpoint)),
        }
    }
}

fn note(text: &str) -> ReviewBody {
    ReviewBody::Note(ReviewNote {
        destination: Some(Spelled("plain.example".parse().unwrap())),
        reviewer: Sealed::Open("m".to_owned()),
        text: Sealed::Open(text.to_owned()),
    })
}

fn verdict(host: &str, verdict: Verdict) -> ReviewBody {
    ReviewBody::Verdict(ReviewVerdict {
        assessment: SeenShape {
            digest: String::new(),
            sentences: Vec::new(),
            version: String::new(),
        },
        destination: Spelled(host.parse().unwrap()),
        reason: Sealed::Open("because".to_owned()),
        reviewer: Sealed::Open("m".to_owned()),
        verdict: Spelled(verdict),
    })
}

fn texts(reviews: &Reviews) -> Vec<String> {
    let text = |record: &ReviewRecord| match &record.body {
        ReviewBody::Note(note) => note.text.to_string(),
        body => body.kind().to_owned(),
    };
    reviews.records().iter().map(text).collect()
}

#[test]
fn the_first_record_cites_the_session_and_its_log() {
    let made = Made::new();
    assert!(made.read().unwrap().records().is_empty());
    let captured = std::fs::read(made.directory.log_file()).unwrap();
    made.note("one");
    made.note("two");
    assert_eq!(made.texts(), ["review.open", "one", "two"]);
    assert_eq!(std::fs::read(made.directory.log_file()).unwrap(), captured, "it is not touched");
    let reviews = made.read().unwrap();
    let [ReviewRecord { body: ReviewBody::Open(open), .. }, ..] = reviews.records() else {
        panic!("{reviews:?}");
    };
    let note = std::fs::read_to_string(made.directory.checkpoint_file()).unwrap();
    let signed = Checkpoint::parse(&note).unwrap();
    assert_eq!(
        (open.capture.records.0, &open.capture.root.0[..]),
        (signed.size, &signed.root.as_bytes()[..])
    );
    assert_eq!(open.session.0, SESSION);
    // Its own checkpoint is over its own lines.
    let [log, note] = made.files();
    let mut tree = Tree::default();
    log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(|line| {
        tree.push(Hash::of_leaf(line));
    });
    let checkpoint = Checkpoint::of_review(SESSION, 3, tree.root());
    assert!(checkpoint.is_signed(str::from_utf8(&note).unwrap(), &made.signer().public_key()));
}

#[test]
fn a_session_that_is_being_recorded_can_be_reviewed() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    writer.commit().unwrap();
    let made = Made { temp, directory };
    made.note("while it runs");
    exchange(1).into_iter().for_each(|event| writer.handle(event).unwrap());
    writer.close(CloseWhy::Finished).unwrap();
    made.note("after it");
    assert_eq!(made.texts(), ["review.open", "while it runs", "after it"]);
}

#[test]
fn the_last_verdict_holds_and_all_are_kept() {
    let made = Made::new();
    let mut log = made.open().unwrap();
    for (host, word) in [
        ("a.example", Verdict::Concern),
        ("b.example", Verdict::Unclear),
        ("a.example", Verdict::NoConcern),
    ] {
        log.append(verdict(host, word)).unwrap();
    }
    let reviews = made.read().unwrap();
    let holds = |host: &str| reviews.verdict(&host.parse().unwrap()).map(|(_, v)| v.verdict.0);
    assert_eq!(holds("a.example"), Some(Verdict::NoConcern));
    assert_eq!(holds("b.example"), Some(Verdict::Unclear));
    assert_eq!(holds("c.example"), None);
    assert_eq!(reviews.of_destination(&"a.example".parse().unwrap()).count(), 2);
}

#[test]
fn an_append_that_was_interrupted_at_any_byte_costs_itself_alone() {
    let made = Made::new();
    made.note("one");
    let [before, signed_before] = made.files();
    made.note("two");
    let [after, _] = made.files();
    let openings = made.openings();
    for cut in before.len()..=after.len() {
        made.put(&after[..cut], Some(&signed_before));
        // Those of the append were there before its lines.
        std::fs::write(made.directory.review_openings_file(), &openings).unwrap();
        let whole = cut == after.len();
        let expected: &[&str] = match whole {
            true => &["review.open", "one", "two"],
            false => &["review.open", "one"],
        };
        assert_eq!(made.texts(), expected, "cut at {cut}");
        let mut log = made.open().unwrap();
        log.append(note("three")).unwrap();
        drop(log);
        let expected = [expected, &["three"]].concat();
        assert_eq!(made.texts(), expected, "cut at {cut}");
    }
    let cuts = std::fs::read_dir(made.directory.cut_dir()).unwrap();
    let of_log = |name: std::ffi::OsString| name.to_string_lossy().starts_with("review.jsonl.");
    let cuts = cuts.filter(|entry| of_log(entry.as_ref().unwrap().file_name())).count();
    assert_eq!(cuts, after.len() - before.len() - 1, "what is cut is kept");
}

#[test]
fn the_first_append_can_be_interrupted_too() {
    let made = Made::new();
    made.note("one");
    let [whole, _] = made.files();
    let openings = made.openings();
    for cut in 0..=whole.len() {
        made.put(&whole[..cut], None);
        std::fs::write(made.directory.review_openings_file(), &openings).unwrap();
        made.note("again");
        let texts = made.texts();
        assert!(texts.first().is_some_and(|first| first == "review.open"), "cut at {cut}");
        assert!(texts.last().is_some_and(|last| last == "again"), "cut at {cut}");
    }
}

#[test]
fn openings_of_an_append_whose_lines_were_not_written_are_cut_off() {
    let made = Made::new();
    made.note("one");
    let ([log, checkpoint], openings) = (made.files(), made.openings());
    made.note("two");
    let after = made.openings();
    for cut in openings.len()..=after.len() {
        made.put(&log, Some(&checkpoint));
        std::fs::write(made.directory.review_openings_file(), &after[..cut]).unwrap();
        assert_eq!(made.texts(), ["review.open", "one"], "cut at {cut}");
        made.note("three");
        assert_eq!(made.texts(), ["review.open", "one", "three"], "cut at {cut}");
    }
}

#[test]
fn a_text_that_was_changed_is_refused_and_one_that_is_withheld_is_hidden() {
    let made = Made::new();
    made.note("one");
    let changed = String::from_utf8(made.openings()).unwrap().replace("one", "two");
    std::fs::write(made.directory.review_openings_file(), changed).unwrap();
    let error = made.read().unwrap_err();
    assert!(matches!(error, Error::BadOpening { seq: 1, .. }), "{error}");
    std::fs::remove_file(made.directory.review_openings_file()).unwrap();
    assert_eq!(made.texts(), ["review.open", "(withheld)"]);
}

#[test]
fn every_changed_byte_is_noticed() {
    let made = Made::new();
    made.note("one");
    made.note("two");
    let [log, checkpoint] = made.files();
    for at in 0..log.len() {
        let mut changed = log.clone();
        changed[at] ^= 1;
        made.put(&changed, Some(&checkpoint));
        assert!(made.read().is_err(), "byte {at} of the log");
        assert!(made.open().is_err(), "byte {at} of the log");
        assert_eq!(made.files()[0], changed, "it is left as it is");
    }
    for at in 0..checkpoint.len() {
        let mut changed = checkpoint.clone();
        changed[at] ^= 1;
        made.put(&log, Some(&changed));
        assert!(made.read().is_err(), "byte {at} of the checkpoint");
    }
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let [open, one, two] = lines[..] else { panic!() };
    for wrong in [
        vec![],
        vec![open, one],
        vec![open, two, one],
        vec![one, two],
        vec![open, open, one, two],
        vec![open, one, one, two],
    ] {
        made.put(&wrong.concat(), Some(&checkpoint));
        assert!(made.read().is_err(), "{wrong:?}");
    }
    made.put(&log, Some(&checkpoint));
    ["three", "four"].iter().for_each(|text| made.note(text));
    let [longer, _] = made.files();
    made.put(&longer, None);
    let fault = made.read().unwrap_err();
    assert!(
        matches!(fault, Error::BadReview { fault: ReviewFault::Unsigned { .. }, .. }),
        "{fault}"
    );
    made.put(b"", None);
    assert!(made.read().unwrap().records().is_empty());
}

#[test]
fn a_log_that_another_key_signed_or_of_another_session_is_refused() {
    let made = Made::new();
    made.note("one");
    let [log, _] = made.files();
    let stranger = tempfile::tempdir().unwrap();
    let stranger = Signer::load_or_create(stranger.path()).unwrap();
    let mut tree = Tree::default();
    for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        tree.push(Hash::of_leaf(line));
    }
    let forged = Checkpoint::of_review(SESSION, 2, tree.root()).sign(&stranger);
    made.put(&log, Some(forged.as_bytes()));
    let error = made.read().unwrap_err();
    assert!(matches!(error, Error::BadReview { fault: ReviewFault::Signature, .. }), "{error}");
    let other = Checkpoint::of_review(SessionId([2; 16]), 2, tree.root()).sign(&made.signer());
    for note in [Some(other.as_bytes()), None] {
        made.put(&log, note);
        let error = Reviews::read(&made.directory, SessionId([2; 16])).unwrap_err();
        let fault = matches!(error, Error::BadReview { fault: ReviewFault::OtherSession, .. });
        assert!(fault, "{error}");
    }
}

#[test]
fn another_installation_names_its_key_before_it_signs() {
    let made = Made::new();
    made.note("one");
    let elsewhere = tempfile::tempdir().unwrap();
    let signer = || Signer::load_or_create(elsewhere.path()).unwrap();
    made.open_with(signer()).unwrap().append(note("two")).unwrap();
    made.open_with(signer()).unwrap().append(note("three")).unwrap();
    made.note("four");
    let expected = ["review.open", "one", "review.key", "two", "three", "review.key", "four"];
    assert_eq!(made.texts(), expected);
}

#[test]
fn writers_wait_for_each_other() {
    let made = Arc::new(Made::new());
    let writers: Vec<_> = (0..4)
        .map(|number| {
            let made = Arc::clone(&made);
            std::thread::spawn(move || {
                for round in 0..5 {
                    made.note(&format!("{number}.{round}"));
                    made.read().unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(made.texts().len(), 21);
}

#[test]
fn a_record_log_that_was_changed_is_not_cited() {
    let made = Made::new();
    let path = made.directory.log_file();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("a case", "A case", 1)).unwrap();
    let error = made.open().unwrap().append(note("one")).unwrap_err();
    assert!(matches!(error, Error::RolledBack { .. }), "{error}");
    assert!(made.read().unwrap().records().is_empty());
}
