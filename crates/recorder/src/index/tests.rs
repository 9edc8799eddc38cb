//! The index against logs made by hand: however it came to be, it is the same.

use super::build::{self, State};
use super::testing::{Made, annotation, at, body, exchange, relay};
use super::{Handed, IndexError, Indexer, reindex};
use flow::event::Ingress;
use flow::http::Framing;
use flow::stream::Direction;
use flow::treatment::{PassthroughWhy, Treatment};
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::Path;

/// A bit of everything.
fn made() -> Made {
    let mut made = Made::new();
    for connection in 1..=5 {
        made.open(connection, connection, Ingress::Connect);
        made.target(connection, "api.example.com", None);
        made.look_up(connection, &["api.example.com", "x.alicdn.com"], &["8.136.0.1", "::1"]);
        let sg = annotation("8.136.0.1", &[("a", "SG"), ("b", "CN")]);
        let number = made.assess(&["api.example.com"], &sg);
        made.dial(connection, "8.136.0.2", number, false);
        made.dial(connection, "8.136.0.1", number, true);
        made.treat(connection, &Treatment::Intercepted);
        made.flush(&[
            (relay(connection, Direction::Up), b"GET / HTTP/1.1\r\n\r\n"),
            (relay(connection, Direction::Down), b"HTTP/1.1 200 OK\r\n\r\nhello"),
        ]);
        if connection % 2 == 0 {
            made.request(exchange(connection, 1), connection, "GET", "/");
            made.response(exchange(connection, 1), 200, "text/plain; charset=utf-8");
            let (none, five) = (body(Framing::None, 18, 18, 0), body(Framing::Identity, 19, 24, 5));
            made.end(exchange(connection, 1), connection + 2, none, Some(five));
        } else {
            made.treat(connection, &Treatment::Passthrough(PassthroughWhy::Rule("*".into())));
        }
        made.stream_close(relay(connection, Direction::Up), 18, 18);
        made.close(connection, connection + 3, 18, 24);
    }
    made
}

/// Every row of every table, in order.
fn dump(path: &Path) -> Vec<(String, Vec<Vec<Value>>)> {
    let db = Connection::open(path).unwrap();
    let mut tables =
        db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let names: Vec<String> =
        tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows = |name: &str| {
        let mut query = db.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = query.column_count();
        let mut rows: Vec<Vec<Value>> = query
            .query_map([], |row| (0..columns).map(|column| row.get(column)).collect())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        rows.sort_by_key(|row| format!("{row:?}"));
        rows
    };
    names.into_iter().map(|name| (name.clone(), rows(&name))).collect()
}

fn row_count(path: &Path, table: &str) -> usize {
    dump(path).into_iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| rows.len())
}

fn follow(made: &Made, committed: &[u64]) -> Result<(), IndexError> {
    let indexer = Indexer::start(&made.session).unwrap();
    committed.iter().for_each(|length| indexer.notify(*length, Handed::default()));
    indexer.finish()
}

#[test]
fn reindexing_gives_the_same_index_and_leaves_one_file() {
    let made = made();
    follow(&made, &[made.log_length()]).unwrap();
    let index = made.session.index_file();
    let followed = dump(&index);
    assert_eq!(row_count(&index, "connections"), 5);
    assert_eq!(row_count(&index, "flows"), 5);
    reindex(&made.session).unwrap();
    assert_eq!(dump(&index), followed);
    let mut files: Vec<_> = std::fs::read_dir(made.session.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["index.sqlite", "log", "secrets", "streams"]);
}

