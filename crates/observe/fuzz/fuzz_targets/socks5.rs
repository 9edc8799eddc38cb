#![no_main]

use libfuzzer_sys::fuzz_target;
use observe::socks5::{MOST_BYTES, datagram, greeting, login, request};

fuzz_target!(|input: &[u8]| {
    check(input, greeting(input), greeting);
    check(input, request(input), request);
    check(input, datagram(input), datagram);
    if let Ok(Some((login, length))) = login(input) {
        assert_eq!(length, 3 + login.user.len() + login.password.len());
    }
});

fn check<T: PartialEq>(
    input: &[u8],
    whole: observe::socks5::Parsed<T>,
    parse: impl Fn(&[u8]) -> observe::socks5::Parsed<T>,
) {
    assert!(whole != Ok(None) || input.len() < MOST_BYTES, "a message without an end");
    for length in 0..input.len().min(MOST_BYTES) {
        let part = parse(&input[..length]);
        assert!(part == Ok(None) || part == whole, "more bytes change a verdict");
    }
}
