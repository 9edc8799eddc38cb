//! sslsplit with a log of the content. It is led to one upstream and asked by nobody, so that TLS begins
//! at once; its leaves are signed by the bench's own root. It speaks no HTTP/2.

use crate::certificates::{ROOT, ROOT_KEY};
use crate::problem::Problem;
use crate::process::Running;
use crate::programs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

pub(crate) async fn start(
    binary: &Path,
    certificates: &Path,
    directory: &Path,
    upstream: SocketAddr,
) -> Result<(Running, SocketAddr), Problem> {
    let address = programs::free_port().await?;
    let mut command = Command::new(binary);
    command.arg("-k").arg(certificates.join(ROOT_KEY)).arg("-c").arg(certificates.join(ROOT));
    command.arg("-L").arg(directory.join("content")).arg("-l").arg(directory.join("connections"));
    if std::fs::metadata("/proc/self")?.uid() == 0 {
        // Otherwise it would become a user who may not read the key.
        command.args(["-u", "root"]);
    }
    command.arg("https");
    for socket in [address, upstream] {
        command.arg(socket.ip().to_string()).arg(socket.port().to_string());
    }
    let running = programs::start(&mut command, address).await?;
    Ok((running, address))
}
