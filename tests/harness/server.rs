//! Servers that are not ours, for a case's names, with certificates of its test authority.

use crate::case::Case;
use crate::tool;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// A server process; killed when dropped.
pub struct Server {
    child: Child,
    socket: SocketAddr,
}

impl Server {
    /// A process that serves, or soon will, on a socket.
    pub fn of(child: Child, socket: SocketAddr) -> Self {
        Self { child, socket }
    }

    pub fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// Python's own server: HTTP/1.1.
    pub fn http1(case: &Case, names: &[&str]) -> Self {
        let files = case.ca().write_pem(names, &case.path(""));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/http1_server.py");
        let mut python = tool::python();
        python.arg(script).arg(files.certificate).arg(files.key).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, socket: SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap())) }
    }

    /// nghttpd: HTTP/2, files of a directory, and what is uploaded back.
    pub fn http2(case: &Case, names: &[&str], documents: &Path) -> Self {
        let files = case.ca().write_pem(names, &case.path(""));
        // It cannot be asked for a free port.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut nghttpd = tool::command("nghttpd");
        nghttpd.args(["--address=127.0.0.1", "--echo-upload", "--htdocs"]).arg(documents);
        nghttpd.arg(free.port().to_string()).arg(files.key).arg(files.certificate);
        let child = nghttpd.stdout(Stdio::null()).spawn().unwrap();
        let server = Self { child, socket: free };
        for _ in 0..1_000 {
            if TcpStream::connect(free).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nghttpd does not listen");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
