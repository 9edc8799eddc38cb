//! mitmdump as an HTTP proxy that keeps every flow in a file, with an authority of its own.

use crate::certificates::ROOT;
use crate::problem::Problem;
use crate::process::Running;
use crate::programs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Starts it; also returns the file of its authority's certificate.
pub(crate) async fn start(
    binary: &Path,
    certificates: &Path,
    directory: &Path,
    upstream: SocketAddr,
) -> Result<(Running, SocketAddr, PathBuf), Problem> {
    let address = programs::free_port().await?;
    // Names are simulated, as for Landfall: whoever is asked for, the origin is dialled.
    let script = directory.join("dial.py");
    let (ip, port) = (upstream.ip(), upstream.port());
    let text = format!("def server_connect(data):\n    data.server.address = (\"{ip}\", {port})\n");
    std::fs::write(&script, text)?;
    let set = |key: &str, file: PathBuf| format!("{key}={}", file.display());
    let mut command = Command::new(binary);
    command.args(["-q", "--listen-host", &address.ip().to_string()]);
    command.args(["-p", &address.port().to_string()]);
    command.arg("-w").arg(directory.join("flows")).arg("-s").arg(&script);
    command.arg("--set").arg(set("confdir", directory.join("conf")));
    let root = certificates.join(ROOT);
    command.arg("--set").arg(set("ssl_verify_upstream_trusted_ca", root));
    let running = programs::start(&mut command, address).await?;
    Ok((running, address, directory.join("conf/mitmproxy-ca-cert.pem")))
}
