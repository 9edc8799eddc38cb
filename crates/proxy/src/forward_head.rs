//! The head of a plain request: what must be right about it before it is passed on (RFC 9112 and
//! the ambiguities by which requests are smuggled), and how a proxy rewrites it (RFC 9110 section
//! 7.6). Reads and writes no stream.

use crate::ingress::ask::Forwarded;
use bytes::{Bytes, BytesMut};
use flow::http::{Field, HttpVersion};
use observe::http1::framing::BodyLength;
use observe::http1::head::RequestHeadParts;

/// Refuses a head that two readers could understand differently; why. What its parser refuses does
/// not come here.
pub(crate) fn unambiguous(head: &RequestHeadParts, body: BodyLength) -> Result<(), &'static str> {
    let count = |name: &str| {
        let is_it = |field: &&Field| field.name.eq_ignore_ascii_case(name.as_bytes());
        head.fields.iter().filter(is_it).count()
    };
    if count("host") > 1 {
        return Err("several Host fields");
    }
    // Equal ones may be merged (RFC 9110 section 8.6), but nobody honest sends them.
    let lengths = head.fields.iter().filter(|f| f.name.eq_ignore_ascii_case(b"content-length"));
    if count("content-length") > 1 || lengths.into_iter().any(|f| f.value.contains(&b',')) {
        return Err("several Content-Length values");
    }
    if head.method.as_ref() == b"TRACE" && body != BodyLength::None {
        return Err("a TRACE request with content");
    }
    Ok(())
}

/// Whether the request may go no further: an OPTIONS or TRACE whose Max-Forwards is 0 (RFC 9110
/// section 7.6.2). With other methods, and when it is no number, the field means nothing.
pub(crate) fn ends_here(request: &Forwarded) -> bool {
    let head = &request.received.head;
    head.fields.iter().any(|field| hops_left(head, field) == Some(0))
}

/// The number in a Max-Forwards field of a request to which it applies.
fn hops_left(head: &RequestHeadParts, field: &Field) -> Option<u64> {
    let applies = matches!(head.method.as_ref(), b"OPTIONS" | b"TRACE")
        && field.name.eq_ignore_ascii_case(b"max-forwards");
    let digits = std::str::from_utf8(&field.value).ok().filter(|_| applies)?.trim();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Whether the client asks to turn the connection into a WebSocket (RFC 6455 section 4.1). Other
/// upgrades are between the client and its proxy, which offers none.
pub(crate) fn asks_for_websocket(head: &RequestHeadParts) -> bool {
    let has = |name: &str, token: &[u8]| {
        let of_name = |f: &&Field| f.name.eq_ignore_ascii_case(name.as_bytes());
        let mut tokens = head.fields.iter().filter(of_name).flat_map(tokens);
        tokens.any(|found| found.eq_ignore_ascii_case(token))
    };
    let has_body = |f: &Field| {
        let names: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];
        names.iter().any(|name| f.name.eq_ignore_ascii_case(name))
    };
    head.method.as_ref() == b"GET"
        && head.version == HttpVersion::Http11
        && !head.fields.iter().any(has_body)
        && has("connection", b"upgrade")
        && has("upgrade", b"websocket")
}

