//! The two tables that an index may mean: the static one of RFC 7541 appendix A, and the dynamic
//! one that the sender's blocks build (sections 2.3 and 4).

use bytes::Bytes;
use flow::http::Field;
use std::collections::VecDeque;

/// The dynamic table with the static one in front of it: one space of indices, from 1.
#[derive(Debug)]
pub(super) struct Table {
    /// Newest first.
    entries: VecDeque<Field>,
    size: usize,
    max_size: usize,
}

/// Where the text of a looked-up entry lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Static,
    Dynamic,
}

impl Table {
    /// An empty table of the size that RFC 9113 section 6.5.2 starts with.
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), size: 0, max_size: INITIAL_SIZE as usize }
    }

    /// The entry at `index` of the common space of indices; `None` past its end and for 0.
    pub(super) fn get(&self, index: u32) -> Option<(Field, Origin)> {
        let index = (index as usize).checked_sub(1)?;
        match STATIC.get(index) {
            Some((name, value)) => Some((
                Field {
                    name: Bytes::from_static(name.as_bytes()),
                    value: Bytes::from_static(value.as_bytes()),
                },
                Origin::Static,
            )),
            None => {
                self.entries.get(index - STATIC.len()).map(|field| (field.clone(), Origin::Dynamic))
            }
        }
    }

    /// Adds an entry, after evicting the oldest ones. An entry larger than the whole table
    /// empties it, and is not an error (section 4.4).
    ///
    /// The entry's text must not be a slice of something larger: the table's bound counts only
    /// what its entries show.
    pub(super) fn insert(&mut self, field: Field) {
        let size = entry_size(&field);
        self.evict_to(self.max_size.saturating_sub(size));
        if size <= self.max_size {
            self.size += size;
            self.entries.push_front(field);
        }
    }

    /// Changes the size, evicting what no longer fits (section 4.3).
    pub(super) fn resize(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict_to(max_size);
    }

    /// The dynamic entries, newest first, and the size that they are counted with.
    #[cfg(test)]
    pub(super) fn dynamic(&self) -> (Vec<Field>, usize) {
        (self.entries.iter().cloned().collect(), self.size)
    }

    fn evict_to(&mut self, most: usize) {
        while self.size > most {
            match self.entries.pop_back() {
                Some(oldest) => self.size = self.size.saturating_sub(entry_size(&oldest)),
                None => self.size = 0,
            }
        }
    }
}

/// What a field counts for, in the table and in a header list (RFC 7541 section 4.1, RFC 9113
/// section 6.5.2): its text and 32 bytes.
pub(super) fn entry_size(field: &Field) -> usize {
    field.name.len().saturating_add(field.value.len()).saturating_add(ENTRY_OVERHEAD)
}

/// SETTINGS_HEADER_TABLE_SIZE before any SETTINGS frame says otherwise.
pub(super) const INITIAL_SIZE: u32 = 4096;

const ENTRY_OVERHEAD: usize = 32;

const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &'static str, value_length: usize) -> Field {
        Field { name: name.into(), value: vec![b'v'; value_length].into() }
    }

    fn names(table: &Table) -> Vec<Bytes> {
        (62..).map_while(|index| Some(table.get(index)?.0.name)).collect()
    }

    #[test]
    fn indices_run_through_both_tables() {
        let mut table = Table::new();
        assert_eq!(table.get(0), None);
        assert_eq!(table.get(1).unwrap().0.name, ":authority");
        assert_eq!(table.get(61).unwrap().0.name, "www-authenticate");
        assert_eq!(table.get(62), None);
        table.insert(entry("a", 1));
        table.insert(entry("b", 1));
        assert_eq!(names(&table), ["b", "a"]);
        assert_eq!(table.get(62).unwrap().1, Origin::Dynamic);
        assert_eq!(table.get(u32::MAX), None);
    }

    #[test]
    fn the_oldest_are_evicted_to_make_room() {
        let mut table = Table::new();
        table.resize(100);
        for name in ["a", "b", "c"] {
            table.insert(entry(name, 0)); // 33 bytes each: 99 of 100
        }
        assert_eq!(names(&table), ["c", "b", "a"]);
        table.insert(entry("d", 2)); // 35 bytes: only 65 may stay
        assert_eq!(names(&table), ["d", "c"]);
        table.resize(67);
        assert_eq!(names(&table), ["d"]);
        table.resize(4096);
        assert_eq!(names(&table), ["d"]);
        table.insert(entry("e", 4096 - 33));
        assert_eq!(names(&table), ["e"], "an entry of the table's very size fits alone");
        table.insert(entry("f", 4096 - 32));
        assert!(names(&table).is_empty(), "a larger one empties the table");
        assert_eq!(table.size, 0);
    }
}
