//! Landfall's one binary: parses the command line, runs a command, maps its result to an exit code.
//! What the commands do is in [`commands`] and [`run`]; this file decides nothing else.

mod args;
mod clock;
mod commands;
mod config;
mod error;
mod failure;
mod interfaces;
mod logging;
mod output;
mod run;
mod suggest;

use error::{Error, Exit};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with 0, mistakes to stderr with 2.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            return match error.print() {
                Ok(()) => ExitCode::from(exit.code()),
                Err(_closed_output) => ExitCode::from(exit.code()),
            };
        }
    };
    logging::start(cli.global.verbose, cli.global.quiet);
    let exit = match commands::run(cli) {
        Ok(exit) => exit,
        Err(error) => report(&error),
    };
    ExitCode::from(exit.code())
}

/// Prints an error; a reader of ours that went away is none.
fn report(error: &Error) -> Exit {
    if !error.is_broken_pipe() && writeln!(std::io::stderr(), "{error}").is_err() {
        return Exit::Runtime;
    }
    error.exit()
}
