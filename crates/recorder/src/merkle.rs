//! The Merkle tree of RFC 6962 section 2.1 over SHA-256, grown leaf by leaf. Only the hashes on
//! its right edge are held, so a tree of any size takes at most 64 hashes. There are no proofs.

use aws_lc_rs::digest;
use std::fmt;

/// A SHA-256 hash of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// `SHA-256(0x00 || leaf)`.
    pub fn of_leaf(leaf: &[u8]) -> Self {
        Self::of_parts(&[&[LEAF_PREFIX], leaf])
    }

    /// `SHA-256(0x01 || left || right)`.
    pub fn of_node(left: Self, right: Self) -> Self {
        Self::of_parts(&[&[NODE_PREFIX], &left.0, &right.0])
    }

    /// Of the parts one after another. Short ones are put together first: a context costs more
    /// than that.
    pub(crate) fn of_parts(parts: &[&[u8]]) -> Self {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut few = [0; FEW_BYTES];
        if let Some(whole) = few.get_mut(..length) {
            for (to, from) in whole.iter_mut().zip(parts.iter().copied().flatten()) {
                *to = *from;
            }
            return Self::from_digest(&digest::digest(&digest::SHA256, whole));
        }
        if length <= TOGETHER_BYTES {
            let mut whole = Vec::with_capacity(length);
            parts.iter().for_each(|part| whole.extend_from_slice(part));
            return Self::from_digest(&digest::digest(&digest::SHA256, &whole));
        }
        let mut context = digest::Context::new(&digest::SHA256);
        parts.iter().for_each(|part| context.update(part));
        Self::from_digest(&context.finish())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of a SHA-256 digest; of another digest the first 32 bytes, zeros where it is shorter.
    pub(crate) fn from_digest(digest: &digest::Digest) -> Self {
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(hash)
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A growing tree: the roots of its perfect subtrees, the largest (leftmost) first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    edge: Vec<Hash>,
}

impl Tree {
    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash ([`Hash::of_leaf`], or what takes its place).
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // A subtree of the same size stands to the left for every trailing one bit of the size.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                hash = Hash::of_node(left, hash);
            }
        }
        self.edge.push(hash);
        self.size += 1;
    }

    /// The Merkle tree hash; of the empty tree, the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut right_to_left = self.edge.iter().rev().copied();
        match right_to_left.next() {
            Some(last) => right_to_left.fold(last, |right, left| Hash::of_node(left, right)),
            None => Hash::from_digest(&digest::digest(&digest::SHA256, b"")),
        }
    }
}

/// What is put together without memory of its own: a node, a salt, a salted chunk.
const FEW_BYTES: usize = 96;
/// What is hashed in one step.
const TOGETHER_BYTES: usize = 4 << 10;
const LEAF_PREFIX: u8 = 0x00;
const NODE_PREFIX: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The leaves and roots of the test vectors that come with the Certificate Transparency
    /// reference implementation.
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    #[test]
    fn published_vectors() {
        let mut tree = Tree::default();
        assert_eq!(format!("{:?}", tree.root()), ROOTS[0]);
        for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
            tree.push(Hash::of_leaf(&bytes(leaf)));
            assert_eq!(format!("{:?}", tree.root()), *root);
        }
    }

    /// The definition of RFC 6962, word for word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Tree::default().root(),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                Hash::of_node(by_definition(left), by_definition(right))
            }
        }
    }

    proptest! {
        #[test]
        fn grown_and_defined_trees_agree(count in 0_usize..300) {
            let leaves: Vec<_> = (0..count).map(|n| Hash::of_leaf(&n.to_be_bytes())).collect();
            let mut tree = Tree::default();
            leaves.iter().for_each(|leaf| tree.push(*leaf));
            prop_assert_eq!(tree.size(), count as u64);
            prop_assert_eq!(tree.root(), by_definition(&leaves));
        }
    }
}
