//! What one endpoint sends, cut into what matters to an observer: whole header blocks, body bytes
//! without padding, resets, settings. It checks framing (RFC 9113 sections 3.4, 4 and 6) and knows
//! no stream states and no compression.
//!
//! DATA passes through. Only header blocks, bounded by the caller's limit, and short control
//! frames are ever held, and those only when they arrive in parts.

use super::fault::Fault;
use super::fingerprint::Fingerprint;
use super::frame::{FrameHeader, Piece, Scanner, Unpadder, flag, kind, unpadded};
use super::settings::{BadSettings, Settings};
use flow::stream::{Direction, Extent};

/// The reader of one direction's bytes.
#[derive(Debug)]
pub(super) struct Inbound {
    /// What is still to come of the preface; empty for a server.
    preface: &'static [u8],
    /// The first frame was SETTINGS, as it must be.
    settled: bool,
    scanner: Scanner,
    /// The largest payload that the receiver has ever allowed.
    allowed_frame: u32,
    block_limit: usize,
    /// Offset in the stream of the next byte.
    offset: u64,
    /// Where the frame in hand begins, or the header block that it belongs to.
    unit_start: u64,
    frame: FrameHeader,
    handling: Handling,
    /// Collected payload of the frame in hand, where it came in parts.
    payload: Vec<u8>,
    /// A header block that goes on in CONTINUATION, and its fragments so far.
    open: Option<OpenBlock>,
    fragments: Vec<u8>,
    /// How a client opened the connection, until its first header block.
    fingerprint: Option<Box<Fingerprint>>,
}

/// What one endpoint has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signal<'a> {
    Block(Block<'a>),
    /// A DATA frame begins; its header.
    DataBegin {
        stream_id: u32,
        covered: Extent,
    },
    /// A part of its payload: the data in it, and what it covers with padding.
    Data {
        stream_id: u32,
        data: &'a [u8],
        covered: Extent,
    },
    DataEnd {
        stream_id: u32,
        end_stream: bool,
    },
    Reset {
        stream_id: u32,
        code: u32,
    },
    Settings(Settings),
}

/// A whole header block, still compressed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    pub(super) opener: Opener,
    /// The stream of its frames; for a promise, not the promised one.
    pub(super) stream_id: u32,
    pub(super) end_stream: bool,
    /// All frames of the block.
    pub(super) extent: Extent,
    pub(super) fragment: &'a [u8],
    /// How the client opened the connection, with its first block.
    pub(super) fingerprint: Option<Box<Fingerprint>>,
}

/// The frame that opened a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Headers,
    PushPromise { promised: u32 },
}

#[derive(Clone, Copy, Debug)]
struct OpenBlock {
    opener: Opener,
    stream_id: u32,
    end_stream: bool,
}

#[derive(Clone, Copy, Debug)]
enum Handling {
    Skip,
    Data(Unpadder),
    Collect,
}

impl Inbound {
    /// A reader of what the endpoint sends in `direction`, from its first byte of HTTP/2, which is
    /// at `offset` of the stream. A header block of more than `block_limit` bytes, frame headers included, is a fault.
    pub(super) fn new(direction: Direction, offset: u64, block_limit: usize) -> Self {
        Self {
            preface: match direction {
                Direction::Up => PREFACE,
                Direction::Down => &[],
            },
            settled: false,
            scanner: Scanner::default(),
            allowed_frame: INITIAL_MAX_FRAME_SIZE,
            block_limit,
            offset,
            unit_start: offset,
            frame: FrameHeader { length: 0, kind: 0, flags: 0, stream_id: 0 },
            handling: Handling::Skip,
            payload: Vec::new(),
            open: None,
            fragments: Vec::new(),
            fingerprint: (direction == Direction::Up).then(Box::default),
        }
    }

    /// The receiver announced SETTINGS_MAX_FRAME_SIZE. As it cannot be seen when the sender has
    /// read that, the largest announcement stays the bound.
    pub(super) fn allow_frame(&mut self, bytes: u32) {
        self.allowed_frame = self.allowed_frame.max(bytes);
    }

