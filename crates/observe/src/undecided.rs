//! What is inside a TLS connection that negotiated no protocol: decided by the first bytes of either
//! direction. Until then they are held, a few dozen at most; nothing waits for the decision but the
//! reading. Whatever is not clearly HTTP is not read at all, so that it is not taken for broken HTTP.

use crate::sniff::{MOST_BYTES, MOST_SERVER_BYTES, Sniffed, begins_preface, sniff, sniff_server};
use flow::stream::Direction;
use flow::time::Stamp;

/// Holds what passes until it is clear what it is.
#[derive(Debug, Default)]
pub(crate) struct Undecided {
    /// The first bytes of each direction, as many as are looked at.
    up: Vec<u8>,
    down: Vec<u8>,
    /// What passed, in order: each piece has at least one of the bytes above, and ends come once.
    held: Vec<(Direction, Stamp, Held)>,
}

#[derive(Debug)]
pub(crate) enum Held {
    Bytes(Vec<u8>),
    End,
    Cut,
}

/// What the first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Http1,
    Http2,
    Opaque,
}

impl Undecided {
    /// Takes the next bytes, and keeps them unless they decide.
    pub(crate) fn feed(
        &mut self,
        direction: Direction,
        at: Stamp,
        bytes: &[u8],
    ) -> Option<Decision> {
        let (first, most) = match direction {
            Direction::Up => (&mut self.up, MOST_BYTES),
            Direction::Down => (&mut self.down, MOST_SERVER_BYTES),
        };
        first.extend(bytes.iter().take(most.saturating_sub(first.len())));
        match self.decide(direction) {
            Sniffed::NeedMore => {
                self.held.push((direction, at, Held::Bytes(bytes.to_owned())));
                None
            }
            Sniffed::Http1 => Some(Decision::Http1),
            Sniffed::Http2Preface => Some(Decision::Http2),
            Sniffed::Tls | Sniffed::Other => Some(Decision::Opaque),
        }
    }

    pub(crate) fn end(&mut self, direction: Direction, at: Stamp) {
        self.held.push((direction, at, Held::End));
    }

    pub(crate) fn cut(&mut self, direction: Direction, at: Stamp) {
        self.held.push((direction, at, Held::Cut));
    }

    /// What was held before the bytes that decided, in order.
    pub(crate) fn take_held(&mut self) -> Vec<(Direction, Stamp, Held)> {
        std::mem::take(&mut self.held)
    }

