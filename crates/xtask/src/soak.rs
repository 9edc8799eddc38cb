//! `cargo xtask soak`: the long measurements, which are no part of `test`.

use crate::command::{self, cargo};
use crate::machine;
use crate::steps::Steps;
use std::path::Path;

pub(crate) fn run(root: &Path) -> Result<bool, String> {
    let mut steps = Steps::default();
    let machine = steps.step("machine", || machine::prepare(root));
    let built = steps.step_after(machine, "release build", || {
        let mut build = cargo();
        build.current_dir(root).args(["build", "--release", "--locked"]);
        command::run(build.args(["-p", "landfall", "-p", "tests", "--bins"]))
    });
    for part in ["download", "upload", "idle", "busy"] {
        steps.step_after(built, part, || {
            let mut soak = cargo();
            soak.current_dir(root).args(["run", "--release", "--locked", "--quiet"]);
            command::run(soak.args(["-p", "tests", "--bin", "soak", "--", part]))
        });
    }
    Ok(steps.conclude())
}
