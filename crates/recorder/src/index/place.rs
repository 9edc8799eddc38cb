//! Where a record stands in the log: what the index keeps in place of the record itself.

/// A line of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    /// Without the newline.
    pub(super) length: u64,
}

impl Place {
    /// Where the next line begins.
    pub(super) fn end(self) -> u64 {
        self.offset.saturating_add(self.length).saturating_add(1)
    }
}
