//! The decoder of one direction's header blocks (RFC 7541 section 3). It holds the dynamic table,
//! which every block of the direction changes, so that no block may be left out.

use super::huffman::{self, BadHuffman};
use super::integer::{self, IntegerError};
use super::table::{INITIAL_SIZE, Origin, Table, entry_size};
use bytes::{Bytes, BytesMut};
use flow::http::Field;
use std::fmt;

/// Decodes the header blocks that one endpoint sends, in order.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// The largest size that the receiving endpoint has ever allowed for the table.
    allowed_table_size: u32,
    /// Bytes of one decoded list, and of the table.
    limit: usize,
    /// Literals are decoded here and split off, so that most cost no allocation of their own.
    arena: BytesMut,
}

/// Why a block could not be decoded. The table is then unknown for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The block ends inside a field.
    Truncated,
    IntegerOverflow,
    Huffman,
    /// An index that neither table has.
    Index(u32),
    /// A change of the table's size after a field of the block.
    LateSizeUpdate,
    /// A table larger than the receiver allowed.
    TableNotAllowed {
        bytes: u32,
        allowed: u32,
    },
    /// A table that is allowed, but larger than what is followed.
    TableOverLimit {
        bytes: u32,
        limit: usize,
    },
    /// The decoded list, counted with 32 bytes for each field, is over the limit.
    ListOverLimit {
        limit: usize,
    },
}

impl Decoder {
    /// A decoder whose lists and table hold at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            table: Table::new(),
            allowed_table_size: INITIAL_SIZE,
            limit,
            arena: BytesMut::new(),
        }
    }

    /// The receiving endpoint announced SETTINGS_HEADER_TABLE_SIZE.
    ///
    /// The table changes only when the sender says so in a block. When exactly the sender has read
    /// the announcement cannot be seen here, so the largest one stays the bound: a smaller one
    /// may not have reached the sender yet.
    pub fn allow_table_size(&mut self, bytes: u32) {
        self.allowed_table_size = self.allowed_table_size.max(bytes);
    }

    /// Decodes one whole block to its fields, in order.
    ///
    /// # Errors
    /// [`DecodeError`]; the decoder must not be used after it.
    pub fn decode(&mut self, block: &[u8]) -> Result<Vec<Field>, DecodeError> {
        let mut rest = block;
        while rest.first().is_some_and(|first| first & 0xe0 == SIZE_UPDATE) {
            let bytes = integer::take(5, &mut rest)?;
            self.resize(bytes)?;
        }
        let mut fields = Vec::with_capacity(FIELDS_EXPECTED.min(rest.len()));
        let mut list_size = 0_usize;
        while let Some(first) = rest.first() {
            let field = match first {
                0x80.. => self.look_up(integer::take(7, &mut rest)?)?.0,
                0x40.. => {
                    let (name, origin) = self.name(6, &mut rest)?;
                    let value = self.string(&mut rest)?;
                    let field = owned(name, origin, &value);
                    self.table.insert(field.clone());
                    field
                }
                0x20.. => return Err(DecodeError::LateSizeUpdate),
                // Without indexing, and never indexed: the same to a reader.
                _ => {
                    let (name, _origin) = self.name(4, &mut rest)?;
                    Field { name, value: self.string(&mut rest)? }
                }
            };
            list_size = list_size.saturating_add(entry_size(&field));
            if list_size > self.limit {
                return Err(DecodeError::ListOverLimit { limit: self.limit });
            }
            fields.push(field);
        }
        Ok(fields)
    }

    #[cfg(test)]
    pub(super) fn dynamic_table(&self) -> (Vec<Field>, usize) {
        self.table.dynamic()
    }

    fn resize(&mut self, bytes: u32) -> Result<(), DecodeError> {
        if bytes > self.allowed_table_size {
            let allowed = self.allowed_table_size;
            return Err(DecodeError::TableNotAllowed { bytes, allowed });
        }
        if bytes as usize > self.limit {
            return Err(DecodeError::TableOverLimit { bytes, limit: self.limit });
        }
        self.table.resize(bytes as usize);
        Ok(())
    }

    fn look_up(&self, index: u32) -> Result<(Field, Origin), DecodeError> {
        self.table.get(index).ok_or(DecodeError::Index(index))
    }

    /// A literal field's name: an index, or 0 and a string.
    fn name(&mut self, prefix_bits: u8, rest: &mut &[u8]) -> Result<(Bytes, Origin), DecodeError> {
        match integer::take(prefix_bits, rest)? {
            0 => Ok((self.string(rest)?, Origin::Dynamic)),
            index => self.look_up(index).map(|(field, origin)| (field.name, origin)),
        }
    }

    /// A string literal (section 5.2).
    fn string(&mut self, rest: &mut &[u8]) -> Result<Bytes, DecodeError> {
        let coded = rest.first().is_some_and(|first| first & 0x80 != 0);
        let length = integer::take(7, rest)? as usize;
        let (text, after) = rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        *rest = after;
        let most = if coded { huffman::decoded_bound(length) } else { length };
        if self.arena.capacity() < most {
            self.arena = BytesMut::with_capacity(most.max(ARENA_BYTES));
        }
        if coded {
            huffman::decode(text, &mut self.arena)?;
        } else {
            self.arena.extend_from_slice(text);
        }
        Ok(self.arena.split().freeze())
    }
}

