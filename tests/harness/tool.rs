//! Programs that are not ours: found or asked for by name, run without the caller's proxy and
//! certificate settings, and never longer than a deadline.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a program left behind.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Panics with the program's own words unless it succeeded.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.text(), self.error_text());
        self
    }
}

/// A command whose environment says nothing of proxies or certificates.
///
/// # Panics
/// When the program is not installed.
pub fn command(program: &str) -> Command {
    let path = find(program).unwrap_or_else(|| {
        panic!("{program} is missing; `cargo xtask test` installs it, or says how")
    });
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_ascii_uppercase();
        let names_trust = upper.contains("CERT") || upper.contains("CA_BUNDLE");
        if names_trust || upper.ends_with("_PROXY") || upper.starts_with("LANDFALL") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// The tests' own Python with its packages.
pub fn python() -> Command {
    let interpreter = target_directory().join("python/bin/python");
    assert!(interpreter.exists(), "{} is missing: cargo xtask test", interpreter.display());
    command(&interpreter.to_string_lossy())
}

/// Runs it to its end and returns all that it wrote.
///
/// # Panics
/// When it cannot be started, or is not done in time.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = read_all(child.stdout.take().unwrap());
    let stderr = read_all(child.stderr.take().unwrap());
    let status = wait(&mut child, limit);
    if status.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    let Some(status) = status else {
        let said = [stdout, stderr].concat();
        panic!("{command:?} not done in {limit:?}\n{}", String::from_utf8_lossy(&said));
    };
    Output { status, stdout, stderr }
}

/// Waits for the end of a process, at most that long.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if begun.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal, such as `INT`, to one process.
pub fn signal(name: &str, process: u32) {
    let mut kill = command("kill");
    run(kill.args([&format!("-{name}"), &process.to_string()]), SHORT).expect_success();
}

/// Where cargo builds.
pub fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => directory.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
    }
}

/// Time for what takes no time.
pub const SHORT: Duration = Duration::from_secs(60);

fn read_all(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all
    })
}

fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(program.into()).filter(|path: &PathBuf| path.exists());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut candidates = std::env::split_paths(&path).chain(system).map(|dir| dir.join(program));
    candidates.find(|candidate| candidate.is_file())
}
