//! An IPFire location database: what the check lets through leaves its reader, which panics at
//! corrupt files, nothing to panic at. The input is the file without the padding of its header.

#![no_main]

#[path = "../ask.rs"]
mod ask;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (header, tables) = input.split_at(input.len().min(HEADER_FIELDS));
    let mut file = header.to_vec();
    file.resize(HEADER_FIELDS + 2 * 2048 + 4 + 32, 0);
    file.extend_from_slice(tables);
    ask::file(&file);
});

/// Up to the signatures.
const HEADER_FIELDS: usize = 68;
