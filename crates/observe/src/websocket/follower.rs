//! The messages of one direction of a WebSocket: fragments put together, control frames between
//! them told apart, and each held against the rules of RFC 6455 and RFC 7692.

use super::frame::{BadLength, FrameHeader, Piece, RSV1, Scanner, Unmask, opcode};
use super::utf8::Utf8;
use crate::found::{Found, Lost};
use flow::message::{MessageDefect, MessageEnd, MessageKind, WebSocketMessage};
use flow::stream::{Direction, Extent};

/// Follows one direction.
#[derive(Debug)]
pub(crate) struct WebSocketFollower {
    from_client: bool,
    /// permessage-deflate was agreed on.
    deflates: bool,
    scanner: Scanner,
    /// Offset in the body of the next byte.
    offset: u64,
    frame: Option<Frame>,
    /// A text or binary message that has begun.
    data: Option<Open>,
    /// A control frame that has begun.
    control: Option<Open>,
    /// A close frame has passed.
    is_closed: bool,
}

/// The frame in hand.
#[derive(Debug)]
struct Frame {
    is_control: bool,
    is_last: bool,
    unmask: Unmask,
}

/// A message that has begun.
#[derive(Debug)]
struct Open {
    start: u64,
    message: WebSocketMessage,
    bytes: u64,
    /// Checks the text, where there is some that can be read.
    text: Option<Utf8>,
    /// The first bytes of a close frame's payload.
    code: [u8; 2],
    defect: Option<MessageDefect>,
}

impl WebSocketFollower {
    pub(crate) fn new(direction: Direction, deflates: bool) -> Self {
        Self {
            from_client: direction == Direction::Up,
            deflates,
            scanner: Scanner::default(),
            offset: 0,
            frame: None,
            data: None,
            control: None,
            is_closed: false,
        }
    }

    /// Takes in the next bytes of the body.
    pub(crate) fn feed(&mut self, bytes: &[u8], found: &mut impl FnMut(Found)) -> Result<(), Lost> {
        let mut input = bytes;
        loop {
            let before = input.len();
            let frame_start = self.offset.saturating_sub(self.scanner.held());
            let piece = self.scanner.next(&mut input).map_err(|BadLength| Lost {
                offset: frame_start,
                why: "a WebSocket frame whose length has its highest bit set",
            })?;
            self.offset += (before - input.len()) as u64;
            match piece {
                None => return Ok(()),
                Some(Piece::Begin(header)) => self.begin(header, found)?,
                Some(Piece::Payload(part)) => self.payload(part),
                Some(Piece::End) => self.end(found),
            }
        }
    }

    /// The body has ended: gives back what was under way.
    pub(crate) fn finish(mut self, found: &mut impl FnMut(Found)) {
        let held = self.scanner.held();
        if let Some(open) = self.control.take() {
            found(open.found(self.offset, MessageEnd::Truncated));
        }
        match self.data.take() {
            Some(open) => found(open.found(self.offset, MessageEnd::Truncated)),
            None if held > 0 && self.frame.is_none() => {
                // A header that is cut says nothing for sure, but it was there.
                let message = WebSocketMessage {
                    opcode: opcode::CONTINUATION,
                    compressed: false,
                    masked: false,
                    fragments: 0,
                    close_code: None,
                };
                let open = Open::new(self.offset.saturating_sub(held), message);
                found(open.found(self.offset, MessageEnd::Truncated));
            }
            None => {}
        }
    }

    fn begin(&mut self, header: FrameHeader, found: &mut impl FnMut(Found)) -> Result<(), Lost> {
        let start = self.offset.saturating_sub(header.bytes);
        let allowed = if self.deflates { RSV1 } else { 0 };
        if header.rsv & !allowed != 0 {
            let why = "a WebSocket frame with a reserved bit that no known extension defines";
            return Err(Lost { offset: start, why });
        }
        let defect = self.check(header);
        self.frame = Some(Frame {
            is_control: header.is_control(),
            is_last: header.fin || header.is_control(),
            unmask: Unmask::new(header.mask),
        });
        if header.is_control() {
            let mut open = Open::new(start, message(header));
            // A reason is text; the two bytes before it are not (section 5.5.1).
            open.text = (header.opcode == opcode::CLOSE).then(Utf8::default);
            open.note(defect);
            self.control = Some(open);
            return Ok(());
        }
        match (&mut self.data, header.opcode) {
            (Some(open), opcode::CONTINUATION) => {
                open.message.fragments = open.message.fragments.saturating_add(1);
                open.note(defect);
            }
            (data, _) => {
                let nothing = header.opcode == opcode::CONTINUATION;
                let mut open = Open::new(start, message(header));
                let is_text = header.opcode == opcode::TEXT && !open.message.compressed;
                open.text = is_text.then(Utf8::default);
                open.note(nothing.then_some(MessageDefect::NothingToContinue));
                open.note(defect);
                if let Some(mut earlier) = data.replace(open) {
                    earlier.note(Some(MessageDefect::Interrupted));
                    found(earlier.found(start, MessageEnd::Truncated));
                }
            }
        }
        Ok(())
    }

