//! An MMDB file: what the check lets through is asked about addresses and must answer.

#![no_main]

#[path = "../ask.rs"]
mod ask;

libfuzzer_sys::fuzz_target!(|input: &[u8]| ask::file(input));
