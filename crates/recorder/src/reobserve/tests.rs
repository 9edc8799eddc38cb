use super::pairs::MOST_WAITING;
use super::*;
use crate::fixture::{at, beginning, opened, setup, stream, writer};
use crate::record::sealed::Sealed;
use crate::record::value::Text;
use crate::seal::FieldSeed;
use crate::session::SessionWriter;
use bytes::Bytes;
use flow::event::{Closed, Event, StreamClosed, Timings};
use flow::id::FlowId;
use flow::stream::{Chunk, Direction};
use flow::time::Stamp;
use flow::treatment::{Outcome, PlaintextWhy, Treatment};
use observe::Observer;

/// Records as the proxy does: each chunk, then what the observer makes of it.
struct Tap {
    writer: SessionWriter,
    connection: u64,
    observer: Observer,
    now: u64,
    passed: [u64; 2],
}

impl Tap {
    /// A connection of plain HTTP, whose observer is the one that its first bytes ask for.
    fn open(mut writer: SessionWriter, connection: u64, observer: Observer) -> Self {
        writer.handle(opened(connection)).unwrap();
        let treatment = Treatment::Plaintext(PlaintextWhy::Http);
        let treated = Event::Treated { connection: ConnectionId(connection), at: at(1), treatment };
        writer.handle(treated).unwrap();
        Self { writer, connection, observer, now: 1_000, passed: [0; 2] }
    }

    fn http1(writer: SessionWriter, connection: u64) -> Self {
        let observer = Observer::http1(ConnectionId(connection), &Limits::default());
        Self::open(writer, connection, observer)
    }

    /// A connection inside TLS that negotiated no protocol.
    fn without_alpn(mut writer: SessionWriter, connection: u64) -> Self {
        writer.handle(opened(connection)).unwrap();
        let id = ConnectionId(connection);
        let treatment = Treatment::Intercepted;
        writer.handle(Event::Treated { connection: id, at: at(1), treatment }).unwrap();
        let observer = Observer::undecided(id, &Limits::default());
        Self { writer, connection, observer, now: 1_000, passed: [0; 2] }
    }

    fn pass(&mut self, direction: Direction, bytes: &[u8]) -> &mut Self {
        let at = self.tick();
        let stream = stream(self.connection, direction);
        self.passed[usize::from(direction == Direction::Down)] += bytes.len() as u64;
        let chunk = Chunk { stream, at, bytes: Bytes::copy_from_slice(bytes) };
        self.writer.handle(Event::Chunk(chunk)).unwrap();
        let mut events = Vec::new();
        self.observer.feed(direction, at, bytes, &mut events);
        self.tell(events)
    }

    /// Makes what came so far durable.
    fn commit(&mut self) -> &mut Self {
        self.writer.commit().unwrap();
        self
    }

    fn end(&mut self, direction: Direction) -> &mut Self {
        let at = self.tick();
        let stream = stream(self.connection, direction);
        self.writer.handle(Event::StreamEnded { stream, at }).unwrap();
        let mut events = Vec::new();
        self.observer.end(direction, at, &mut events);
        self.tell(events)
    }

    fn close(mut self) -> SessionWriter {
        let at = self.tick();
        let mut events = Vec::new();
        self.observer.cut(Direction::Up, at, &mut events);
        self.observer.cut(Direction::Down, at, &mut events);
        self.tell(events);
        for (direction, relayed) in [Direction::Up, Direction::Down].into_iter().zip(self.passed) {
            let stream = stream(self.connection, direction);
            let closed = StreamClosed { stream, at, relayed };
            self.writer.handle(Event::StreamClosed(closed)).unwrap();
        }
        let (connection, outcome) = (ConnectionId(self.connection), Outcome::Completed);
        let timings = Timings::default();
        self.writer.handle(Event::Closed(Closed { connection, at, outcome, timings })).unwrap();
        self.writer
    }

    fn tell(&mut self, events: Vec<Event>) -> &mut Self {
        for event in events {
            self.writer.handle(event).unwrap();
        }
        self
    }

    fn tick(&mut self) -> Stamp {
        self.now += 1;
        at(self.now)
    }
}

fn run(directory: &SessionDir) -> (Reobserved, Vec<Difference>) {
    let mut differences = Vec::new();
    let mut each = |difference: &Difference| {
        differences.push(difference.clone());
        Ok(())
    };
    let found = reobserve(directory, &Limits::default(), &mut each).unwrap();
    (found, differences)
}

