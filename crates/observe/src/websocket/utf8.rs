//! UTF-8 (RFC 3629) checked as it passes, without holding it.

/// What has passed of a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character that is cut by the end of what has passed.
    begun: Vec<u8>,
    is_bad: bool,
}

impl Utf8 {
    /// Takes in the next part; `false` once the text can no longer be UTF-8.
    pub(super) fn take(&mut self, part: &[u8]) -> bool {
        let mut rest = part;
        while !self.begun.is_empty() && !self.is_bad {
            let Some((byte, after)) = rest.split_first() else { return true };
            rest = after;
            self.begun.push(*byte);
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) => self.is_bad = error.error_len().is_some(),
            }
        }
        match std::str::from_utf8(rest) {
            _ if self.is_bad => {}
            Ok(_) => {}
            Err(error) if error.error_len().is_some() => self.is_bad = true,
            Err(error) => {
                self.begun.extend_from_slice(rest.get(error.valid_up_to()..).unwrap_or_default());
            }
        }
        !self.is_bad
    }

    /// Whether the text is UTF-8 when nothing follows.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_bad && self.begun.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_utf8(parts: &[&[u8]]) -> bool {
        let mut text = Utf8::default();
        for part in parts {
            text.take(part);
        }
        text.is_whole()
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_standard_library_however_it_is_cut(
            bytes in prop_oneof![
                any::<String>().prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..12),
                prop::collection::vec(prop::sample::select(
                    vec![0xf4_u8, 0x8f, 0xbf, 0x90, 0xed, 0xa0, 0x80, 0xc3, 0x28, b'a']), 0..9),
            ],
            size in 1..5_usize,
        ) {
            let parts: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(is_utf8(&parts), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
