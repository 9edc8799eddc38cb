//! The one place that turns rows into what the terminal or a program reads: table, JSON, JSON
//! lines or CSV, with `--fields`, `--sort` and `--limit`. It knows no command and reads no session.

pub(crate) mod cell;
mod choice;
pub(crate) mod colour;
pub(crate) mod escape;
pub(crate) mod page;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod safe_text;
mod table;
pub(crate) mod text;

pub(crate) use choice::{Format, Output, Sort};

use crate::error::Error;
use colour::When;
use page::Page;
use row::Row;
use rows::Rows;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

impl Output {
    /// Defaults: a table on a terminal, JSON lines into a pipe or file.
    pub(crate) fn new(
        format: Option<Format>,
        colour: When,
        fields: Vec<String>,
        sort: Option<Sort>,
        limit: Option<usize>,
    ) -> Self {
        let terminal = io::stdout().is_terminal();
        let default = if terminal { Format::Table } else { Format::Jsonl };
        Self {
            format: format.unwrap_or(default),
            colours: colour.applies(terminal),
            width: terminal.then(terminal_width),
            fields,
            sort,
            limit,
        }
    }

    /// A writer of rows to stdout.
    ///
    /// # Errors
    /// Usage: a field or sort key that the rows do not have.
    pub(crate) fn rows<R: Row>(&self) -> Result<Rows<'_, StdoutLock<'static>>, Error> {
        Rows::new(self, R::COLUMNS, io::stdout().lock())
    }

    /// One object: `page` for people, else the row alone (`json`: one object, no array).
    ///
    /// # Errors
    /// As [`Output::rows`]; and a failed write.
    pub(crate) fn one<R: Row>(&self, row: &R, page: impl FnOnce(&mut Page)) -> Result<(), Error> {
        match self.format {
            Format::Table if self.fields.is_empty() => self.page(page),
            _ => {
                let mut rows = Rows::single(self, R::COLUMNS, io::stdout().lock())?;
                rows.push(row)?;
                rows.finish().map(|_rows| ())
            }
        }
    }

    /// Text for people, whatever the format.
    ///
    /// # Errors
    /// A failed write.
    pub(crate) fn page(&self, fill: impl FnOnce(&mut Page)) -> Result<(), Error> {
        let mut page = Page::new(self.colours);
        fill(&mut page);
        let mut out = BufWriter::new(io::stdout().lock());
        out.write_all(page.text().as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| Error::output(&error))
    }
}

/// Columns of the terminal.
pub(crate) fn terminal_width() -> usize {
    match terminal_size::terminal_size() {
        Some((terminal_size::Width(width), _)) if width >= MINIMUM_WIDTH => usize::from(width),
        _ => usize::from(DEFAULT_WIDTH),
    }
}

/// Narrower terminals get lines that wrap rather than columns of nothing.
const MINIMUM_WIDTH: u16 = 40;
const DEFAULT_WIDTH: u16 = 100;