    /// The first rule that the header breaks.
    fn check(&self, header: FrameHeader) -> Option<MessageDefect> {
        let is_control = header.is_control();
        let continues = header.opcode == opcode::CONTINUATION;
        let rules = [
            (self.is_closed, MessageDefect::AfterClose),
            (self.from_client && header.mask.is_none(), MessageDefect::Unmasked),
            (!self.from_client && header.mask.is_some(), MessageDefect::Masked),
            (matches!(header.opcode, 3..=7 | 11..=15), MessageDefect::ReservedOpcode),
            (is_control && !header.fin, MessageDefect::FragmentedControl),
            (is_control && header.length > LONGEST_CONTROL_BYTES, MessageDefect::LongControl),
            (!header.is_minimal, MessageDefect::LongLength),
            (header.rsv & RSV1 != 0 && (is_control || continues), MessageDefect::CompressedBit),
        ];
        rules.into_iter().find_map(|(is_broken, defect)| is_broken.then_some(defect))
    }

    fn payload(&mut self, part: &[u8]) {
        let Some(frame) = &mut self.frame else { return };
        let open = if frame.is_control { &mut self.control } else { &mut self.data };
        let Some(open) = open else { return };
        if open.text.is_none() {
            open.bytes = open.bytes.saturating_add(part.len() as u64);
            return;
        }
        let mut plain = [0; PLAIN_BYTES];
        for part in part.chunks(PLAIN_BYTES) {
            let Some(plain) = plain.get_mut(..part.len()) else { return };
            plain.copy_from_slice(part);
            frame.unmask.apply(plain);
            open.text(plain);
        }
    }

    fn end(&mut self, found: &mut impl FnMut(Found)) {
        let Some(frame) = self.frame.take() else { return };
        if !frame.is_last {
            return;
        }
        let open = if frame.is_control { self.control.take() } else { self.data.take() };
        if let Some(mut open) = open {
            self.is_closed |= open.message.opcode == opcode::CLOSE;
            open.judge();
            found(open.found(self.offset, MessageEnd::Complete));
        }
    }
}

impl Open {
    fn new(start: u64, message: WebSocketMessage) -> Self {
        Self { start, message, bytes: 0, text: None, code: [0; 2], defect: None }
    }

    fn note(&mut self, defect: Option<MessageDefect>) {
        self.defect = self.defect.or(defect);
    }

    /// Takes in payload without its mask, of a text or of a close frame.
    fn text(&mut self, plain: &[u8]) {
        let mut text = plain;
        if self.message.opcode == opcode::CLOSE {
            while let (Some(slot), Some((byte, rest))) = (
                usize::try_from(self.bytes).ok().and_then(|at| self.code.get_mut(at)),
                text.split_first(),
            ) {
                *slot = *byte;
                text = rest;
                self.bytes += 1;
            }
        }
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        if self.text.as_mut().is_some_and(|check| !check.take(text)) {
            self.note(Some(MessageDefect::InvalidUtf8));
        }
    }

    /// What only the whole message tells.
    fn judge(&mut self) {
        if self.message.opcode == opcode::CLOSE {
            match self.bytes {
                0 => {}
                1 => self.note(Some(MessageDefect::CloseCode)),
                _ => {
                    let code = u16::from_be_bytes(self.code);
                    self.message.close_code = Some(code);
                    self.note((!may_be_sent(code)).then_some(MessageDefect::CloseCode));
                }
            }
        }
        if self.text.as_ref().is_some_and(|text| !text.is_whole()) {
            self.note(Some(MessageDefect::InvalidUtf8));
        }
    }

    fn found(self, end: u64, how: MessageEnd) -> Found {
        Found {
            kind: MessageKind::WebSocket(self.message),
            range: Extent { start: self.start, end },
            bytes: self.bytes,
            end: how,
            defect: self.defect,
        }
    }
}

fn message(header: FrameHeader) -> WebSocketMessage {
    WebSocketMessage {
        opcode: header.opcode,
        compressed: header.rsv & RSV1 != 0,
        masked: header.mask.is_some(),
        fragments: 1,
        close_code: None,
    }
}

/// Whether an endpoint may send this status code (section 7.4 and its registry).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

const LONGEST_CONTROL_BYTES: u64 = 125;
/// Payload that is unmasked at once.
const PLAIN_BYTES: usize = 1024;