#[test]
fn the_index_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let made = made();
    reindex(&made.session).unwrap();
    let mode = std::fs::metadata(made.session.index_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_line_that_is_not_committed_whole_is_left_for_later() {
    let mut made = Made::new();
    let first = made.log_length();
    made.open(1, 1, Ingress::Connect);
    let second = made.log_length();
    follow(&made, &[first, second - 1]).unwrap();
    assert_eq!(row_count(&made.session.index_file(), "records"), 1);
    follow(&made, &[second]).unwrap();
    assert_eq!(row_count(&made.session.index_file(), "records"), 2);
}

#[test]
fn a_torn_end_is_no_error() {
    let made = made();
    reindex(&made.session).unwrap();
    let whole = dump(&made.session.index_file());
    made.append(b"{\"at\":\"2026");
    reindex(&made.session).unwrap();
    assert_eq!(dump(&made.session.index_file()), whole);
}

/// What the writer of the log hands over from the record with the number `from` on.
fn handed(made: &Made, from: u64) -> Handed {
    let (mut handed, mut offset) = (Handed::default(), 0);
    let log = std::fs::read(made.session.log_file()).unwrap();
    let lines = log.split_inclusive(|byte| *byte == b'\n');
    for (line, record) in lines.zip(made.records()) {
        let entry = handed.entry(&record).filter(|_entry| record.seq >= from);
        if let Some(entry) = entry {
            handed.add(entry, offset, line.len() as u64 - 1, 0);
        }
        offset += line.len() as u64;
    }
    handed
}

#[test]
fn what_is_handed_over_gives_the_same_index_as_reading_it() {
    let made = made();
    reindex(&made.session).unwrap();
    let expected = dump(&made.session.index_file());
    let length = made.log_length();
    for (from, first) in [(0, length), (0, length / 2), (30, length / 3), (30, 2 * length / 3)] {
        std::fs::remove_file(made.session.index_file()).unwrap();
        let indexer = Indexer::start(&made.session).unwrap();
        indexer.notify(first, handed(&made, from));
        indexer.notify(length, handed(&made, from));
        indexer.finish().unwrap();
        assert_eq!(dump(&made.session.index_file()), expected, "{from} {first}");
    }
}

#[test]
fn a_bad_line_stops_the_index_where_it_stands() {
    let mut made = Made::new();
    made.open(1, 1, Ingress::Connect);
    let good = made.log_length();
    made.append(b"{}\n");
    match follow(&made, &[made.log_length()]) {
        Err(IndexError::Record { offset, .. }) => assert_eq!(offset, good),
        other => panic!("{other:?}"),
    }
    assert_eq!(row_count(&made.session.index_file(), "connections"), 1);
}

#[test]
fn a_missing_line_is_noticed() {
    let mut made = Made::new();
    let log = std::fs::read(made.session.log_file()).unwrap();
    made.open(1, 1, Ingress::Connect);
    made.open(2, 2, Ingress::Connect);
    let all = std::fs::read(made.session.log_file()).unwrap();
    let third = all.split_inclusive(|byte| *byte == b'\n').nth(2).unwrap();
    std::fs::write(made.session.log_file(), [&log[..], third].concat()).unwrap();
    match follow(&made, &[made.log_length()]) {
        Err(IndexError::Sequence { expected: 1, found: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn ids_beyond_the_databases_range_are_refused_and_never_merged() {
    let mut made = Made::new();
    made.open(u64::MAX, 1, Ingress::Connect);
    match follow(&made, &[made.log_length()]) {
        Err(IndexError::Number { seq: 1, number: u64::MAX }) => {}
        other => panic!("{other:?}"),
    }
}

/// Brings an index that `spoil` has changed up again by following.
fn check_replaced(spoil: impl Fn(&Made)) {
    let made = made();
    reindex(&made.session).unwrap();
    let good = dump(&made.session.index_file());
    spoil(&made);
    follow(&made, &[made.log_length()]).unwrap();
    assert_eq!(dump(&made.session.index_file()), good);
}

#[test]
fn an_index_that_does_not_fit_is_replaced() {
    let execute = |made: &Made, sql: &str| {
        Connection::open(made.session.index_file()).unwrap().execute_batch(sql).unwrap();
    };
    check_replaced(|made| execute(made, "UPDATE progress SET version = 999; DELETE FROM flows;"));
    check_replaced(|made| {
        execute(made, "DROP TABLE progress; CREATE TABLE progress (version TEXT);");
    });
    check_replaced(|made| execute(made, "UPDATE progress SET last_sha256 = x'00'"));
    check_replaced(|made| std::fs::write(made.session.index_file(), b"no database").unwrap());
    check_replaced(|made| std::fs::write(made.session.index_file(), b"").unwrap());
    check_replaced(|made| std::fs::remove_file(made.session.index_file()).unwrap());
}

#[test]
fn a_log_that_was_cut_by_recovery_makes_the_index_foreign() {
    let mut made = Made::new();
    let kept = std::fs::read(made.session.log_file()).unwrap();
    made.open(1, 1, Ingress::Connect);
    reindex(&made.session).unwrap();
    std::fs::write(made.session.log_file(), &kept).unwrap();
    let state = || {
        let db = Connection::open(made.session.index_file()).unwrap();
        build::state(&db, &made.session.index_file(), &made.session.log_file()).unwrap()
    };
    assert_eq!(state(), State::Foreign);
    // Other lines of the same length in its place: still another log.
    made.append(&vec![b'x'; 400]);
    assert_eq!(state(), State::Foreign);
}

#[test]
fn notifying_never_waits_for_the_index() {
    let made = made();
    reindex(&made.session).unwrap();
    let blocker = Connection::open(made.session.index_file()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let indexer = Indexer::start(&made.session).unwrap();
    let begin = std::time::Instant::now();
    (0..100_000).for_each(|length| indexer.notify(length, Handed::default()));
    assert!(begin.elapsed() < std::time::Duration::from_secs(5));
    blocker.execute_batch("ROLLBACK").unwrap();
    indexer.notify(made.log_length(), Handed::default());
    indexer.finish().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_steps_in_which_a_log_grows_do_not_matter(
        cuts in proptest::collection::vec(0.0..1.0_f64, 0..8),
        restarts in 1..4_usize,
    ) {
        let made = made();
        reindex(&made.session).unwrap();
        let expected = dump(&made.session.index_file());
        std::fs::remove_file(made.session.index_file()).unwrap();
        let length = made.log_length();
        let mut steps: Vec<u64> = cuts.iter().map(|cut| (cut * length as f64) as u64).collect();
        steps.sort_unstable();
        for part in steps.chunks(restarts) {
            follow(&made, part).unwrap();
        }
        follow(&made, &[length]).unwrap();
        prop_assert_eq!(dump(&made.session.index_file()), expected);
    }
}

#[test]
fn stamps_of_records_are_what_the_tables_hold() {
    let made = made();
    reindex(&made.session).unwrap();
    let db = Connection::open(made.session.index_file()).unwrap();
    let opened: i64 =
        db.query_row("SELECT opened FROM connections WHERE id = 3", [], |row| row.get(0)).unwrap();
    assert_eq!(opened as u64, at(3).wall.0);
}
