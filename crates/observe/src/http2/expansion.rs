//! How far one direction's header blocks unfold. An index of one byte can stand for a field of
//! several kilobytes, again and again; the limits of single blocks do not bound what all of them
//! together put into the record.

use super::fault::Fault;
use flow::http::Field;
use flow::stream::Extent;

/// The header blocks of one direction so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expansion {
    /// Bytes of their frames, frame headers and padding included.
    wire: u64,
    /// Bytes of the names and values decoded from them.
    decoded: u64,
}

impl Expansion {
    /// Counts one block.
    ///
    /// # Errors
    /// [`Fault::Expansion`] where all blocks so far unfold to more than [`FREE_BYTES`] and
    /// [`FACTOR`] times their bytes on the wire.
    pub(super) fn count(&mut self, extent: Extent, fields: &[Field]) -> Result<(), Fault> {
        let decoded: u64 =
            fields.iter().map(|field| (field.name.len() + field.value.len()) as u64).sum();
        self.wire = self.wire.saturating_add(extent.end.saturating_sub(extent.start));
        self.decoded = self.decoded.saturating_add(decoded);
        let allowed = self.wire.saturating_mul(FACTOR).saturating_add(FREE_BYTES);
        if self.decoded > allowed {
            return Err(Fault::Expansion { decoded: self.decoded, wire: self.wire });
        }
        Ok(())
    }
}

/// What a direction may unfold to in any case: 4 MiB.
const FREE_BYTES: u64 = 4 << 20;
/// What each byte on the wire adds to that: 256 bytes. An app that sends 4 KiB of tokens and cookies
/// by index in requests of 25 bytes for hours stays below it; a bomb is in the thousands.
const FACTOR: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_unfold_to_is_bounded_by_their_bytes_on_the_wire() {
        let mut expansion = Expansion::default();
        let extent = Extent { start: 100, end: 110 };
        let allowed = (4 << 20) + 2_560;
        let value = vec![b'v'; allowed - 1];
        let fields = [Field { name: "n".into(), value: value.into() }];
        assert_eq!(expansion.count(extent, &fields), Ok(()));
        let empty = Extent { start: 110, end: 110 };
        assert_eq!(expansion.count(empty, &[]), Ok(()));
        let more = [Field { name: "n".into(), value: "".into() }];
        let decoded = allowed as u64 + 1;
        assert_eq!(expansion.count(empty, &more), Err(Fault::Expansion { decoded, wire: 10 }));
    }
}
