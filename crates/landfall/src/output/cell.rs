//! Values as cells: the text of a JSON value in a table. CSV files have the value in full.

use super::colour::Ink;
use super::row::Kind;
use evidence::csv;
use serde_json::Value;

/// A table's cell: what the value looks like to a person. Not yet made printable.
pub(crate) fn for_table(value: Option<&Value>, kind: Kind) -> String {
    let Some(value) = value else { return String::new() };
    match (kind, value) {
        (Kind::Time, Value::String(time)) => short_time(time),
        (Kind::Bytes, Value::Number(number)) => {
            number.as_u64().map_or_else(|| number.to_string(), bytes)
        }
        (_, value) => csv::plain(value, ", "),
    }
}

/// The colour of a table's cell.
pub(crate) fn ink(value: Option<&Value>, kind: Kind) -> Ink {
    match (kind, value) {
        (Kind::Word, Some(Value::String(word))) => Ink::of_word(word),
        (Kind::Flags, Some(_)) => Ink::Notice,
        (Kind::Time, _) => Ink::Faint,
        (Kind::Status, Some(status)) => match status.as_u64() {
            Some(400..=599) => Ink::Bad,
            Some(300..=399) => Ink::Other,
            _ => Ink::Plain,
        },
        _ => Ink::Plain,
    }
}

/// `1234567` -> `1.2 MB`: decimal units, one digit after the point.
pub(crate) fn bytes(count: u64) -> String {
    let mut scaled = count;
    let mut rest = 0;
    for unit in ["B", "kB", "MB", "GB", "TB", "PB"] {
        if scaled < 1000 {
            return match unit {
                "B" => format!("{scaled} B"),
                _ => format!("{scaled}.{} {unit}", rest / 100),
            };
        }
        rest = scaled % 1000;
        scaled /= 1000;
    }
    format!("{scaled}.{} EB", rest / 100)
}

/// `2026-11-20T11:38:06.123456789Z` -> `2026-11-20 11:38:06`.
pub(crate) fn short_time(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..19)) {
        (Some(date), Some(clock)) => format!("{date} {clock}"),
        _ => rfc3339.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_as_cells() {
        for (value, kind, table, full) in [
            (json!("x"), Kind::Text, "x", "x"),
            (json!(0), Kind::Bytes, "0 B", "0"),
            (json!(999), Kind::Bytes, "999 B", "999"),
            (json!(1000), Kind::Bytes, "1.0 kB", "1000"),
            (json!(1_999_999), Kind::Bytes, "1.9 MB", "1999999"),
            (json!(u64::MAX), Kind::Bytes, "18.4 EB", "18446744073709551615"),
            (json!(true), Kind::Text, "yes", "yes"),
            (json!(["a", "b"]), Kind::Text, "a, b", "a;b"),
            (
                json!({"dbip": "CN", "ipfire": "SG"}),
                Kind::Text,
                "dbip=CN, ipfire=SG",
                "dbip=CN;ipfire=SG",
            ),
            (
                json!("2026-11-20T11:38:06.12Z"),
                Kind::Time,
                "2026-11-20 11:38:06",
                "2026-11-20T11:38:06.12Z",
            ),
            (json!("\u{e9}"), Kind::Time, "\u{e9}", "\u{e9}"),
        ] {
            assert_eq!(for_table(Some(&value), kind), table);
            assert_eq!(csv::cell(Some(&value)), full);
        }
        assert_eq!(for_table(None, Kind::Text), "");
    }
}
