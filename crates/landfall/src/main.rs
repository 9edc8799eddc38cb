//! Landfall's one binary: parses the command line, runs a command, maps its result to an exit code.
//! What the commands do is in [`commands`] and [`run`]; this file decides nothing else.

mod args;
mod authority;
mod clock;
mod commands;
mod config;
mod context;
mod error;
mod failure;
mod fetch;
mod interfaces;
mod logging;
mod names;
mod output;
mod run;
mod suggest;

use error::{Error, Exit};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let line: Vec<_> = std::env::args_os().collect();
    let cli = match args::parse(line.iter().cloned()) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            return ExitCode::from(report(&args::explain(&error, &line)).code());
        }
        Err(help) => {
            // Help and version go to stdout; nobody may be there to read them.
            drop(help.print());
            return ExitCode::from(Exit::Ok.code());
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
