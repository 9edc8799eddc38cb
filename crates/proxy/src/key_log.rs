//! Collects the secrets of one handshake in `SSLKEYLOGFILE` form, to be recorded with the session.
//! They are never logged nor written anywhere else.

use flow::stream::Leg;
use flow::tls::Secret;
use std::fmt;
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
        let length = label.len() + 2 * (client_random.len() + secret.len()) + 2;
        let mut line = String::with_capacity(length);
        line.push_str(label);
        for bytes in [client_random, secret] {
            line.push(' ');
            push_hex(&mut line, bytes);
        }
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// Digit by digit: to format each byte was 3 % of a connection's cost.
fn push_hex(line: &mut String, bytes: &[u8]) {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    line.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::KeyLog;

    #[test]
    fn a_line_is_as_other_programs_read_it() {
        let collector = SecretCollector::new(Leg::Client);
        collector.log("CLIENT_RANDOM", &[0x00, 0x9f, 0xa0], &[0xff, 0x10]);
        let lines: Vec<_> = collector.take().into_iter().map(|secret| secret.line).collect();
        assert_eq!(lines, ["CLIENT_RANDOM 009fa0 ff10"]);
        assert!(collector.take().is_empty());
    }
}
