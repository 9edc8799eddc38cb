//! Chromium without a window, with a home of its own in which an authority is trusted as a user's
//! own: its verifier accepts our leaves without being told to look away.

use crate::tool::{self, SHORT};
use std::path::Path;
use std::process::Command;

/// Completes a command that starts Chromium: it prints the document when the page has loaded. The
/// proxy and the URL are still to be said.
pub fn headless(mut chromium: Command, home: &Path, authority: &Path) -> Command {
    let store = home.join(".pki/nssdb");
    std::fs::create_dir_all(&store).unwrap();
    let store = format!("sql:{}", store.display());
    let certutil = |arguments: &[&str]| {
        let mut certutil = tool::command("certutil");
        certutil.args(["-d", &store]).args(arguments);
        tool::run(&mut certutil, SHORT).expect_success();
    };
    certutil(&["-N", "--empty-password"]);
    certutil(&["-A", "-n", "landfall", "-t", "C,,", "-i", &authority.to_string_lossy()]);
    chromium.env("HOME", home).env("XDG_CONFIG_HOME", home.join("config"));
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-extensions",
        "--disable-sync",
        "--dump-dom",
    ]);
    chromium.arg(format!("--user-data-dir={}", home.join("profile").display()));
    chromium
}
