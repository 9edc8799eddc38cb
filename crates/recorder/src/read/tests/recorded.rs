//! What the recorder itself writes, read back: nothing here is made by hand.

use super::super::error::Part;
use super::super::rows::SessionState;
use super::super::sessions::Sessions;
use super::*;
use crate::fixture::{REQUEST, beginning, end, setup, writer};
use crate::record::session::CloseWhy;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_recording_can_be_read_while_it_runs_and_after_it() {
    let data = tempfile::tempdir().unwrap();
    let (sender, receiver) = feed::channel(1 << 20);
    let recording = crate::start(setup(data.path()), receiver).unwrap();
    let path = recording.directory().path().to_owned();
    for event in beginning(1) {
        sender.send(event).await.unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    let running = loop {
        let session = Session::open(&path).unwrap();
        if ids(&session, "status:200") == ["c1.1"] {
            break session;
        }
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(running.summary().unwrap().state, SessionState::Running);
    let row = running.flow("c1.1".parse().unwrap()).unwrap().row;
    assert_eq!((row.response_bytes, row.duration, row.outcome), (None, None, None));
    let mut kept = Vec::new();
    running.raw(relay(1, Direction::Up), &mut kept).unwrap();
    assert_eq!(kept, REQUEST);
    // A reader that stays would keep the journal there.
    drop(running);

    for event in end(1) {
        sender.send(event).await.unwrap();
    }
    drop(sender);
    recording.finish().await.unwrap();
    let closed = Sessions::at(data.path()).newest().unwrap();
    let summary = closed.summary().unwrap();
    assert_eq!((summary.state, summary.state_text().as_str()), (SessionState::Closed, "closed"));
    assert_eq!((summary.connections, summary.exchanges, summary.flagged), (1, 1, 1));
    let mut body = Vec::new();
    closed.body(exchange(1, 1), Part::Response, &mut body).unwrap();
    assert_eq!(body, b"ok");
    let query = DestinationQuery::all(filter::Filter::All, NOW);
    let destination = closed.destinations(&query).unwrap().pop().unwrap();
    assert_eq!(destination.key.to_string(), "plain.example");
    assert_eq!(destination.cnames, ["cdn.example".parse::<DnsName>().unwrap()]);
    assert_eq!(destination.country.one(), Some(&Country::CN));
    assert!(!destination.dialled_without_lookup());
    // One file, which needs no other beside it.
    assert!(!path.join("index.sqlite-wal").exists());
}

#[test]
fn a_session_whose_process_is_gone_can_be_read_before_and_after_its_recovery() {
    let data = tempfile::tempdir().unwrap();
    let mut writer = writer(data.path());
    let path = writer.parts.directory.path().to_owned();
    for event in beginning(1) {
        writer.handle(event).unwrap();
    }
    writer.commit().unwrap();
    // Nothing is closed, and the lock goes.
    drop(writer);
    let session = Session::open(&path).unwrap();
    assert_eq!(session.summary().unwrap().state, SessionState::Interrupted);
    assert_eq!(ids(&session, "path:/a"), ["c1.1"]);
    drop(session);
    let again = setup(data.path());
    assert_eq!(crate::recover_all(data.path(), None, &again.clock, &again.tool).unwrap().len(), 1);
    let session = Session::open(&path).unwrap();
    let summary = session.summary().unwrap();
    assert_eq!(summary.state, SessionState::Closed);
    assert_eq!(
        summary.state_text(),
        "closed (recovered after an interruption; 1 connection was open)"
    );
    assert_eq!(ids(&session, "path:/a"), ["c1.1"]);
}

#[test]
fn a_session_that_the_disk_floor_ended_does_not_look_like_any_other() {
    let data = tempfile::tempdir().unwrap();
    let mut writer = writer(data.path());
    let path = writer.parts.directory.path().to_owned();
    for event in beginning(1).into_iter().chain(beginning(2)) {
        writer.handle(event).unwrap();
    }
    writer.close(CloseWhy::DiskFloor).unwrap();
    let summary = Session::open(&path).unwrap().summary().unwrap();
    assert_eq!(summary.ending.map(|ending| ending.why), Some(CloseWhy::DiskFloor));
    assert_eq!(
        summary.state_text(),
        "closed: free disk space fell below the floor; 2 connections were open"
    );
}
