//! Tables: aligned columns whose widths come from the first rows, cut to the terminal's width.
//! Rows after those stream through, so a long list needs no memory.

use super::cell;
use super::choice::Output;
use super::colour::Ink;
use super::escape::printable;
use super::row::{Column, Kind, Overlong};
use super::text::{cut, wrap};
use serde_json::{Map, Value};
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// A table being written.
pub(super) struct Table {
    columns: Vec<&'static Column>,
    /// Columns whose cells stand below their row.
    below: Vec<(&'static Column, &'static str)>,
    colours: bool,
    terminal: Option<usize>,
    /// The columns were asked for one by one, so that empty ones stay.
    chosen: bool,
    /// Widths, once they are decided.
    widths: Option<Vec<usize>>,
    waiting: Vec<Line>,
}

/// A row as it will be written.
struct Line {
    cells: Vec<Cell>,
    below: Vec<Cell>,
}

struct Cell {
    text: String,
    ink: Ink,
}

impl Table {
    pub(super) fn new(columns: Vec<&'static Column>, output: &Output) -> Self {
        let chosen = !output.fields.is_empty();
        let word = |column: &&'static Column| match column.overlong {
            Overlong::Below(word) if output.width.is_some() && !chosen => Some((*column, word)),
            _ => None,
        };
        let below: Vec<_> = columns.iter().filter_map(word).collect();
        let columns = columns.into_iter().filter(|column| word(column).is_none()).collect();
        Self {
            columns,
            below,
            colours: output.colours,
            terminal: output.width,
            chosen,
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
            let text = match column.kind {
                // Whoever asks for it wants it of every row.
                kind @ (Kind::Why | Kind::Host) if self.chosen => cell::for_table(value, kind),
                _ => cell::of_row(row, column),
            };
            let text = printable(&text).into_owned();
            Cell { text, ink: cell::ink(value, column.kind) }
        };
        let cells: Vec<Cell> = self.columns.iter().map(cell).collect();
        let below = self.below.iter().map(|(column, word)| {
            let Cell { text, ink } = cell(column);
            Cell { text: if text.is_empty() { text } else { format!("{word}{text}") }, ink }
        });
        let below = below.filter(|cell| !cell.text.is_empty()).collect();
        let line = Line { cells, below };
        match &self.widths {
            Some(widths) => self.write(&line, widths, out),
            None => {
                self.waiting.push(line);
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
            let is_empty =
                |row: &Line| row.cells.get(index).is_none_or(|cell| cell.text.is_empty());
            if self.waiting.iter().all(is_empty) {
                self.drop_column(index);
            }
        }
    }

