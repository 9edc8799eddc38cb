//! The static Huffman code of header strings (RFC 7541 section 5.2 and appendix B), decoded four
//! bits at a time by a state machine that the compiler works out from the code lengths.

use bytes::BytesMut;

/// The string is no Huffman code: it holds the EOS symbol, or its padding is longer than seven
/// bits or not the beginning of EOS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http2) struct BadHuffman;

/// Appends the decoded `input` to `out`: at most `8 / 5` of its length.
pub(super) fn decode(input: &[u8], out: &mut BytesMut) -> Result<(), BadHuffman> {
    let start = out.len();
    let most = start.saturating_add(decoded_bound(input.len()));
    out.resize(most, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let mut written = 0;
    let mut state = 0;
    let mut flags = ENDS;
    for byte in input {
        for nibble in [byte >> 4, byte & 0x0f] {
            let step = STEPS[usize::from(state)][usize::from(nibble)];
            state = step.next;
            flags = step.flags;
            if flags & EMITS != 0 {
                if let Some(slot) = room.get_mut(written) {
                    *slot = step.symbol;
                }
                written += 1;
            }
            if flags & FAILS != 0 {
                return Err(BadHuffman);
            }
        }
    }
    out.truncate(start + written);
    if flags & ENDS == 0 { Err(BadHuffman) } else { Ok(()) }
}

/// The most bytes that `length` bytes of code can stand for.
pub(super) fn decoded_bound(length: usize) -> usize {
    length.saturating_mul(8) / SHORTEST_CODE_BITS
}

/// What four bits do in a state. A state is an inner node of the code's tree, the root being 0.
#[derive(Clone, Copy)]
struct Step {
    next: u8,
    symbol: u8,
    flags: u8,
}

/// The four bits complete `symbol`. They never complete two: no code is that short.
const EMITS: u8 = 1;
/// The string may end here: what follows the last symbol is padding.
const ENDS: u8 = 2;
/// The four bits complete EOS, which no string may hold.
const FAILS: u8 = 4;

const SYMBOLS: usize = 257;
const EOS: u16 = 256;
const SHORTEST_CODE_BITS: usize = 5;
const LONGEST_CODE_BITS: u8 = 30;
const LONGEST_PADDING_BITS: usize = 7;

/// Length of each symbol's code. Codes of one length are consecutive in the order of symbols, and
/// a longer code follows the shorter ones, so that lengths alone give the whole of appendix B.
const CODE_BITS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, //
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, //
    30, // EOS
];

/// 257 leaves make 256 inner nodes.
const STATES: usize = SYMBOLS - 1;

static STEPS: [[Step; 16]; STATES] = steps();

/// Each symbol's code, right-aligned.
const fn codes() -> [u32; SYMBOLS] {
    let mut codes = [0; SYMBOLS];
    let mut code = 0;
    let mut bits = 1;
    while bits <= LONGEST_CODE_BITS {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if CODE_BITS[symbol] == bits {
                codes[symbol] = code;
                code += 1;
            }
            symbol += 1;
        }
        code <<= 1;
        bits += 1;
    }
    codes
}

/// The code's tree: for each inner node and bit another inner node, or a leaf marked by [`LEAF`].
const fn tree() -> [[u16; 2]; STATES] {
    let codes = codes();
    let mut children = [[0; 2]; STATES];
    let mut nodes = 1;
    let mut symbol = 0;
    while symbol < SYMBOLS {
        let mut node = 0;
        let mut bit = CODE_BITS[symbol] - 1;
        while bit > 0 {
            let branch = (codes[symbol] >> bit & 1) as usize;
            if children[node][branch] == 0 {
                children[node][branch] = nodes;
                nodes += 1;
            }
            node = children[node][branch] as usize;
            bit -= 1;
        }
        children[node][(codes[symbol] & 1) as usize] = LEAF | symbol as u16;
        symbol += 1;
    }
    children
}

const LEAF: u16 = 0x8000;

const fn steps() -> [[Step; 16]; STATES] {
    let tree = tree();
    let mut ends = [false; STATES];
    let mut node = 0;
    let mut ones = 0;
    while ones <= LONGEST_PADDING_BITS {
        ends[node] = true;
        node = tree[node][1] as usize;
        ones += 1;
    }
    let mut steps = [[Step { next: 0, symbol: 0, flags: 0 }; 16]; STATES];
    let mut state = 0;
    while state < STATES {
        let mut nibble = 0;
        while nibble < 16 {
            steps[state][nibble] = step(&tree, &ends, state, nibble);
            nibble += 1;
        }
        state += 1;
    }
    steps
}

