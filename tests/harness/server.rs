//! Servers that are not ours, for a case's names, with certificates of its test authority.

use crate::case::Case;
use crate::tool;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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

    /// A process that prints its port, of loopback, when it serves.
    pub fn announced(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("{command:?} said {line:?}"));
        Self { child, socket: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Python's own server: HTTP/1.1.
    pub fn http1(case: &Case, names: &[&str]) -> Self {
        Self::python("http1_server.py", case, names)
    }

    /// Python's echoing WebSocket server.
    pub fn websocket(case: &Case, names: &[&str]) -> Self {
        Self::python("websocket_server.py", case, names)
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

    fn python(name: &str, case: &Case, names: &[&str]) -> Self {
        let files = case.ca().write_pem(names, &case.path(""));
        let mut python = tool::python();
        python.arg(script(name)).arg(files.certificate).arg(files.key);
        Self::announced(&mut python)
    }
}

/// One of the tests' Python programs.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
