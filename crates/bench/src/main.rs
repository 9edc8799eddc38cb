//! Measures Landfall beside other programs that do part of its work, in one run, as ratios: run it
//! as `cargo xtask bench`. Everything happens on loopback, on ports that the system chooses, and
//! stops by itself.
//!
//! Load and measuring are this process; the origin and each subject are processes of their own, so
//! that what a subject costs is read from `/proc` and is nobody else's. Other people's traffic
//! generators are deliberately not used: their cost would differ from machine to machine.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod arguments;
mod bare_tap;
mod certificates;
mod http1;
mod landfall;
mod load;
mod load_h2;
mod measure;
mod mitmdump;
mod nginx;
mod origin;
mod parts;
mod problem;
mod process;
mod programs;
mod report;
mod sslsplit;
mod subject;
mod suite;
mod tunnel;
mod way;
mod work;

use arguments::{Arguments, Verb};
use problem::Problem;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Problem> {
    match arguments.verb {
        Verb::Parts | Verb::Destinations => return parts::run(&arguments),
        Verb::Help => {
            println!("{}", arguments::usage());
            return Ok(());
        }
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match &arguments.verb {
            Verb::Suite | Verb::Parts | Verb::Destinations | Verb::Help => {
                suite::run(&arguments).await
            }
            Verb::Origin(directory) => origin::serve(directory).await,
            Verb::Tunnel(upstream) => tunnel::serve(*upstream).await,
            Verb::BareTap(directory, upstream) => bare_tap::serve(directory, *upstream).await,
        }
    });
    runtime.shutdown_background();
    done
}
