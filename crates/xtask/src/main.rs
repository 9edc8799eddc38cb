//! The project's own chores: `cargo xtask VERB`. It runs other programs and reads the sources; it
//! is no part of the product and knows none of its crates.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod bench;
mod command;
mod fuzz;
mod lint;
mod machine;
mod shapes;
mod soak;
mod steps;
mod structure;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}

/// Runs one verb. `Ok(false)` when something that it ran or checked failed.
fn run(words: &[&str]) -> Result<bool, String> {
    let root = workspace_root()?;
    match words {
        ["test"] => test::run(&root, test::Extent::Everything),
        ["test", "--fast"] => test::run(&root, test::Extent::WithoutBrowser),
        ["lint"] => lint::run(&root),
        ["machine"] => machine::prepare(&root),
        ["structure"] => structure::check(&root),
        ["soak"] => soak::run(&root),
        ["bench", options @ ..] => bench::run(&root, options),
        ["deny"] => lint::deny(&root),
        ["shapes", map] => shapes::run(&root, map),
        ["fuzz", options @ ..] => fuzz::run(&root, &fuzz::Options::parse(options)?),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(true)
        }
        [verb, ..] => Err(format!("cannot do `{}`\n\n{USAGE}", verb.escape_debug())),
    }
}

/// The directory of the workspace: two above this package's manifest.
fn workspace_root() -> Result<PathBuf, String> {
    let manifest = std::env::var("CARGO_MANIFEST_DIR")
        .map_err(|error| format!("CARGO_MANIFEST_DIR: {error}; run it as `cargo xtask`"))?;
    let root = Path::new(&manifest).ancestors().nth(2);
    root.map(Path::to_owned).ok_or_else(|| format!("{manifest} lies in no workspace"))
}

const USAGE: &str = "\
usage: cargo xtask VERB

  test [--fast]             everything that must hold before a commit lands; as root on Debian it
                            installs the programs that it needs; --fast leaves the browser out
  machine                   the first step of it: install what is missing, or name it
  lint                      formatting, clippy, structure of the sources and of the crate graph
  structure                 the last of these alone; it takes a second
  soak                      10 GiB through the proxy, 1,000 idle connections
  bench [parts] [--quick] [OPTION...]
                            speed beside direct, a tunnel, nginx and a bare tap, as ratios;
                            `bench --help` tells the options
  fuzz [TARGET] [--seconds N]
                            one fuzz target or all of them, 60 seconds each unless told
  shapes MAP                geoip/countries.shapes.zst, made anew from world-atlas' countries-10m.json
  deny                      cargo-deny, where it is installed
";
