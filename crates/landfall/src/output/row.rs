//! What a row is to the output: an object with known keys.

use serde::Serialize;

/// A row: serialises as a JSON object whose keys are among `COLUMNS`.
pub(crate) trait Row: Serialize {
    /// Every key, in the order of tables and CSV files.
    const COLUMNS: &'static [Column];
}

/// One key of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) key: &'static str,
    /// The heading in tables; `None` keeps it out of them unless `--fields` names it.
    pub(crate) heading: Option<&'static str>,
    pub(crate) kind: Kind,
    /// Tables without room leave the column out, the highest number first; 0 stays.
    pub(crate) spare: u8,
    /// Columns of the terminal that a cell is worth having with; the rest may be cut.
    pub(crate) room: usize,
    /// How a terminal gets what has no room in its column.
    pub(crate) overlong: Overlong,
}

/// What a table on a terminal does with a cell that is wider than its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlong {
    Cut,
    /// The cell goes on in the next line. For the last column.
    Wrapped,
    /// There is no column: the cell stands on lines of its own, below its row, after this word.
    Below(&'static str),
}

impl Column {
    /// A column that tables show.
    pub(crate) const fn shown(key: &'static str, heading: &'static str, kind: Kind) -> Self {
        Self { key, heading: Some(heading), kind, spare: 0, room: ROOM, overlong: Overlong::Cut }
    }

    /// A column that tables leave out.
    pub(crate) const fn hidden(key: &'static str, kind: Kind) -> Self {
        Self { key, heading: None, kind, spare: 0, room: ROOM, overlong: Overlong::Cut }
    }

    /// The same, left out before columns with a lower number where a terminal is narrow.
    pub(crate) const fn spare(self, spare: u8) -> Self {
        Self { spare, ..self }
    }

    /// The same, cut below the usual width, or not below a larger one.
    pub(crate) const fn room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    /// The same, cut only when nothing else is left to cut.
    pub(crate) const fn whole(self) -> Self {
        self.room(usize::MAX)
    }

    /// The same, continued in further lines.
    pub(crate) const fn wrapped(self) -> Self {
        Self { overlong: Overlong::Wrapped, ..self }
    }

    /// The same, below the row and after this word where a terminal shows it.
    pub(crate) const fn below(self, word: &'static str) -> Self {
        Self { overlong: Overlong::Below(word), ..self }
    }

    /// The heading, or the key where there is none.
    pub(crate) fn title(&self) -> &'static str {
        self.heading.unwrap_or(self.key)
    }
}

/// How a value looks in a table; every other format gets it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// RFC 3339 in, `2026-11-20 11:38:06` out (UTC).
    Time,
    /// A count of bytes in, `12.3 kB` out.
    Bytes,
    Number,
    /// An HTTP status.
    Status,
    /// A word of the product that has a colour.
    Word,
    /// A yes or no, of which tables show the yes.
    Mark,
    /// A host, in tables with a port that is not 80 or 443.
    Host,
    /// Why a flow was treated as it was: shown of what was not read as usual.
    Why,
    /// A list of flags.
    Flags,
    /// A country; in a table never empty, for the answers of the sources stand in for it.
    Country,
    /// Location source -> country.
    Sources,
}

impl Kind {
    pub(crate) fn is_right_aligned(self) -> bool {
        matches!(self, Self::Bytes | Self::Number | Self::Status)
    }

    /// Whether a part of the cell still says something.
    pub(crate) fn may_be_cut(self) -> bool {
        matches!(self, Self::Text | Self::Host | Self::Why | Self::Flags | Self::Sources)
    }
}

const ROOM: usize = 15;
