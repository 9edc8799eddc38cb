use super::*;
use crate::fixture::sound::check_sound;
use crate::fixture::{Ticking, beginning, chunk, exchange, setup, tool, writer};
use crate::frame::Frame;
use crate::opening::begin;
use crate::read::{FlowQuery, Session, SessionState, Sessions};
use crate::record::Record;
use crate::record::session::Missing;
use crate::session::SessionWriter;
use flow::filter::Filter;
use flow::id::ConnectionId;
use flow::stream::Direction;
use flow::time::WallNanos;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::broadcast;

/// In memory where the system has such a place: a recovery waits for the disk several times, and
/// here there are thousands of them.
fn temp() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_none| tempfile::tempdir()).unwrap()
}

/// A session whose process was killed: one connection has ended, one is open, and of the second
/// one's frames the last ones are not committed to.
struct Killed {
    temp: TempDir,
    directory: SessionDir,
    signer: Signer,
    log: Vec<u8>,
    store: Vec<u8>,
}

impl Killed {
    fn new() -> Self {
        let temp = temp();
        let mut writer = writer(temp.path());
        let directory = writer.parts.directory.clone();
        let record = |writer: &mut SessionWriter, events: Vec<_>| {
            events.into_iter().for_each(|event| writer.handle(event).unwrap());
        };
        record(&mut writer, exchange(1));
        writer.commit().unwrap();
        record(&mut writer, beginning(2));
        writer.commit().unwrap();
        record(&mut writer, vec![chunk(2, Direction::Up, b"abc"), chunk(2, Direction::Up, b"de")]);
        writer.write().unwrap();
        drop(writer);
        let signer = Signer::load_or_create(temp.path()).unwrap();
        let log = std::fs::read(directory.log_file()).unwrap();
        let store = std::fs::read(directory.segment_file(1)).unwrap();
        Self { temp, directory, signer, log, store }
    }

    /// A copy of the session with other contents of the two files.
    fn copy(&self, log: &[u8], store: &[u8]) -> SessionDir {
        let path = self.temp.path().join("copy");
        if path.exists() {
            std::fs::remove_dir_all(&path).unwrap();
        }
        let copy = SessionDir::new(path);
        std::fs::create_dir(copy.path()).and_then(|()| copy.create_parts()).unwrap();
        std::fs::copy(self.directory.lock_file(), copy.lock_file()).unwrap();
        std::fs::copy(self.directory.seed_file(), copy.seed_file()).unwrap();
        std::fs::copy(self.directory.field_seed_file(), copy.field_seed_file()).unwrap();
        std::fs::copy(self.directory.openings_file(), copy.openings_file()).unwrap();
        std::fs::write(copy.log_file(), log).unwrap();
        std::fs::write(copy.segment_file(1), store).unwrap();
        copy
    }

    fn recover(&self, directory: &SessionDir) -> Result<Option<Recovered>, Error> {
        let clock: SharedClock = Arc::new(Ticking::default());
        recover(directory, &self.signer, &clock, &tool())
    }

    #[track_caller]
    fn recovered(&self, directory: &SessionDir) -> Recovery {
        match self.recover(directory) {
            Ok(Some(Recovered::Closed(recovery))) => recovery,
            other => panic!("{other:?}"),
        }
    }
}

/// Reads a recovered session back, as every command does.
#[track_caller]
fn check_readable(directory: &SessionDir, cut: usize) {
    let session = Session::open(directory.path()).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
    assert!(session.damage().is_none(), "cut at {cut}");
    assert_eq!(session.summary().unwrap().state, SessionState::Closed, "cut at {cut}");
    let everything = FlowQuery::all(Filter::All, WallNanos(0));
    let flows = session.flows(&everything).unwrap();
    let log = std::fs::read_to_string(directory.log_file()).unwrap();
    // Each of the fixture's connections is one flow, by itself or by its one exchange.
    let opened = log.matches("\"kind\":\"connection.open\"").count();
    assert_eq!(flows.len(), opened, "cut at {cut}");
}

/// What was read back last. A session that says the same, but for the number of bytes cut off, is
/// not read again: that takes longer than the recovery.
#[derive(Default)]
struct ReadBack(Vec<Body>);

impl ReadBack {
    #[track_caller]
    fn check(&mut self, directory: &SessionDir, records: Vec<Record>, cut: usize) {
        let said = |record: Record| match record.body {
            Body::Recovery(recovery) => Body::Recovery(Recovery {
                cut_log_bytes: Count(0),
                cut_opening_bytes: Count(0),
                cut_store_bytes: Count(0),
                ..recovery
            }),
            body => body,
        };
        let said: Vec<Body> = records.into_iter().map(said).collect();
        if self.0 != said {
            check_readable(directory, cut);
            self.0 = said;
        }
    }
}

