//! Cuts the plaintext of an intercepted connection into pieces that a dissector can read one by one: HTTP/1
//! messages and WebSocket messages by what the log says of them, HTTP/2 by its frames. It interprets nothing
//! further. Of a message that is longer than a packet can be, or not there whole, the head is a piece and the rest
//! data: a reader would take half a body for a broken one.

use super::block::MOST_BYTES;
use super::conversation::Cited;
use super::exported::{Dissector, MOST_TAG_BYTES};
use flow::stream::{Direction, Extent};
use observe::sniff::{Sniffed, sniff};
use recorder::record::Body;
use recorder::record::message::Protocol;
use recorder::record::store;
use std::collections::BTreeMap;

/// What one connection said inside TLS, as far as it is not cut yet.
#[derive(Debug)]
pub(super) struct Plaintext {
    mode: Mode,
    up: Half,
    down: Half,
}

/// One piece, whole.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) dissector: Dissector,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// TLS without ALPN, before the client spoke.
    Undecided,
    Http1,
    Http2,
    Opaque,
}

/// One direction.
#[derive(Debug)]
struct Half {
    /// Offset of the first byte that is held.
    start: u64,
    held: Vec<u8>,
    /// What begins where; bounded by what one commit holds.
    marks: BTreeMap<u64, Dissector>,
    /// Where heads begin and end.
    heads: BTreeMap<u64, u64>,
    /// What the held bytes begin with.
    kind: Dissector,
    /// Bytes that belong to an HTTP/2 frame whose beginning is gone.
    rest: usize,
    /// Of the last bytes that came.
    last: Option<Cited>,
    /// Where the body of an upgraded exchange begins.
    upgraded: u64,
}

impl Plaintext {
    /// `alpn`: what TLS agreed on.
    pub(super) fn new(alpn: Option<&[u8]>) -> Self {
        let mode = match alpn {
            Some(b"h2") => Mode::Http2,
            Some(b"http/1.1" | b"http/1.0") => Mode::Http1,
            Some(_) => Mode::Opaque,
            None => Mode::Undecided,
        };
        Self { mode, up: Half::new(), down: Half::new() }
    }

    /// Takes what a record says of where messages begin and end.
    pub(super) fn recorded(&mut self, body: &Body) {
        if matches!(self.mode, Mode::Http2 | Mode::Opaque) {
            return;
        }
        match body {
            Body::ExchangeRequest(request) => {
                self.up.head(request.extent.into());
                self.up.upgraded = request.extent.end.0;
            }
            Body::ExchangeResponse(response) => {
                self.down.head(response.extent.into());
                self.down.upgraded = response.extent.end.0;
                if response.status == SWITCHING {
                    self.up.ends(self.up.upgraded);
                    self.down.ends(response.extent.end.0);
                }
            }
            Body::ExchangeMessage(message) if message.protocol == Protocol::WebSocket => {
                let half = match message.direction {
                    store::Direction::Up => &mut self.up,
                    store::Direction::Down => &mut self.down,
                };
                let body = half.upgraded;
                half.begins(body.saturating_add(message.range.start.0), Dissector::WebSocket);
                half.ends(body.saturating_add(message.range.end.0));
            }
            Body::ExchangeClose(close) if close.upgrade.is_none() => {
                self.up.ends(close.request_body.extent.end.0);
                if let Some(body) = &close.response_body {
                    self.down.ends(body.extent.end.0);
                }
            }
            Body::LostSync(lost) if lost.exchange.is_none() => self.mode = Mode::Opaque,
            _ => {}
        }
    }

    /// What follows begins at this offset of the stream. What is held and does not lead up to it comes out piece
    /// by piece, until there is none.
    pub(super) fn seek(&mut self, direction: Direction, offset: u64) -> Option<(Cited, Piece)> {
        let half = self.half(direction);
        if half.start + half.held.len() as u64 == offset {
            return None;
        }
        let left = half.take_all();
        if left.is_none() {
            half.start = offset;
        }
        left
    }

    /// Bytes that passed, of one read.
    pub(super) fn passed(&mut self, direction: Direction, bytes: &[u8], cited: Cited) {
        if self.mode == Mode::Undecided && direction == Direction::Up {
            self.mode = match sniff(bytes) {
                Sniffed::Http2Preface => Mode::Http2,
                Sniffed::Http1 | Sniffed::NeedMore => Mode::Http1,
                Sniffed::Tls | Sniffed::Other => Mode::Opaque,
            };
        }
        let half = self.half(direction);
        half.held.extend_from_slice(bytes);
        half.last = Some(cited);
    }

