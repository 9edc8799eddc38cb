//! A list being written in the format asked for. Without `--sort`, rows pass through as they come.

use super::choice::{Format, Output};
use super::escape;
use super::row::Column;
use super::table::Table;
use crate::error::Error;
use evidence::csv;
use serde::Serialize;
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::io::{self, BufWriter, Write};

/// A writer of rows of one kind.
pub(crate) struct Rows<'a, W: Write> {
    output: &'a Output,
    columns: Vec<&'static Column>,
    out: BufWriter<W>,
    /// Reused for every line.
    line: Vec<u8>,
    table: Table,
    /// Rows kept for sorting.
    kept: Vec<Map<String, Value>>,
    written: usize,
    /// A row says that it is simulated; a table shows no such column, and says it below.
    simulated: bool,
    /// JSON without the array: there is exactly one row.
    single: bool,
}

impl<'a, W: Write> Rows<'a, W> {
    pub(super) fn new(output: &'a Output, all: &'static [Column], out: W) -> Result<Self, Error> {
        let columns = output.columns(all)?;
        Ok(Self {
            output,
            table: Table::new(columns.clone(), output),
            columns,
            out: BufWriter::new(out),
            line: Vec::new(),
            kept: Vec::new(),
            written: 0,
            simulated: false,
            single: false,
        })
    }

    pub(super) fn single(
        output: &'a Output,
        all: &'static [Column],
        out: W,
    ) -> Result<Self, Error> {
        Ok(Self { single: true, ..Self::new(output, all, out)? })
    }

    /// Writes or keeps a row, whose keys are among the columns; `false` when the limit is reached
    /// and no further row is wanted.
    pub(crate) fn push(&mut self, row: &impl Serialize) -> Result<bool, Error> {
        if self.output.sort.is_some() {
            self.kept.push(object(row)?);
            return Ok(true);
        }
        if self.is_full() {
            return Ok(false);
        }
        if self.output.format == Format::Jsonl && self.output.fields.is_empty() {
            self.line.clear();
            escape::write_json(&mut self.line, row).map_err(|error| unserialised(&error))?;
            self.line.push(b'\n');
            self.out.write_all(&self.line).map_err(|error| Error::output(&error))?;
            self.written += 1;
        } else {
            self.write(&object(row)?)?;
        }
        Ok(!self.is_full())
    }

    /// Hands on what is buffered, for a reader who waits for it.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.out.flush().map_err(|error| Error::output(&error))
    }

    /// Writes what was kept, and ends the list. How many rows it has.
    pub(crate) fn finish(mut self) -> Result<usize, Error> {
        if let Some(sort) = &self.output.sort {
            let mut kept = std::mem::take(&mut self.kept);
            kept.sort_by(|a, b| {
                let ordering = compare(a.get(&sort.key), b.get(&sort.key));
                if sort.descending { ordering.reverse() } else { ordering }
            });
            for row in kept.iter().take(self.output.limit.unwrap_or(usize::MAX)) {
                self.write(row)?;
            }
        }
        let ended = match self.output.format {
            Format::Table => self.table.finish(&mut self.out).and_then(|()| self.caption()),
            Format::Json if self.single => Ok(()),
            Format::Json if self.written == 0 => self.out.write_all(b"[]\n"),
            Format::Json => self.out.write_all(b"\n]\n"),
            Format::Csv if self.written == 0 => self.csv_header(),
            Format::Csv | Format::Jsonl => Ok(()),
        };
        ended.and_then(|()| self.out.flush()).map_err(|error| Error::output(&error))?;
        Ok(self.written)
    }

    fn caption(&mut self) -> io::Result<()> {
        let shown = self.columns.iter().any(|column| column.key == "simulated");
        if self.simulated && !shown { writeln!(self.out, "{SIMULATED}") } else { Ok(()) }
    }

    fn is_full(&self) -> bool {
        self.output.limit.is_some_and(|limit| self.written >= limit)
    }

    fn write(&mut self, row: &Map<String, Value>) -> Result<(), Error> {
        self.simulated |= row.get("simulated") == Some(&Value::Bool(true));
        let written = match self.output.format {
            Format::Table => self.table.push(row, &mut self.out),
            Format::Csv => self.csv_line(row),
            Format::Json | Format::Jsonl => {
                self.json(row)?;
                self.out.write_all(&self.line)
            }
        };
        written.map_err(|error| Error::output(&error))?;
        self.written += 1;
        Ok(())
    }

    /// Puts the row into `line`, with what stands between two rows.
    fn json(&mut self, row: &Map<String, Value>) -> Result<(), Error> {
        self.line.clear();
        if self.output.format == Format::Json && !self.single {
            self.line.extend_from_slice(if self.written == 0 { b"[\n" } else { b",\n" });
        }
        self.line.push(b'{');
        let present =
            self.columns.iter().filter_map(|column| Some((column.key, row.get(column.key)?)));
        for (index, (key, value)) in present.enumerate() {
            if index > 0 {
                self.line.push(b',');
            }
            escape::write_json(&mut self.line, key).map_err(|error| unserialised(&error))?;
            self.line.push(b':');
            escape::write_json(&mut self.line, value).map_err(|error| unserialised(&error))?;
        }
        self.line.push(b'}');
        if self.output.format == Format::Jsonl || self.single {
            self.line.push(b'\n');
        }
        Ok(())
    }

    fn csv_line(&mut self, row: &Map<String, Value>) -> io::Result<()> {
        if self.written == 0 {
            self.csv_header()?;
        }
        let cells = self.columns.iter().map(|column| csv::cell(row.get(column.key)));
        csv::write_record(&mut self.out, cells)
    }

    fn csv_header(&mut self) -> io::Result<()> {
        csv::write_record(&mut self.out, self.columns.iter().map(|column| column.key))
    }
}