    fn drop_column(&mut self, index: usize) {
        self.columns.remove(index);
        for row in &mut self.waiting {
            row.cells.remove(index);
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
                _ => return fit(widths, &least, &self.columns, terminal),
            }
        }
    }

    fn widest(&self, index: usize) -> usize {
        let cells = self.waiting.iter().filter_map(|row| row.cells.get(index));
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
        for line in &waiting {
            self.write(line, &widths, out)?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    /// A row, what its last cell goes on with, and what stands below it.
    fn write(&self, line: &Line, widths: &[usize], out: &mut impl Write) -> io::Result<()> {
        let Some(terminal) = self.terminal else { return self.line(&line.cells, widths, out) };
        let before = widths.split_last().map_or(&[][..], |(_, before)| before);
        let start = before.iter().map(|width| width + GAP.len()).sum();
        let wraps = self.columns.last().is_some_and(|last| last.overlong == Overlong::Wrapped);
        match (line.cells.split_last(), widths.last()) {
            (Some((last, cells)), Some(width)) if wraps => {
                let mut lines = wrap(&last.text, *width).into_iter();
                let first = Cell { text: lines.next().unwrap_or_default(), ink: last.ink };
                let cells = cells.iter().map(|Cell { text, ink }| (text.as_str(), *ink));
                self.cells(cells.chain([(first.text.as_str(), first.ink)]), widths, out)?;
                for text in lines {
                    writeln!(out, "{:start$}{}", "", last.ink.on(&text, self.colours))?;
                }
            }
            _ => self.line(&line.cells, widths, out)?,
        }
        // Below the cell that it is about, or beside the first, which names the row.
        let second = widths.first().map_or(0, |first| first + GAP.len());
        let indent = if wraps { start } else { second };
        for cell in &line.below {
            for text in wrap(&cell.text, terminal.saturating_sub(indent).max(NARROWEST)) {
                writeln!(out, "{:indent$}{}", "", cell.ink.on(&text, self.colours))?;
            }
        }
        Ok(())
    }

    fn line(&self, cells: &[Cell], widths: &[usize], out: &mut impl Write) -> io::Result<()> {
        self.cells(cells.iter().map(|cell| (cell.text.as_str(), cell.ink)), widths, out)
    }

    fn cells<'a>(
        &self,
        cells: impl Iterator<Item = (&'a str, Ink)>,
        widths: &[usize],
        out: &mut impl Write,
    ) -> io::Result<()> {
        let last = widths.len().saturating_sub(1);
        for (index, (((text, ink), width), column)) in
            cells.zip(widths).zip(&self.columns).enumerate()
        {
            let text = match self.terminal {
                Some(_) if column.kind == Kind::Host => cut_host(text, *width),
                Some(_) => cut(text, *width),
                None => text.to_owned(),
            };
            let padding = width.saturating_sub(text.width());
            let inked = ink.on(&text, self.colours);
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

/// A host cut before its port, which is there because it is unusual.
fn cut_host(text: &str, width: usize) -> String {
    match text.rsplit_once(':') {
        Some((host, port))
            if text.width() > width && (host.ends_with(']') || !host.contains(':')) =>
        {
            format!("{}:{port}", cut(host, width.saturating_sub(port.len() + 1)))
        }
        _ => cut(text, width),
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
/// first those that are wider than they have to be, then those that may be cut, then all.
fn fit(
    mut widths: Vec<usize>,
    least: &[usize],
    columns: &[&Column],
    terminal: usize,
) -> Vec<usize> {
    let mut excess = line_width(&widths).saturating_sub(terminal);
    let may_be_cut = |column: &Column| column.kind.may_be_cut() && column.room != usize::MAX;
    let cut = columns.iter().zip(least).map(
        |(column, least)| {
            if may_be_cut(column) { NARROWEST } else { *least }
        },
    );
    let all = vec![NARROWEST; least.len()];
    for floors in [least.to_vec(), cut.collect(), all] {
        while excess > 0 {
            let above = widths.iter_mut().zip(&floors).filter(|(width, floor)| **width > **floor);
            let Some((widest, _)) = above.max_by_key(|(width, _)| **width) else { break };
            *widest -= 1;
            excess -= 1;
        }
    }
    widths
}

/// Rows that are kept back to measure columns by.
const ROWS_MEASURED: usize = 500;
/// No column gets narrower than this to fit the terminal.
const NARROWEST: usize = 6;
const GAP: &str = "  ";

#[cfg(test)]
mod tests {
    use super::super::choice::Format;
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
    fn the_port_of_a_long_host_was_cut_away() {
        assert_eq!(cut_host("push.courier.example:5223", 24), "push.courier.examp…:5223");
        assert_eq!(cut_host("push.courier.example:5223", 25), "push.courier.example:5223");
        assert_eq!(cut_host("2001:db8::1", 6), cut("2001:db8::1", 6));
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

    static LONG: [Column; 4] = [
        Column::shown("result", "result", Kind::Word),
        Column::shown("check", "check", Kind::Text).whole(),
        Column::shown("detail", "detail", Kind::Text).wrapped(),
        Column::shown("hint", "hint", Kind::Text).below("hint: "),
    ];

    #[test]
    fn on_a_terminal_long_cells_go_on_below_and_into_a_pipe_they_stay_in_their_column() {
        let row = json!({
            "result": "warn", "check": "resolver",
            "detail": "192.0.2.53:53 does not answer", "hint": "check the network",
        });
        let written = |width| {
            let output = Output {
                format: Format::Table,
                colours: false,
                width,
                fields: Vec::new(),
                sort: None,
                limit: None,
            };
            let mut out = Vec::new();
            let mut table = Table::new(LONG.iter().collect(), &output);
            table.push(row.as_object().unwrap(), &mut out).unwrap();
            table.finish(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(Some(40)),
            "result  check     detail\n\
             warn    resolver  192.0.2.53:53 does not\n                  answer\n                  \
             hint: check the\n                  network\n"
        );
        assert_eq!(
            written(None),
            "result  check     detail                         hint\n\
             warn    resolver  192.0.2.53:53 does not answer  check the network\n"
        );
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
