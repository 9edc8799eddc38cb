//! Collects the secrets of one handshake in `SSLKEYLOGFILE` form, to be recorded with the session.
//! They are never logged nor written anywhere else.

use flow::stream::Leg;
use flow::tls::Secret;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// The secrets of one leg of one connection.
pub(crate) struct SecretCollector {
    leg: Leg,
    lines: Mutex<Vec<String>>,
}

impl SecretCollector {
    pub(crate) fn new(leg: Leg) -> Self {
        Self { leg, lines: Mutex::default() }
    }

    /// The secrets so far; they are handed out once.
    pub(crate) fn take(&self) -> Vec<Secret> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        lines.into_iter().map(|line| Secret { leg: self.leg, line }).collect()
    }
}

impl fmt::Debug for SecretCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretCollector").field("leg", &self.leg).finish_non_exhaustive()
    }
}

impl rustls::KeyLog for SecretCollector {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}", Hex(client_random), Hex(secret));
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.0.len() * 2);
        for byte in self.0 {
            write!(text, "{byte:02x}")?;
        }
        f.write_str(&text)
    }
}
