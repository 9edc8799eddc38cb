//! Databases of another day, made of the bundled ones: MMDB files changed in place, and packed as their
//! publishers pack them. It reads no more of the format than that takes.

use crate::tool::{self, SHORT};

/// The same MMDB file, built so many days later.
pub fn built_later(file: &[u8], days: i64) -> Vec<u8> {
    let mut file = file.to_vec();
    let key = b"build_epoch";
    let at = file.windows(key.len()).rposition(|window| window == key).unwrap() + key.len();
    // An integer of eight bytes has a control byte and one for its type; of four, one.
    let (begin, size) = match file[at] {
        0xc4 => (at + 1, 4),
        control => (at + 2, usize::from(control)),
    };
    let number = &mut file[begin..begin + size];
    let built = number.iter().fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte));
    let bytes = (built + days * 86_400).to_be_bytes();
    number.copy_from_slice(&bytes[8 - size..]);
    file
}

/// Every record of HK says SG, but 202.64.0.1 must stay where it is known to be: so the tree's way
/// to 159.138.0.1 is not touched, and HK's record is left; the address's leaf is led to SG's.
pub fn sg_for_hk(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let number = |key: &[u8]| {
        let at = file.windows(key.len()).rposition(|window| window == key).unwrap() + key.len();
        let size = usize::from(file[at] & 0x1f);
        file[at + 1..at + 1 + size].iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (nodes, size) = (number(b"node_count"), number(b"record_size"));
    let bytes = size / 4;
    let side = |file: &[u8], node: usize, bit: usize| {
        let at = node * bytes;
        match size {
            24 => {
                file[at + bit * 3..at + bit * 3 + 3].iter().fold(0, |n, b| n << 8 | usize::from(*b))
            }
            28 => {
                let high = usize::from(file[at + 3] >> (4 * (1 - bit)) & 15);
                let low = at + bit * 4;
                file[low..low + 3].iter().fold(high, |n, b| n << 8 | usize::from(*b))
            }
            _ => {
                file[at + bit * 4..at + bit * 4 + 4].iter().fold(0, |n, b| n << 8 | usize::from(*b))
            }
        }
    };
    let leaf = |file: &[u8], address: u32| {
        let mut node = (0..96).fold(0, |node, _| side(file, node, 0));
        for at in (0..32).rev() {
            let bit = (address >> at & 1) as usize;
            let next = side(file, node, bit);
            if next >= nodes {
                return (node, bit, next);
            }
            node = next;
        }
        panic!("no leaf")
    };
    let (node, bit, _) = leaf(&file, u32::from_be_bytes([159, 138, 0, 1]));
    let (.., sg) = leaf(&file, u32::from_be_bytes([119, 29, 29, 29]));
    let at = node * bytes;
    let value = u32::try_from(sg).unwrap().to_be_bytes();
    match size {
        24 => file[at + bit * 3..at + bit * 3 + 3].copy_from_slice(&value[1..]),
        28 => {
            let shift = 4 * (1 - bit);
            file[at + 3] = file[at + 3] & !(15 << shift) | (value[0] & 15) << shift;
            file[at + bit * 4..at + bit * 4 + 3].copy_from_slice(&value[1..]);
        }
        _ => file[at + bit * 4..at + bit * 4 + 4].copy_from_slice(&value),
    }
    file
}

/// The bytes packed by a program of the system, such as gzip.
pub fn packed(program: &str, bytes: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let mut command = tool::command(program);
    command.args(["-1", "-c"]).arg(file.path());
    tool::run(&mut command, SHORT).expect_success().stdout
}
