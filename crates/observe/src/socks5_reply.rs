//! The answer of a SOCKS5 server to a request (RFC 1928 section 6). Only how long it is and what it
//! says of success: the bound address is the server's own and tells nothing of the destination.

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// At least so many bytes are missing, and all of them belong to the answer.
    Incomplete(usize),
    /// 0: connected. Else see [`code_name`].
    Complete { code: u8 },
    /// What is wrong with it.
    Malformed(&'static str),
}

/// Reads the answer at the start of `bytes`.
pub fn parse(bytes: &[u8]) -> Reply {
    let (code, kind, first) = match *bytes {
        [version, ..] if version != 5 => return Reply::Malformed("it is no SOCKS5 answer"),
        [_, code, _, kind, first, ..] => (code, kind, first),
        // The shortest answer has a domain name of no bytes: 7 bytes.
        _ => return Reply::Incomplete(5 - bytes.len()),
    };
    let address = match kind {
        1 => 4,
        3 => 1 + usize::from(first),
        4 => 16,
        _ => return Reply::Malformed("the kind of its address is unknown"),
    };
    match (4 + address + 2_usize).checked_sub(bytes.len()) {
        None | Some(0) => Reply::Complete { code },
        Some(missing) => Reply::Incomplete(missing),
    }
}

/// What a code of failure means (RFC 1928 section 6).
pub fn code_name(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "a code without a meaning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Reply) {
        assert_eq!(parse(bytes), expected, "{bytes:?}");
    }

    #[test]
    fn answers() {
        check(&[], Reply::Incomplete(5));
        check(&[5, 0, 0, 1], Reply::Incomplete(1));
        check(&[5, 0, 0, 1, 9], Reply::Incomplete(5));
        check(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0], Reply::Complete { code: 0 });
        check(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0, 77], Reply::Complete { code: 5 });
        check(&[5, 1, 0, 3, 2, b'a', b'b', 0], Reply::Incomplete(1));
        check(&[5, 1, 0, 3, 0, 0, 0], Reply::Complete { code: 1 });
        check(&[5, 0, 0, 4, 0], Reply::Incomplete(17));
        check(&[4], Reply::Malformed("it is no SOCKS5 answer"));
        check(&[5, 0, 0, 2, 0], Reply::Malformed("the kind of its address is unknown"));
    }

    proptest! {
        #[test]
        fn what_is_missing_completes_it_and_no_byte_more(bytes in prop::collection::vec(any::<u8>(), 300..301)) {
            let mut length = 0;
            while let Reply::Incomplete(missing) = parse(&bytes[..length]) {
                prop_assert!(missing > 0 && length + missing <= 4 + 256 + 2);
                length += missing;
            }
            // The end does not depend on what follows.
            prop_assert_eq!(parse(&bytes[..length]), parse(&bytes));
        }
    }
}
