//! `landfall completions SHELL`.

use crate::args::Cli;
use crate::error::{Error, Exit};
use clap::CommandFactory;
use std::io::Write;

/// Prints the completion script for a shell.
pub(crate) fn print(shell: clap_complete::Shell) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "landfall", &mut script);
    std::io::stdout().lock().write_all(&script).map_err(|error| Error::output(&error))?;
    Ok(Exit::Ok)
}
