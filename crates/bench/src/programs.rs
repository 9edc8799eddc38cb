//! Other people's programs that are measured where the machine has them: where they are, and how those
//! are started that cannot tell which port they were given.

use crate::problem::Problem;
use crate::process::Running;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// The binaries that were found.
pub(crate) struct Programs {
    pub(crate) nginx: Option<PathBuf>,
    pub(crate) mitmdump: Option<PathBuf>,
    pub(crate) sslsplit: Option<PathBuf>,
}

impl Programs {
    pub(crate) fn find() -> Self {
        Self {
            nginx: installed("nginx"),
            mitmdump: installed("mitmdump"),
            sslsplit: installed("sslsplit"),
        }
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(system).map(|place| place.join(name));
    found.into_iter().find(|file| file.is_file())
}

/// A port that was free a moment ago.
pub(crate) async fn free_port() -> Result<SocketAddr, Problem> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?)
}

/// Starts a program and waits until it takes connections at `address`.
pub(crate) async fn start(command: &mut Command, address: SocketAddr) -> Result<Running, Problem> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running::start(command)?;
    for _ in 0..MOST_TRIES {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(running);
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
    Err(format!("{} does not answer", command.get_program().to_string_lossy()).into())
}

/// Twenty seconds, which an interpreter may need on a busy machine.
const MOST_TRIES: usize = 400;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);
