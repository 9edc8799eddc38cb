//! Landfall as its users start it: everything recorded, nothing left out. Names and addresses are
//! simulated, so that resolver, databases and assessment have their work while nothing leaves the
//! machine.

use crate::certificates::{FRESH_DOMAIN, HOST, ROOT};
use crate::problem::Problem;
use crate::process::Running;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fresh hosts that its configuration knows where they are used; a run may use no more.
pub(crate) const FRESH_HOSTS: usize = 6_000;

/// Starts it; also returns the file of its authority's certificate.
pub(crate) async fn start(
    binary: &Path,
    certificates: &Path,
    directory: &Path,
    upstream: SocketAddr,
    fresh_hosts: usize,
) -> Result<(Running, SocketAddr, PathBuf), Problem> {
    let config = directory.join("landfall.toml");
    std::fs::write(&config, text(upstream, fresh_hosts)?)?;
    let common = |command: &mut Command| {
        command.arg("--data").arg(directory.join("data")).arg("--config").arg(&config);
    };
    let mut run = Command::new(binary);
    run.args(["run", "--listen", "127.0.0.1:0"]);
    common(&mut run);
    run.arg("--upstream-ca").arg(certificates.join(ROOT));
    let (running, address) = Running::start_ready(&mut run, true, "proxy=").await?;
    let authority = directory.join("authority.pem");
    let mut export = Command::new(binary);
    export.args(["ca", "export", "--format", "pem", "-o"]).arg(&authority);
    common(&mut export);
    let exported = export.output()?;
    if !exported.status.success() {
        return Err(String::from_utf8_lossy(&exported.stderr).into_owned().into());
    }
    Ok((running, address, authority))
}

fn text(upstream: SocketAddr, fresh_hosts: usize) -> Result<String, Problem> {
    let mut text = format!("[dial]\n\"{ADDRESS}\" = \"{upstream}\"\n[resolve]\n");
    writeln!(text, "\"{HOST}\" = [\"{ADDRESS}\"]")?;
    for number in 0..fresh_hosts {
        writeln!(text, "\"h{number}.{FRESH_DOMAIN}\" = [\"{ADDRESS}\"]")?;
    }
    Ok(text)
}

/// An address that the databases know; what is dialled in its place is the origin.
const ADDRESS: &str = "8.136.0.1";
