//! Values as cells: the text of a JSON value in a table. CSV files have the value in full.

use super::colour::Ink;
use super::row::{Column, Kind};
use evidence::csv;
use serde_json::{Map, Value};

/// A table's cell of a row. Not yet made printable.
pub(crate) fn of_row(row: &Map<String, Value>, column: &Column) -> String {
    match column.kind {
        Kind::Country => country(row, column.key),
        Kind::Why if is_as_usual(row) => String::new(),
        Kind::Host => host(row, column.key),
        kind => for_table(row.get(column.key), kind),
    }
}

/// The host, with the port where it is not one of the Web's.
fn host(row: &Map<String, Value>, key: &str) -> String {
    let host = row.get(key).map(|host| csv::plain(host, ", ")).unwrap_or_default();
    match row.get("port").and_then(Value::as_u64) {
        None | Some(80 | 443) => host,
        Some(port) if host.contains(':') => format!("[{host}]:{port}"),
        Some(port) => format!("{host}:{port}"),
    }
}

/// Whether the row's flow was read from end to end, which needs no reason.
fn is_as_usual(row: &Map<String, Value>) -> bool {
    let treatment = row.get("treatment").and_then(Value::as_str);
    matches!(treatment, Some("intercepted" | "plaintext"))
}

/// A table's cell: what the value looks like to a person. Not yet made printable.
pub(crate) fn for_table(value: Option<&Value>, kind: Kind) -> String {
    let Some(value) = value else { return String::new() };
    match (kind, value) {
        (Kind::Mark, Value::Bool(false)) => String::new(),
        (Kind::Time, Value::String(time)) => short_time(time),
        (Kind::Bytes, Value::Number(number)) => {
            number.as_u64().map_or_else(|| number.to_string(), bytes)
        }
        (Kind::Sources, Value::Object(sources)) => {
            let source = |(name, answer): (&String, &Value)| {
                let name = name.strip_suffix("-country").unwrap_or(name);
                format!("{name} {}", csv::plain(answer, "/"))
            };
            sources.iter().map(source).collect::<Vec<_>>().join(", ")
        }
        (_, value) => csv::plain(value, ", "),
    }
}

/// The country; where there is not one, what the sources say: `HK≠CN` where they disagree, `HK/CN`
/// where they agree that the addresses are in several, `?` where none of them knows.
fn country(row: &Map<String, Value>, key: &str) -> String {
    if let Some(country) = row.get(key) {
        return csv::plain(country, ", ");
    }
    let Some(Value::Object(sources)) = row.get("countries") else { return UNKNOWN.to_owned() };
    let answers: Vec<Vec<&str>> = sources.values().map(countries).collect();
    let agree = answers.iter().all(|answer| Some(answer) == answers.first());
    let mut all: Vec<&str> = Vec::new();
    for country in answers.into_iter().flatten() {
        if !all.contains(&country) {
            all.push(country);
        }
    }
    match all.is_empty() {
        true => UNKNOWN.to_owned(),
        false => all.join(if agree { "/" } else { "≠" }),
    }
}

/// What one source says of all addresses.
fn countries(answer: &Value) -> Vec<&str> {
    match answer {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

/// The colour of a table's cell.
pub(crate) fn ink(value: Option<&Value>, kind: Kind) -> Ink {
    match (kind, value) {
        (Kind::Word, Some(Value::String(word))) => Ink::of_word(word),
        (Kind::Flags, Some(_)) | (Kind::Country, None) => Ink::Notice,
        (Kind::Time | Kind::Why, _) => Ink::Faint,
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

/// `1 connection`, `2 connections`: a count of what `one` is called when there is one.
pub(crate) fn count(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {one}{ending}")
}

/// `2026-11-20T11:38:06.123456789Z` -> `2026-11-20 11:38:06`.
pub(crate) fn short_time(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..19)) {
        (Some(date), Some(clock)) => format!("{date} {clock}"),
        _ => rfc3339.to_owned(),
    }
}

const UNKNOWN: &str = "?";

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
            (json!(true), Kind::Mark, "yes", "yes"),
            (json!(false), Kind::Mark, "", "no"),
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

    #[test]
    fn why_is_shown_of_what_was_not_read() {
        let column = Column::shown("why", "why", Kind::Why);
        for (treatment, cell) in [("intercepted", ""), ("plaintext", ""), ("failed", "because")] {
            let row = json!({"treatment": treatment, "why": "because"});
            assert_eq!(of_row(row.as_object().unwrap(), &column), cell);
        }
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(count(0, "connection"), "0 connections");
        assert_eq!(count(1, "connection"), "1 connection");
        assert_eq!(count(2, "connection"), "2 connections");
    }

    #[test]
    fn sources_are_short() {
        let sources = json!({"dbip-country": "CN", "ipfire": ["CN", "HK"]});
        assert_eq!(for_table(Some(&sources), Kind::Sources), "dbip CN, ipfire CN/HK");
    }

    #[test]
    fn a_country_is_never_an_empty_cell() {
        let column = Column::shown("country", "country", Kind::Country);
        for (row, cell) in [
            (json!({"country": "CN", "countries": {"a": "CN"}}), "CN"),
            (json!({"countries": {"a": "HK", "b": "CN"}}), "HK≠CN"),
            (json!({"countries": {"a": "HK", "b": "CN", "c": "HK"}}), "HK≠CN"),
            (json!({"countries": {"a": ["CN", "HK"], "b": ["CN", "HK"]}}), "CN/HK"),
            (json!({"countries": {"a": ["CN", "HK"], "b": "HK"}}), "CN≠HK"),
            (json!({"countries": {}}), "?"),
            (json!({}), "?"),
        ] {
            assert_eq!(of_row(row.as_object().unwrap(), &column), cell, "{row}");
        }
    }
}
