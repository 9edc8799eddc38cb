//! Options of every verb that prints rows.

use crate::output::colour::When;
use crate::output::{Format, Output, Sort};

/// How rows are written.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct OutputArgs {
    /// How to write rows [default: table on a terminal, jsonl into a pipe].
    #[arg(help_heading = "Output", short = 'o', long = "output", value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Keys to show, in this order.
    #[arg(help_heading = "Output", long, value_name = "KEYS", value_delimiter = ',', value_parser = trimmed)]
    pub(crate) fields: Vec<String>,
    /// Key to sort by; `-KEY` for the largest first.
    #[arg(help_heading = "Output", long, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) sort: Option<Sort>,
    /// Rows to show at most.
    #[arg(help_heading = "Output", long, value_name = "N", value_parser = rows)]
    pub(crate) limit: Option<usize>,
}

/// A key as it is meant: `--fields 'id, host'` names two.
fn trimmed(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.trim().to_owned())
}

/// A number of rows.
fn rows(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_error| "not a number of rows such as 20".to_owned())
}

impl OutputArgs {
    /// These options, with `before` (those written before the verb) where one is not given.
    pub(crate) fn over(self, before: &Self) -> Self {
        Self {
            format: self.format.or(before.format),
            fields: if self.fields.is_empty() { before.fields.clone() } else { self.fields },
            sort: self.sort.or_else(|| before.sort.clone()),
            limit: self.limit.or(before.limit),
        }
    }

    pub(crate) fn resolve(self, colour: When) -> Output {
        Output::new(self.format, colour, self.fields, self.sort, self.limit)
    }

    /// The first option that is given, as it is spelled.
    pub(crate) fn given(&self) -> Option<&'static str> {
        [
            (self.format.is_some(), "--output"),
            (!self.fields.is_empty(), "--fields"),
            (self.sort.is_some(), "--sort"),
            (self.limit.is_some(), "--limit"),
        ]
        .into_iter()
        .find_map(|(given, option)| given.then_some(option))
    }
}
