//! What was asked for on the command line: the format, the keys, the order, the number of rows.

use super::row::Column;
use crate::error::Error;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people: aligned columns, coloured and cut to the terminal's width.
    Table,
    /// One array; one object where a command shows one thing.
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
    /// The columns to show of rows that have `all`.
    pub(super) fn columns(&self, all: &'static [Column]) -> Result<Vec<&'static Column>, Error> {
        if let Some(twice) = twice(&self.fields) {
            return Err(Error::usage(format!("the field {twice:?} is named twice"))
                .at("--fields")
                .hint("name each field once"));
        }
        if let Some(sort) = &self.sort {
            find(all, "--sort", &sort.key)?;
        }
        if !self.fields.is_empty() {
            let by_heading = |key: &String| all.iter().find(|column| column.heading == Some(key));
            let named = |key: &String| match find(all, "--fields", key) {
                Err(unknown) => by_heading(key).ok_or(unknown),
                found => found,
            };
            return self.fields.iter().map(named).collect();
        }
        let of_table = |column: &&Column| column.heading.is_some() || self.format != Format::Table;
        Ok(all.iter().filter(of_table).collect())
    }
}

/// The first field that was named before.
fn twice(fields: &[String]) -> Option<&str> {
    let is_twice = |(index, field): (usize, &String)| fields.iter().take(index).any(|f| f == field);
    let again = fields.iter().enumerate().find(|(index, field)| is_twice((*index, field)))?;
    Some(again.1)
}

fn find(all: &'static [Column], option: &str, key: &str) -> Result<&'static Column, Error> {
    all.iter().find(|column| column.key == key).ok_or_else(|| {
        let keys = || all.iter().map(|column| column.key);
        let error = Error::usage(format!("there is no field {key:?} here")).at(option);
        // What is read at the head of a column is its heading, not its key.
        if let Some(column) = all.iter().find(|column| column.heading == Some(key)) {
            return error.hint(format!("the key of that column is {:?}", column.key));
        }
        error.hint(match crate::suggest::nearest(key, keys()) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => format!("the fields are {}", keys().collect::<Vec<_>>().join(", ")),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::row::Kind;

    const COLUMNS: &[Column] =
        &[Column::hidden("id", Kind::Text), Column::shown("host", "name", Kind::Text)];

    fn keys(fields: &[&str]) -> Result<Vec<&'static str>, String> {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let output = Output {
            format: Format::Csv,
            colours: false,
            width: None,
            fields,
            sort: None,
            limit: None,
        };
        let columns = output.columns(COLUMNS).map_err(|error| error.to_string())?;
        Ok(columns.into_iter().map(|column| column.key).collect())
    }

    #[test]
    fn fields_are_shown_in_their_order_and_once() {
        assert_eq!(keys(&["host", "id"]).unwrap(), ["host", "id"]);
        assert_eq!(keys(&[]).unwrap(), ["id", "host"]);
        assert_eq!(keys(&["name"]).unwrap(), ["host"]);
        assert!(keys(&["id", "host", "id"]).unwrap_err().contains("\"id\" is named twice"));
        assert!(keys(&["hots"]).unwrap_err().contains("did you mean \"host\"?"));
    }
}
