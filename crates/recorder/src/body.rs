//! Committing to bodies: a tree over the salted digests of a body's chunks, so that a part of it can be
//! withheld and the rest proved. The digests come from an observer; what they are salted with stays
//! with the session's secrets.

use crate::merkle::{Hash, Tree};
use crate::record::exchange::BodyCommitment;
use crate::record::value::Count;
use flow::http::ChunkDigests;
use flow::id::ExchangeId;
use std::fmt;

/// The secret that the seeds of a session's bodies are made of.
#[derive(Clone)]
pub(crate) struct BodySecret([u8; 32]);

/// Which body of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request = 0,
    Response = 1,
}

impl BodySecret {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// What stands in the record for a body with these chunks.
    pub(crate) fn commit(
        &self,
        exchange: ExchangeId,
        side: Side,
        chunks: &ChunkDigests,
    ) -> BodyCommitment {
        let seed = self.seed(exchange, side);
        let mut tree = Tree::default();
        for (digest, index) in chunks.0.iter().zip(0_u32..) {
            // SHA-256(0x11 || salt || digest), salt = SHA-256(body seed || index).
            let salt = Hash::of_parts(&[seed.as_bytes(), &index.to_be_bytes()]);
            tree.push(Hash::of_parts(&[&[CHUNK_PREFIX], salt.as_bytes(), digest]));
        }
        let root = (*tree.root().as_bytes()).into();
        BodyCommitment { chunks: Count(tree.size()), root }
    }

    /// `SHA-256(secret || connection || number || side)`: always 45 bytes, so that no seed's input is
    /// the beginning of another's.
    fn seed(&self, exchange: ExchangeId, side: Side) -> Hash {
        let ExchangeId { connection, number } = exchange;
        let (connection, number) = (connection.0.to_be_bytes(), number.to_be_bytes());
        Hash::of_parts(&[&self.0, &connection, &number, &[side as u8]])
    }
}

impl fmt::Debug for BodySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodySecret(..)")
    }
}

const CHUNK_PREFIX: u8 = 0x11;

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::digest::{SHA256, digest};

    fn sha256(parts: &[&[u8]]) -> Vec<u8> {
        digest(&SHA256, &parts.concat()).as_ref().to_vec()
    }

    #[test]
    fn a_body_is_committed_to_as_documented() {
        let exchange: ExchangeId = "c258.3".parse().unwrap();
        let digests = ChunkDigests(vec![[1; 32], [2; 32], [3; 32]]);
        let commitment = BodySecret::new([9; 32]).commit(exchange, Side::Response, &digests);
        let seed = sha256(&[&[9; 32], &[0, 0, 0, 0, 0, 0, 1, 2], &[0, 0, 0, 3], &[1]]);
        let leaf = |index: u8| {
            let salt = sha256(&[&seed, &[0, 0, 0, index]]);
            sha256(&[&[0x11], &salt, &[index + 1; 32]])
        };
        let node = |left: &[u8], right: &[u8]| sha256(&[&[1], left, right]);
        let root = node(&node(&leaf(0), &leaf(1)), &leaf(2));
        assert_eq!((commitment.chunks, &commitment.root.0[..]), (Count(3), &root[..]));
        let other = BodySecret::new([9; 32]).commit(exchange, Side::Request, &digests);
        assert_ne!(other.root, commitment.root, "equal bodies cannot be told");
    }
}
