//! The same bytes in other pieces: what TCP may do to any message.

use crate::pattern::Noise;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Writes all bytes in pieces of random length, each flushed, with a pause after some.
pub async fn write(stream: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8], seed: u64) {
    let mut noise = Noise::new(seed);
    // Some runs in tiny pieces, some in large ones.
    let longest = [1, 3, 40, 1_000, 20_000][noise.below(5) as usize];
    // One byte at a time would take long for a large message.
    let longest = longest.max(bytes.len() as u64 / 2_000);
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = (1 + noise.below(longest) as usize).min(rest.len());
        let (piece, behind) = rest.split_at(length);
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
        rest = behind;
        if noise.below(40) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
