//! Header blocks of one direction, in order: a byte with the length of each, then the block.

#![no_main]

use flow::http::Field;
use libfuzzer_sys::fuzz_target;
use observe::http2::hpack::Decoder;

fuzz_target!(|input: &[u8]| {
    let (mut decoder, mut again) = (Decoder::new(LIMIT), Decoder::new(LIMIT));
    decoder.allow_table_size(LIMIT as u32 * 2);
    again.allow_table_size(LIMIT as u32 * 2);
    let mut rest = input;
    while let [length, bytes @ ..] = rest {
        let (block, next) = bytes.split_at(bytes.len().min(usize::from(*length)));
        let fields = decoder.decode(block);
        assert_eq!(fields, again.decode(block), "the same blocks, other fields");
        let Ok(fields) = fields else { return };
        assert!(fields.iter().map(size).sum::<usize>() <= LIMIT, "a list over its limit");
        fields.iter().for_each(check_spellings);
        rest = next;
    }
});

/// A field is the same field when it is spelled out, and when the dynamic table holds it.
fn check_spellings(field: &Field) {
    let text = [string(&field.name), string(&field.value)].concat();
    let literal = [&[0x00], &text[..]].concat();
    let mut decoder = Decoder::new(2 * LIMIT);
    assert_eq!(decoder.decode(&literal).as_deref(), Ok(&[field.clone()][..]));
    let mut block = [&[0x40], &text[..]].concat();
    // A table has 4096 bytes unless told, and the newest entry is the first after 61 static ones.
    let twice = size(field) <= 4096;
    block.extend(twice.then_some(0x80 | 62));
    let expected = vec![field.clone(); 1 + usize::from(twice)];
    assert_eq!(decoder.decode(&block), Ok(expected));
}

/// What a field counts for (RFC 7541 section 4.1).
fn size(field: &Field) -> usize {
    field.name.len() + field.value.len() + 32
}

/// A string literal without Huffman code (RFC 7541 sections 5.1 and 5.2).
fn string(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if text.len() < 127 {
        out.push(text.len() as u8);
    } else {
        out.push(127);
        let mut left = text.len() - 127;
        while left >= 128 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
    }
    out.extend_from_slice(text);
    out
}

const LIMIT: usize = 8192;
