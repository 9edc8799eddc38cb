//! Which program records: its version and the hash of its file.

use geoip::digest::sha256_of;
use recorder::ToolFacts;
use std::fs::File;
use std::io;

/// The running program.
pub(crate) fn facts() -> ToolFacts {
    ToolFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // A record without the hash says so; it is no reason not to record.
        binary_sha256: executable_sha256().ok(),
    }
}

fn executable_sha256() -> io::Result<String> {
    sha256_of(&mut File::open(std::env::current_exe()?)?)
}
