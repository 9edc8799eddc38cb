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
            let text = printable(&cell::for_table(value, column.kind)).into_owned();
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
                self.columns.remove(index);
                for row in &mut self.waiting {
                    row.remove(index);
                }
            }
        }
    }

    fn begin(&mut self, out: &mut impl Write) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let measured = |(index, column): (usize, &&'static Column)| {
            let cells = waiting.iter().filter_map(|row| row.get(index));
            let widest = cells.map(|cell| cell.text.width()).max().unwrap_or(0);
            widest.max(column.title().width())
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(measured).collect();
        if let Some(terminal) = self.terminal {
            fit(&mut widths, terminal);
        }
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

/// Narrows the widest columns, one step at a time, until the line fits or nothing is left to take.
fn fit(widths: &mut [usize], terminal: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(terminal);
    while excess > 0 {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => break,
        }
        excess -= 1;
    }
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
}
