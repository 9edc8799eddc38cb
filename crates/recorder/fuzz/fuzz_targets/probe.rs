#![no_main]

use libfuzzer_sys::fuzz_target;
use recorder::probe::{ProbeFile, ProbeShape};

// A file must be signed, which no mutation is. So what a signature is over is read by itself as well.
fuzz_target!(|input: &[u8]| {
    if let Ok(file) = ProbeFile::parse(input) {
        assert_eq!(file.text().as_bytes(), input, "a file with two spellings");
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(probe) = ProbeShape::parse(text) {
        assert_eq!(probe.canonical().unwrap(), input, "a probe with two spellings");
        assert!(probe.declared().is_some(), "a probe from nowhere");
        probe.is_simulated();
    }
});
