//! CSV for people with spreadsheets: RFC 4180, UTF-8, CRLF, and no cell that a spreadsheet would
//! take for a formula. Captured strings are an adversary's, and a formula can call out.

use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};

/// Writes one record.
///
/// # Errors
/// The writer's.
pub fn write_record<C: AsRef<str>>(
    out: &mut impl Write,
    cells: impl IntoIterator<Item = C>,
) -> io::Result<()> {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        let cell = guarded(cell.as_ref());
        if cell.contains(['"', ',', '\r', '\n']) {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

/// The text of a JSON value in a cell: lists with `;`, objects as `key=value`, nothing for what is
/// absent.
pub fn cell(value: Option<&Value>) -> String {
    value.map_or_else(String::new, |value| plain(value, ";"))
}

/// As [`cell`], with another separator between the items of a list.
pub fn plain(value: &Value, separator: &str) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| plain(item, " ")).collect();
            items.join(separator)
        }
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| format!("{key}={}", plain(value, " "));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            entries.join(separator)
        }
    }
}

/// The cell with an apostrophe before it where it would begin a formula.
fn guarded(cell: &str) -> Cow<'_, str> {
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\0') => Cow::Owned(format!("'{cell}")),
        // Full-width forms, which some spreadsheets fold to the plain ones.
        Some('＝' | '＋' | '－' | '＠') => Cow::Owned(format!("'{cell}")),
        _ => Cow::Borrowed(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(cells: &[&str]) -> String {
        let mut out = Vec::new();
        write_record(&mut out, cells).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formulas_are_guarded() {
        for start in ["=", "+", "-", "@", "\t", "\r"] {
            let cell = format!("{start}cmd");
            assert!(record(&[&cell]).trim_start_matches('"').starts_with('\''), "{cell:?}");
        }
        assert_eq!(record(&["=1+1", "a=b", "", "7"]), "'=1+1,a=b,,7\r\n");
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        assert_eq!(record(&["a,b", "c\"d", "e\nf"]), "\"a,b\",\"c\"\"d\",\"e\nf\"\r\n");
    }

    proptest! {
        #[test]
        fn another_reader_reads_the_same_cells(cells in prop::collection::vec(any::<String>(), 2..5)) {
            let mut out = Vec::new();
            write_record(&mut out, &cells).unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(out.as_slice());
            let read = reader.records().next().unwrap().unwrap();
            let expected: Vec<_> = cells.iter().map(|cell| guarded(cell)).collect();
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), expected);
        }
    }
}
