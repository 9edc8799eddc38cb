//! base64url (RFC 4648 section 5) without padding, as `HTTP2-Settings` is written. For reading one
//! short header field, nothing else.

/// The bytes that the text stands for; `None` when it is none.
pub(crate) fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut value: u32 = 0;
        for byte in group {
            let digit = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
            value = value << 6 | u32::from(digit);
        }
        let missing = 4 - group.len() as u32;
        if missing == 3 {
            return None;
        }
        let [_, all @ ..] = (value << (6 * missing)).to_be_bytes();
        bytes.extend_from_slice(all.get(..group.len() - 1)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, expected) in [
            ("", Some(&b""[..])),
            ("Zg", Some(b"f")),
            ("Zm8", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("AAMAAABkAAQAAP__", Some(b"\0\x03\0\0\0d\0\x04\0\0\xff\xff")),
            ("Z", None),
            ("Zg==", None),
            ("Zg+", None),
        ] {
            assert_eq!(base64url(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }
}
