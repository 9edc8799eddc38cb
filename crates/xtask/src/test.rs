//! `cargo xtask test`: everything that must hold before a commit lands.
//!
//! The integration tests drive the release binary, the one that users run; it is therefore built
//! before them. Unit tests run in the development profile.

use crate::command::{self, cargo};
use crate::lint;
use crate::machine;
use crate::steps::{End, Steps};
use std::path::Path;

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Everything,
    /// Leaves out the tests with a browser.
    WithoutBrowser,
}

pub(crate) fn run(root: &Path, extent: Extent) -> Result<bool, String> {
    let mut steps = Steps::default();
    let machine = steps.step("machine", || machine::prepare(root));
    if machine == End::Passed {
        lint::add_steps(root, &mut steps);
        cargo_tests(root, &mut steps, "unit tests", &["--lib", "--bins"], &[]);
        let built = steps.step("release build", || {
            let mut build = cargo();
            build.current_dir(root).args(["build", "--release", "--locked", "-p", "landfall"]);
            command::run(&mut build)
        });
        if built == End::Passed {
            let skip: &[&str] = match extent {
                Extent::Everything => &[],
                Extent::WithoutBrowser => &["--skip", "chromium"],
            };
            cargo_tests(root, &mut steps, "integration tests", &["--test", "*"], skip);
        } else {
            steps.step_after(built, "integration tests", || Ok(false));
        }
        cargo_tests(root, &mut steps, "documentation tests", &["--doc"], &[]);
        steps.step("independent readers", || {
            let mut python = machine::python_command(root);
            command::run(python.arg(root.join("crates/geoip/tests/independent_readers.py")))
        });
    }
    Ok(steps.conclude())
}

/// One `cargo test` over the whole workspace: the same selection of packages each time keeps the
/// same features, so nothing is built twice.
fn cargo_tests(
    root: &Path,
    steps: &mut Steps,
    name: &str,
    targets: &[&str],
    runner_options: &[&str],
) {
    let mut lines = Vec::new();
    steps.step(name, || {
        let mut test = cargo();
        test.current_dir(root).args(["test", "--workspace", "--locked", "--no-fail-fast"]);
        test.args(targets).arg("--").args(runner_options);
        let (passed, kept) = command::run_keeping(&mut test, is_closing_line)?;
        lines = kept;
        Ok(passed)
    });
    steps.keep_lines(lines);
}

/// The lines in which cargo and the test runner say what ran, what failed and how many passed.
fn is_closing_line(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("Running ")
        || line.starts_with("Doc-tests ")
        || line.starts_with("test result: ")
        || (line.starts_with("test ") && line.ends_with(" FAILED"))
}
