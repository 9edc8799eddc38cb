//! Which program records: its version and the hash of its file.

use aws_lc_rs::digest::{Context, SHA256};
use recorder::ToolFacts;
use std::fs::File;
use std::io::{self, Read};

/// The running program.
pub(crate) fn facts() -> ToolFacts {
    ToolFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // A record without the hash says so; it is no reason not to record.
        binary_sha256: executable_sha256().ok(),
    }
}

fn executable_sha256() -> io::Result<String> {
    let mut file = File::open(std::env::current_exe()?)?;
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut piece)?;
        match piece.get(..read) {
            None | Some([]) => break,
            Some(piece) => context.update(piece),
        }
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

const PIECE_BYTES: usize = 1 << 20;
