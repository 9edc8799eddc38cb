use super::*;
use crate::fixture::sound::check_sound;
use crate::fixture::{REQUEST, RESPONSE, beginning, chunk, exchange, opened, writer};
use crate::frame::Frame;
use crate::record::Record;
use flow::stream::{Direction, Leg};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn record(writer: &mut SessionWriter, events: Vec<Event>) {
    for event in events {
        writer.handle(event).unwrap();
    }
}

fn kinds(records: &[Record]) -> Vec<&'static str> {
    records.iter().map(|record| record.body.kind()).collect()
}

#[test]
fn a_session_from_beginning_to_end() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    record(&mut writer, exchange(1));
    writer.commit().unwrap();
    record(&mut writer, exchange(2));
    let summary = writer.close(CloseWhy::Finished).unwrap();
    let records = check_sound(&directory);
    let one = [
        "connection.open",
        "connection.target",
        "dns",
        "claims",
        "assessment",
        "connection.dial",
        "connection.treatment",
        "exchange.request",
        "exchange.response",
        "exchange.close",
        "stream.close",
        "stream.close",
        "connection.close",
        "frames",
    ];
    // The same address with the same names is asked about once.
    let other = one.iter().filter(|kind| !["claims", "assessment"].contains(kind));
    let mut expected = vec!["session.open"];
    expected.extend(one);
    expected.extend(other);
    expected.push("session.close");
    assert_eq!(kinds(&records), expected);
    assert_eq!(summary.records, records.len() as u64);
    assert_eq!((summary.connections, summary.exchanges), (2, 2));
    assert_eq!((summary.destinations, summary.flagged), (1, 1));
    assert_eq!(summary.treatments, [("plaintext", 2)].into());
    assert_eq!(summary.bytes_up, 2 * REQUEST.len() as u64);
    assert_eq!(summary.bytes_down, 2 * RESPONSE.len() as u64);
}

#[test]
fn the_streams_are_in_the_store_byte_for_byte() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    record(&mut writer, exchange(1));
    writer.close(CloseWhy::Finished).unwrap();
    let bytes = std::fs::read(directory.segment_file(1)).unwrap();
    let first = Frame::parse(&bytes).unwrap();
    let second = Frame::parse(&bytes[first.raw.len()..]).unwrap();
    assert_eq!((first.payload, second.payload), (REQUEST, RESPONSE));
    assert_eq!(bytes.len(), first.raw.len() + second.raw.len());
}

#[test]
fn beyond_its_limit_a_connection_is_counted_and_not_kept() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    writer.parts.limits.recorded_connection_bytes = 10;
    let mut events = vec![opened(1), opened(2)];
    events.extend([b"12345678", b"abcdefgh", b"ABCDEFGH"].map(|b| chunk(1, Direction::Up, b)));
    events.push(chunk(2, Direction::Down, b"0123456789"));
    record(&mut writer, events);
    let stream = crate::fixture::stream(1, Direction::Up);
    let at = crate::fixture::at(9);
    record(&mut writer, vec![Event::StreamClosed(StreamClosed { stream, at, relayed: 24 })]);
    writer.close(CloseWhy::Finished).unwrap();
    let records = check_sound(&directory);
    let gaps: Vec<_> = records.iter().filter(|r| r.body.kind() == "gap").collect();
    let [Record { body: Body::Gap(gap), .. }] = gaps[..] else { panic!("one gap: {gaps:?}") };
    assert_eq!((gap.why, gap.limit), (GapWhy::ConnectionLimit, Count(10)));
    assert_eq!(gap.connection, Some(Spelled(ConnectionId(1))));
    let close = records.iter().find_map(|record| match &record.body {
        Body::StreamClose(close) => Some((close.kept, close.relayed)),
        _ => None,
    });
    assert_eq!(close, Some((Count(10), Count(24))));
    let bytes = std::fs::read(directory.segment_file(1)).unwrap();
    let first = Frame::parse(&bytes).unwrap();
    let second = Frame::parse(&bytes[first.raw.len()..]).unwrap();
    assert_eq!((first.payload, second.payload), (&b"12345678"[..], &b"ab"[..]));
}

