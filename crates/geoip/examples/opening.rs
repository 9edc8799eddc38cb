//! What it costs to open all databases: time, and memory that is resident afterwards (Linux).
//!
//! ```sh
//! cargo run --release -p geoip --example opening -- DATA_DIRECTORY
//! ```

#![expect(clippy::print_stdout, reason = "an example speaks on stdout")]

use geoip::{Config, Databases, SetChoice};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data_dir = std::env::args_os().nth(1).ok_or("name a data directory")?.into();
    let config = Config {
        set: SetChoice::Active,
        data_dir,
        extra_mmdb: Vec::new(),
        overrides: Vec::new(),
        policies: geoip::policy::Policies::default(),
    };
    // The first time unpacks.
    drop(Databases::open(&config)?);
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let begun = Instant::now();
        drop(Databases::open(&config)?);
        best = best.min(begun.elapsed().as_secs_f64());
    }
    let before = resident_mib()?;
    let databases = Databases::open(&config)?;
    let opened = resident_mib()?;
    for number in 0..100_000_u32 {
        let address = number.wrapping_mul(2_654_435_761).to_be_bytes().into();
        std::hint::black_box(databases.annotate(address, &[], None));
    }
    println!("opened in {:.0} ms, the best of ten", best * 1e3);
    println!("resident: {before:.0} MiB before, {opened:.0} MiB opened");
    println!("resident after 100,000 look-ups all over: {:.0} MiB", resident_mib()?);
    Ok(())
}

fn resident_mib() -> Result<f64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
