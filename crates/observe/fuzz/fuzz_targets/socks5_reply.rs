#![no_main]

use libfuzzer_sys::fuzz_target;
use observe::socks5_reply::{Reply, parse};

fuzz_target!(|input: &[u8]| {
    let mut length = 0;
    while let Reply::Incomplete(missing) = parse(&input[..length]) {
        assert!(missing > 0 && length + missing <= 262, "an answer has a longest length");
        length += missing;
        if length > input.len() {
            return;
        }
    }
    assert_eq!(parse(&input[..length]), parse(input), "what follows changes a verdict");
});
