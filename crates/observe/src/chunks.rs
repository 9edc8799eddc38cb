//! The digests of a body's chunks while it passes. They tell what the body is to whoever guesses it, so
//! they are no part of any record: the recorder salts them. Nothing is salted here, and no tree grown.

use aws_lc_rs::digest::{SHA256, digest};
use flow::http::ChunkDigests;

/// Hashes a body chunk by chunk, as long as it has no more than a bound.
#[derive(Debug)]
pub(crate) struct ChunkHasher {
    /// Bytes that may still come.
    room: usize,
    digests: Vec<[u8; 32]>,
    /// The beginning of the next chunk.
    rest: Vec<u8>,
    is_over: bool,
}

impl ChunkHasher {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { room: most_bytes, digests: Vec::new(), rest: Vec::new(), is_over: false }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.is_over {
            return;
        }
        let Some(room) = self.room.checked_sub(bytes.len()) else {
            (self.is_over, self.digests, self.rest) = (true, Vec::new(), Vec::new());
            return;
        };
        self.room = room;
        let mut bytes = bytes;
        if !self.rest.is_empty() {
            let missing = ChunkDigests::CHUNK_BYTES - self.rest.len();
            let (first, others) = bytes.split_at(missing.min(bytes.len()));
            self.rest.extend_from_slice(first);
            if self.rest.len() < ChunkDigests::CHUNK_BYTES {
                return;
            }
            self.digests.push(sha256(&self.rest));
            self.rest.clear();
            bytes = others;
        }
        let chunks = bytes.chunks_exact(ChunkDigests::CHUNK_BYTES);
        self.rest.extend_from_slice(chunks.remainder());
        self.digests.extend(chunks.map(sha256));
    }

    /// The digests; `None` without a byte, and past the bound.
    pub(crate) fn finish(mut self) -> Option<ChunkDigests> {
        if !self.rest.is_empty() {
            self.digests.push(sha256(&self.rest));
        }
        (!self.digests.is_empty()).then_some(ChunkDigests(self.digests))
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], most: usize, expected: Option<usize>) {
        let digests = (bytes.len() <= most && !bytes.is_empty())
            .then(|| ChunkDigests(bytes.chunks(1024).map(sha256).collect()));
        assert_eq!(digests.as_ref().map(|digests| digests.0.len()), expected);
        for piece in [1, 7, 1023, 1024, 1025, 5000] {
            let mut hasher = ChunkHasher::new(most);
            bytes.chunks(piece).for_each(|piece| hasher.feed(piece));
            assert_eq!(hasher.finish(), digests, "in pieces of {piece}");
        }
    }

    #[test]
    fn however_a_body_comes_its_chunks_are_the_same() {
        let bytes: Vec<u8> = (0..5000_u32).map(|n| (n % 251) as u8).collect();
        for (length, chunks) in [(1, 1), (1023, 1), (1024, 1), (1025, 2), (2048, 2), (5000, 5)] {
            check(&bytes[..length], 5000, Some(chunks));
        }
        check(b"", 5000, None);
    }

    #[test]
    fn a_body_past_the_bound_holds_nothing() {
        check(&[7; 3000], 3000, Some(3));
        check(&[7; 3001], 3000, None);
        check(b"x", 0, None);
        let mut hasher = ChunkHasher::new(3000);
        hasher.feed(&[7; 2900]);
        hasher.feed(&[7; 101]);
        assert!(hasher.digests.capacity() == 0 && hasher.rest.capacity() == 0);
    }
}
