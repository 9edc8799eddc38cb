//! gRPC's messages in a body: a flag byte, four bytes of length, then the message (gRPC over HTTP/2,
//! Length-Prefixed-Message), and the same for grpc-web, whose last message holds the trailers.
//! Messages are neither held nor inflated here.

use crate::found::{Found, Lost};
use flow::message::{GrpcMessage, MessageDefect, MessageEnd, MessageKind};
use flow::stream::Extent;

/// Which messages a body may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    Grpc,
    /// grpc-web, whose trailers are a message. The base64 form is not followed.
    Web,
}

impl Flavour {
    /// The flavour of a media type in lower case.
    pub(crate) fn of(media_type: &[u8]) -> Option<Self> {
        let is = |name: &[u8]| {
            let rest = media_type.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
        };
        match () {
            () if is(b"application/grpc") => Some(Self::Grpc),
            () if is(b"application/grpc-web") => Some(Self::Web),
            () => None,
        }
    }
}

/// Cuts a body into messages whatever the segmentation.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    prefix: [u8; PREFIX_BYTES],
    filled: usize,
    /// Bytes of the message that are still to come; `None` between messages.
    left: Option<u32>,
}

/// A part of a message. Each is one `Begin`, `Payload`s that are not empty and together have the
/// message's length, and one `End`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Begin { flags: u8, length: u32 },
    Payload(&'a [u8]),
    End,
}

impl Scanner {
    /// Takes the next piece off the front of `input`; `None` when all of it is used up.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Piece<'a>> {
        match self.left {
            None => self.begin(input),
            Some(0) => {
                self.left = None;
                Some(Piece::End)
            }
            Some(left) => {
                let (payload, rest) = input.split_at(input.len().min(left as usize));
                *input = rest;
                self.left = Some(left.saturating_sub(payload.len() as u32));
                (!payload.is_empty()).then_some(Piece::Payload(payload))
            }
        }
    }

    fn begin<'a>(&mut self, input: &mut &'a [u8]) -> Option<Piece<'a>> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            if let Some(slot) = self.prefix.get_mut(self.filled) {
                *slot = *byte;
            }
            self.filled += 1;
            if self.filled == PREFIX_BYTES {
                let [flags, length @ ..] = self.prefix;
                let length = u32::from_be_bytes(length);
                self.filled = 0;
                self.left = Some(length);
                return Some(Piece::Begin { flags, length });
            }
        }
        None
    }
}

/// Follows the messages of one body.
#[derive(Debug)]
pub(crate) struct GrpcFollower {
    flavour: Flavour,
    scanner: Scanner,
    offset: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    start: u64,
    message: GrpcMessage,
    bytes: u64,
    defect: Option<MessageDefect>,
}

impl GrpcFollower {
    pub(crate) fn new(flavour: Flavour) -> Self {
        Self { flavour, scanner: Scanner::default(), offset: 0, open: None }
    }

    /// Takes in the next bytes of the body.
    pub(crate) fn feed(&mut self, bytes: &[u8], found: &mut impl FnMut(Found)) -> Result<(), Lost> {
        let mut input = bytes;
        loop {
            let before = input.len();
            let piece = self.scanner.next(&mut input);
            self.offset += (before - input.len()) as u64;
            match piece {
                None => return Ok(()),
                Some(Piece::Begin { flags, length }) => {
                    let start = self.offset.saturating_sub(PREFIX_BYTES as u64);
                    let message = self.message(flags).ok_or(Lost {
                        offset: start,
                        why: "a gRPC message whose flags are not known",
                    })?;
                    let is_long = length > LONGEST_BYTES;
                    let defect = is_long.then_some(MessageDefect::LongMessage);
                    self.open = Some(Open { start, message, bytes: 0, defect });
                }
                Some(Piece::Payload(part)) => {
                    if let Some(open) = &mut self.open {
                        open.bytes += part.len() as u64;
                    }
                }
                Some(Piece::End) => self.end(MessageEnd::Complete, found),
            }
        }
    }

    /// The body has ended: gives back what was under way.
    pub(crate) fn finish(mut self, found: &mut impl FnMut(Found)) {
        if self.scanner.filled > 0 {
            let start = self.offset.saturating_sub(self.scanner.filled as u64);
            let message = GrpcMessage { compressed: false, trailers: false };
            self.open = Some(Open { start, message, bytes: 0, defect: None });
        }
        self.end(MessageEnd::Truncated, found);
    }

