//! A running `landfall run`: started, asked where it serves, stopped as a user would stop it.

use crate::tool;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The process; killed when dropped.
pub struct Landfall {
    child: Child,
    proxy: SocketAddr,
    session: String,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

/// What is left of a process that has ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Landfall {
    /// Starts it and waits for its `ready` line.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (ready_tx, ready_rx) = mpsc::channel();
        let stdout = collect(child.stdout.take().unwrap(), None);
        let stderr = collect(child.stderr.take().unwrap(), Some(ready_tx));
        let Ok(line) = ready_rx.recv_timeout(TIME_TO_START) else {
            child.kill().ok();
            child.wait().ok();
            panic!("{command:?} is not ready:\n{}", stderr.lock().unwrap());
        };
        let value = |key: &str| {
            let found = line.split_whitespace().find_map(|word| word.strip_prefix(key));
            found.unwrap_or_else(|| panic!("no {key} in: {line}")).to_owned()
        };
        let (proxy, session) = (value("proxy=").parse().unwrap(), value("session="));
        Self { child, proxy, session, stdout, stderr }
    }

    /// Where the proxy listens.
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// The proxy as the URL that clients are given.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy)
    }

    pub fn session(&self) -> &str {
        &self.session
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Memory that is resident, in KiB (Linux: `VmRSS`).
    pub fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most that was ever resident, in KiB (Linux: `VmHWM`).
    pub fn most_resident_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Ctrl-C, and waits for the end.
    #[track_caller]
    pub fn stop(mut self) -> Ended {
        tool::signal("INT", self.child.id());
        self.wait()
    }

    /// Waits for an end that comes by itself.
    #[track_caller]
    pub fn ended(mut self) -> Ended {
        self.wait()
    }

    /// The end that cannot be caught.
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.wait()
    }

    #[track_caller]
    fn wait(&mut self) -> Ended {
        let status = tool::wait(&mut self.child, TIME_TO_STOP);
        let status = status.unwrap_or_else(|| panic!("does not stop:\n{}", self.stderr()));
        // The readers are done soon after the process; what they miss are lines of its children.
        let text = |text: &Mutex<String>| text.lock().unwrap().clone();
        std::thread::sleep(Duration::from_millis(20));
        Ended { status, stdout: text(&self.stdout), stderr: text(&self.stderr) }
    }

    fn status_kib(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Landfall {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("landfall said:\n{}", self.stderr());
        }
    }
}

fn collect(
    stream: impl Read + Send + 'static,
    ready: Option<Sender<String>>,
) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(ready) = ready.as_ref().filter(|_| line.starts_with("ready ")) {
                // Nobody waits for a second one.
                ready.send(line.clone()).ok();
            }
            let mut text = kept.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    });
    text
}

const TIME_TO_START: Duration = Duration::from_secs(60);
const TIME_TO_STOP: Duration = Duration::from_secs(60);
