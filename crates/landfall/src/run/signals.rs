//! Ctrl-C, SIGTERM and SIGHUP (the terminal is gone): the first asks for an orderly end, the second for an immediate one.

use crate::error::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a run.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` under nohup, which lets programs outlive their terminal.
    hang_up: Option<Signal>,
}

impl Signals {
    /// Takes the signals over from the system's default, which would end the process at once.
    pub(super) fn listen() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Error::runtime("the signals cannot be listened to").because(&error)
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: if ignores_hang_up(&status()) {
                None
            } else {
                Some(listen(SignalKind::hangup())?)
            },
        })
    }

    /// Waits for the next of them.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            Some(()) = self.interrupt.recv() => {}
            Some(()) = self.terminate.recv() => {}
            Some(()) = received(self.hang_up.as_mut()) => {}
            else => std::future::pending().await,
        }
    }
}

async fn received(signal: Option<&mut Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// What the kernel says of this process; empty where it does not say it in this form.
fn status() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap_or_default()
}

/// Whether the parent had SIGHUP ignored: the lowest bit of the mask (proc(5), `SigIgn`).
fn ignores_hang_up(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_up_ignored_by_the_parent_stays_ignored() {
        assert!(ignores_hang_up("Name:\tlandfall\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hang_up("Name:\tlandfall\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hang_up(""));
    }

    #[tokio::test]
    async fn a_hang_up_asks_for_the_end() {
        let mut signals = Signals::listen().unwrap();
        let this = std::process::id().to_string();
        assert!(
            std::process::Command::new("kill").args(["-HUP", &this]).status().unwrap().success()
        );
        if signals.hang_up.is_some() {
            signals.stop().await;
        }
    }
}
