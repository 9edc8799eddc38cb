//! Server-sent events in a body that the end delimits.

#![no_main]

use flow::id::ConnectionId;
use flow::limits::Limits;
use flow::stream::Direction;
use libfuzzer_sys::fuzz_target;
use observe::Observer;

fuzz_target!(|input: &[u8]| {
    let limits = Limits { observed_messages: 50, ..Limits::default() };
    let opening = [(Direction::Up, UP), (Direction::Down, DOWN)];
    script::check_after(&opening, input, || Observer::http1(ConnectionId(1), &limits));
});

const UP: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const DOWN: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
