//! Tables: aligned columns whose widths come from the first rows, cut to the terminal's width.
//! Rows after those stream through, so a long list needs no memory.

use super::cell;
use super::choice::Output;
use super::colour::Ink;
use super::escape::printable;
use super::row::Column;
use serde_json::{Map, Value};
use std::io::{self, Write};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A table being written.
pub(super) struct Table {
    columns: Vec<&'static Column>,
    colours: bool,
    terminal: Option<usize>,
    /// The columns were asked for one by one, so that empty ones stay.
    chosen: bool,
    /// Widths, once they are decided.
    widths: Option<Vec<usize>>,
    waiting: Vec<Vec<Cell>>,
}

struct Cell {
    text: String,
    ink: Ink,
}

impl Table {
    pub(super) fn new(columns: Vec<&'static Column>, output: &Output) -> Self {
        Self {
            columns,
            colours: output.colours,
            terminal: output.width,
            chosen: !output.fields.is_empty(),
            widths: None,
            waiting: Vec::new(),
        }
    }

    pub(super) fn push(
        &mut self,
        row: &Map<String, Value>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let cell = |column: &&'static Column| {
            let value = row.get(column.key);
            let text = printable(&cell::of_row(row, column)).into_owned();
            Cell { text, ink: cell::ink(value, column.kind) }
        };
        let cells: Vec<Cell> = self.columns.iter().map(cell).collect();
        match &self.widths {
            Some(widths) => self.line(&cells, widths, out),
            None => {
                self.waiting.push(cells);
                if self.waiting.len() >= ROWS_MEASURED { self.begin(out) } else { Ok(()) }
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.widths.is_none() && !self.waiting.is_empty() {
            if !self.chosen {
                self.drop_empty_columns();
            }
            self.begin(out)?;
        }
        Ok(())
    }

    /// Leaves out columns that have no value in any row. All rows are there.
    fn drop_empty_columns(&mut self) {
        for index in (0..self.columns.len()).rev() {
            let is_empty = |row: &Vec<Cell>| row.get(index).is_none_or(|cell| cell.text.is_empty());
            if self.waiting.iter().all(is_empty) {
                self.drop_column(index);
            }
        }
    }

    fn drop_column(&mut self, index: usize) {
        self.columns.remove(index);
        for row in &mut self.waiting {
            row.remove(index);
        }
    }

    /// The columns' widths for the rows that wait. Spare columns are left out where the others
    /// would not have the room that they are worth having with.
    fn measure(&mut self) -> Vec<usize> {
        loop {
            let widths: Vec<usize> = (0..self.columns.len()).map(|n| self.widest(n)).collect();
            let Some(terminal) = self.terminal else { return widths };
            let least: Vec<usize> =
                widths.iter().zip(&self.columns).map(|(width, c)| least(*width, c)).collect();
            let spare = self.columns.iter().enumerate().max_by_key(|(_, column)| column.spare);
            match spare {
                Some((index, column))
                    if column.spare > 0 && !self.chosen && line_width(&least) > terminal =>
                {
                    self.drop_column(index);
                }
                _ => return fit(widths, &least, terminal),
            }
        }
    }

    fn widest(&self, index: usize) -> usize {
        let cells = self.waiting.iter().filter_map(|row| row.get(index));
        let title = self.columns.get(index).map_or(0, |column| column.title().width());
        cells.map(|cell| cell.text.width()).fold(title, usize::max)
    }

    fn begin(&mut self, out: &mut impl Write) -> io::Result<()> {
        let widths = self.measure();
        let waiting = std::mem::take(&mut self.waiting);
        let titles: Vec<Cell> = self
            .columns
            .iter()
            .map(|column| Cell { text: column.title().to_owned(), ink: Ink::Title })
            .collect();
        self.line(&titles, &widths, out)?;
        for cells in &waiting {
            self.line(cells, &widths, out)?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    fn line(&self, cells: &[Cell], widths: &[usize], out: &mut impl Write) -> io::Result<()> {
        let last = cells.len().saturating_sub(1);
        for (index, ((cell, width), column)) in
            cells.iter().zip(widths).zip(&self.columns).enumerate()
        {
            let text = match self.terminal {
                Some(_) => cut(&cell.text, *width),
                None => cell.text.clone(),
            };
            let padding = width.saturating_sub(text.width());
            let inked = cell.ink.on(&text, self.colours);
            match column.kind.is_right_aligned() {
                true => write!(out, "{:padding$}{inked}", "")?,
                false if index == last => write!(out, "{inked}")?,
                false => write!(out, "{inked}{:padding$}", "")?,
            }
            if index < last {
                out.write_all(GAP.as_bytes())?;
            }
        }
        out.write_all(b"\n")
    }
}

/// What a column of that width can be narrowed to before something of use is lost.
fn least(width: usize, column: &Column) -> usize {
    if column.kind.may_be_cut() {
        width.min(column.room.max(column.title().width()))
    } else {
        width
    }
}

fn line_width(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// Narrows the widest columns, one step at a time, until the line fits or nothing is left to take:
/// first those that are wider than they have to be, then all.
fn fit(mut widths: Vec<usize>, least: &[usize], terminal: usize) -> Vec<usize> {
    let mut excess = line_width(&widths).saturating_sub(terminal);
    for first in [true, false] {
        while excess > 0 {
            let floors = least.iter().map(|least| if first { *least } else { NARROWEST });
            let above = widths.iter_mut().zip(floors).filter(|(width, floor)| **width > *floor);
            let Some((widest, _)) = above.max_by_key(|(width, _)| **width) else { break };
            *widest -= 1;
            excess -= 1;
        }
    }
    widths
}

/// The text in at most `width` columns of the terminal, with `…` in place of what is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// Rows that are kept back to measure columns by.
const ROWS_MEASURED: usize = 500;
/// No column gets narrower than this to fit the terminal.
const NARROWEST: usize = 6;
const GAP: &str = "  ";

#[cfg(test)]
mod tests {
    use super::super::choice::Format;
    use super::super::row::Kind;
    use super::*;
    use serde_json::json;

    static COLUMNS: [Column; 3] = [
        Column::shown("host", "host", Kind::Text),
        Column::shown("bytes", "bytes", Kind::Bytes),
        Column::shown("treatment", "treatment", Kind::Word),
    ];

    fn table(rows: &[Value], colours: bool, terminal: Option<usize>) -> String {
        let mut out = Vec::new();
        let output = Output {
            format: Format::Table,
            colours,
            width: terminal,
            fields: Vec::new(),
            sort: None,
            limit: None,
        };
        let mut table = Table::new(COLUMNS.iter().collect(), &output);
        for row in rows {
            table.push(row.as_object().unwrap(), &mut out).unwrap();
        }
        table.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_align_by_display_width() {
        let rows = [
            json!({"host": "例え.jp", "bytes": 5, "treatment": "failed"}),
            json!({"host": "a.example", "bytes": 12345}),
        ];
        assert_eq!(
            table(&rows, false, None),
            "host         bytes  treatment\n例え.jp        5 B  failed\na.example  12.3 kB  \n"
        );
    }

    #[test]
    fn a_captured_escape_sequence_does_not_reach_the_terminal() {
        let rows = [json!({"host": "\u{1b}[2Jx", "bytes": 0, "treatment": "failed"})];
        let text = table(&rows, false, Some(80));
        assert!(text.contains("\\x1b[2Jx") && !text.contains('\u{1b}'), "{text}");
        assert!(table(&rows, true, Some(80)).contains("\u{1b}[31mfailed\u{1b}[0m"));
    }

    #[test]
    fn long_cells_are_cut_to_the_terminal() {
        let rows = [json!({"host": "x".repeat(200), "bytes": 1, "treatment": "intercepted"})];
        for line in table(&rows, false, Some(60)).lines() {
            assert!(line.width() <= 60, "{line}");
        }
        assert!(table(&rows, false, None).contains(&"x".repeat(200)));
    }

    #[test]
    fn rows_after_the_measured_ones_stream() {
        let rows: Vec<Value> = (0..ROWS_MEASURED + 7).map(|n| json!({"host": n})).collect();
        assert_eq!(table(&rows, false, None).lines().count(), ROWS_MEASURED + 8);
    }

    #[test]
    fn columns_without_a_value_are_left_out() {
        let rows = [json!({"host": "a", "treatment": "failed"}), json!({"host": "b"})];
        assert_eq!(table(&rows, false, None), "host  treatment\na     failed\nb     \n");
    }

    #[test]
    fn an_empty_table_prints_nothing() {
        assert_eq!(table(&[], false, None), "");
    }

    static NARROW: [Column; 4] = [
        Column::shown("host", "host", Kind::Text).room(20),
        Column::shown("countries", "sources", Kind::Sources).spare(1),
        Column::shown("bytes", "bytes", Kind::Bytes).spare(2),
        Column::shown("flags", "flags", Kind::Flags),
    ];

    #[track_caller]
    fn check_narrow(terminal: usize, expected: &str) {
        let output = Output {
            format: Format::Table,
            colours: false,
            width: Some(terminal),
            fields: Vec::new(),
            sort: None,
            limit: None,
        };
        let mut out = Vec::new();
        let mut table = Table::new(NARROW.iter().collect(), &output);
        let row = json!({
            "host": "a-rather-long-name.example",
            "countries": {"dbip-country": "CN", "ipfire": "CN"},
            "bytes": 12345,
            "flags": ["mainland-china"],
        });
        table.push(row.as_object().unwrap(), &mut out).unwrap();
        table.finish(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().last().unwrap(), expected);
    }

    #[test]
    fn a_narrow_terminal_costs_spare_columns_before_important_ones() {
        check_narrow(80, "a-rather-long-name.example  dbip CN, ipfire CN  12.3 kB  mainland-china");
        check_narrow(60, "a-rather-long-name.exam…  dbip CN, ipfire CN  mainland-china");
        check_narrow(50, "a-rather-long-name.example  mainland-china");
        check_narrow(38, "a-rather-long-name.ex…  mainland-china");
        check_narrow(20, "a-rather…  mainland…");
    }
}
