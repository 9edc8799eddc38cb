//! Logs of the program itself, on stderr. What the traffic did is recorded, never only logged.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging: warnings and errors, with `-v` what Landfall does, with `-vv` its details; with
/// `-q` errors alone. `RUST_LOG` goes before all of these.
pub(crate) fn start(verbose: u8, quiet: bool) {
    let default = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => OURS_INFO,
        (false, 2) => OURS_DEBUG,
        (false, _) => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
}

const OURS_INFO: &str = "warn,landfall=info,proxy=info,recorder=info,resolver=info,geoip=info";
const OURS_DEBUG: &str =
    "warn,landfall=debug,proxy=debug,recorder=debug,resolver=debug,geoip=debug";
