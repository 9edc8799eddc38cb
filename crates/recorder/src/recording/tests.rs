use super::*;
use crate::fixture::sound::check_sound;
use crate::fixture::{exchange, setup};
use crate::notice::{Exchanged, Moment};
use crate::record::{Body, Record};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Records three exchanges that wait in the channel already.
async fn record(data_dir: &Path) -> (SessionDir, Summary) {
    let (sender, receiver) = feed::channel(1 << 20);
    for event in (1..=3).flat_map(exchange) {
        sender.send(event).await.unwrap();
    }
    drop(sender);
    let recording = start(setup(data_dir), receiver).unwrap();
    let directory = recording.directory().clone();
    (directory, recording.finish().await.unwrap())
}

#[tokio::test]
async fn the_same_events_give_the_same_bytes() {
    let first = tempfile::tempdir().unwrap();
    let second = tempfile::tempdir().unwrap();
    let (one, summary) = record(first.path()).await;
    // The key is the installation's: with another one, another log.
    let key = |temp: &tempfile::TempDir| temp.path().join("keys").join("checkpoint.key");
    std::fs::create_dir(second.path().join("keys")).unwrap();
    std::fs::copy(key(&first), key(&second)).unwrap();
    let (two, _) = record(second.path()).await;
    let files = |directory: &SessionDir| {
        let paths = [directory.log_file(), directory.checkpoint_file(), directory.segment_file(1)];
        paths.map(|path| std::fs::read(path).unwrap())
    };
    assert!(files(&one) == files(&two));
    assert_eq!(summary.records, check_sound(&one).len() as u64);
    assert_eq!(one.name(), "2026-11-20_111305");
    let index = std::fs::metadata(one.index_file()).unwrap();
    assert_eq!(index.permissions().mode() & 0o777, 0o600, "the index is there and private");
}

#[tokio::test]
async fn notices_tell_of_treatments_exchanges_and_ends() {
    let temp = tempfile::tempdir().unwrap();
    let (sender, receiver) = feed::channel(1 << 20);
    let recording = start(setup(temp.path()), receiver).unwrap();
    let mut listener = recording.notices();
    for event in (1..=3).flat_map(exchange) {
        sender.send(event).await.unwrap();
    }
    drop(sender);
    recording.finish().await.unwrap();
    let mut notices = Vec::new();
    while let Ok(notice) = listener.recv().await {
        notices.push(notice);
    }
    let flows: Vec<_> = notices.iter().map(|notice| notice.flow.to_string()).collect();
    assert_eq!(flows, ["c1", "c1.1", "c1", "c2", "c2.1", "c2", "c3", "c3.1", "c3"]);
    assert_eq!(notices[0].moment, Moment::Treated);
    let last = notices.last().unwrap();
    assert_eq!((last.flow.to_string(), &last.moment), ("c3".to_owned(), &Moment::Closed));
    assert!(last.bytes_up > 0 && last.bytes_down > 0);
    let exchanged = notices.iter().find(|notice| notice.flow.to_string() == "c3.1").unwrap();
    let expected = Exchanged {
        protocol: Some("http/1.1"),
        method: "GET".to_owned(),
        path: "/a".to_owned(),
        authority: Some("plain.example".to_owned()),
        status: Some(200),
    };
    assert_eq!(exchanged.moment, Moment::Exchanged(expected));
    assert_eq!(exchanged.target.as_ref().unwrap().to_string(), "plain.example:80");
    assert_eq!(exchanged.bytes_down, 2);
    assert_eq!(exchanged.destination.as_ref().unwrap().flags.len(), 1);
}

#[tokio::test]
async fn marks_are_durable_when_they_return() {
    let temp = tempfile::tempdir().unwrap();
    let (sender, receiver) = feed::channel(1 << 20);
    let recording = start(setup(temp.path()), receiver).unwrap();
    let control = recording.control();
    control.mark("upload tapped".to_owned()).await.unwrap();
    control.phase("consent refused".to_owned()).await.unwrap();
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    assert!(matches!(control.mark(long).await, Err(Error::TextTooLong { .. })));
    let log = std::fs::read(recording.directory().log_file()).unwrap();
    let kinds: Vec<_> = log
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| Record::parse(line).unwrap().body.kind())
        .collect();
    assert_eq!(kinds, ["session.open", "marker", "phase"]);
    drop(sender);
    recording.finish().await.unwrap();
    assert!(matches!(control.mark(String::new()).await, Err(Error::Stopped)));
}

