//! `Sec-WebSocket-Extensions` (RFC 6455 section 9.1): what of permessage-deflate (RFC 7692) the
//! server agreed to. Other extensions are known by name alone.

use flow::http::Field;

/// permessage-deflate as agreed. The parameters matter to whoever inflates; the framing is the
/// same with all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMessageDeflate {
    /// The server begins each message with an empty window.
    pub server_no_context_takeover: bool,
    pub client_no_context_takeover: bool,
    /// The base-2 logarithm of the window, 8 to 15.
    pub server_max_window_bits: u8,
    pub client_max_window_bits: u8,
}

/// The response's agreement on permessage-deflate, if there is one.
pub fn permessage_deflate(response: &[Field]) -> Option<PerMessageDeflate> {
    let named = |field: &&Field| field.name.eq_ignore_ascii_case(b"sec-websocket-extensions");
    let values = response.iter().filter(named);
    let mut offers = values.flat_map(|field| split(&field.value, b','));
    offers.find_map(|offer| parse(&offer))
}

fn parse(extension: &[u8]) -> Option<PerMessageDeflate> {
    let mut parts = split(extension, b';').into_iter();
    if !parts.next()?.eq_ignore_ascii_case(b"permessage-deflate") {
        return None;
    }
    let mut agreed = PerMessageDeflate {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: LARGEST_WINDOW_BITS,
        client_max_window_bits: LARGEST_WINDOW_BITS,
    };
    for part in parts {
        let (name, value) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => part.split_at(at),
            None => (part.as_slice(), &b""[..]),
        };
        let value = value.strip_prefix(b"=").unwrap_or(value).trim_ascii();
        let bits = bits(value);
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"server_no_context_takeover" => agreed.server_no_context_takeover = true,
            b"client_no_context_takeover" => agreed.client_no_context_takeover = true,
            b"server_max_window_bits" => agreed.server_max_window_bits = bits,
            b"client_max_window_bits" => agreed.client_max_window_bits = bits,
            _ => {}
        }
    }
    Some(agreed)
}

/// A window's bits; the largest window reads what any smaller one wrote.
fn bits(value: &[u8]) -> u8 {
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let text = std::str::from_utf8(unquoted.unwrap_or(value)).unwrap_or_default();
    match text.parse() {
        Ok(bits @ 8..=LARGEST_WINDOW_BITS) => bits,
        _ => LARGEST_WINDOW_BITS,
    }
}

/// Splits outside of quoted strings and trims.
fn split(text: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut is_quoted = false;
    for byte in text {
        is_quoted ^= *byte == b'"';
        if *byte == separator && !is_quoted {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(*byte);
        }
    }
    parts.into_iter().map(|part| part.trim_ascii().to_vec()).collect()
}

const LARGEST_WINDOW_BITS: u8 = 15;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[track_caller]
    fn check(value: &'static str, expected: Option<(bool, bool, u8, u8)>) {
        let name = Bytes::from_static(b"Sec-WebSocket-Extensions");
        let field = Field { name, value: Bytes::from_static(value.as_bytes()) };
        let agreed = permessage_deflate(&[field]).map(|agreed| {
            (
                agreed.server_no_context_takeover,
                agreed.client_no_context_takeover,
                agreed.server_max_window_bits,
                agreed.client_max_window_bits,
            )
        });
        assert_eq!(agreed, expected, "{value}");
    }

    #[test]
    fn agreements() {
        check("permessage-deflate", Some((false, false, 15, 15)));
        check("PerMessage-Deflate; server_no_context_takeover", Some((true, false, 15, 15)));
        check(
            "x; a=\"b, permessage-deflate\", permessage-deflate ;client_no_context_takeover; \
             server_max_window_bits = 10; client_max_window_bits=\"9\"",
            Some((false, true, 10, 9)),
        );
        check("permessage-deflate; client_max_window_bits", Some((false, false, 15, 15)));
        check("permessage-deflate; server_max_window_bits=99", Some((false, false, 15, 15)));
        check("x-webkit-deflate-frame", None);
        check("x; y=\"permessage-deflate\"", None);
        check("", None);
    }
}
