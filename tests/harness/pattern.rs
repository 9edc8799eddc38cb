//! Bytes of any amount that are not held: made where they are sent, hashed where they arrive.

use aws_lc_rs::digest::{Context, SHA256};
use std::io::Read;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A hash and the count of bytes behind it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sum {
    pub bytes: u64,
    pub sha256: [u8; 32],
}

impl std::fmt::Debug for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex: String = self.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        write!(f, "{} bytes, SHA-256 {hex}", self.bytes)
    }
}

/// Adds up bytes as they come.
pub struct Summing {
    bytes: u64,
    context: Context,
}

impl Summing {
    pub fn new() -> Self {
        Self { bytes: 0, context: Context::new(&SHA256) }
    }

    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.context.update(bytes);
    }

    pub fn sum(self) -> Sum {
        let digest = self.context.finish();
        Sum { bytes: self.bytes, sha256: digest.as_ref().try_into().unwrap() }
    }
}

impl Default for Summing {
    fn default() -> Self {
        Self::new()
    }
}

/// The sum of bytes that are at hand.
pub fn sum(bytes: &[u8]) -> Sum {
    let mut summing = Summing::new();
    summing.add(bytes);
    summing.sum()
}

/// The sum of all that a reader has.
pub fn sum_all(mut reader: impl Read) -> Sum {
    let mut summing = Summing::new();
    let mut buffer = vec![0; BLOCK];
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => return summing.sum(),
            read => summing.add(&buffer[..read]),
        }
    }
}

/// Sends `bytes` bytes that look random and are the same for the same seed.
pub async fn send(stream: &mut (impl AsyncWriteExt + Unpin), seed: u64, bytes: u64) -> Sum {
    let mut summing = Summing::new();
    let mut noise = Noise::new(seed);
    let mut block = vec![0; BLOCK];
    let mut left = bytes;
    while left > 0 {
        let length = left.min(BLOCK as u64);
        let part = &mut block[..length as usize];
        noise.fill(part);
        summing.add(part);
        stream.write_all(part).await.unwrap();
        left -= length;
    }
    stream.flush().await.unwrap();
    summing.sum()
}

/// Receives exactly `bytes` bytes.
pub async fn receive(stream: &mut (impl AsyncReadExt + Unpin), bytes: u64) -> Sum {
    let mut summing = Summing::new();
    let mut block = vec![0; BLOCK];
    let mut left = bytes;
    while left > 0 {
        let most = left.min(BLOCK as u64) as usize;
        let read = stream.read(&mut block[..most]).await.unwrap();
        assert!(read > 0, "the stream ended {left} of {bytes} bytes early");
        summing.add(&block[..read]);
        left -= read as u64;
    }
    summing.sum()
}

/// Pseudo-random bytes and numbers (xorshift64*, Vigna 2016); not for secrets.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 to `end`, without it.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let value = self.number().to_le_bytes();
            part.copy_from_slice(&value[..part.len()]);
        }
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.fill(&mut bytes);
        bytes
    }
}

const BLOCK: usize = 64 * 1024;