fn object(row: &impl Serialize) -> Result<Map<String, Value>, Error> {
    match serde_json::to_value(row).map_err(|error| unserialised(&error))? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::runtime("a row is no object")),
    }
}

fn unserialised(error: &serde_json::Error) -> Error {
    Error::runtime("a row could not be written as JSON").because(error)
}

/// Numbers by value, everything else as text; what is absent comes last.
fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => csv::cell(Some(a)).cmp(&csv::cell(Some(b))),
        },
    }
}

const SIMULATED: &str =
    "simulated: the names, addresses or times of this session are, so this shows no real traffic";

#[cfg(test)]
mod tests {
    use super::super::choice::Sort;
    use super::super::row::{Kind, Row};
    use super::*;

    #[derive(Serialize)]
    struct Fruit {
        name: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        weight: Option<u64>,
    }

    impl Row for Fruit {
        const COLUMNS: &'static [Column] =
            &[Column::shown("name", "fruit", Kind::Text), Column::hidden("weight", Kind::Number)];
    }

    const FRUITS: [Fruit; 3] = [
        Fruit { name: "pear", weight: Some(9) },
        Fruit { name: "=apple\u{9b}", weight: None },
        Fruit { name: "fig, \"dried\"", weight: Some(10) },
    ];

    fn output(format: Format, fields: &str, sort: Option<&str>, limit: Option<usize>) -> Output {
        Output {
            format,
            colours: false,
            width: None,
            fields: fields.split_terminator(',').map(str::to_owned).collect(),
            sort: sort.map(|sort| sort.parse::<Sort>().unwrap()),
            limit,
        }
    }

    #[track_caller]
    fn check(output: &Output, expected: &str) {
        let mut out = Vec::new();
        let mut rows = Rows::new(output, Fruit::COLUMNS, &mut out).unwrap();
        for fruit in &FRUITS {
            if !rows.push(fruit).unwrap() {
                break;
            }
        }
        rows.finish().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn every_format() {
        check(
            &output(Format::Jsonl, "", None, None),
            "{\"name\":\"pear\",\"weight\":9}\n{\"name\":\"=apple\\u009b\"}\n{\"name\":\"fig, \\\"dried\\\"\",\"weight\":10}\n",
        );
        check(
            &output(Format::Json, "weight,name", None, Some(2)),
            "[\n{\"weight\":9,\"name\":\"pear\"},\n{\"name\":\"=apple\\u009b\"}\n]\n",
        );
        check(
            &output(Format::Csv, "", None, None),
            "name,weight\r\npear,9\r\n'=apple\u{9b},\r\n\"fig, \"\"dried\"\"\",10\r\n",
        );
        check(&output(Format::Table, "", None, None), "fruit\npear\n=apple\\x9b\nfig, \"dried\"\n");
    }

    #[test]
    fn sorting_is_numeric_and_puts_absent_values_last() {
        let lines = "{\"name\":\"pear\"}\n{\"name\":\"fig, \\\"dried\\\"\"}\n";
        check(&output(Format::Jsonl, "name", Some("weight"), Some(2)), lines);
    }

    #[test]
    fn an_unknown_field_is_refused_with_a_suggestion() {
        let output = output(Format::Jsonl, "wieght", None, None);
        let error = Rows::new(&output, Fruit::COLUMNS, Vec::new()).err().unwrap();
        assert_eq!(error.exit().code(), 2);
        assert!(error.to_string().contains("did you mean \"weight\"?"), "{error}");
    }

    #[test]
    fn a_table_says_that_it_is_simulated_whatever_its_fields_are() {
        #[derive(Serialize)]
        struct Flow {
            host: &'static str,
            simulated: bool,
        }
        const COLUMNS: &[Column] =
            &[Column::shown("host", "host", Kind::Text), Column::hidden("simulated", Kind::Text)];
        let written = |format, fields: &str, simulated| {
            let output = output(format, fields, None, None);
            let mut out = Vec::new();
            let mut rows = Rows::new(&output, COLUMNS, &mut out).unwrap();
            rows.push(&Flow { host: "a.example", simulated }).unwrap();
            rows.finish().unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(Format::Table, "", true), format!("host\na.example\n{SIMULATED}\n"));
        assert_eq!(written(Format::Table, "host", true), format!("host\na.example\n{SIMULATED}\n"));
        assert_eq!(written(Format::Table, "host", false), "host\na.example\n");
        assert_eq!(written(Format::Jsonl, "host", true), "{\"host\":\"a.example\"}\n");
        assert!(written(Format::Jsonl, "", true).contains("\"simulated\":true"));
    }

    #[test]
    fn no_rows_are_still_a_document() {
        for (format, expected) in [
            (Format::Json, "[]\n"),
            (Format::Csv, "name,weight\r\n"),
            (Format::Jsonl, ""),
            (Format::Table, ""),
        ] {
            let output = output(format, "", None, None);
            let mut out = Vec::new();
            Rows::new(&output, Fruit::COLUMNS, &mut out).unwrap().finish().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