#[test]
fn a_large_chunk_becomes_several_frames() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    let stream = crate::fixture::stream(1, Direction::Down);
    let bytes = vec![7; 2 * crate::frame::MAX_PAYLOAD_BYTES + 1];
    let chunk = Chunk { stream, at: crate::fixture::at(1), bytes: bytes.into() };
    record(&mut writer, vec![opened(1), Event::Chunk(chunk)]);
    writer.close(CloseWhy::Finished).unwrap();
    let records = check_sound(&directory);
    let frames = records.iter().find_map(|record| match &record.body {
        Body::Frames(frames) => Some(frames),
        _ => None,
    });
    assert_eq!(frames.unwrap().count, Count(3));
    assert_eq!(frames.unwrap().streams[0].end, Count(2 * (1 << 20) + 1));
}

#[test]
fn below_the_floor_the_session_is_closed_and_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    record(&mut writer, exchange(1));
    let more_than_listed = 2..=SessionClose::OPEN_LISTED as u64 + 2;
    record(&mut writer, more_than_listed.map(opened).collect());
    writer.parts.limits.free_disk_bytes = u64::MAX;
    let floor = writer.commit().unwrap_err();
    assert!(matches!(floor, Error::DiskFloor { .. }), "{floor}");
    writer.close(CloseWhy::DiskFloor).unwrap();
    let records = check_sound(&directory);
    assert_eq!(kinds(&records)[records.len() - 2..], ["gap", "session.close"]);
    let Body::SessionClose(close) = &records.last().unwrap().body else { panic!("no close") };
    assert_eq!(close.why, CloseWhy::DiskFloor);
    assert_eq!(close.open_connections, Some(Count(1_001)), "the first had ended");
    assert_eq!(close.open_listed.len(), SessionClose::OPEN_LISTED);
    assert_eq!(close.open_listed[0], Spelled(ConnectionId(2)));
    assert!(crate::recovery::is_finished(&directory).unwrap(), "not to be recovered again");
}

#[test]
fn a_record_that_is_too_long_for_a_reader_leaves_a_gap_in_its_place() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    let longest = crate::record::MAX_LINE_BYTES as usize;
    let mut events = beginning(1);
    let head = events.iter_mut().find_map(|event| match event {
        Event::Request { head, .. } => Some(head),
        _ => None,
    });
    head.unwrap().target = vec![b'a'; longest].into();
    record(&mut writer, events);
    // As long as the line of its opening can be, with its newline.
    let mark = |text: String| Body::Marker(Marker { text: Sealed::Open(text) });
    let at = crate::fixture::at(1);
    let seq = writer.parts.log.tree().size();
    let empty = format!("{{\"seq\":{seq},\"values\":[\"\"]}}\n").len();
    writer.parts.log.append(at, mark("x".repeat(longest - empty)));
    writer.parts.log.append(at, mark("x".repeat(longest - empty + 1)));
    writer.close(CloseWhy::Finished).unwrap();
    let records = check_sound(&directory);
    let marks = records.iter().filter(|record| record.body.kind() == "marker").count();
    assert_eq!(marks, 1);
    let gaps: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.body {
            Body::Gap(gap) => Some(gap),
            _ => None,
        })
        .collect();
    let [request, mark] = gaps[..] else { panic!("two gaps: {gaps:?}") };
    assert_eq!(request.record.as_deref(), Some("exchange.request"));
    assert_eq!(request.connection, Some(Spelled(ConnectionId(1))));
    assert_eq!((request.why, request.limit), (GapWhy::RecordTooLong, Count(16 << 20)));
    assert_eq!((mark.record.as_deref(), mark.connection), (Some("marker"), None));
    // Every reader takes every line.
    let session = crate::read::Session::open(directory.path()).unwrap();
    assert!(session.damage().is_none());
    std::fs::remove_file(directory.checkpoint_file()).unwrap();
    let signer = Signer::load_or_create(temp.path()).unwrap();
    let clock: SharedClock = Arc::new(crate::fixture::Ticking::default());
    let tool = crate::fixture::tool();
    let recovered = crate::recover(&directory, &signer, &clock, &tool).unwrap();
    assert_eq!(recovered, Some(crate::Recovered::Signed), "whole, nothing is cut");
}