    /// The next piece that is whole.
    pub(super) fn next(&mut self) -> Option<(Direction, Cited, Piece)> {
        // A request before its response: what was asked is held back no longer once it is answered.
        let cut = [Direction::Up, Direction::Down].into_iter().find_map(|direction| {
            let mode = self.mode;
            let length = self.half(direction).whole(mode, direction)?;
            Some((direction, length))
        });
        let (direction, length) = cut?;
        if direction == Direction::Down
            && self.mode == Mode::Http1
            && let Some((cited, piece)) = self.up.take_begun()
        {
            return Some((Direction::Up, cited, piece));
        }
        let (cited, piece) = self.half(direction).take(length)?;
        Some((direction, cited, piece))
    }

    /// What is left at the end, whole or not.
    pub(super) fn finish(&mut self) -> Option<(Direction, Cited, Piece)> {
        [Direction::Up, Direction::Down].into_iter().find_map(|direction| {
            let (cited, piece) = self.half(direction).take_all()?;
            Some((direction, cited, piece))
        })
    }

    fn half(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

impl Half {
    fn new() -> Self {
        Self {
            start: 0,
            held: Vec::new(),
            marks: BTreeMap::new(),
            heads: BTreeMap::new(),
            kind: Dissector::Data,
            rest: 0,
            last: None,
            upgraded: 0,
        }
    }

    fn head(&mut self, extent: Extent) {
        self.begins(extent.start, Dissector::Http1);
        self.heads.insert(extent.start, extent.end);
    }

    fn begins(&mut self, offset: u64, dissector: Dissector) {
        self.marks.insert(offset, dissector);
    }

    fn ends(&mut self, offset: u64) {
        self.marks.entry(offset).or_insert(Dissector::Data);
    }

    /// How many of the held bytes are a piece.
    fn whole(&mut self, mode: Mode, direction: Direction) -> Option<usize> {
        if self.held.is_empty() {
            return None;
        }
        let most = self.held.len().min(MOST_PIECE_BYTES);
        if self.rest > 0 {
            self.kind = Dissector::Data;
            return Some(self.rest.min(most));
        }
        let whole = match mode {
            Mode::Undecided => None,
            Mode::Opaque => {
                self.kind = Dissector::Data;
                return Some(most);
            }
            Mode::Http1 => self.up_to_mark(),
            Mode::Http2 => self.frames(direction),
        };
        whole.or_else(|| (most == MOST_PIECE_BYTES).then(|| self.not_whole()))
    }

    /// How much to take of what is not whole: of a message its head, where that is known.
    fn not_whole(&self) -> usize {
        let most = self.held.len().min(MOST_PIECE_BYTES);
        let head = match self.kind {
            Dissector::Http1 => self.heads.get(&self.start),
            _ => None,
        };
        let length = head.and_then(|end| usize::try_from(end - self.start).ok());
        length.filter(|length| (1..most).contains(length)).unwrap_or(most)
    }

    /// The bytes before the next mark, where they are there.
    fn up_to_mark(&mut self) -> Option<usize> {
        while let Some(mark) = self.marks.first_entry()
            && *mark.key() <= self.start
        {
            let (offset, kind) = mark.remove_entry();
            // An end says what does not go on; a beginning may have been told first.
            if offset == self.start {
                self.kind = kind;
            }
        }
        let (offset, _) = self.marks.first_key_value()?;
        let length = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        (length <= self.held.len().min(MOST_PIECE_BYTES)).then_some(length)
    }

    /// As many whole frames as fit; the client's preface is one.
    fn frames(&mut self, direction: Direction) -> Option<usize> {
        let mut length = 0;
        if self.start == 0 && direction == Direction::Up {
            if self.held.len() < PREFACE_BYTES {
                return None;
            }
            length = PREFACE_BYTES;
        }
        loop {
            let header = self.held.get(length..).and_then(|rest| rest.first_chunk::<3>());
            let Some([high, middle, low]) = header else { break };
            let payload = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
            let frame = FRAME_HEADER_BYTES + payload;
            let end = length + frame;
            if length == 0 && frame > MOST_PIECE_BYTES {
                self.rest = frame;
                self.kind = Dissector::Data;
                return Some(self.held.len().min(MOST_PIECE_BYTES));
            }
            if end > self.held.len() || end > MOST_PIECE_BYTES {
                break;
            }
            length = end;
        }
        self.kind = if length > 0 { Dissector::Http2 } else { Dissector::Data };
        (length > 0).then_some(length)
    }

    fn take(&mut self, length: usize) -> Option<(Cited, Piece)> {
        let cited = self.last?;
        let after = self.held.split_off(length.min(self.held.len()));
        let bytes = std::mem::replace(&mut self.held, after);
        self.start += bytes.len() as u64;
        self.heads = self.heads.split_off(&self.start);
        self.rest = self.rest.saturating_sub(bytes.len());
        let dissector = std::mem::replace(&mut self.kind, Dissector::Data);
        Some((cited, Piece { dissector, bytes }))
    }

    /// A message whose end is not known yet.
    fn take_begun(&mut self) -> Option<(Cited, Piece)> {
        if self.held.is_empty() || self.kind != Dissector::Http1 {
            return None;
        }
        self.take(self.not_whole())
    }

    fn take_all(&mut self) -> Option<(Cited, Piece)> {
        if self.held.is_empty() {
            return None;
        }
        // Marks that were told after the last bytes.
        let length = self.up_to_mark().unwrap_or_else(|| self.not_whole());
        self.take(length)
    }
}

/// Bytes of the longest piece.
const MOST_PIECE_BYTES: usize = MOST_BYTES - MOST_TAG_BYTES;
const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;
const SWITCHING: u16 = 101;

#[cfg(test)]
mod tests {
    use super::*;
    use flow::id::ConnectionId;
    use flow::time::WallNanos;

    const CITED: Cited = Cited { connection: ConnectionId(1), record: 0, at: WallNanos(0) };

    fn pieces(plaintext: &mut Plaintext) -> Vec<(Direction, Dissector, usize)> {
        let told =
            |(direction, _, piece): (_, _, Piece)| (direction, piece.dissector, piece.bytes.len());
        let mut pieces: Vec<_> = std::iter::from_fn(|| plaintext.next()).map(told).collect();
        pieces.extend(std::iter::from_fn(|| plaintext.finish()).map(told));
        pieces
    }

    #[test]
    fn http_1_is_cut_where_the_log_says_and_a_request_comes_before_its_response() {
        let mut plaintext = Plaintext::new(Some(b"http/1.1"));
        plaintext.up.begins(0, Dissector::Http1);
        plaintext.passed(Direction::Up, &[b'r'; 10], CITED);
        assert!(plaintext.next().is_none());
        plaintext.down.begins(0, Dissector::Http1);
        plaintext.down.ends(4);
        plaintext.passed(Direction::Down, &[b's'; 6], CITED);
        let expected = [
            (Direction::Up, Dissector::Http1, 10),
            (Direction::Down, Dissector::Http1, 4),
            (Direction::Down, Dissector::Data, 2),
        ];
        assert_eq!(pieces(&mut plaintext), expected);
    }

    #[test]
    fn what_is_too_long_goes_on_as_data() {
        let mut plaintext = Plaintext::new(Some(b"http/1.1"));
        plaintext.down.begins(0, Dissector::Http1);
        plaintext.passed(Direction::Down, &vec![0; MOST_PIECE_BYTES + 7], CITED);
        plaintext.down.ends(MOST_PIECE_BYTES as u64 + 7);
        let expected = [
            (Direction::Down, Dissector::Http1, MOST_PIECE_BYTES),
            (Direction::Down, Dissector::Data, 7),
        ];
        assert_eq!(pieces(&mut plaintext), expected);
        for length in [20, MOST_PIECE_BYTES] {
            let mut plaintext = Plaintext::new(Some(b"http/1.1"));
            plaintext.down.head(Extent { start: 0, end: 9 });
            plaintext.passed(Direction::Down, &vec![0; length], CITED);
            let head = (Direction::Down, Dissector::Http1, 9);
            let rest = (Direction::Down, Dissector::Data, length - 9);
            assert_eq!(pieces(&mut plaintext), [head, rest]);
        }
        let mut plaintext = Plaintext::new(Some(b"h2"));
        let long = MOST_PIECE_BYTES as u32;
        plaintext.passed(Direction::Down, &[&long.to_be_bytes()[1..], &[0; 6]].concat(), CITED);
        plaintext.passed(Direction::Down, &vec![0; MOST_PIECE_BYTES + 9], CITED);
        let expected = [
            (Direction::Down, Dissector::Data, MOST_PIECE_BYTES),
            (Direction::Down, Dissector::Data, 9),
            (Direction::Down, Dissector::Http2, 9),
        ];
        assert_eq!(pieces(&mut plaintext), expected);
    }

    #[test]
    fn http_2_is_cut_between_frames_however_it_came() {
        let client = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0, 0, 2], &[0; 8]].concat();
        for step in 1..client.len() {
            let mut plaintext = Plaintext::new(Some(b"h2"));
            let mut all = 0;
            for bytes in client.chunks(step) {
                plaintext.passed(Direction::Up, bytes, CITED);
                for (_, cited, piece) in std::iter::from_fn(|| plaintext.next()) {
                    assert_eq!((piece.dissector, cited.record), (Dissector::Http2, 0));
                    all += piece.bytes.len();
                }
            }
            assert_eq!(all, client.len(), "{step}");
            assert!(plaintext.finish().is_none());
        }
    }

    #[test]
    fn bytes_that_were_not_kept_divide_pieces() {
        let mut plaintext = Plaintext::new(Some(b"http/1.1"));
        plaintext.passed(Direction::Up, b"GET", CITED);
        assert!(plaintext.seek(Direction::Up, 3).is_none());
        let (_, left) = plaintext.seek(Direction::Up, 10).unwrap();
        assert_eq!(left.bytes, b"GET");
        assert!(plaintext.seek(Direction::Up, 10).is_none());
        assert_eq!(plaintext.up.start, 10);
    }
}
