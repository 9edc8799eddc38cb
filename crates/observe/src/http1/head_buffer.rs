//! Collects one message head from pieces of any size. It finds the empty line that ends the head
//! and nothing else; each byte is looked at once, however small the pieces.

use super::defect::{Defect, Malformed};
use bytes::Bytes;

/// A head while it arrives.
#[derive(Debug)]
pub struct HeadBuffer {
    bytes: Vec<u8>,
    /// Where the line that is arriving starts.
    line_start: usize,
    limit: usize,
    skipped: u64,
}

impl HeadBuffer {
    /// A buffer for a head of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), line_start: 0, limit, skipped: 0 }
    }

    /// Takes bytes up to and including the empty line. Empty lines before the head are skipped
    /// (RFC 9112 section 2.2).
    ///
    /// # Errors
    /// [`Malformed::HeadTooLong`] when the limit is passed; `at` is the byte that passes it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Collected, Defect> {
        let mut taken = 0;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = self.limit.saturating_sub(self.bytes.len());
            if piece.len() > room {
                return Err(Defect { at: taken + room, why: Malformed::HeadTooLong(self.limit) });
            }
            self.bytes.extend_from_slice(piece);
            taken += piece.len();
            if !piece.ends_with(b"\n") {
                break;
            }
            let line = self.bytes.get(self.line_start..).unwrap_or_default();
            let is_empty = matches!(line, b"\n" | b"\r\n");
            if is_empty && self.line_start > 0 {
                let head = Bytes::from(std::mem::take(&mut self.bytes));
                let skipped = std::mem::take(&mut self.skipped);
                self.line_start = 0;
                return Ok(Collected::Head { head, skipped, taken });
            }
            if is_empty {
                self.skipped = self.skipped.saturating_add(line.len() as u64);
                self.bytes.clear();
            } else {
                self.line_start = self.bytes.len();
            }
        }
        Ok(Collected::NeedMore)
    }

    /// Bytes held: what has arrived of a head that is not complete.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// What [`HeadBuffer::feed`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collected {
    /// All bytes were taken and the head is not complete.
    NeedMore,
    /// The head through its empty line.
    Head {
        head: Bytes,
        /// Bytes of empty lines skipped before the head, in this call and earlier ones.
        skipped: u64,
        /// Bytes of this call's slice that were taken.
        taken: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head, the bytes skipped before it and the bytes taken; or where the limit was passed.
    type Expected<'a> = Result<Option<(&'a [u8], u64, usize)>, usize>;

    #[track_caller]
    fn check(input: &[u8], limit: usize, expected: Expected<'_>) {
        let whole = HeadBuffer::new(limit).feed(input);
        let seen = match &whole {
            Ok(Collected::Head { head, skipped, taken }) => Ok(Some((&head[..], *skipped, *taken))),
            Ok(Collected::NeedMore) => Ok(None),
            Err(defect) => Err(defect.at),
        };
        assert_eq!(seen, expected, "{input:?}");
        let mut buffer = HeadBuffer::new(limit);
        for (at, byte) in input.iter().enumerate() {
            match buffer.feed(&[*byte]) {
                Ok(Collected::NeedMore) => {}
                Ok(Collected::Head { head, skipped, taken }) => {
                    assert_eq!(Ok(Some((&head[..], skipped, at + taken))), expected);
                    return;
                }
                Err(defect) => return assert_eq!(Err(at + defect.at), expected),
            }
        }
        assert_eq!(Ok(None), expected);
    }

    #[test]
    fn heads_end_at_the_first_empty_line() {
        check(b"GET / HTTP/1.1\r\n\r\nrest", 99, Ok(Some((b"GET / HTTP/1.1\r\n\r\n", 0, 18))));
        check(b"a\nb\n\nrest", 99, Ok(Some((b"a\nb\n\n", 0, 5))));
        check(b"a\r\n\nrest", 99, Ok(Some((b"a\r\n\n", 0, 4))));
        check(b"\r\n\n\r\na\r\n\r\n", 99, Ok(Some((b"a\r\n\r\n", 5, 10))));
        check(b"a\r\n \r\n\r\n", 99, Ok(Some((b"a\r\n \r\n\r\n", 0, 8))));
        check(b"a\r\n\rb\n", 99, Ok(None));
        check(b"a\r\n", 99, Ok(None));
        check(b"", 99, Ok(None));
    }

    #[test]
    fn a_head_may_be_as_long_as_the_limit_and_no_longer() {
        check(b"abc\n\n", 5, Ok(Some((b"abc\n\n", 0, 5))));
        check(b"abcd\n\n", 5, Err(5));
        check(b"abcdef", 5, Err(5));
        check(b"\n\n\n\n\n\n\nabc\n\n", 5, Ok(Some((b"abc\n\n", 7, 12))));
    }

    #[test]
    fn a_buffer_serves_head_after_head() {
        let mut buffer = HeadBuffer::new(99);
        for _ in 0..2 {
            let head = Collected::Head { head: Bytes::from_static(b"a\n\n"), skipped: 1, taken: 4 };
            assert_eq!(buffer.feed(b"\na\n\nb"), Ok(head));
            assert!(buffer.is_empty());
        }
    }
}