    /// What both beginnings together say, after bytes of one direction. The server speaks first in
    /// HTTP/2 alone, whose SETTINGS need not wait for the client's preface.
    fn decide(&self, direction: Direction) -> Sniffed {
        match direction {
            Direction::Up if self.down.is_empty() => sniff(&self.up),
            _ if !begins_preface(&self.up) => Sniffed::Other,
            Direction::Up if self.up.len() < MOST_BYTES => Sniffed::NeedMore,
            Direction::Up => Sniffed::Http2Preface,
            Direction::Down => sniff_server(&self.down),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Observer;
    use Direction::{Down, Up};
    use flow::event::Event;
    use flow::id::ConnectionId;
    use flow::limits::Limits;
    use flow::time::{MonoNanos, WallNanos};
    use proptest::prelude::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    /// An empty SETTINGS frame.
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

    fn fed(pieces: &[(Direction, &[u8])], size: usize) -> (Observer, Vec<Event>) {
        let mut observer = Observer::undecided(ConnectionId(1), &Limits::default());
        let mut events = Vec::new();
        for (number, (direction, bytes)) in (0..).zip(pieces) {
            let at = Stamp { wall: WallNanos(number), mono: MonoNanos(number) };
            for bytes in bytes.chunks(size) {
                observer.feed(*direction, at, bytes, &mut events);
            }
        }
        (observer, events)
    }

    #[track_caller]
    fn check(pieces: &[(Direction, &[u8])], expected: &str) {
        for size in [1, 5, usize::MAX] {
            let (observer, _) = fed(pieces, size);
            let is = match observer {
                Observer::Http1(_) => "HTTP/1",
                Observer::Http2(_) => "HTTP/2",
                Observer::Undecided(_) => "undecided",
                Observer::RelayedTls(_) | Observer::Opaque => "opaque",
            };
            assert_eq!(is, expected, "{pieces:?} in pieces of {size}");
        }
    }

    #[test]
    fn the_first_bytes_of_either_side_tell_the_protocol() {
        check(&[], "undecided");
        check(&[(Up, b"GET")], "undecided");
        check(&[(Up, b"GET /")], "HTTP/1");
        check(&[(Up, b"GE"), (Up, b"T / HTTP/1.1\r\n\r\n")], "HTTP/1");
        check(&[(Up, PREFACE)], "HTTP/2");
        check(&[(Up, &PREFACE[..20])], "undecided");
        check(&[(Down, SETTINGS)], "HTTP/2");
        check(&[(Down, &SETTINGS[..4]), (Up, PREFACE)], "HTTP/2");
        check(&[(Up, b"PRI "), (Down, SETTINGS)], "HTTP/2");
    }

    #[test]
    fn what_is_not_clearly_http_is_opaque() {
        // MQTT's CONNECT, SMTP, a TLS record, a server that greets.
        check(&[(Up, b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")], "opaque");
        check(&[(Up, b"EHLO phone\r\n")], "opaque");
        check(&[(Up, &[0x16, 3, 1])], "opaque");
        check(&[(Down, b"220 mail ESMTP\r\n"), (Up, b"EHLO phone\r\n")], "opaque");
        // A server that speaks first is no HTTP/1 server, whatever it says and is told.
        check(&[(Down, b"HTTP/1.1 408 Request Timeout\r\n\r\n")], "opaque");
        check(&[(Down, b"\0"), (Up, b"GET / HTTP/1.1\r\n\r\n")], "opaque");
        check(&[(Up, b"GET"), (Down, SETTINGS)], "opaque");
        check(&[(Up, b"PRI * HTTP/1.1\r\n"), (Down, SETTINGS)], "HTTP/1");
    }

    #[test]
    fn what_was_held_is_read_with_its_own_times_and_ends() {
        let pieces: [(_, &[u8]); 2] = [(Up, b"GET"), (Up, b" / HTTP/1.1\r\n\r\n")];
        let (mut observer, mut events) = fed(&pieces, usize::MAX);
        let [Event::Request { head, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((head.extent.start, head.extent.end), (0, 18));
        let mut ended = Observer::undecided(ConnectionId(1), &Limits::default());
        let at = Stamp { wall: WallNanos(7), mono: MonoNanos(7) };
        ended.end(Down, at, &mut events);
        assert!(ended.is_following());
        events.clear();
        ended.feed(Up, at, b"GET / HTTP/1.1\r\n\r\n", &mut events);
        ended.cut(Up, at, &mut events);
        observer.cut(Up, at, &mut events);
        let told = events.iter().filter(|event| matches!(event, Event::ExchangeEnded { .. }));
        assert_eq!(told.count(), 1, "{events:?}");
    }

    #[test]
    fn nothing_is_told_of_what_is_opaque() {
        let (mut observer, mut events) = fed(&[(Down, b"220 mail\r\n"), (Up, b"QUIT\r\n")], 3);
        observer.end(Up, Stamp { wall: WallNanos(9), mono: MonoNanos(9) }, &mut events);
        observer.cut(Down, Stamp { wall: WallNanos(9), mono: MonoNanos(9) }, &mut events);
        assert!(events.is_empty(), "{events:?}");
        assert!(!observer.is_following());
        assert!(!observer.reads());
    }

    proptest! {
        #[test]
        fn the_cut_into_pieces_decides_nothing_and_what_is_held_is_bounded(
            pieces in prop::collection::vec(
                (any::<bool>(), prop_oneof![
                    prop::collection::vec(any::<u8>(), 1..12),
                    prop::collection::vec(
                        prop::sample::select(b"\0\x04\x06GETPRI *HTTP/2.0\r\n".to_vec()), 1..12),
                ]),
                0..8,
            ),
        ) {
            let direction = |up: bool| if up { Up } else { Down };
            let pieces: Vec<_> =
                pieces.iter().map(|(up, bytes)| (direction(*up), bytes.as_slice())).collect();
            let (whole, told) = fed(&pieces, usize::MAX);
            let (bytewise, told_bytewise) = fed(&pieces, 1);
            prop_assert_eq!(format!("{told:?}"), format!("{told_bytewise:?}"));
            let kind = std::mem::discriminant;
            prop_assert_eq!(kind(&whole), kind(&bytewise));
            let mut undecided = Undecided::default();
            let now = Stamp { wall: WallNanos(0), mono: MonoNanos(0) };
            let all = pieces.iter().all(|(side, bytes)| undecided.feed(*side, now, bytes).is_none());
            prop_assert_eq!(all, matches!(whole, Observer::Undecided(_)));
            if all {
                let bytes = undecided.held.iter().map(|(_, _, held)| match held {
                    Held::Bytes(bytes) => bytes.len(),
                    _ => 0,
                });
                prop_assert!(bytes.sum::<usize>() < MOST_BYTES + MOST_SERVER_BYTES);
            }
        }
    }
}
