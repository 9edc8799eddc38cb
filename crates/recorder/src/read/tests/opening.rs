use super::super::error::ReadError;
use super::super::rows::SessionState;
use super::super::sessions::Sessions;
use super::*;
use crate::index::{Handed, IndexError, reindex};
use std::fs;

#[test]
fn a_session_without_an_index_gets_one() {
    let mut made = sample();
    made.session_close();
    let summary = open(&made).summary().unwrap();
    assert!(made.session.index_file().is_file());
    assert_eq!(summary.state, SessionState::Closed);
    assert_eq!((summary.opened, summary.closed), (at(0).wall, Some(at(100).wall)));
    assert_eq!((summary.connections, summary.exchanges), (5, 2));
    assert_eq!((summary.bytes_up, summary.bytes_down), (602_510, 1_700));
    assert_eq!((summary.destinations, summary.flagged), (4, 1));
    assert_eq!(summary.case.as_deref(), Some("Case 1"));
    assert_eq!(summary.device.as_deref(), Some("Test phone"));
    assert_eq!(summary.name, "s1");
    assert!(summary.simulated);
}

#[test]
fn an_index_that_lags_is_completed_when_nobody_records() {
    let mut made = sample();
    reindex(&made.session).unwrap();
    made.open(6, 50, Ingress::Connect);
    made.append(b"{\"torn");
    let session = open(&made);
    assert_eq!(ids(&session, "connection:c6"), ["c6"]);
    assert_eq!(session.summary().unwrap().state, SessionState::Interrupted);
    assert!(session.damage().is_none());
}

#[test]
fn a_running_session_is_read_as_far_as_its_writer_has_indexed_it() {
    let mut made = sample();
    let lock = fs::File::create(made.session.lock_file()).unwrap();
    lock.lock().unwrap();
    // Before the writer has made an index, a private one serves.
    let session = open(&made);
    assert_eq!(session.summary().unwrap().state, SessionState::Running);
    assert_eq!(ids(&session, "").len(), 6);
    assert!(!made.session.index_file().exists());
    assert!(matches!(reindex(&made.session), Err(IndexError::Running { .. })));

    crate::index::Indexer::start(&made.session)
        .inspect(|indexer| indexer.notify(made.log_length(), Handed::default()))
        .and_then(crate::index::Indexer::finish)
        .unwrap();
    made.open(6, 50, Ingress::Connect);
    let session = open(&made);
    assert_eq!(session.summary().unwrap().state, SessionState::Running);
    assert_eq!(ids(&session, "connection:c6"), [""; 0]);
    drop(lock);
    assert_eq!(ids(&open(&made), "connection:c6"), ["c6"]);
}

#[test]
fn what_a_writer_adds_is_seen_through_an_open_session() {
    let mut made = Made::new();
    let indexer = crate::index::Indexer::start(&made.session).unwrap();
    let lock = fs::File::create(made.session.lock_file()).unwrap();
    lock.lock().unwrap();
    indexer.notify(made.log_length(), Handed::default());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !made.session.index_file().exists() || open(&made).summary().is_err() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    made.open(1, 1, Ingress::Connect);
    indexer.notify(made.log_length(), Handed::default());
    indexer.finish().unwrap();
    assert_eq!(ids(&open(&made), ""), ["c1"]);
}

#[test]
fn a_damaged_index_is_made_anew() {
    for damage in [&b"no database"[..], b"", b"SQLite format 3\0 and then nothing of the kind"] {
        let made = sample();
        fs::write(made.session.index_file(), damage).unwrap();
        assert_eq!(ids(&open(&made), "").len(), 6);
    }
}

#[test]
fn damage_inside_an_index_is_an_error_that_says_what_to_do() {
    let made = sample();
    reindex(&made.session).unwrap();
    let mut bytes = fs::read(made.session.index_file()).unwrap();
    // All pages but those of the schema and of what opening reads.
    let page = 4096;
    bytes.chunks_mut(page).skip(6).for_each(|page| page.fill(0x5a));
    fs::write(made.session.index_file(), &bytes).unwrap();
    let result = Session::open(made.session.path())
        .and_then(|session| session.flows(&FlowQuery::all(filter::Filter::All, NOW)));
    match result {
        Ok(rows) => assert_eq!(rows.len(), 6),
        Err(error) => {
            assert!(matches!(error, ReadError::Index(IndexError::Database { .. })), "{error:?}");
            assert!(error.hint().unwrap().contains("reindex"));
        }
    }
    reindex(&made.session).unwrap();
    assert_eq!(ids(&open(&made), "").len(), 6);
}

#[test]
fn a_directory_that_cannot_be_written_is_read_through_a_private_index() {
    let made = sample();
    // Stands for a read-only file system: permissions do not bind every user.
    fs::create_dir(made.session.index_file()).unwrap();
    assert_eq!(ids(&open(&made), "").len(), 6);
}

