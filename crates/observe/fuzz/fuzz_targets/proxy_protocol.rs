#![no_main]

use libfuzzer_sys::fuzz_target;
use observe::proxy_protocol::{MOST_BYTES, parse};

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    assert!(whole != Ok(None) || input.len() < MOST_BYTES, "a header without an end");
    if let Ok(Some((_, length))) = whole {
        assert!(length <= input.len());
    }
    for length in (0..input.len()).step_by(input.len() / 256 + 1) {
        let part = parse(&input[..length]);
        assert!(part == Ok(None) || part == whole, "more bytes change a verdict");
    }
});
