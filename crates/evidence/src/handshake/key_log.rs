//! The secrets of handshakes out of a key log (the `SSLKEYLOGFILE` format). Lines that are none are
//! left out, as every reader of such files does.

use super::messages::RANDOM;
use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, Error, Read};

/// The secrets by which servers' handshake records are opened, by the client's random.
#[derive(Clone, Default)]
pub struct KeyLog {
    server_handshake: HashMap<[u8; RANDOM], Vec<u8>>,
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLog").field("secrets", &self.server_handshake.len()).finish()
    }
}

impl KeyLog {
    /// Reads a whole key log; of a random that comes twice the first line counts.
    ///
    /// # Errors
    /// What reading fails with.
    pub fn read(mut lines: impl BufRead) -> Result<Self, Error> {
        let mut log = Self::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut lines).take(MOST_LINE).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(log);
            }
            log.add(line.trim_ascii_end());
        }
    }

    /// The server's handshake traffic secret of the handshake with this client random.
    pub fn server_handshake(&self, client_random: &[u8; RANDOM]) -> Option<&[u8]> {
        self.server_handshake.get(client_random).map(Vec::as_slice)
    }

    fn add(&mut self, line: &[u8]) {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(SERVER_HANDSHAKE), Some(random), Some(secret), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return;
        };
        let random = hex(random).and_then(|random| random.try_into().ok());
        if let (Some(random), Some(secret)) = (random, hex(secret)) {
            self.server_handshake.entry(random).or_insert(secret);
        }
    }
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let byte = |pair: &[u8]| match *pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    text.chunks(2).map(byte).collect()
}

const SERVER_HANDSHAKE: &[u8] = b"SERVER_HANDSHAKE_TRAFFIC_SECRET";
/// A line has two times 48 bytes in hex and a label.
const MOST_LINE: u64 = 1 << 10;
