//! The other side of the observer for its tests: an HPACK encoder, frames, and a relay that cuts
//! what passes as it likes.

use super::frame::{flag, kind};
use super::hpack::huffman;
use super::observer::Http2Observer;
use flow::event::Event;
use flow::http::{Body, Upgrade};
use flow::id::ConnectionId;
use flow::limits::Limits;
use flow::stream::Direction;
use flow::time::{MonoNanos, Stamp, WallNanos};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const NOW: Stamp = Stamp { wall: WallNanos(1), mono: MonoNanos(1) };

pub(super) type Fields<'a> = &'a [(&'a str, &'a str)];
/// What passed, in order.
pub(super) type Script = Vec<(Direction, Vec<u8>)>;

/// Small numbers drawn from a seed (xorshift), so that a failing case is one number.
pub(super) struct Choices(pub(super) u64);

impl Choices {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }

    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// An HPACK encoder that uses every representation in turn.
pub(super) struct Encoder {
    /// Newest first.
    table: Vec<(String, String)>,
    table_size: usize,
    choices: Choices,
}

impl Encoder {
    pub(super) fn new(seed: u64) -> Self {
        Self { table: Vec::new(), table_size: 4096, choices: Choices(seed | 1) }
    }

    /// The instruction that changes the table's size.
    pub(super) fn resize(&mut self, bytes: usize) -> Vec<u8> {
        self.table_size = bytes;
        self.evict();
        integer(0x20, 5, bytes)
    }

    pub(super) fn encode(&mut self, fields: Fields<'_>) -> Vec<u8> {
        fields.iter().flat_map(|(name, value)| self.field(name, value)).collect()
    }

    fn field(&mut self, name: &str, value: &str) -> Vec<u8> {
        let has_both = |(n, v): &(&str, &str)| (*n, *v) == (name, value);
        if !self.choices.once_in(4)
            && let Some(index) = self.indices().iter().position(has_both)
        {
            return integer(0x80, 7, index + 1);
        }
        let name_index = self.indices().iter().position(|(n, _)| *n == name).map_or(0, |i| i + 1);
        let name_index = if self.choices.once_in(3) { 0 } else { name_index };
        let (mark, prefix_bits) = [(0x40, 6), (0, 4), (0x10, 4)][self.choices.below(3)];
        let mut out = integer(mark, prefix_bits, name_index);
        if name_index == 0 {
            out.extend(self.string(name));
        }
        out.extend(self.string(value));
        if mark == 0x40 {
            self.table.insert(0, (name.to_owned(), value.to_owned()));
            self.evict();
        }
        out
    }

    fn indices(&self) -> Vec<(&str, &str)> {
        let mut indices = vec![("", "\0"); 61]; // not used, but for these
        indices[1] = (":method", "GET");
        indices[3] = (":path", "/");
        indices[6] = (":scheme", "https");
        indices[7] = (":status", "200");
        indices.extend(self.table.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        indices
    }

    fn evict(&mut self) {
        let size = |table: &[(String, String)]| {
            table.iter().map(|(n, v)| n.len() + v.len() + 32).sum::<usize>()
        };
        while size(&self.table) > self.table_size {
            self.table.pop();
        }
    }

    fn string(&mut self, text: &str) -> Vec<u8> {
        let (mark, bytes) = if self.choices.once_in(2) {
            (0x80, huffman::encode(text.as_bytes()))
        } else {
            (0, text.as_bytes().to_vec())
        };
        [integer(mark, 7, bytes.len()), bytes].concat()
    }
}

fn integer(mark: u8, prefix_bits: u8, value: usize) -> Vec<u8> {
    let max = (1_usize << prefix_bits) - 1;
    if value < max {
        return vec![mark | value as u8];
    }
    let mut out = vec![mark | max as u8];
    let mut rest = value - max;
    while rest >= 128 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

pub(super) fn frame(kind: u8, flags: u8, stream_id: u32, payload: &[u8]) -> Vec<u8> {
    let [_, l0, l1, l2] = (payload.len() as u32).to_be_bytes();
    let mut out = vec![l0, l1, l2, kind, flags];
    out.extend(stream_id.to_be_bytes());
    out.extend(payload);
    out
}

pub(super) fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let entry =
        |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat();
    frame(kind::SETTINGS, 0, 0, &entries.iter().flat_map(entry).collect::<Vec<_>>())
}

pub(super) fn headers(stream_id: u32, block: &[u8], end_stream: bool) -> Vec<u8> {
    let end = if end_stream { flag::END_STREAM } else { 0 };
    frame(kind::HEADERS, flag::END_HEADERS | end, stream_id, block)
}

pub(super) fn data(stream_id: u32, bytes: &[u8], end_stream: bool) -> Vec<u8> {
    frame(kind::DATA, u8::from(end_stream), stream_id, bytes)
}

pub(super) fn padded(bytes: &[u8], pad_length: u8) -> Vec<u8> {
    [&[pad_length][..], bytes, &vec![0; pad_length.into()]].concat()
}

pub(super) fn reset(stream_id: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream_id, &code.to_be_bytes())
}

pub(super) fn observer(limits: &Limits) -> Http2Observer {
    Http2Observer::new(ConnectionId(7), limits)
}

/// Feeds a script in parts of up to `most` bytes, and ends both directions.
pub(super) fn play(
    script: &Script,
    limits: &Limits,
    mut most: impl FnMut() -> usize,
) -> Vec<Event> {
    let mut observer = observer(limits);
    let mut events = Vec::new();
    for (direction, bytes) in script {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(most().min(rest.len()));
            observer.feed(*direction, NOW, part, &mut events);
            rest = after;
        }
    }
    observer.end(Direction::Up, NOW, &mut events);
    observer.end(Direction::Down, NOW, &mut events);
    events
}

/// An event in one line: `1 GET h/path` for a request, `1 200` for a response, `1 end` with the
/// request's and the response's body for an end.
pub(super) fn line(event: &Event) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match event {
        Event::Request { exchange, head } => {
            let authority = head.authority.as_deref().map(text).unwrap_or_default();
            let (method, target) = (text(&head.method), text(&head.target));
            format!("{} {method} {authority}{target}", exchange.number)
        }
        Event::Response { exchange, head } => format!("{} {}", exchange.number, head.status),
        Event::ExchangeEnded { exchange, end } => {
            let response = end.response_body.as_ref().map_or("none".to_owned(), body);
            let upgrade = match end.upgrade {
                None => "",
                Some(Upgrade::WebSocket) => " websocket",
                Some(Upgrade::Http2) => " http2",
                Some(Upgrade::Opaque) => " opaque",
            };
            format!("{} end {} {response}{upgrade}", exchange.number, body(&end.request_body))
        }
        Event::Message { exchange, message } => {
            let defect = message.defect.map_or(String::new(), |defect| format!(" {defect}"));
            let (number, direction) = (exchange.number, message.direction);
            let range = message.range.range();
            format!("{number} message {direction:?} {range:?} {}{defect}", message.bytes)
        }
        Event::LostSync { lost, .. } => {
            format!("lost {:?} {}: {}", lost.direction, lost.offset, lost.reason)
        }
        other => format!("{other:?}"),
    }
}

fn body(body: &Body) -> String {
    let trailers = if body.trailers.is_empty() { "" } else { "+trailers" };
    format!("{}:{:?}{trailers}", body.bytes, body.end)
}