/// A field for the table: it keeps alive its own text and nothing else. A slice of the arena, or
/// a name that shares another entry's allocation, would keep more alive than the table counts.
fn owned(name: Bytes, origin: Origin, value: &Bytes) -> Field {
    match origin {
        Origin::Static => Field { name, value: Bytes::copy_from_slice(value) },
        Origin::Dynamic => {
            let both = Bytes::from([name.as_ref(), value.as_ref()].concat());
            Field { name: both.slice(..name.len()), value: both.slice(name.len()..) }
        }
    }
}

impl From<IntegerError> for DecodeError {
    fn from(error: IntegerError) -> Self {
        match error {
            IntegerError::Truncated => Self::Truncated,
            IntegerError::Overflow => Self::IntegerOverflow,
        }
    }
}

impl From<BadHuffman> for DecodeError {
    fn from(BadHuffman: BadHuffman) -> Self {
        Self::Huffman
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("it ends inside a field"),
            Self::IntegerOverflow => f.write_str("an integer is too large"),
            Self::Huffman => f.write_str("a string is no valid Huffman code"),
            Self::Index(index) => write!(f, "index {index} is in no table"),
            Self::LateSizeUpdate => f.write_str("the table's size changes after a field"),
            Self::TableNotAllowed { bytes, allowed } => {
                write!(f, "a table of {bytes} bytes where the receiver allows {allowed}")
            }
            Self::TableOverLimit { bytes, limit } => {
                write!(f, "a table of {bytes} bytes, over the limit of {limit}")
            }
            Self::ListOverLimit { limit } => {
                write!(f, "the decoded fields are over the limit of {limit} bytes")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

const SIZE_UPDATE: u8 = 0x20;
const FIELDS_EXPECTED: usize = 16;
const ARENA_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[track_caller]
    fn check(block: &[u8], expected: Result<&[(&str, &str)], DecodeError>) {
        let fields = |list: &[(&str, &str)]| {
            let field = |(name, value): &(&str, &str)| Field {
                name: (*name).to_owned().into(),
                value: (*value).to_owned().into(),
            };
            list.iter().map(field).collect::<Vec<_>>()
        };
        assert_eq!(Decoder::new(LIMIT).decode(block), expected.map(fields), "{block:02x?}");
    }

    const LIMIT: usize = 10_000;

    #[test]
    fn malformed_blocks() {
        check(b"", Ok(&[]));
        check(b"\x00\x01a\x01b", Ok(&[("a", "b")]));
        check(b"\x10\x00\x00", Ok(&[("", "")]));
        check(b"\x80", Err(DecodeError::Index(0)));
        check(b"\xbe", Err(DecodeError::Index(62)));
        check(b"\x7e\x01b", Err(DecodeError::Index(62)));
        check(b"\x40\x01a\x01b\xbe\xbf", Err(DecodeError::Index(63)));
        check(b"\x00\x01", Err(DecodeError::Truncated));
        check(b"\x00\x01a", Err(DecodeError::Truncated));
        check(b"\x00\x01a\x7f", Err(DecodeError::Truncated));
        check(b"\x00\x01a\x7f\xff\xff\xff\xff\xff\x00", Err(DecodeError::IntegerOverflow));
        check(b"\x00\x81\x00\x00", Err(DecodeError::Huffman));
    }

    #[test]
    fn the_table_changes_size_only_at_the_beginning_of_a_block_and_within_what_is_allowed() {
        check(b"\x20\x3f\xe1\x1f\x82", Ok(&[(":method", "GET")])); // 0, then 4096
        check(b"\x82\x20", Err(DecodeError::LateSizeUpdate));
        let over = DecodeError::TableNotAllowed { bytes: 4097, allowed: 4096 };
        check(b"\x3f\xe2\x1f", Err(over));

        let mut decoder = Decoder::new(LIMIT);
        decoder.allow_table_size(65_536);
        decoder.allow_table_size(0); // may not have reached the sender yet
        assert_eq!(decoder.decode(b"\x3f\xe2\x1f"), Ok(Vec::new()));
        let too_large = DecodeError::TableOverLimit { bytes: 10_001, limit: LIMIT };
        assert_eq!(decoder.decode(b"\x3f\xf2\x4d"), Err(too_large));
    }

    #[test]
    fn a_size_of_zero_forgets_the_table() {
        let mut decoder = Decoder::new(LIMIT);
        assert!(decoder.decode(b"\x40\x01a\x01b").is_ok());
        assert!(decoder.decode(b"\xbe").is_ok());
        assert_eq!(decoder.decode(b"\x20\x3f\xe1\x1f\xbe"), Err(DecodeError::Index(62)));
    }

    #[test]
    fn a_name_whose_entry_is_evicted_by_its_own_field_stays() {
        let mut decoder = Decoder::new(LIMIT);
        assert!(decoder.decode(b"\x3f\x09\x40\x03abc\x00").is_ok()); // 40 bytes, an entry of 35
        let fields = decoder.decode(b"\x7e\x01x").unwrap();
        assert_eq!((&fields[0].name[..], &fields[0].value[..]), (&b"abc"[..], &b"x"[..]));
        assert_eq!(decoder.dynamic_table(), (fields, 36));
    }

    #[test]
    fn a_block_that_unfolds_to_a_long_list_is_stopped() {
        let mut bomb = b"\x40\x01a\x7f\xa1\x1e".to_vec(); // a value of 4,000 bytes
        bomb.extend([b'v'; 4000]);
        let mut decoder = Decoder::new(LIMIT);
        assert!(decoder.decode(&bomb).is_ok());
        assert_eq!(decoder.decode(&[0xbe; 2]).map(|fields| fields.len()), Ok(2));
        assert_eq!(decoder.decode(&[0xbe; 3]), Err(DecodeError::ListOverLimit { limit: LIMIT }));
        // Empty fields count too: 32 bytes each.
        let mut decoder = Decoder::new(LIMIT);
        let empty = [0x10, 0, 0].repeat(LIMIT / 32 + 1);
        assert_eq!(decoder.decode(&empty), Err(DecodeError::ListOverLimit { limit: LIMIT }));
    }

    proptest! {
        #[test]
        fn arbitrary_blocks_never_panic_and_stay_in_bounds(
            blocks in vec(vec(any::<u8>(), 0..200), 1..5)
        ) {
            let mut decoder = Decoder::new(LIMIT);
            for block in blocks {
                let Ok(fields) = decoder.decode(&block) else { break };
                prop_assert!(fields.iter().map(entry_size).sum::<usize>() <= LIMIT);
                let (entries, size) = decoder.dynamic_table();
                prop_assert_eq!(entries.iter().map(entry_size).sum::<usize>(), size);
                prop_assert!(size <= INITIAL_SIZE as usize);
            }
        }
    }
}