#[test]
fn a_running_session_is_signed_again_when_it_has_grown_and_the_time_has_come() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    let notes = || {
        let notes = std::fs::read_to_string(directory.checkpoints_file()).unwrap();
        notes.lines().count() / 5
    };
    record(&mut writer, beginning(1));
    writer.commit().unwrap();
    assert_eq!(notes(), 0, "not yet");
    assert!(writer.due_in().is_some(), "it will be");
    writer.parts.limits.checkpoint_time = Duration::ZERO;
    for expected in [1, 1] {
        writer.commit().unwrap();
        assert_eq!((notes(), writer.due_in()), (expected, None), "nothing is left to sign");
    }
    record(&mut writer, exchange(2));
    writer.commit().unwrap();
    let before = std::fs::read_to_string(directory.checkpoint_file()).unwrap();
    assert_eq!(notes(), 2);
    assert!(!crate::recovery::is_finished(&directory).unwrap());
    writer.close(CloseWhy::Finished).unwrap();
    assert_eq!(notes(), 3);
    check_sound(&directory);
    // The process stopped when it had written its last record and not signed it.
    let all = std::fs::read(directory.checkpoints_file()).unwrap();
    let two = std::fs::read_to_string(directory.checkpoints_file()).unwrap();
    let two: String = two.split_inclusive('\n').take(10).collect();
    std::fs::write(directory.checkpoints_file(), two).unwrap();
    std::fs::write(directory.checkpoint_file(), before).unwrap();
    assert!(!crate::recovery::is_finished(&directory).unwrap());
    let signer = Signer::load_or_create(temp.path()).unwrap();
    let clock: SharedClock = Arc::new(crate::fixture::Ticking::default());
    let recovered = crate::recover(&directory, &signer, &clock, &crate::fixture::tool()).unwrap();
    assert_eq!(recovered, Some(crate::Recovered::Signed));
    assert_eq!(std::fs::read(directory.checkpoints_file()).unwrap(), all);
    check_sound(&directory);
}

#[test]
fn secrets_are_private_and_not_in_the_log() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    let connection = ConnectionId(1);
    for line in ["CLIENT_RANDOM 00 11", "SERVER_TRAFFIC_SECRET_0 22 33\n"] {
        let secret = Secret { leg: Leg::Client, line: line.to_owned() };
        writer.handle(Event::Secret { connection, secret }).unwrap();
    }
    writer.close(CloseWhy::Finished).unwrap();
    let lines = std::fs::read_to_string(directory.key_log_file()).unwrap();
    assert_eq!(lines, "CLIENT_RANDOM 00 11\nSERVER_TRAFFIC_SECRET_0 22 33\n");
    assert_eq!(kinds(&check_sound(&directory)), ["session.open", "session.close"]);
    let mut seen = 0;
    check_modes(directory.path(), &mut seen);
    assert!(seen >= 8, "{seen}");
}

fn check_modes(path: &Path, seen: &mut usize) {
    let metadata = std::fs::metadata(path).unwrap();
    let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
    assert_eq!(metadata.permissions().mode() & 0o777, expected, "{}", path.display());
    *seen += 1;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            check_modes(&entry.unwrap().path(), seen);
        }
    }
}

#[test]
fn many_streams_in_one_batch_make_a_commit_due() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    for number in 1..=1_000 {
        record(&mut writer, vec![opened(number), chunk(number, Direction::Up, b"x")]);
        assert_eq!(writer.parts.store.wants_commit(), number == 1_000);
    }
}
