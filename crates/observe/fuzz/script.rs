//! What the targets share: an input is a script of pieces for the two directions.

use flow::event::Event;
use flow::http::Body;
use flow::stream::Direction;
use flow::time::{MonoNanos, Stamp, WallNanos};
use observe::Observer;
use observe::body::BodyReader;

/// One piece of a direction.
pub struct Piece<'a> {
    pub direction: Direction,
    pub bytes: &'a [u8],
}

/// Reads an input: a byte with the direction (lowest bit) and the length, then that many bytes.
pub fn pieces(input: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = input;
    while let [head, bytes @ ..] = rest {
        let (bytes, next) = bytes.split_at(bytes.len().min(usize::from(head >> 1)));
        let direction = if head & 1 == 0 { Direction::Up } else { Direction::Down };
        pieces.push(Piece { direction, bytes });
        rest = next;
    }
    pieces
}

/// Feeds the script as it is, and again byte by byte, and checks what must hold for any input: the
/// same events, every request ended once, each body where its extent says.
pub fn check(input: &[u8], observer: impl Fn() -> Observer) {
    check_after(&[], input, observer);
}

/// The same of a script that goes on where `opening` ends.
pub fn check_after(
    opening: &[(Direction, &[u8])],
    input: &[u8],
    observer: impl Fn() -> Observer,
) {
    let mut pieces: Vec<_> =
        opening.iter().map(|&(direction, bytes)| Piece { direction, bytes }).collect();
    pieces.extend(self::pieces(input));
    let pieces = pieces;
    let whole = run(&pieces, usize::MAX, observer());
    let bytewise = run(&pieces, 1, observer());
    let shown = |events: &[Event]| format!("{events:#?}");
    assert_eq!(shown(&whole), shown(&bytewise), "segmentation changes the events");
    let mut streams = [Vec::new(), Vec::new()];
    for piece in &pieces {
        streams[usize::from(piece.direction == Direction::Down)].extend_from_slice(piece.bytes);
    }
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    let mut told: Vec<(u32, Direction, u64)> = Vec::new();
    for event in &whole {
        match event {
            Event::Request { exchange, .. } => begun.push(exchange.number),
            Event::ExchangeEnded { exchange, end } => {
                ended.push(exchange.number);
                let of = |direction| {
                    let own = told.iter().filter(|(number, own, _)| {
                        (*number, *own) == (exchange.number, direction)
                    });
                    own.map(|(_, _, end)| *end).collect::<Vec<_>>()
                };
                check_messages(&end.request_body, &of(Direction::Up));
                if let Some(body) = &end.response_body {
                    check_messages(body, &of(Direction::Down));
                }
                check_body(&end.request_body, &streams[0]);
                if let Some(body) = &end.response_body {
                    check_body(body, &streams[1]);
                }
            }
            Event::Message { exchange, message } => {
                assert!(message.range.start < message.range.end, "{message:?}");
                assert!(message.bytes <= message.range.end - message.range.start, "{message:?}");
                told.push((exchange.number, message.direction, message.range.end));
            }
            _ => {}
        }
    }
    begun.sort_unstable();
    ended.sort_unstable();
    assert_eq!(begun, ended, "exchanges begun and ended");
}

fn run(pieces: &[Piece<'_>], size: usize, mut observer: Observer) -> Vec<Event> {
    let at = Stamp { wall: WallNanos(0), mono: MonoNanos(0) };
    let mut events = Vec::new();
    for piece in pieces {
        for bytes in piece.bytes.chunks(size) {
            observer.feed(piece.direction, at, bytes, &mut events);
        }
    }
    observer.end(Direction::Up, at, &mut events);
    observer.end(Direction::Down, at, &mut events);
    events
}

/// Messages lie inside their body and are counted.
fn check_messages(body: &Body, ends: &[u64]) {
    assert!(ends.iter().all(|end| *end <= body.bytes), "{body:?} {ends:?}");
    let recorded = body.messages.map_or(0, |messages| messages.recorded);
    assert_eq!(recorded, ends.len() as u64, "{body:?}");
}

fn check_body(body: &Body, stream: &[u8]) {
    let extent = &stream[body.extent.start as usize..body.extent.end as usize];
    let (mut reader, mut bytes) = (BodyReader::new(body.framing), Vec::new());
    reader.feed(extent, &mut bytes);
    assert_eq!(bytes.len() as u64, body.bytes, "{body:?}");
}
