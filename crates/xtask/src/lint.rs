//! What can be said of the sources without running them.

use crate::command::{self, cargo};
use crate::steps::Steps;
use crate::structure;
use std::path::Path;
use std::process::Command;

pub(crate) fn run(root: &Path) -> Result<bool, String> {
    let mut steps = Steps::default();
    add_steps(root, &mut steps);
    Ok(steps.conclude())
}

/// Formatting, clippy and structure, as steps of a longer run too.
pub(crate) fn add_steps(root: &Path, steps: &mut Steps) {
    steps.step("formatting", || {
        command::run(cargo().current_dir(root).args(["fmt", "--all", "--check"]))
    });
    steps.step("structure", || structure::check(root));
    steps.step("clippy", || {
        let mut clippy = cargo();
        clippy.current_dir(root).args(["clippy", "--workspace", "--all-targets", "--locked"]);
        // Functions of more than 70 lines (`.clippy.toml`) among them.
        command::run(clippy.args(["--", "-D", "warnings", "-W", "clippy::too_many_lines"]))
    });
}

/// `cargo-deny` with `.deny.toml`. The structure checks hold without it; it adds advisories, which
/// need the network.
pub(crate) fn deny(root: &Path) -> Result<bool, String> {
    if !command::is_installed("cargo-deny") {
        return Err("cargo-deny is not installed\nhint: cargo install --locked cargo-deny".into());
    }
    let mut deny = Command::new("cargo-deny");
    deny.current_dir(root).args(["deny", "--all-features", "check", "--config", ".deny.toml"]);
    command::run(&mut deny)
}