#[test]
fn a_damaged_log_is_read_up_to_the_damage_and_says_so() {
    let made = sample();
    made.append(b"{\"seq\":1}\n");
    let session = open(&made);
    assert_eq!(ids(&session, "").len(), 6);
    assert!(matches!(session.damage(), Some(IndexError::Record { .. })));
}

#[test]
fn what_is_no_session_is_refused() {
    let made = Made::new();
    let check = |log: Option<&[u8]>| {
        fs::remove_file(made.session.log_file()).ok();
        if let Some(log) = log {
            fs::write(made.session.log_file(), log).unwrap();
        }
        Session::open(made.session.path()).unwrap_err()
    };
    assert!(matches!(check(None), ReadError::NotASession(_)));
    assert!(matches!(check(Some(b"")), ReadError::NotASession(_)));
    assert!(matches!(check(Some(b"{\"a")), ReadError::NotASession(_)));
    assert!(matches!(check(Some(b"{}\n")), ReadError::Index(IndexError::Record { .. })));
}

#[test]
fn sessions_are_found_by_name_and_id() {
    let mut made = Made::new();
    let below = made.session.path().parent().unwrap().to_owned();
    let sessions = Sessions::at(made.data.path());
    // Another one, later, and directories that are none.
    fs::create_dir_all(below.join("s12/log")).unwrap();
    let mut later = crate::record::Record {
        at: at(9),
        nonce: [0; 16],
        seq: 0,
        body: Made::session_open("s12", 9),
    };
    // Its values are withheld.
    let seed = crate::seal::FieldSeed::new([0; 32]);
    seed.seal(&[0; 16], 0, &mut later.body, &mut Vec::new(), &mut Vec::new());
    let mut later = later.line();
    later.push(b'\n');
    fs::write(below.join("s12/log/records.jsonl"), later).unwrap();
    fs::create_dir_all(below.join("empty/log")).unwrap();
    fs::write(below.join("a file"), b"").unwrap();
    fs::create_dir_all(below.join("broken/log")).unwrap();
    fs::write(below.join("broken/log/records.jsonl"), b"{}\n").unwrap();

    let name = |session: Result<Session, ReadError>| session.map(|s| s.directory().name());
    assert_eq!(name(sessions.find("s1")).unwrap(), "s1");
    assert_eq!(name(sessions.find("s12")).unwrap(), "s12");
    assert_eq!(name(sessions.find("0909")).unwrap(), "s12");
    assert_eq!(name(sessions.newest()).unwrap(), "s12");
    match sessions.find("s").map(|_| ()) {
        Err(ReadError::Ambiguous { names, .. }) => assert_eq!(names, ["s1", "s12"]),
        other => panic!("{other:?}"),
    }
    assert!(matches!(sessions.find("x"), Err(ReadError::NoSession { wanted: Some(_), .. })));
    assert!(sessions.find("../s1").is_err());
    made.open(1, 1, Ingress::Connect);
    let listed: Vec<(String, bool)> = sessions
        .list()
        .unwrap()
        .iter()
        .map(|listed| {
            let name = listed.directory.file_name().unwrap().to_str().unwrap().to_owned();
            (name, listed.summary.is_ok())
        })
        .collect();
    assert_eq!(
        listed,
        [("s1".to_owned(), true), ("s12".to_owned(), true), ("broken".to_owned(), false)]
    );
    let nothing = Sessions::at(&made.data.path().join("nowhere"));
    assert!(nothing.list().unwrap().is_empty());
    assert!(matches!(nothing.newest(), Err(ReadError::NoSession { wanted: None, .. })));
}

#[test]
fn details_hold_every_record_of_a_flow_with_its_number() {
    let mut made = sample();
    made.stream_close(relay(1, Direction::Up), 2500, 2500);
    let session = open(&made);
    let detail = session.flow("c1.2".parse().unwrap()).unwrap();
    assert_eq!(detail.row.path.as_deref(), Some("/upload"));
    assert_eq!(detail.connection.lookups.len(), 1);
    assert_eq!(detail.connection.dials.len(), 1);
    assert_eq!(detail.connection.streams.len(), 1);
    let exchange = detail.exchange.unwrap();
    let request = exchange.request.unwrap();
    assert_eq!(request.body.method.as_str(), Some("POST"));
    assert_eq!(exchange.responses.len(), 1);
    let close = exchange.close.unwrap();
    assert_eq!(close.body.request_body.bytes.0, 2000);
    assert!(request.seq < close.seq);
    assert_eq!(detail.connection.open.unwrap().seq, 1);
    assert!(!detail.cut);

    // Listed by its exchanges, and there all the same.
    let connection = session.flow("c1".parse().unwrap()).unwrap();
    assert_eq!(connection.row.id.to_string(), "c1");
    assert_eq!(connection.row.request_bytes, Some(2500));
    assert_eq!(connection.exchange, None);
    assert_eq!(connection.row.annotation.as_deref(), Some(&google()));
    for missing in ["c9", "c1.3", "c18446744073709551615"] {
        let result = session.flow(missing.parse().unwrap());
        assert!(matches!(result, Err(ReadError::NoFlow(_))), "{missing}");
    }
}
