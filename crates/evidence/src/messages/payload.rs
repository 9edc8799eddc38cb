//! Payloads in memory, within bounds: of each its beginning, of all of them so many bytes.

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Where in the body the message begins.
    pub start: u64,
    /// The beginning of the payload, or all of it.
    pub bytes: Vec<u8>,
    /// Bytes of the whole payload, compression undone.
    pub total: u64,
    /// Why the payload is missing or not decoded.
    pub problem: Option<String>,
    /// Of an event without a record: its type and id.
    pub event: Option<Vec<u8>>,
    pub id: Option<Vec<u8>>,
}

impl Payload {
    /// Not all bytes were kept.
    pub fn is_cut(&self) -> bool {
        self.total > self.bytes.len() as u64
    }
}

/// How much of payloads is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Bytes of each payload.
    pub each: usize,
    /// Bytes of all payloads together.
    pub all: usize,
}

impl Keep {
    /// Whole payloads, as far as memory allows.
    pub const WHOLE: Self = Self { each: 16 << 20, all: 256 << 20 };
    /// Enough for a line of a table.
    pub const START: Self = Self { each: 256, all: 64 << 20 };
}

/// The payloads so far, within the bounds.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) keep: Keep,
    /// Bytes that may still be kept.
    pub(super) left: usize,
    pub(super) payloads: Vec<Payload>,
}

impl Kept {
    /// Appends to a payload what may be kept of `part`, and counts all of it.
    pub(super) fn extend(&mut self, payload: &mut Payload, part: &[u8]) {
        payload.total = payload.total.saturating_add(part.len() as u64);
        let room = self.keep.each.saturating_sub(payload.bytes.len()).min(self.left);
        let part = part.get(..room).unwrap_or(part);
        self.left -= part.len();
        payload.bytes.extend_from_slice(part);
    }
}
