#![no_main]

use libfuzzer_sys::fuzz_target;
use observe::client_hello::{Parsed, parse};
use observe::sniff::{MOST_BYTES, Sniffed, sniff};

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    for length in (0..input.len()).step_by(input.len() / 16 + 1) {
        let part = parse(&input[..length]);
        assert!(part == Parsed::Incomplete || part == whole, "more bytes change a verdict");
    }
    if let Parsed::Complete(hello) = &whole {
        let records: Vec<u8> = hello.raw.iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
        assert_eq!(parse(&records), whole, "fragmentation changes a hello");
    }
    assert!(sniff(input) != Sniffed::NeedMore || input.len() < MOST_BYTES);
});