    /// Takes the next signal off the front of `input`; `None` when all of it is used up.
    pub(super) fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Signal<'s>>, Fault> {
        self.take_preface(input)?;
        // The payload in hand where it lies whole in `input`.
        let mut whole: &'i [u8] = &[];
        loop {
            let start = self.offset;
            let length_before = input.len();
            let piece = self.scanner.next(input);
            self.offset += (length_before - input.len()) as u64;
            match piece {
                None => return Ok(None),
                Some(Piece::Begin(header)) => {
                    whole = &[];
                    if let Some(signal) = self.begin(header)? {
                        return Ok(Some(signal));
                    }
                }
                Some(Piece::Payload(part)) => match &mut self.handling {
                    Handling::Skip => {}
                    Handling::Data(unpadder) => {
                        let data = unpadder.take(part)?;
                        let covered = Extent { start, end: self.offset };
                        let stream_id = self.frame.stream_id;
                        return Ok(Some(Signal::Data { stream_id, data, covered }));
                    }
                    Handling::Collect if part.len() == self.frame.length as usize => {
                        whole = part;
                    }
                    Handling::Collect => self.payload.extend_from_slice(part),
                },
                Some(Piece::End) => {
                    if self.continues() {
                        self.keep_fragment(whole)?;
                    } else if self.is_noted() {
                        self.note(whole);
                    } else if !matches!(self.handling, Handling::Skip) {
                        return self.finish(whole).map(Some);
                    }
                }
            }
        }
    }

    /// Where the unit begins that the last signal, or the last fault, is about.
    pub(super) fn unit_start(&self) -> u64 {
        self.unit_start
    }

    /// What an end of the connection at this point cuts in two, other than a body.
    pub(super) fn cut(&self) -> Option<Fault> {
        let in_headers = matches!(self.frame.kind, kind::HEADERS | kind::PUSH_PROMISE)
            && self.scanner.is_inside_frame();
        let in_preface = !self.preface.is_empty() && self.preface.len() < PREFACE.len();
        if in_preface {
            Some(Fault::CutPreface)
        } else if self.open.is_some() || in_headers {
            Some(Fault::CutBlock)
        } else {
            None
        }
    }

    fn take_preface(&mut self, input: &mut &[u8]) -> Result<(), Fault> {
        let length = self.preface.len().min(input.len());
        if length == 0 {
            return Ok(());
        }
        let (expected, preface) = self.preface.split_at(length);
        let (got, rest) = input.split_at(length);
        if got != expected {
            return Err(Fault::BadPreface);
        }
        self.preface = preface;
        *input = rest;
        self.offset += length as u64;
        Ok(())
    }

    /// Checks a frame header and decides what to do with the payload.
    fn begin(&mut self, header: FrameHeader) -> Result<Option<Signal<'static>>, Fault> {
        let start = self.offset.saturating_sub(FrameHeader::BYTES as u64);
        if self.open.is_none() {
            self.unit_start = start;
        }
        self.check(header)?;
        self.frame = header;
        recycle(&mut self.payload);
        let FrameHeader { length, kind, stream_id, .. } = header;
        self.handling = match kind {
            kind::DATA => {
                self.handling = Handling::Data(Unpadder::new(header)?);
                let covered = Extent { start, end: self.offset };
                return Ok(Some(Signal::DataBegin { stream_id, covered }));
            }
            kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION => {
                // Frame headers count, so that a flood of empty frames meets the limit too.
                let end = self.offset.saturating_add(length.into());
                if end.saturating_sub(self.unit_start) > self.block_limit as u64 {
                    return Err(Fault::BlockOverLimit { limit: self.block_limit });
                }
                Handling::Collect
            }
            kind::SETTINGS if header.has(flag::ACK) => Handling::Skip,
            kind::SETTINGS if length <= MOST_SETTINGS_BYTES => Handling::Collect,
            kind::RST_STREAM if length == RST_STREAM_BYTES => Handling::Collect,
            kind::WINDOW_UPDATE | kind::PRIORITY
                if length <= PRIORITY_BYTES as u32
                    && self.fingerprint.as_mut().is_some_and(|print| print.has_room()) =>
            {
                Handling::Collect
            }
            kind::SETTINGS | kind::RST_STREAM => {
                return Err(Fault::FrameLength { kind, length });
            }
            _ => Handling::Skip,
        };
        Ok(None)
    }

    fn check(&mut self, header: FrameHeader) -> Result<(), Fault> {
        let FrameHeader { length, kind, stream_id, .. } = header;
        if !self.settled && (kind != kind::SETTINGS || header.has(flag::ACK)) {
            return Err(Fault::NoSettings);
        }
        self.settled = true;
        if length > self.allowed_frame {
            return Err(Fault::FrameTooLong { length, allowed: self.allowed_frame });
        }
        match self.open {
            Some(open) if kind != kind::CONTINUATION || stream_id != open.stream_id => {
                return Err(Fault::BlockInterrupted);
            }
            None if kind == kind::CONTINUATION => return Err(Fault::StrayContinuation),
            _ => {}
        }
        let on_a_stream =
            matches!(kind, kind::DATA | kind::HEADERS | kind::RST_STREAM | kind::PUSH_PROMISE);
        if on_a_stream && stream_id == 0 {
            return Err(Fault::NotOnAStream { kind });
        }
        Ok(())
    }

    /// Whether the frame in hand only says how the client opened the connection.
    fn is_noted(&self) -> bool {
        matches!(self.frame.kind, kind::WINDOW_UPDATE | kind::PRIORITY)
    }

    fn note(&mut self, whole: &[u8]) {
        let FrameHeader { kind, stream_id, .. } = self.frame;
        let payload = payload(&self.payload, whole);
        if let Some(print) = &mut self.fingerprint
            && matches!(self.handling, Handling::Collect)
        {
            match kind {
                kind::PRIORITY => print.priority(stream_id, payload),
                _ if stream_id == 0 => print.window_update(payload),
                _ => {}
            }
        }
    }

    /// Whether the frame in hand is a part of a header block, but not the last one.
    fn continues(&self) -> bool {
        matches!(self.frame.kind, kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION)
            && !self.frame.has(flag::END_HEADERS)
    }

    fn keep_fragment(&mut self, whole: &[u8]) -> Result<(), Fault> {
        let payload = payload(&self.payload, whole);
        if self.open.is_some() {
            self.fragments.extend_from_slice(payload);
        } else {
            let (open, fragment) = opened(self.frame, payload)?;
            recycle(&mut self.fragments);
            self.fragments.extend_from_slice(fragment);
            self.open = Some(open);
        }
        Ok(())
    }

    /// The signal of a frame whose payload is there.
    fn finish<'a>(&'a mut self, whole: &'a [u8]) -> Result<Signal<'a>, Fault> {
        let frame = self.frame;
        let wrong_length = Fault::FrameLength { kind: frame.kind, length: frame.length };
        match frame.kind {
            kind::DATA => {
                let end_stream = frame.has(flag::END_STREAM);
                Ok(Signal::DataEnd { stream_id: frame.stream_id, end_stream })
            }
            kind::RST_STREAM => {
                let code = payload(&self.payload, whole).first_chunk().ok_or(wrong_length)?;
                let code = u32::from_be_bytes(*code);
                Ok(Signal::Reset { stream_id: frame.stream_id, code })
            }
            kind::SETTINGS => {
                let payload = payload(&self.payload, whole);
                if let Some(print) = &mut self.fingerprint {
                    print.settings(payload);
                }
                Settings::parse(payload).map(Signal::Settings).map_err(|BadSettings| wrong_length)
            }
            _ => self.block(whole),
        }
    }

    /// The header block that the frame in hand completes.
    fn block<'a>(&'a mut self, whole: &'a [u8]) -> Result<Signal<'a>, Fault> {
        let extent = Extent { start: self.unit_start, end: self.offset };
        let fingerprint = self.fingerprint.take();
        let (open, fragment) = match self.open.take() {
            Some(open) => {
                self.fragments.extend_from_slice(payload(&self.payload, whole));
                (open, self.fragments.as_slice())
            }
            None => opened(self.frame, payload(&self.payload, whole))?,
        };
        let OpenBlock { opener, stream_id, end_stream } = open;
        Ok(Signal::Block(Block { opener, stream_id, end_stream, extent, fragment, fingerprint }))
    }
}

