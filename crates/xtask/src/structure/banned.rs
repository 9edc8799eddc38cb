//! Crates that must never be built, on any platform and with any feature that we use.

use crate::command::{self, cargo};
use std::path::Path;

pub(crate) fn problems(root: &Path) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for (name, why) in BANNED {
        let mut tree = cargo();
        tree.current_dir(root).args(["tree", "--workspace", "--locked", "--invert", name]);
        let (found, users, problem) =
            command::capture(tree.args(["--edges", "all", "--target", "all"]))?;
        // Not in the lock file is a failure of the command; there but unused is an empty tree.
        if !found && !problem.contains("did not match any packages") {
            return Err(problem);
        }
        if !users.trim().is_empty() {
            problems.push(format!("{name} would be built ({why}):\n{users}"));
        }
    }
    Ok(problems)
}

const BANNED: &[(&str, &str)] = &[
    ("ring", "aws-lc-rs is the one cryptographic library"),
    ("openssl-sys", "aws-lc-rs is the one cryptographic library"),
    ("native-tls", "rustls is the one TLS library"),
];
