//! Processes: those that are measured, with what they and their children cost; and this one, when it
//! is one of them.

use crate::problem::Problem;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

/// A process that ends with this value. It has a moment to end by itself.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self, Problem> {
        let child = command.spawn().map_err(|error| {
            format!("could not start {}: {error}", command.get_program().to_string_lossy())
        })?;
        Ok(Self { child })
    }

    /// Starts it and waits for the line that says `ready` on its standard output or error; the
    /// address is the last word of `key`'s value in it, or the word after `ready`.
    pub(crate) async fn start_ready(
        command: &mut Command,
        on_stderr: bool,
        key: &str,
    ) -> Result<(Self, SocketAddr), Problem> {
        command.stdin(Stdio::piped());
        if on_stderr {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
        } else {
            command.stdout(Stdio::piped());
        }
        let mut running = Self::start(command)?;
        let address = if on_stderr {
            let stderr = running.child.stderr.take().ok_or("no standard error")?;
            ready_line(tokio::process::ChildStderr::from_std(stderr)?, key).await?
        } else {
            let stdout = running.child.stdout.take().ok_or("no standard output")?;
            ready_line(tokio::process::ChildStdout::from_std(stdout)?, key).await?
        };
        Ok((running, address))
    }

    pub(crate) fn cost(&self) -> Cost {
        Cost::of_tree(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Children do not always go with it: each is asked, and at the end made to.
        let tree = tree(self.child.id());
        let asked = signal("-INT", &tree);
        for _ in 0..100 {
            if asked.is_err() || !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(signal("-KILL", &tree));
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to those processes of a tree that are still there.
fn signal(name: &str, tree: &BTreeMap<u32, Stat>) -> io::Result<()> {
    // A number may be somebody else's by now.
    let same = |pid: u32, then: &Stat| Stat::read(pid).is_some_and(|now| now.began == then.began);
    let there = tree.iter().filter(|(pid, stat)| same(**pid, stat)).map(|(pid, _)| pid.to_string());
    let mut kill = Command::new("kill");
    kill.arg(name).args(there).stderr(Stdio::null());
    kill.status().map(drop)
}

async fn ready_line(
    output: impl tokio::io::AsyncRead + Unpin + Send + 'static,
    key: &str,
) -> Result<SocketAddr, Problem> {
    let mut lines = BufReader::new(output).lines();
    let mut said = String::new();
    let found = tokio::time::timeout(TIME_TO_START, async {
        while let Some(line) = lines.next_line().await? {
            if line.starts_with("ready ") {
                let mut words = line.split_whitespace();
                let word = words.find_map(|word| word.strip_prefix(key)).unwrap_or_default();
                return Ok(word.parse()?);
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(Problem::from(format!("it ended before it was ready:\n{said}")))
    });
    let address = found.await??;
    // What else it says must be taken, or it would wait.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(address)
}

/// What a process and its descendants have cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// User and system time.
    pub(crate) cpu: Duration,
    pub(crate) resident_kib: u64,
    /// The most that was ever resident, summed over the processes.
    pub(crate) peak_kib: u64,
}

impl Cost {
    pub(crate) fn of_this() -> Self {
        Self::of_tree(std::process::id())
    }

    fn of_tree(root: u32) -> Self {
        let mut cost = Self::default();
        for (pid, stat) in tree(root) {
            cost.cpu += Duration::from_millis(stat.ticks * MILLIS_PER_TICK);
            cost.resident_kib += status_kib(pid, "VmRSS:");
            cost.peak_kib += status_kib(pid, "VmHWM:");
        }
        cost
    }
}

/// A process and its descendants.
fn tree(root: u32) -> BTreeMap<u32, Stat> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some((pid, stat)) = pid.and_then(|pid| Some((pid, Stat::read(pid)?))) {
            all.insert(pid, stat);
        }
    }
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(parent) = tree.get(at).copied() {
        tree.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    all.retain(|pid, _| tree.contains(pid));
    all
}

struct Stat {
    parent: u32,
    /// utime and stime, and those of children that were waited for.
    ticks: u64,
    /// When it began, in ticks since the system did.
    began: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything, spaces and parentheses too.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let parent = u32::try_from(number(1)?).ok()?;
        let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
        Some(Self { parent, ticks, began: number(19)? })
    }
}

fn status_kib(pid: u32, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// Says to whoever started this process where it serves.
pub(crate) fn ready(address: SocketAddr) {
    println!("ready at={address}");
}

/// Returns when whoever started this process has gone.
pub(crate) async fn abandoned() {
    let mut byte = [0];
    while !matches!(tokio::io::stdin().read(&mut byte).await, Ok(0) | Err(_)) {}
}

/// `USER_HZ` is 100 on every Linux that counts.
const MILLIS_PER_TICK: u64 = 10;
const TIME_TO_START: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_cost() {
        let cost = Cost::of_tree(std::process::id());
        assert!(cost.resident_kib > 0 && cost.peak_kib >= cost.resident_kib, "{cost:?}");
    }
}