/// The payload in hand: what was collected, or what lies whole in the input.
fn payload<'a>(collected: &'a [u8], whole: &'a [u8]) -> &'a [u8] {
    if whole.is_empty() { collected } else { whole }
}

/// Takes the payload of a HEADERS or PUSH_PROMISE frame apart (sections 6.2 and 6.6).
fn opened(frame: FrameHeader, payload: &[u8]) -> Result<(OpenBlock, &[u8]), Fault> {
    let rest = unpadded(frame, payload)?;
    let stream_id = frame.stream_id;
    if frame.kind == kind::PUSH_PROMISE {
        let (promised, fragment) = rest.split_first_chunk().ok_or(Fault::Padding)?;
        let promised = u32::from_be_bytes(*promised) & STREAM_ID;
        let opener = Opener::PushPromise { promised };
        return Ok((OpenBlock { opener, stream_id, end_stream: false }, fragment));
    }
    let priority_bytes = if frame.has(flag::PRIORITY) { PRIORITY_BYTES } else { 0 };
    let fragment = rest.get(priority_bytes..).ok_or(Fault::Padding)?;
    let end_stream = frame.has(flag::END_STREAM);
    Ok((OpenBlock { opener: Opener::Headers, stream_id, end_stream }, fragment))
}

/// Empties a buffer for the next use, without keeping what a rare large one took.
fn recycle(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BUFFER_BYTES {
        *buffer = Vec::new();
    }
    buffer.clear();
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const STREAM_ID: u32 = 0x7fff_ffff;
/// SETTINGS_MAX_FRAME_SIZE before any SETTINGS frame says otherwise.
const INITIAL_MAX_FRAME_SIZE: u32 = 16_384;
const MOST_SETTINGS_BYTES: u32 = 16_384;
const RST_STREAM_BYTES: u32 = 4;
const PRIORITY_BYTES: usize = 5;
const KEPT_BUFFER_BYTES: usize = 16_384;
