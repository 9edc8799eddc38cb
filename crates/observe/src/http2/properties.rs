//! Properties over random connections: streams that interleave in any way, bytes that arrive in
//! any parts, and bytes that are no HTTP/2 at all.

use super::body::DataReader;
use super::frame::{flag, kind};
use super::testing::*;
use flow::event::Event;
use flow::http::{Body, BodyEnd, Framing, RequestHead};
use flow::limits::Limits;
use flow::stream::Direction::{self, Down, Up};
use flow::stream::Extent;
use proptest::prelude::*;
use std::collections::VecDeque;

/// A random connection, and what was put into it.
struct Connection {
    choices: Choices,
    up: Encoder,
    down: Encoder,
    script: Script,
    exchanges: Vec<Planned>,
}

/// An exchange, as it should be observed.
#[derive(Default)]
struct Planned {
    stream_id: u32,
    path: String,
    status: u16,
    up: Sent,
    down: Sent,
}

/// One side of it: what is still to be sent, and the body.
#[derive(Default)]
struct Sent {
    steps: VecDeque<Step>,
    body: Vec<u8>,
    trailers: bool,
}

enum Step {
    /// `:status` in responses; ends the stream or not.
    Head(u16, bool),
    Data(Vec<u8>, bool),
    Trailers,
}

impl Connection {
    fn new(seed: u64, exchanges: usize) -> Self {
        let mut connection = Self {
            choices: Choices(seed | 1),
            up: Encoder::new(seed ^ 0x5555),
            down: Encoder::new(seed ^ 0xaaaa),
            script: vec![(Up, PREFACE.to_vec())],
            exchanges: Vec::new(),
        };
        connection.send(Up, settings(&[(1, 8000), (4, 1 << 20)]));
        connection.send(Down, settings(&[(1, 300), (3, 100)]));
        let mut started = 0;
        while started < exchanges || connection.is_busy() {
            if started < exchanges && connection.choices.once_in(3) {
                connection.start(started);
                started += 1;
            }
            connection.advance();
            connection.make_noise();
        }
        connection
    }

    fn is_busy(&self) -> bool {
        self.exchanges.iter().any(|e| !e.up.steps.is_empty() || !e.down.steps.is_empty())
    }

    fn send(&mut self, direction: Direction, bytes: Vec<u8>) {
        self.script.push((direction, bytes));
    }

    fn start(&mut self, number: usize) {
        let status = [200, 204, 404][self.choices.below(3)];
        let mut down = self.plan(status);
        for _ in 0..self.choices.below(3) {
            down.steps.push_front(Step::Head(103, false));
        }
        let mut exchange = Planned {
            stream_id: 2 * number as u32 + 1,
            path: format!("/{}", "p".repeat(number % 7)),
            status,
            up: self.plan(0),
            down,
        };
        // Streams open in the order of their identifiers.
        let head = exchange.up.steps.pop_front().unwrap();
        self.exchanges.push(exchange);
        self.perform(self.exchanges.len() - 1, Up, head);
    }

    fn plan(&mut self, status: u16) -> Sent {
        let mut sent = Sent { trailers: self.choices.once_in(4), ..Sent::default() };
        let frames = self.choices.below(4);
        sent.steps.push_back(Step::Head(status, frames == 0 && !sent.trailers));
        for frame in 1..=frames {
            let length = self.choices.below(400);
            let bytes: Vec<u8> = (0..length).map(|_| self.choices.below(256) as u8).collect();
            sent.body.extend(&bytes);
            sent.steps.push_back(Step::Data(bytes, frame == frames && !sent.trailers));
        }
        if sent.trailers {
            sent.steps.push_back(Step::Trailers);
        }
        sent
    }

    fn advance(&mut self) {
        if self.exchanges.is_empty() {
            return;
        }
        let index = self.choices.below(self.exchanges.len());
        let direction = if self.choices.once_in(2) { Up } else { Down };
        let exchange = &mut self.exchanges[index];
        let sent = if direction == Up { &mut exchange.up } else { &mut exchange.down };
        if let Some(step) = sent.steps.pop_front() {
            self.perform(index, direction, step);
        }
    }

