#![no_main]

use libfuzzer_sys::fuzz_target;
use recorder::frame::{Frame, FrameError, HEADER_BYTES, MAX_PAYLOAD_BYTES};

fuzz_target!(|input: &[u8]| {
    match Frame::parse(input) {
        Ok(frame) => {
            let written = [&frame.header.encode(frame.payload)[..], frame.payload].concat();
            assert_eq!(written, frame.raw, "a frame with two spellings");
            assert!(input.starts_with(&written));
        }
        Err(FrameError::Incomplete { needed }) => {
            assert!(needed > input.len() && needed <= HEADER_BYTES + MAX_PAYLOAD_BYTES);
        }
        Err(_) => {}
    }
});