/// Two pipelined requests, an interim response, chunks with a trailer, a body until the close.
fn conversation(writer: SessionWriter, connection: u64) -> SessionWriter {
    let mut tap = Tap::http1(writer, connection);
    tap.pass(Direction::Up, b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab")
        .commit()
        .pass(Direction::Up, b"c\r\n0\r\nT: 1\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
        .end(Direction::Up)
        .pass(Direction::Down, b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-")
        .pass(Direction::Down, b"Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nuntil the ")
        .commit()
        .pass(Direction::Down, b"end")
        .end(Direction::Down);
    tap.close()
}

/// Rewrites the log of a session, record by record.
fn alter(directory: &SessionDir, mut each: impl FnMut(&mut Record) -> bool) {
    let seed = std::fs::read(directory.field_seed_file()).unwrap();
    let seed = FieldSeed::new(seed.try_into().unwrap());
    let (mut altered, mut openings) = (Vec::new(), Vec::new());
    for mut record in crate::fixture::records(directory) {
        if each(&mut record) {
            let Record { nonce, seq, body, .. } = &mut record;
            seed.seal(nonce, *seq, body, &mut Vec::new(), &mut openings);
            altered.extend(record.line());
            altered.push(b'\n');
        }
    }
    std::fs::write(directory.log_file(), altered).unwrap();
    std::fs::write(directory.openings_file(), openings).unwrap();
}

/// A closed session of two conversations of two exchanges.
fn recorded() -> (tempfile::TempDir, SessionDir) {
    let temp = tempfile::tempdir().unwrap();
    let writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    let writer = conversation(conversation(writer, 1), 2);
    writer.close(crate::record::session::CloseWhy::Finished).unwrap();
    (temp, directory)
}

#[test]
fn what_was_observed_is_observed_again() {
    let (_temp, directory) = recorded();
    let (found, differences) = run(&directory);
    assert_eq!(differences, []);
    let expected = Reobserved { connections: 2, exchanges: 4, bytes: 390, ..Default::default() };
    assert_eq!(found, expected);
    assert!(found.is_confirmed());
}

#[test]
fn what_is_withheld_is_not_compared_and_a_body_that_was_changed_is_found() {
    let (_temp, directory) = recorded();
    std::fs::remove_file(directory.openings_file()).unwrap();
    let seed = std::fs::read(directory.body_seed_file()).unwrap();
    for found in [true, false] {
        if !found {
            std::fs::remove_file(directory.body_seed_file()).unwrap();
        }
        let (found, differences) = run(&directory);
        assert_eq!(differences, []);
        assert!(found.is_confirmed());
    }
    let (_temp, directory) = recorded();
    std::fs::write(directory.body_seed_file(), [&seed[1..], &[0]].concat()).unwrap();
    let (_, differences) = run(&directory);
    let fields: Vec<_> = differences.iter().map(|it| it.field.as_str()).collect();
    // Of each connection: one request with a body, and two answers.
    assert_eq!(fields.len(), 6, "{fields:?}");
    assert!(fields.iter().all(|field| field.ends_with("_body.commitment.root")), "{fields:?}");
}

#[test]
fn http2_in_the_clear_is_told_by_its_preface_and_lost_sync_is_found_again() {
    let temp = tempfile::tempdir().unwrap();
    let writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    let observer = Observer::http2(ConnectionId(1), &Limits::default());
    let mut tap = Tap::open(writer, 1, observer);
    // The server was faster: what it sends first is read once the device's preface is known.
    tap.pass(Direction::Down, &[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .pass(Direction::Up, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .pass(Direction::Up, &[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .pass(Direction::Up, &[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x84, 0x86])
        .pass(Direction::Down, b"no frame at all, none");
    let mut tap = Tap::http1(tap.close(), 2);
    tap.pass(Direction::Up, b"GET / HTTP/1.1\r\n\r\n\0\0\0 nothing\r\n\r\n");
    tap.close().close(crate::record::session::CloseWhy::Finished).unwrap();
    let lost = std::fs::read_to_string(directory.log_file()).unwrap();
    assert_eq!(lost.matches("\"kind\":\"lost-sync\"").count(), 2);
    let (found, differences) = run(&directory);
    assert_eq!(differences, []);
    assert_eq!((found.connections, found.exchanges, found.differ), (2, 2, 0));
}

#[test]
fn without_alpn_the_first_bytes_tell_again_what_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    let mut greeted = Tap::without_alpn(writer, 1);
    greeted.pass(Direction::Down, b"220 mail ESMTP\r\n").pass(Direction::Up, b"EHLO phone\r\n");
    let mut http1 = Tap::without_alpn(greeted.close(), 2);
    http1.pass(Direction::Up, b"GE").commit().pass(Direction::Up, b"T / HTTP/1.1\r\n\r\n");
    let mut http2 = Tap::without_alpn(http1.close(), 3);
    http2
        .pass(Direction::Down, &[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .pass(Direction::Up, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .pass(Direction::Up, &[0, 0, 0, 4, 0, 0, 0, 0, 0])
        .pass(Direction::Up, &[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x84, 0x86]);
    http2.close().close(crate::record::session::CloseWhy::Finished).unwrap();
    let (found, differences) = run(&directory);
    assert_eq!(differences, []);
    assert_eq!((found.connections, found.exchanges, found.differ), (2, 2, 0));
}

#[test]
fn a_log_that_says_something_else_than_the_bytes_is_found_out() {
    let (_temp, directory) = recorded();
    let mut removed = false;
    alter(&directory, |record| {
        match &mut record.body {
            Body::ExchangeResponse(response) if response.status == 200 && !removed => {
                response.status = 404;
                response.fields[0].1 = Sealed::Open(Text(Bytes::from_static(b"3")));
                record.at.mono.0 += 1;
                removed = true;
            }
            Body::ExchangeClose(close) if close.exchange.0.to_string() == "c2.1" => return false,
            _ => {}
        }
        true
    });
    let (found, differences) = run(&directory);
    let told: Vec<_> = differences
        .iter()
        .map(|it| {
            let (recorded, derived) = (it.recorded.as_deref(), it.derived.as_deref());
            (it.flow.to_string(), it.record, it.field.as_str(), recorded, derived)
        })
        .collect();
    let response = |field, recorded, derived| {
        ("c1.1".to_owned(), "exchange.response", field, Some(recorded), Some(derived))
    };
    assert_eq!(
        told[..3],
        [
            response("fields[0][1]", "\"3\"", "\"2\""),
            response("mono", "\"1005001\"", "\"1005000\""),
            response("status", "404", "200"),
        ]
    );
    let [.., (flow, record, field, None, Some(derived))] = &told[..] else { panic!("{told:?}") };
    assert_eq!((flow.as_str(), *record, *field), ("c2.1", "exchange.close", ""));
    assert!(derived.contains("\"request_body\""), "{derived}");
    assert_eq!((told.len(), found.differ, found.is_confirmed()), (4, 2, false));
}

#[test]
fn another_version_of_the_observer_may_have_seen_something_else() {
    let (_temp, directory) = recorded();
    alter(&directory, |record| {
        if let Body::ExchangeRequest(request) = &mut record.body {
            request.observer = "http/older".to_owned();
            if request.exchange.0.to_string() == "c1.2" {
                request.method = Text(Bytes::from_static(b"PUT"));
            }
        }
        true
    });
    let (found, differences) = run(&directory);
    let [difference] = &differences[..] else { panic!("{differences:?}") };
    assert_eq!(difference.field, "method");
    assert_eq!(difference.other_observer.as_deref(), Some("http/older"));
    assert_eq!((found.differ, found.differ_by_version, found.is_confirmed()), (1, 1, true));
    assert_eq!(found.other_observers, ["http/older".to_owned()].into());
}

#[test]
fn what_was_not_kept_is_cut_and_no_difference() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    writer.parts.limits.recorded_connection_bytes = 160;
    let writer = conversation(writer, 1);
    writer.close(crate::record::session::CloseWhy::Finished).unwrap();
    let (found, differences) = run(&directory);
    assert_eq!(differences, []);
    assert_eq!((found.exchanges, found.differ, found.cut), (2, 0, 2));
}

#[test]
fn an_interrupted_session_is_cut_where_it_was_interrupted() {
    let temp = tempfile::tempdir().unwrap();
    let writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    let mut tap = Tap::http1(conversation(writer, 1), 2);
    tap.pass(Direction::Up, b"GET /first HTTP/1.1\r\n\r\n").commit();
    tap.pass(Direction::Up, b"GET /second HTTP/1.1\r\n\r\n");
    // Handed to the operating system; their records are not.
    tap.writer.write().unwrap();
    drop(tap);
    let again = setup(temp.path());
    assert_eq!(crate::recover_all(temp.path(), None, &again.clock, &again.tool).unwrap().len(), 1);
    let (found, differences) = run(&directory);
    assert_eq!(differences, []);
    assert_eq!((found.exchanges, found.differ, found.cut), (4, 0, 1));
}

#[test]
fn lost_bytes_cut_what_follows_them() {
    let (_temp, directory) = recorded();
    let path = directory.segment_file(1);
    let store = std::fs::read(&path).unwrap();
    std::fs::write(&path, &store[..store.len() - 10]).unwrap();
    let (found, differences) = run(&directory);
    assert_eq!(differences, []);
    assert_eq!((found.exchanges, found.differ, found.cut), (4, 0, 1));
}

/// What the events of the other tests say was made by hand, and not by an observer.
#[test]
fn a_made_up_exchange_is_no_derived_one() {
    let temp = tempfile::tempdir().unwrap();
    let mut writer = writer(temp.path());
    let directory = writer.parts.directory.clone();
    for event in beginning(1).into_iter().chain(crate::fixture::end(1)) {
        if let Event::Request { exchange, mut head } = event {
            head.target = Bytes::from_static(b"/other");
            writer.handle(Event::Request { exchange, head }).unwrap();
        } else {
            writer.handle(event).unwrap();
        }
    }
    writer.close(crate::record::session::CloseWhy::Finished).unwrap();
    let (found, differences) = run(&directory);
    let target = differences.iter().find(|difference| difference.field == "target").unwrap();
    assert_eq!(target.flow, FlowId::Exchange("c1.1".parse().unwrap()));
    assert_eq!(target.recorded.as_deref(), Some("\"/other\""));
    assert!(!found.is_confirmed());
}

/// A request of one of many exchanges of a connection, as it stands in the log.
fn request(number: u32) -> Body {
    let mut events = beginning(1);
    let at = events.iter().position(|event| matches!(event, Event::Request { .. })).unwrap();
    let Event::Request { mut exchange, head } = events.swap_remove(at) else { unreachable!() };
    exchange.number = number;
    Body::derived(&Event::Request { exchange, head }, None).unwrap().1
}

#[test]
fn records_behind_a_hole_are_counted_and_not_kept() {
    const LATER: u32 = 1_000;
    let check = |cut: fn(&mut Replay), waiting: usize| {
        let mut each = |_: &Difference| Ok(());
        let mut found = Found { totals: Reobserved::default(), bodies: None, each: &mut each };
        let mut replay = Replay::new(ConnectionId(1));
        // One that waits when the bytes turn out to be missing.
        replay.recorded(at(1), request(1), &mut found).unwrap();
        cut(&mut replay);
        for number in 2..=LATER {
            replay.recorded(at(1), request(number), &mut found).unwrap();
        }
        assert_eq!(replay.waiting(), waiting);
        replay.closed(at(2));
        replay.finish(&mut found).unwrap();
        assert_eq!(
            (found.totals.exchanges, found.totals.cut),
            (u64::from(LATER), u64::from(LATER))
        );
    };
    check(|replay| replay.expect(Direction::Up, 7), 0);
    let cut = |replay: &mut Replay| {
        replay.cut();
        replay.nothing_follows();
    };
    check(cut, 0);
    // Bytes may still follow.
    check(Replay::cut, LATER as usize);
}

#[test]
fn records_that_wait_in_vain_are_told_before_they_fill_the_memory() {
    let mut told = Vec::new();
    let mut each = |difference: &Difference| {
        told.push(difference.flow);
        Ok(())
    };
    let mut found = Found { totals: Reobserved::default(), bodies: None, each: &mut each };
    let mut replay = Replay::new(ConnectionId(1));
    let record = request(1);
    for _ in 0..=MOST_WAITING {
        replay.recorded(at(1), record.clone(), &mut found).unwrap();
    }
    assert_eq!(replay.waiting(), MOST_WAITING);
    assert_eq!(told, [FlowId::Exchange("c1.1".parse().unwrap())]);
}