const fn step(
    tree: &[[u16; 2]; STATES],
    ends: &[bool; STATES],
    from: usize,
    nibble: usize,
) -> Step {
    let mut step = Step { next: 0, symbol: 0, flags: 0 };
    let mut node = from;
    let mut bit = 4;
    while bit > 0 {
        bit -= 1;
        let child = tree[node][nibble >> bit & 1];
        if child == LEAF | EOS {
            step.flags = FAILS;
            return step;
        }
        if child & LEAF != 0 {
            step.symbol = (child & 0xff) as u8;
            step.flags |= EMITS;
            node = 0;
        } else {
            node = child as usize;
        }
    }
    step.next = node as u8;
    if ends[node] {
        step.flags |= ENDS;
    }
    step
}

/// Encodes `input`, for tests of the other direction.
#[cfg(test)]
pub(in crate::http2) fn encode(input: &[u8]) -> Vec<u8> {
    let codes = codes();
    let bits = input.iter().flat_map(|byte| {
        let symbol = usize::from(*byte);
        (0..CODE_BITS[symbol]).rev().map(move |bit| codes[symbol] >> bit & 1 != 0)
    });
    pack(bits)
}

/// Packs bits, and pads the last byte with ones.
#[cfg(test)]
fn pack(bits: impl Iterator<Item = bool>) -> Vec<u8> {
    let bits: Vec<bool> = bits.collect();
    bits.chunks(8)
        .map(|byte| (0..8).fold(0, |acc, bit| acc << 1 | u8::from(*byte.get(bit).unwrap_or(&true))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[track_caller]
    fn check(input: &[u8], expected: Result<&[u8], BadHuffman>) {
        let mut out = BytesMut::from(&b"before"[..]);
        let got = decode(input, &mut out).map(|()| out.strip_prefix(b"before").unwrap());
        assert_eq!(got, expected, "{input:02x?}");
    }

    #[test]
    fn codes_of_the_specification() {
        // A code of each length that appendix B uses, as it is printed there.
        for (symbol, bits, code) in [
            ('0' as usize, 5, 0x0),
            ('t' as usize, 5, 0x9),
            (' ' as usize, 6, 0x14),
            ('z' as usize, 7, 0x7b),
            ('X' as usize, 8, 0xfc),
            ('!' as usize, 10, 0x3f8),
            ('|' as usize, 11, 0x7fc),
            ('#' as usize, 12, 0xffa),
            (0, 13, 0x1ff8),
            ('^' as usize, 14, 0x3ffc),
            ('{' as usize, 15, 0x7ffe),
            ('\\' as usize, 19, 0x7fff0),
            (128, 20, 0xfffe6),
            (153, 21, 0x1fffdc),
            (129, 22, 0x3fffd2),
            (1, 23, 0x7fffd8),
            (9, 24, 0xffffea),
            (199, 25, 0x1ffffec),
            (192, 26, 0x3ffffe0),
            (203, 27, 0x7ffffde),
            (2, 28, 0xfffffe2),
            (249, 28, 0xffffffe),
            (10, 30, 0x3ffffffc),
            (256, 30, 0x3fffffff),
        ] {
            assert_eq!((CODE_BITS[symbol], codes()[symbol]), (bits, code), "symbol {symbol}");
        }
    }

    #[test]
    fn padding() {
        check(b"", Ok(b""));
        check(&[0x07], Ok(b"0")); // '0' is 00000, then three ones
        check(&[0x00], Err(BadHuffman)); // padded with zeros
        check(&[0x06], Err(BadHuffman)); // the last bit of the padding is zero
        check(&[0x07, 0xff], Err(BadHuffman)); // eleven bits of padding
        check(&[0xff], Err(BadHuffman)); // eight bits of padding
        check(&[0xfe], Err(BadHuffman)); // a code that is cut short
        // 'z' has 7 bits, 'X' 8 bits: padding of 1 and of 0 bits.
        check(&[0xf7], Ok(b"z"));
        check(&[0xfc], Ok(b"X"));
    }

    #[test]
    fn the_end_of_string_symbol_is_refused() {
        check(&[0xff, 0xff, 0xff, 0xff], Err(BadHuffman));
        let a_then_eos = (0..5).map(|bit| 3 >> (4 - bit) & 1 != 0).chain([true; 30]);
        check(&pack(a_then_eos), Err(BadHuffman));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(text in vec(any::<u8>(), 0..300)) {
            check(&encode(&text), Ok(&text));
        }

        #[test]
        fn what_decodes_has_no_other_spelling(code in vec(any::<u8>(), 0..40)) {
            let mut out = BytesMut::new();
            if decode(&code, &mut out) == Ok(()) {
                prop_assert_eq!(encode(&out), code);
            }
        }
    }
}