    fn message(&self, flags: u8) -> Option<GrpcMessage> {
        let (trailers, compressed) = (flags & TRAILERS != 0, flags & COMPRESSED != 0);
        let is_known = flags & !(TRAILERS | COMPRESSED) == 0;
        let may_be = is_known && (!trailers || self.flavour == Flavour::Web);
        may_be.then_some(GrpcMessage { compressed, trailers })
    }

    fn end(&mut self, end: MessageEnd, found: &mut impl FnMut(Found)) {
        if let Some(Open { start, message, bytes, defect }) = self.open.take() {
            let range = Extent { start, end: self.offset };
            found(Found { kind: MessageKind::Grpc(message), range, bytes, end, defect });
        }
    }
}

const PREFIX_BYTES: usize = 5;
const COMPRESSED: u8 = 0x01;
/// grpc-web: the payload is a block of trailer fields.
const TRAILERS: u8 = 0x80;
/// What receivers take by default.
const LONGEST_BYTES: u32 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(flavour: Flavour, parts: &[&[u8]]) -> (Vec<Found>, Option<Lost>) {
        let mut follower = GrpcFollower::new(flavour);
        let mut all = Vec::new();
        for part in parts {
            if let Err(lost) = follower.feed(part, &mut |found| all.push(found)) {
                return (all, Some(lost));
            }
        }
        follower.finish(&mut |found| all.push(found));
        (all, None)
    }

    #[track_caller]
    fn check(flavour: Flavour, body: &[u8], expected: &[&str], lost: Option<u64>) {
        let bytewise: Vec<&[u8]> = body.chunks(1).collect();
        for parts in [&[body][..], &bytewise] {
            let (all, stopped) = read(flavour, parts);
            let shown: Vec<String> = all.iter().map(shown).collect();
            assert_eq!(shown, expected, "{body:?}");
            assert_eq!(stopped.map(|lost| lost.offset), lost);
        }
    }

    fn shown(found: &Found) -> String {
        let MessageKind::Grpc(message) = &found.kind else { panic!("{found:?}") };
        let compressed = if message.compressed { " compressed" } else { "" };
        let trailers = if message.trailers { " trailers" } else { "" };
        let defect = found.defect.map_or(String::new(), |defect| format!(" {defect}"));
        let (range, bytes, end) = (found.range.range(), found.bytes, found.end);
        format!("{range:?} {bytes} {end:?}{compressed}{trailers}{defect}")
    }

    #[test]
    fn messages_are_cut_by_their_prefix() {
        use Flavour::{Grpc, Web};
        check(Grpc, b"", &[], None);
        check(Grpc, b"\0\0\0\0\0", &["0..5 0 Complete"], None);
        let two = b"\0\0\0\0\x03abc\x01\0\0\0\x02de";
        check(Grpc, two, &["0..8 3 Complete", "8..15 2 Complete compressed"], None);
        check(Grpc, &two[..14], &["0..8 3 Complete", "8..14 1 Truncated compressed"], None);
        check(Grpc, &two[..10], &["0..8 3 Complete", "8..10 0 Truncated"], None);
        check(Web, b"\x80\0\0\0\x01x", &["0..6 1 Complete trailers"], None);
        check(Grpc, b"\0\0\0\0\x01a\x80\0\0\0\0", &["0..6 1 Complete"], Some(6));
        check(Web, b"\x02\0\0\0\0", &[], Some(0));
        check(Grpc, b"\0\xff\xff\xff\xffa", &["0..6 1 Truncated long-message"], None);
    }

    #[test]
    fn flavours() {
        for (media_type, expected) in [
            ("application/grpc", Some(Flavour::Grpc)),
            ("application/grpc+proto", Some(Flavour::Grpc)),
            ("application/grpc-web+proto", Some(Flavour::Web)),
            ("application/grpc-web-text", None),
            ("application/grpcx", None),
        ] {
            assert_eq!(Flavour::of(media_type.as_bytes()), expected, "{media_type}");
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            body in prop::collection::vec(prop::sample::select(vec![0_u8, 0, 0, 1, 2, 5, 0x80]), 0..60),
            size in 1..7_usize,
        ) {
            let parts: Vec<&[u8]> = body.chunks(size).collect();
            prop_assert_eq!(read(Flavour::Web, &[&body]), read(Flavour::Web, &parts));
        }
    }
}
