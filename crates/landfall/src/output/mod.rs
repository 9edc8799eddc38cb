//! The one place that turns rows into what the terminal or a program reads: table, JSON, JSON
//! lines or CSV, with `--fields`, `--sort` and `--limit`. It knows no command and reads no session.

pub(crate) mod cell;
pub(crate) mod colour;
pub(crate) mod escape;
pub(crate) mod page;
pub(crate) mod row;
pub(crate) mod rows;
mod table;

use crate::error::Error;
use colour::When;
use page::Page;
use row::{Column, Row};
use rows::Rows;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people: aligned columns, coloured and cut to the terminal's width.
    Table,
    /// One array.
    Json,
    /// One object per line.
    Jsonl,
    /// RFC 4180 with a header line, guarded against spreadsheet formulas.
    Csv,
}

/// What was asked for on the command line, resolved against what stdout is.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    pub(crate) colours: bool,
    /// Columns of the terminal; `None` when stdout is none and nothing is cut.
    pub(crate) width: Option<usize>,
    /// Keys to show, in this order; empty = the default ones.
    pub(crate) fields: Vec<String>,
    pub(crate) sort: Option<Sort>,
    pub(crate) limit: Option<usize>,
}

/// `--sort key` or `--sort -key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) key: String,
    pub(crate) descending: bool,
}

impl std::str::FromStr for Sort {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = text.strip_prefix('-').unwrap_or(text);
        Ok(Self { key: key.to_owned(), descending: text.starts_with('-') })
    }
}

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
                rows.finish()
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

    /// The columns to show of rows that have `all`.
    fn columns(&self, all: &'static [Column]) -> Result<Vec<&'static Column>, Error> {
        if let Some(sort) = &self.sort {
            find(all, "--sort", &sort.key)?;
        }
        if !self.fields.is_empty() {
            return self.fields.iter().map(|key| find(all, "--fields", key)).collect();
        }
        let of_table = |column: &&Column| column.heading.is_some() || self.format != Format::Table;
        Ok(all.iter().filter(of_table).collect())
    }
}

fn find(all: &'static [Column], option: &str, key: &str) -> Result<&'static Column, Error> {
    all.iter().find(|column| column.key == key).ok_or_else(|| {
        let keys = || all.iter().map(|column| column.key);
        let error = Error::usage(format!("there is no field {key:?} here")).at(option);
        error.hint(match crate::suggest::nearest(key, keys()) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => format!("the fields are {}", keys().collect::<Vec<_>>().join(", ")),
        })
    })
}

fn terminal_width() -> usize {
    match terminal_size::terminal_size() {
        Some((terminal_size::Width(width), _)) if width >= MINIMUM_WIDTH => usize::from(width),
        _ => usize::from(DEFAULT_WIDTH),
    }
}

/// Narrower terminals get lines that wrap rather than columns of nothing.
const MINIMUM_WIDTH: u16 = 40;
const DEFAULT_WIDTH: u16 = 100;
