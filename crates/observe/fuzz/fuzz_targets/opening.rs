#![no_main]

use flow::id::ConnectionId;
use flow::limits::Limits;
use libfuzzer_sys::fuzz_target;
use observe::Observer;

fuzz_target!(|input: &[u8]| {
    let limits = Limits { observed_header_bytes: 4096, observed_streams: 8, ..Limits::default() };
    script::check(input, || Observer::undecided(ConnectionId(1), &limits));
});
