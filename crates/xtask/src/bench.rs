//! `cargo xtask bench`: builds what is measured, then measures it.

use crate::command::{self, cargo};
use std::path::Path;

pub(crate) fn run(root: &Path, options: &[&str]) -> Result<bool, String> {
    let mut build = cargo();
    build.current_dir(root).args(["build", "--release", "--locked"]);
    if !command::run(build.args(["-p", "landfall", "-p", "bench"]))? {
        return Ok(false);
    }
    let mut bench = cargo();
    bench.current_dir(root).args(["run", "--release", "--locked", "--quiet", "-p", "bench", "--"]);
    command::run(bench.args(options))
}