/// Bytes of the whole lines within the first `cut` bytes.
fn whole_lines(log: &[u8], cut: usize) -> usize {
    log[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// Frames that the whole lines of a log commit to.
fn committed(log: &[u8]) -> u64 {
    let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let frames = lines.filter_map(|line| match Record::parse(line).unwrap().body {
        Body::Frames(frames) => Some(frames.count.0),
        _ => None,
    });
    frames.sum()
}

/// Where the frames of a segment begin, and where the last one ends.
fn frame_bounds(store: &[u8]) -> Vec<usize> {
    let mut bounds = vec![0];
    while let Ok(frame) = Frame::parse(&store[*bounds.last().unwrap()..]) {
        bounds.push(bounds.last().unwrap() + frame.raw.len());
    }
    bounds
}

#[test]
fn a_killed_session_is_closed_and_says_what_happened() {
    let killed = Killed::new();
    let recovery = killed.recovered(&killed.directory);
    assert_eq!(recovery.adopted_frames, Count(2));
    assert_eq!((recovery.cut_log_bytes, recovery.cut_store_bytes), (Count(0), Count(0)));
    assert_eq!(recovery.open_connections, Count(1));
    assert_eq!(recovery.open_listed, [Spelled(ConnectionId(2))]);
    assert!(recovery.missing_frames.is_empty() && recovery.session.is_none());
    let records = check_sound(&killed.directory);
    let adopted = records.iter().rev().find_map(|record| match &record.body {
        Body::Frames(frames) => Some(frames),
        _ => None,
    });
    let request = crate::fixture::REQUEST.len() as u64;
    let run = adopted.unwrap().streams[0];
    assert_eq!((run.start, run.end), (Count(request), Count(request + 5)));
    assert!(killed.recover(&killed.directory).unwrap().is_none(), "once is enough");
}

#[test]
fn the_log_can_be_cut_at_every_offset() {
    let killed = Killed::new();
    let mut read_back = ReadBack::default();
    for cut in 0..=killed.log.len() {
        let copy = killed.copy(&killed.log[..cut], &killed.store);
        let recovery = killed.recovered(&copy);
        let records = check_sound(&copy);
        let whole = whole_lines(&killed.log, cut);
        let log = std::fs::read(copy.log_file()).unwrap();
        assert!(log.starts_with(&killed.log[..whole]), "whole records stay, cut at {cut}");
        assert_eq!(recovery.cut_log_bytes, Count((cut - whole) as u64), "cut at {cut}");
        let adopted = 6 - committed(&killed.log[..whole]);
        assert_eq!(recovery.adopted_frames, Count(adopted), "cut at {cut}");
        assert_eq!(recovery.session.is_some(), whole == 0, "cut at {cut}");
        assert!(std::fs::read(copy.segment_file(1)).unwrap() == killed.store);
        read_back.check(&copy, records, cut);
    }
}

#[test]
fn the_store_can_be_cut_at_every_offset() {
    let killed = Killed::new();
    let mut read_back = ReadBack::default();
    let bounds = frame_bounds(&killed.store);
    assert_eq!(bounds.len(), 7);
    for cut in 0..=killed.store.len() {
        let copy = killed.copy(&killed.log, &killed.store[..cut]);
        let recovery = killed.recovered(&copy);
        let records = check_sound(&copy);
        let frames = bounds.iter().filter(|bound| **bound <= cut).count() - 1;
        let torn = Count((cut - bounds[frames]) as u64);
        assert_eq!(recovery.cut_store_bytes, torn, "cut at {cut}");
        assert_eq!(recovery.adopted_frames, Count(frames.saturating_sub(4) as u64), "at {cut}");
        let missing: u64 = recovery.missing_frames.iter().map(|range| range.count.0).sum();
        assert_eq!(missing, 4_usize.saturating_sub(frames) as u64, "cut at {cut}");
        assert!(std::fs::read(copy.log_file()).unwrap().starts_with(&killed.log));
        read_back.check(&copy, records, cut);
    }
}

#[test]
fn a_recovery_can_itself_be_cut_at_every_offset() {
    let killed = Killed::new();
    let mut read_back = ReadBack::default();
    let torn = killed.log.len() - 10;
    let store = &killed.store[..killed.store.len() - 1];
    let copy = killed.copy(&killed.log[..torn], store);
    let once = killed.recovered(&copy);
    let log = std::fs::read(copy.log_file()).unwrap();
    let from = whole_lines(&killed.log, torn);
    for cut in from..log.len() {
        let copy = killed.copy(&killed.log[..torn], store);
        killed.recovered(&copy);
        std::fs::remove_file(copy.checkpoint_file()).unwrap();
        std::fs::remove_file(copy.checkpoints_file()).unwrap();
        std::fs::write(copy.log_file(), &log[..cut]).unwrap();
        let again = killed.recovered(&copy);
        let records = check_sound(&copy);
        // Nothing of what the first one did is forgotten: bytes it cut are counted, and the
        // frames it adopted are committed to.
        assert_eq!(again.cut_store_bytes, once.cut_store_bytes, "cut at {cut}");
        assert!(again.cut_log_bytes >= once.cut_log_bytes, "cut at {cut}");
        let committed = records.iter().map(|record| match &record.body {
            Body::Frames(frames) => frames.count.0,
            _ => 0,
        });
        assert_eq!(committed.sum::<u64>(), 5, "cut at {cut}");
        read_back.check(&copy, records, cut);
    }
}

/// A session that was killed after it was signed twice.
fn signed_and_killed() -> (TempDir, SessionDir) {
    let temp = temp();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    writer.parts.limits.checkpoint_time = std::time::Duration::ZERO;
    for connection in 1..=2 {
        exchange(connection).into_iter().for_each(|event| writer.handle(event).unwrap());
        writer.commit().unwrap();
    }
    (temp, directory)
}

fn recover_below(temp: &TempDir, directory: &SessionDir) -> Result<Option<Recovered>, Error> {
    let signer = Signer::load_or_create(temp.path()).unwrap();
    let clock: SharedClock = Arc::new(Ticking::default());
    recover(directory, &signer, &clock, &tool())
}

#[test]
fn a_log_that_is_shorter_than_what_was_signed_while_it_ran_is_refused() {
    let (temp, directory) = signed_and_killed();
    let log = std::fs::read(directory.log_file()).unwrap();
    let shorter = &log[..whole_lines(&log, log.len() - 1)];
    // The last checkpoint apart is of the first commit, as after an interruption between the two.
    let notes = std::fs::read_to_string(directory.checkpoints_file()).unwrap();
    let first: String = notes.split_inclusive('\n').take(5).collect();
    std::fs::write(directory.checkpoint_file(), first).unwrap();
    std::fs::write(directory.log_file(), shorter).unwrap();
    let error = recover_below(&temp, &directory).unwrap_err();
    assert!(matches!(error, Error::RolledBack { .. }), "{error}");
    assert!(std::fs::read(directory.log_file()).unwrap() == shorter, "it is left alone");
    std::fs::write(directory.log_file(), &log).unwrap();
    recover_below(&temp, &directory).unwrap().unwrap();
    check_sound(&directory);
}

#[test]
fn the_checkpoints_can_be_cut_at_every_offset() {
    let (temp, directory) = signed_and_killed();
    let notes = std::fs::read(directory.checkpoints_file()).unwrap();
    let log = std::fs::read(directory.log_file()).unwrap();
    let last = std::fs::read(directory.checkpoint_file()).unwrap();
    for cut in 0..=notes.len() {
        std::fs::write(directory.log_file(), &log).unwrap();
        std::fs::write(directory.checkpoints_file(), &notes[..cut]).unwrap();
        // What is there apart was in the list before.
        let whole = notes[..cut].iter().filter(|byte| **byte == b'\n').count() / 5;
        match whole {
            0 => drop(std::fs::remove_file(directory.checkpoint_file())),
            _ => std::fs::write(directory.checkpoint_file(), &notes[..notes.len() / 2]).unwrap(),
        }
        if whole == 2 {
            std::fs::write(directory.checkpoint_file(), &last).unwrap();
        }
        recover_below(&temp, &directory).unwrap().unwrap();
        check_sound(&directory);
    }
}

#[test]
fn a_recovery_names_the_key_that_signs_it_where_it_is_another() {
    let killed = Killed::new();
    assert_eq!(killed.recovered(&killed.copy(&killed.log, &killed.store)).key, None);
    let (elsewhere, copy) = (temp(), killed.copy(&killed.log, &killed.store));
    let signer = Signer::load_or_create(elsewhere.path()).unwrap();
    let clock: SharedClock = Arc::new(Ticking::default());
    let Ok(Some(Recovered::Closed(recovery))) = recover(&copy, &signer, &clock, &tool()) else {
        panic!("not recovered")
    };
    assert_eq!(recovery.key, Some(signer.public_key().into()));
    check_sound(&copy);
}

#[test]
fn openings_beyond_the_log_can_be_cut_at_every_offset() {
    let killed = Killed::new();
    let openings = std::fs::read(killed.directory.openings_file()).unwrap();
    let ends = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    // The log was to go on with the second connection, of which the openings were there already.
    let second = b"\"connection\":\"c2\"";
    let at = killed.log.windows(second.len()).position(|bytes| bytes == second).unwrap();
    let log = &killed.log[..whole_lines(&killed.log, at)];
    let copy = killed.copy(log, &killed.store);
    killed.recovered(&copy);
    let needed = std::fs::read(copy.openings_file()).unwrap();
    assert!(openings.starts_with(&needed) && ends(&needed) < ends(&openings));
    for cut in needed.len()..=openings.len() {
        let copy = killed.copy(log, &killed.store);
        std::fs::write(copy.openings_file(), &openings[..cut]).unwrap();
        let recovery = killed.recovered(&copy);
        assert_eq!(recovery.cut_opening_bytes, Count((cut - needed.len()) as u64));
        assert!(std::fs::read(copy.openings_file()).unwrap() == needed, "cut at {cut}");
        check_sound(&copy);
    }
}

#[test]
fn a_session_of_an_older_format_is_refused_and_left_alone() {
    let killed = Killed::new();
    let older = String::from_utf8(killed.log.clone()).unwrap().replace(",\"v\":1}", ",\"v\":0}");
    let copy = killed.copy(older.as_bytes(), &killed.store);
    let error = killed.recover(&copy).unwrap_err();
    assert!(matches!(error, Error::OtherVersion { version: 0, .. }), "{error}");
    assert!(error.hint().unwrap().contains("version of Landfall"), "{error}");
    assert!(std::fs::read(copy.log_file()).unwrap() == older.as_bytes(), "nothing is cut");
    let error = Session::open(copy.path()).unwrap_err();
    assert!(error.hint().unwrap().contains("version of Landfall"), "{error}");
    // One that was closed needs nothing.
    killed.recovered(&killed.directory);
    let closed = std::fs::read_to_string(killed.directory.log_file()).unwrap();
    let closed = closed.replace(",\"v\":1}", ",\"v\":0}");
    std::fs::write(killed.directory.log_file(), closed).unwrap();
    assert_eq!(killed.recover(&killed.directory).unwrap(), None);
}

#[test]
fn what_is_cut_is_kept() {
    let killed = Killed::new();
    let copy = killed.copy(&killed.log[..killed.log.len() - 1], &killed.store);
    killed.recovered(&copy);
    let mut cuts: Vec<PathBuf> =
        std::fs::read_dir(copy.cut_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cuts.retain(|cut| cut.to_string_lossy().contains("records.jsonl"));
    let [cut] = &cuts[..] else { panic!("{cuts:?}") };
    let whole = whole_lines(&killed.log, killed.log.len() - 1);
    assert_eq!(std::fs::read(cut).unwrap(), killed.log[whole..killed.log.len() - 1]);
}

#[test]
fn a_closed_session_without_its_checkpoint_is_signed() {
    let killed = Killed::new();
    killed.recovered(&killed.directory);
    let note = std::fs::read(killed.directory.checkpoint_file()).unwrap();
    std::fs::remove_file(killed.directory.checkpoint_file()).unwrap();
    assert_eq!(killed.recover(&killed.directory).unwrap(), Some(Recovered::Signed));
    assert_eq!(std::fs::read(killed.directory.checkpoint_file()).unwrap(), note);
}

#[test]
fn a_signed_log_that_was_shortened_or_changed_is_refused_and_left_alone() {
    let killed = Killed::new();
    killed.recovered(&killed.directory);
    let path = killed.directory.log_file();
    let log = std::fs::read(&path).unwrap();
    let shortened = log[..whole_lines(&log, log.len() - 1)].to_vec();
    let changed = String::from_utf8(shortened.clone()).unwrap().replace("a case", "b case");
    for tampered in [shortened, changed.into_bytes(), Vec::new()] {
        std::fs::write(&path, &tampered).unwrap();
        let error = killed.recover(&killed.directory).unwrap_err();
        assert!(matches!(error, Error::RolledBack { .. }), "{error}");
        assert!(std::fs::read(&path).unwrap() == tampered);
    }
}

#[test]
fn each_segment_is_recovered_for_itself() {
    let temp = temp();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    writer.parts.store.segment_bytes = 1;
    for number in 1..=4 {
        exchange(number).into_iter().for_each(|event| writer.handle(event).unwrap());
        if number < 4 {
            writer.commit().unwrap();
        }
    }
    writer.write().unwrap();
    drop(writer);
    assert!(directory.segment_file(4).exists() && !directory.segment_file(5).exists());
    std::fs::remove_file(directory.segment_file(2)).unwrap();
    let signer = Signer::load_or_create(temp.path()).unwrap();
    let clock: SharedClock = Arc::new(Ticking::default());
    let Some(Recovered::Closed(recovery)) = recover(&directory, &signer, &clock, &tool()).unwrap()
    else {
        panic!("not recovered")
    };
    assert_eq!(recovery.missing_frames, [Missing { count: Count(2), first: Count(2) }]);
    assert_eq!(recovery.adopted_frames, Count(2));
    check_sound(&directory);
}

#[test]
fn a_session_that_lost_its_first_record_is_found_and_read() {
    let killed = Killed::new();
    let cut = whole_lines(&killed.log, killed.log.len()).min(20);
    std::fs::write(killed.directory.log_file(), &killed.log[..cut]).unwrap();
    let recovery = killed.recovered(&killed.directory);
    let id = recovery.session.unwrap().0;
    let sessions = Sessions::at(killed.temp.path());
    let listed = sessions.list().unwrap();
    let [only] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!(only.summary.as_ref().unwrap().id, id);
    assert_eq!(sessions.newest().unwrap().directory(), &killed.directory);
    assert_eq!(sessions.find(&id.to_string()).unwrap().directory(), &killed.directory);
    crate::index::reindex(&killed.directory).unwrap();
    check_readable(&killed.directory, cut);
}

#[test]
fn a_log_that_names_an_enormous_segment_is_recovered_at_once() {
    let killed = Killed::new();
    let text = std::str::from_utf8(&killed.log).unwrap();
    let last = text.rfind("\"segment\":1,").unwrap();
    let (before, after) = text.split_at(last);
    let after = after.strip_prefix("\"segment\":1,").unwrap();
    let enormous = format!("{before}\"segment\":{},{after}", Count::MAX);
    let copy = killed.copy(enormous.as_bytes(), &killed.store);
    let recovery = killed.recovered(&copy);
    let missing: u64 = recovery.missing_frames.iter().map(|range| range.count.0).sum();
    assert_eq!(missing, 2, "those that the log says are in it");
}

#[test]
fn only_sessions_that_nobody_writes_are_recovered() {
    let temp = temp();
    let clock: SharedClock = Arc::new(Ticking::default());
    assert!(recover_all(temp.path(), None, &clock, &tool()).unwrap().is_empty());
    let live = begin(setup(temp.path()), broadcast::channel(1).0).unwrap();
    let dead = begin(setup(temp.path()), broadcast::channel(1).0).unwrap();
    let name = dead.parts.directory.name();
    drop(dead);
    let reports = recover_all(temp.path(), None, &clock, &tool()).unwrap();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!(report.directory.name(), name);
    assert!(matches!(report.result, Ok(Recovered::Closed(_))));
    assert!(!live.parts.directory.checkpoint_file().exists());
}

#[test]
fn runs_that_start_together_do_not_close_each_others_sessions() {
    const RUNS: usize = 6;
    let temp = temp();
    for round in 1..=3 {
        let barrier = std::sync::Barrier::new(RUNS);
        let start = |number: u8| {
            let clock: SharedClock = Arc::new(Ticking::default());
            let mut setup = setup(temp.path());
            setup.entropy.session = [number; 16];
            barrier.wait();
            let recovered = recover_all(temp.path(), None, &clock, &tool()).unwrap();
            assert!(recovered.is_empty(), "{recovered:?}");
            let mut writer = begin(setup, broadcast::channel(1).0).unwrap();
            let again = recover_all(temp.path(), None, &clock, &tool()).unwrap();
            assert!(again.is_empty(), "{again:?}");
            exchange(1).into_iter().for_each(|event| writer.handle(event).unwrap());
            let directory = writer.parts.directory.clone();
            writer.close(CloseWhy::Finished).unwrap();
            check_sound(&directory);
        };
        std::thread::scope(|scope| {
            let start = &start;
            let runs = (0..).take(RUNS).map(|number| scope.spawn(move || start(number)));
            let runs: Vec<_> = runs.collect();
            runs.into_iter().for_each(|run| run.join().unwrap());
        });
        let sessions = std::fs::read_dir(SessionDir::all_below(temp.path())).unwrap();
        assert_eq!(sessions.count(), round * RUNS, "and no draft stays");
    }
}