#[tokio::test]
async fn events_are_durable_within_the_loss_window() {
    let temp = tempfile::tempdir().unwrap();
    let (sender, receiver) = feed::channel(1 << 20);
    let recording = start(setup(temp.path()), receiver).unwrap();
    for event in exchange(1) {
        sender.send(event).await.unwrap();
    }
    let log = recording.directory().log_file();
    let committed = async {
        while !std::fs::read_to_string(&log).unwrap().contains("\"kind\":\"frames\"") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), committed).await.unwrap();
    drop(sender);
    recording.finish().await.unwrap();
}

#[tokio::test]
async fn a_second_session_cites_the_first() {
    let temp = tempfile::tempdir().unwrap();
    let (first, _) = record(temp.path()).await;
    let (second, _) = record(temp.path()).await;
    assert_eq!(second.name(), "2026-11-20_111305-2");
    let Body::SessionOpen(open) = &check_sound(&second)[0].body else { panic!("no open") };
    let previous = open.previous.as_ref().unwrap();
    assert_eq!(previous.name, first.name());
    let note = std::fs::read_to_string(first.checkpoint_file()).unwrap();
    assert_eq!(previous.checkpoint, note);
}

#[tokio::test]
async fn a_failing_disk_ends_the_recording_with_its_path() {
    let temp = tempfile::tempdir().unwrap();
    let (sender, receiver) = feed::channel(1 << 20);
    let recording = start(setup(temp.path()), receiver).unwrap();
    // The first segment cannot be created where something else is.
    let segment = recording.directory().segment_file(1);
    std::fs::create_dir(&segment).unwrap();
    for event in exchange(1) {
        if sender.send(event).await.is_err() {
            break;
        }
    }
    let error = recording.finish().await.unwrap_err();
    assert!(error.to_string().contains("000001.frames"), "{error}");
    assert!(sender.send(crate::fixture::opened(2)).await.is_err(), "connections learn of it");
}

#[test]
fn at_the_floor_what_had_been_handed_over_was_lost() {
    let temp = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (sender, receiver) = feed::channel(1 << 20);
    for event in (1..=3).flat_map(exchange) {
        runtime.block_on(sender.send(event)).unwrap();
    }
    // A mark goes first, and with it comes the commit that finds the floor.
    let (commands, commanded) = mpsc::channel(1);
    commands.try_send(Command::Mark("now".to_owned(), oneshot::channel().0)).unwrap();
    let mut writer = begin(setup(temp.path()), broadcast::channel(1).0).unwrap();
    writer.parts.limits.free_disk_bytes = u64::MAX;
    let directory = writer.parts.directory.clone();
    let error = run(&runtime, writer, receiver, commanded).unwrap_err();
    assert!(error.is_full(), "{error}");
    assert_eq!(runtime.block_on(sender.send(exchange(4).remove(0))), Err(feed::RecorderGone));
    let records = check_sound(&directory);
    let closed = |record: &&Record| matches!(record.body, Body::ConnectionClose(_));
    assert_eq!(records.iter().filter(closed).count(), 3);
}

/// A writer that finds less room than its floor from now on.
fn without_room(data_dir: &Path) -> SessionWriter {
    let mut writer = begin(setup(data_dir), broadcast::channel(1).0).unwrap();
    writer.commit().unwrap();
    writer.parts.limits.free_disk_bytes = u64::MAX;
    writer
}

#[test]
fn a_disk_that_filled_while_nothing_passed_was_not_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (sender, receiver) = feed::channel(1 << 20);
    let (_commands, commanded) = mpsc::channel(1);
    let error = run(&runtime, without_room(temp.path()), receiver, commanded).unwrap_err();
    assert!(matches!(error, Error::DiskFloor { .. }), "{error}");
    assert!(sender.is_closed(), "a connection learns of it before it is served");
}

#[test]
fn a_connection_is_told_of_a_full_disk_before_the_next_commit() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = without_room(temp.path());
    let mut batch = vec![crate::fixture::opened(1)];
    let error = take(&mut writer, &mut batch).unwrap_err();
    assert!(matches!(error, Error::DiskFloor { .. }), "{error}");
    assert!(batch.is_empty() && writer.due_in().is_some(), "it belongs to the record still");
}