fn tokens(field: &Field) -> impl Iterator<Item = &[u8]> {
    field.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The head as sent on: origin form, the target's own Host, hop-by-hop fields consumed, Via added.
/// All other fields keep their order, case and repeats.
pub(crate) fn rewritten(request: &Forwarded) -> Bytes {
    let head = &request.received.head;
    let upgrades = asks_for_websocket(head);
    let dropped = |field: &Field| {
        let name = field.name.as_ref();
        if upgrades && name.eq_ignore_ascii_case(b"upgrade") {
            return false;
        }
        HOP_BY_HOP.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
            || is_listed(&head.fields, name)
    };
    let mut out = BytesMut::with_capacity(request.received.raw.len() + 64);
    let version = head.version.as_str().as_bytes();
    push(&mut out, &[&head.method, b" ", &request.path, b" ", version, b"\r\n"]);
    let host = authority(request);
    let mut host_sent = false;
    for field in &head.fields {
        if field.name.eq_ignore_ascii_case(b"host") {
            if !std::mem::replace(&mut host_sent, true) {
                push(&mut out, &[&field.name, b": ", host.as_bytes(), b"\r\n"]);
            }
        } else if let Some(hops) = hops_left(head, field) {
            let hops = hops.saturating_sub(1).to_string();
            push(&mut out, &[&field.name, b": ", hops.as_bytes(), b"\r\n"]);
        } else if !dropped(field) {
            push(&mut out, &[&field.name, b": ", &field.value, b"\r\n"]);
        }
    }
    if !host_sent {
        push(&mut out, &[b"Host: ", host.as_bytes(), b"\r\n"]);
    }
    let protocol: &[u8] = if head.version == HttpVersion::Http10 { b"1.0" } else { b"1.1" };
    push(&mut out, &[b"Via: ", protocol, b" landfall\r\n"]);
    if upgrades {
        push(&mut out, &[b"Connection: Upgrade\r\n"]);
    } else if listed(&head.fields).any(|option| option.eq_ignore_ascii_case(b"close")) {
        push(&mut out, &[b"Connection: close\r\n"]);
    }
    push(&mut out, &[b"\r\n"]);
    out.freeze()
}

/// The authority as the client wrote it in the request target.
fn authority(request: &Forwarded) -> String {
    match (&request.target.host, request.target.port) {
        (flow::address::Host::Name(name), 80) => name.to_string(),
        (flow::address::Host::Ip(ip), 80) if ip.is_ipv4() => ip.to_string(),
        (flow::address::Host::Ip(ip), 80) => format!("[{ip}]"),
        _ => request.target.to_string(),
    }
}

fn push(out: &mut BytesMut, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Connection options: fields that are for the next hop alone (RFC 9110 section 7.6.1).
fn listed(fields: &[Field]) -> impl Iterator<Item = &[u8]> {
    let is_connection = |field: &&Field| {
        field.name.eq_ignore_ascii_case(b"connection")
            || field.name.eq_ignore_ascii_case(b"proxy-connection")
    };
    let values = fields.iter().filter(is_connection);
    values.flat_map(tokens)
}

/// Whether the client names the field as a connection option. Framing and routing fields stay,
/// whatever it says: without them the request would mean something else.
fn is_listed(fields: &[Field], name: &[u8]) -> bool {
    let kept = KEPT.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
    !kept && listed(fields).any(|option| option.eq_ignore_ascii_case(name))
}

const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "upgrade",
];
const KEPT: [&str; 3] = ["content-length", "host", "transfer-encoding"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::received::Received;
    use observe::http1::framing::request_framing;
    use observe::http1::head::RequestHeadParts;

    #[track_caller]
    fn check(request: &str, target: &str, expected: &str) {
        let raw = Bytes::copy_from_slice(request.as_bytes());
        let head = RequestHeadParts::parse(&raw).unwrap();
        let body = request_framing(&head).unwrap();
        let request = Forwarded {
            target: flow::address::Target::parse(target, None).unwrap(),
            path: Bytes::from_static(b"/p"),
            body,
            received: Received { raw, head },
        };
        assert_eq!(String::from_utf8(rewritten(&request).to_vec()).unwrap(), expected);
    }

    #[test]
    fn websockets_are_asked_for_and_other_upgrades_dropped() {
        check(
            "GET http://a.example/p HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\
             Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
            "a.example:80",
            "GET /p HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nVia: 1.1 landfall\r\nConnection: Upgrade\r\n\r\n",
        );
        check(
            "GET http://a.example/p HTTP/1.1\r\nHost: a.example\r\nUpgrade: h2c\r\n\
             Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
            "a.example:80",
            "GET /p HTTP/1.1\r\nHost: a.example\r\nVia: 1.1 landfall\r\n\r\n",
        );
    }

    #[test]
    fn max_forwards_counts_down_where_it_applies() {
        for (method, hops, sent_on) in
            [("OPTIONS", "3", "2"), ("TRACE", "1", "0"), ("GET", "0", "0"), ("TRACE", "x", "x")]
        {
            let text =
                format!("{method} http://a.example/p HTTP/1.1\r\nMax-Forwards: {hops}\r\n\r\n");
            let expected = format!(
                "{method} /p HTTP/1.1\r\nMax-Forwards: {sent_on}\r\nHost: a.example\r\n\
                 Via: 1.1 landfall\r\n\r\n"
            );
            check(&text, "a.example:80", &expected);
        }
    }

    #[test]
    fn heads_are_rewritten_as_a_proxy_must_and_no_further() {
        check(
            "GET http://a.example/p HTTP/1.1\r\nhOsT: other\r\nX-b: 1\r\nX-B: 2\r\n\
             Connection: close, x-hop\r\nX-Hop: 1\r\nProxy-Authorization: secret\r\n\r\n",
            "a.example:80",
            "GET /p HTTP/1.1\r\nhOsT: a.example\r\nX-b: 1\r\nX-B: 2\r\nVia: 1.1 landfall\r\n\
             Connection: close\r\n\r\n",
        );
        check(
            "POST http://[::1]:81/p HTTP/1.0\r\nContent-Length: 1\r\n\
             Connection: content-length\r\n\r\n",
            "[::1]:81",
            "POST /p HTTP/1.0\r\nContent-Length: 1\r\nHost: [::1]:81\r\nVia: 1.0 landfall\r\n\r\n",
        );
    }
}