    fn perform(&mut self, index: usize, direction: Direction, step: Step) {
        let (stream_id, path) =
            (self.exchanges[index].stream_id, self.exchanges[index].path.clone());
        match step {
            Step::Head(status, end_stream) => {
                let status = status.to_string();
                let request =
                    [(":method", "PUT"), (":scheme", "https"), (":path", &path), ("x-twice", "a")];
                let response = [(":status", status.as_str()), ("server", "s"), ("x-path", &path)];
                match direction {
                    Up => self.block(Up, stream_id, &request, end_stream),
                    Down => self.block(Down, stream_id, &response, end_stream),
                }
            }
            Step::Data(bytes, end_stream) => {
                let end = if end_stream { flag::END_STREAM } else { 0 };
                let frame = if self.choices.once_in(3) {
                    let payload = padded(&bytes, self.choices.below(256) as u8);
                    frame(kind::DATA, end | flag::PADDED, stream_id, &payload)
                } else {
                    frame(kind::DATA, end, stream_id, &bytes)
                };
                self.send(direction, frame);
            }
            Step::Trailers => self.block(direction, stream_id, &[("x-sum", "1")], true),
        }
    }

    /// A header block in any number of frames, now and then with a change of the table's size.
    fn block(&mut self, direction: Direction, stream_id: u32, fields: Fields<'_>, end: bool) {
        let (encoder, most) = match direction {
            Up => (&mut self.up, 300),
            Down => (&mut self.down, 8000),
        };
        let mut block = Vec::new();
        if self.choices.once_in(5) {
            block.extend(encoder.resize(0));
            block.extend(encoder.resize(self.choices.below(most + 1)));
        }
        block.extend(encoder.encode(fields));
        let mut flags = if end { flag::END_STREAM } else { 0 };
        let (mut frame_kind, mut rest) = (kind::HEADERS, block.as_slice());
        let mut bytes = Vec::new();
        loop {
            let is_last = self.choices.once_in(2);
            let (mut part, after) =
                rest.split_at(if is_last { rest.len() } else { rest.len() / 2 });
            rest = after;
            flags |= if is_last { flag::END_HEADERS } else { 0 };
            let padded_part = padded(part, self.choices.below(9) as u8);
            if frame_kind == kind::HEADERS && self.choices.once_in(3) {
                flags |= flag::PADDED;
                part = &padded_part;
            }
            bytes.extend(frame(frame_kind, flags, stream_id, part));
            if is_last {
                break;
            }
            (frame_kind, flags) = (kind::CONTINUATION, 0);
        }
        self.send(direction, bytes);
    }

    fn make_noise(&mut self) {
        if self.choices.once_in(4) {
            let kind = [2, 6, 8, 0x42][self.choices.below(4)];
            let payload = vec![0xff; self.choices.below(20)];
            let direction = if self.choices.once_in(2) { Up } else { Down };
            self.send(direction, frame(kind, 0xff, 1, &payload));
        }
    }

    fn stream(&self, direction: Direction) -> Vec<u8> {
        let parts = self.script.iter().filter(|(d, _)| *d == direction);
        parts.flat_map(|(_, bytes)| bytes.clone()).collect()
    }
}

/// The body that was observed is the one that was sent, and is found again in the stream.
fn check_body(body: &Body, sent: &Sent, stream: &[u8], choices: &mut Choices) {
    assert_eq!(body.end, BodyEnd::Complete);
    assert_eq!(body.bytes, sent.body.len() as u64);
    assert_eq!(body.trailers.len(), usize::from(sent.trailers));
    let Framing::Http2 { stream_id } = body.framing else {
        assert_eq!((body.framing, body.extent.len()), (Framing::None, 0));
        return;
    };
    let mut reader = DataReader::new(stream_id);
    let mut read = Vec::new();
    let mut extent = slice(stream, body.extent);
    while !extent.is_empty() {
        let (part, rest) = extent.split_at((1 + choices.below(50)).min(extent.len()));
        reader.feed(part, &mut read);
        extent = rest;
    }
    assert_eq!(read, sent.body);
}

/// The head's extent is whole frames, the first HEADERS and the last one with END_HEADERS.
fn check_head_extent(head: &RequestHead, stream: &[u8]) {
    let mut rest = slice(stream, head.extent);
    let mut kinds = Vec::new();
    let mut ended = false;
    while let Some((header, after)) = rest.split_at_checked(9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        kinds.push(header[3]);
        ended = header[4] & flag::END_HEADERS != 0;
        rest = &after[length..];
    }
    assert!(rest.is_empty() && ended && kinds[0] == kind::HEADERS);
    assert!(kinds[1..].iter().all(|kind| *kind == kind::CONTINUATION));
}

