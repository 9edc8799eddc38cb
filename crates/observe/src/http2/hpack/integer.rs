//! Integers with a prefix (RFC 7541 section 5.1), read as `u32`: no length, index or table size
//! of a connection that is followed is larger.

/// Why an integer could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntegerError {
    /// The block ends inside it.
    Truncated,
    /// It is over `u32::MAX`, or spelled with more than [`MAX_CONTINUATION_BYTES`].
    Overflow,
}

/// Takes an integer off the front of `input`. Its first byte holds the value's low bits in its
/// `prefix_bits` (1 to 8) low bits; what is above them is the caller's business.
pub(super) fn take(prefix_bits: u8, input: &mut &[u8]) -> Result<u32, IntegerError> {
    let (first, mut rest) = input.split_first().ok_or(IntegerError::Truncated)?;
    let prefix_max = u8::MAX.checked_shr(8_u32.saturating_sub(prefix_bits.into())).unwrap_or(0);
    let prefix = first & prefix_max;
    let mut value = u64::from(prefix);
    if prefix == prefix_max {
        for index in 0.. {
            if index == MAX_CONTINUATION_BYTES {
                return Err(IntegerError::Overflow);
            }
            let (byte, after) = rest.split_first().ok_or(IntegerError::Truncated)?;
            rest = after;
            // At most 7 * 4 places, so nothing is shifted out of 64 bits.
            value += u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *input = rest;
    // The conversion's only failure is the overflow that is returned.
    u32::try_from(value).map_err(|_too_large| IntegerError::Overflow)
}

/// Five groups of seven bits hold every `u32`; more can only be padding or overflow.
const MAX_CONTINUATION_BYTES: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix_bits: u8, input: &[u8], expected: Result<(u32, usize), IntegerError>) {
        let mut rest = input;
        let got = take(prefix_bits, &mut rest).map(|value| (value, rest.len()));
        assert_eq!(got, expected, "{input:02x?} with a prefix of {prefix_bits} bits");
    }

    #[test]
    fn examples_of_the_specification() {
        check(5, &[0b0000_1010], Ok((10, 0)));
        check(5, &[0b1110_1010, 7], Ok((10, 1)));
        check(5, &[0b0001_1111, 0b1001_1010, 0b0000_1010], Ok((1337, 0)));
        check(8, &[42], Ok((42, 0)));
    }

    #[test]
    fn the_edges() {
        check(7, &[0x7f, 0x00], Ok((127, 0)));
        check(1, &[0xff, 0x00], Ok((1, 0)));
        check(4, &[0x0f, 0xf0, 0xff, 0xff, 0xff, 0x0f], Ok((u32::MAX, 0)));
        check(4, &[0x0f, 0xf1, 0xff, 0xff, 0xff, 0x0f], Err(IntegerError::Overflow));
        check(4, &[0x0f, 0x80, 0x80, 0x80, 0x80, 0x00], Ok((15, 0)));
        check(4, &[0x0f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], Err(IntegerError::Overflow));
        check(4, &[0x0f, 0xff, 0xff, 0xff, 0xff, 0x7f], Err(IntegerError::Overflow));
        check(5, &[], Err(IntegerError::Truncated));
        check(5, &[0x1f], Err(IntegerError::Truncated));
        check(5, &[0x1f, 0x80], Err(IntegerError::Truncated));
    }
}
