#![no_main]

use flow::http::Framing;
use libfuzzer_sys::fuzz_target;
use observe::body::BodyReader;

fuzz_target!(|input: &[u8]| {
    for framing in
        [Framing::None, Framing::Identity, Framing::Chunked, Framing::Http2 { stream_id: 1 }]
    {
        let (mut whole, mut bytewise) = (Vec::new(), Vec::new());
        BodyReader::new(framing).feed(input, &mut whole);
        let mut reader = BodyReader::new(framing);
        input.chunks(1).for_each(|byte| reader.feed(byte, &mut bytewise));
        assert_eq!(whole, bytewise, "segmentation changes a body");
        assert!(whole.len() <= input.len());
    }
});