fn slice(stream: &[u8], extent: Extent) -> &[u8] {
    &stream[extent.start as usize..extent.end as usize]
}

proptest! {
    #[test]
    fn streams_that_interleave_are_told_apart(seed: u64, exchanges in 1_usize..30) {
        let mut connection = Connection::new(seed, exchanges);
        let events = play(&connection.script, &Limits::default(), || usize::MAX);
        let (up, down) = (connection.stream(Up), connection.stream(Down));
        let (mut asked, mut answered, mut ended) = (0, 0, 0);
        for event in &events {
            match event {
                Event::Request { exchange, head } => {
                    asked += 1;
                    prop_assert_eq!(exchange.number as usize, asked);
                    let planned = &connection.exchanges[asked - 1];
                    prop_assert_eq!(head.stream_id, Some(planned.stream_id));
                    prop_assert_eq!(&head.target, planned.path.as_bytes());
                    prop_assert_eq!(&head.fields[0].name, &b"x-twice"[..]);
                    check_head_extent(head, &up);
                }
                Event::Response { exchange, head } => {
                    let planned = &connection.exchanges[exchange.number as usize - 1];
                    prop_assert_eq!(&head.fields[1].value, planned.path.as_bytes());
                    if head.status != 103 {
                        answered += 1;
                        prop_assert_eq!(head.status, planned.status);
                    }
                }
                Event::ExchangeEnded { exchange, end } => {
                    ended += 1;
                    let planned = &connection.exchanges[exchange.number as usize - 1];
                    check_body(&end.request_body, &planned.up, &up, &mut connection.choices);
                    let response = end.response_body.as_ref().unwrap();
                    check_body(response, &planned.down, &down, &mut connection.choices);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!((asked, answered, ended), (exchanges, exchanges, exchanges));
    }

    #[test]
    fn segmentation_changes_nothing(
        seed: u64,
        damage in proptest::option::of((0_usize..5000, 1_u8..)),
    ) {
        let mut connection = Connection::new(seed, 6);
        if let Some((position, bits)) = damage {
            let part = position % connection.script.len();
            let bytes = &mut connection.script[part].1;
            let index = position % bytes.len();
            bytes[index] ^= bits;
        }
        let whole = play(&connection.script, &Limits::default(), || usize::MAX);
        let mut choices = Choices(seed | 1);
        let parts = play(&connection.script, &Limits::default(), || 1 + choices.below(40));
        prop_assert_eq!(format!("{whole:?}"), format!("{parts:?}"));
        let bytes = play(&connection.script, &Limits::default(), || 1);
        prop_assert_eq!(format!("{whole:?}"), format!("{bytes:?}"));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        parts in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..200)), 0..20),
    ) {
        let mut script = vec![(Up, [PREFACE, &settings(&[])].concat()), (Down, settings(&[]))];
        script.extend(parts.into_iter().map(|(up, bytes)| (if up { Up } else { Down }, bytes)));
        play(&script, &Limits::default(), || 64);
    }

    #[test]
    fn arbitrary_frames_never_panic(
        frames in proptest::collection::vec(
            (any::<bool>(), 0_u8..12, any::<u8>(), 0_u32..6,
             proptest::collection::vec(prop_oneof![Just(0x82_u8), Just(0x88), any::<u8>()], 0..20)),
            0..40),
    ) {
        let mut script = vec![(Up, [PREFACE, &settings(&[])].concat()), (Down, settings(&[]))];
        for (up, kind, flags, stream_id, payload) in frames {
            script.push((if up { Up } else { Down }, frame(kind, flags, stream_id, &payload)));
        }
        let events = play(&script, &Limits::default(), || 64);
        // Whatever happens, what began also ends, once.
        let count = |wanted: fn(&Event) -> bool| events.iter().filter(|e| wanted(e)).count();
        let begun = count(|event| matches!(event, Event::Request { .. }));
        prop_assert_eq!(begun, count(|event| matches!(event, Event::ExchangeEnded { .. })));
    }

    #[test]
    fn a_reader_of_arbitrary_bytes_never_panics(bytes: Vec<u8>) {
        let mut out = Vec::new();
        DataReader::new(1).feed(&bytes, &mut out);
        prop_assert!(out.len() <= bytes.len());
    }
}
