//! The URL of an entry, from what the client sent and how it was connected. Readers of archives
//! parse URLs, so bytes that no URL may hold are percent-encoded (RFC 3986 section 2.1).

use flow::address::Host;
use flow::filter::TreatmentKind;
use recorder::read::FlowDetail;
use recorder::record::exchange::ExchangeRequest;
use recorder::record::sealed::WITHHELD;
use std::net::IpAddr;

/// The URL of an exchange.
pub(super) fn of_exchange(detail: &FlowDetail, request: &ExchangeRequest) -> String {
    let target = match request.target.open() {
        Some(target) => encoded(&target.0),
        None => WITHHELD.to_owned(),
    };
    let lower = target.to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return target;
    }
    let scheme = match &request.scheme {
        Some(scheme) => encoded(&scheme.0),
        None => scheme(detail).to_owned(),
    };
    let authority = match request.authority.as_ref().filter(|authority| !authority.0.is_empty()) {
        Some(authority) => encoded(&authority.0),
        None => match authority(detail, &scheme) {
            Some(authority) => authority,
            None => return NO_URL.to_owned(),
        },
    };
    // CONNECT and OPTIONS * have targets that are no paths.
    let path = if target.starts_with('/') { target } else { format!("/{target}") };
    format!("{scheme}://{authority}{path}")
}

/// The URL of a connection on which no exchange was seen: its target and no more. Where a reader
/// would take the host for no scheme (RFC 3986 section 3.1), `tcp://` is before it.
pub(super) fn of_connection(detail: &FlowDetail) -> String {
    let (Some(host), Some(port)) = (host(detail), detail.row.port) else {
        return NO_URL.to_owned();
    };
    let starts_well = host.starts_with(|first: char| first.is_ascii_alphabetic());
    let goes_on_well = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c));
    let before = if starts_well && goes_on_well { "" } else { "tcp://" };
    format!("{before}{host}:{port}")
}

fn scheme(detail: &FlowDetail) -> &'static str {
    match detail.row.treatment {
        Some(TreatmentKind::Intercepted | TreatmentKind::Passthrough) => "https",
        _ if detail.connection.client_hello.is_some() => "https",
        _ => "http",
    }
}

/// Host and port as the client asked for them.
fn authority(detail: &FlowDetail, scheme: &str) -> Option<String> {
    let host = host(detail)?;
    Some(match (scheme, detail.row.port) {
        ("https", Some(443)) | ("http", Some(80)) | (_, None) => host,
        (_, Some(port)) => format!("{host}:{port}"),
    })
}

fn host(detail: &FlowDetail) -> Option<String> {
    Some(match detail.row.host.as_ref()? {
        Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        host => host.to_string(),
    })
}

/// The bytes as URL text. What is allowed in some part of a URL stays as it is.
fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Nobody said for whom it was meant (RFC 6694).
const NO_URL: &str = "about:blank";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_no_url_holds_are_encoded() {
        assert_eq!(encoded(b"/a?b=c%20d&e=[1]"), "/a?b=c%20d&e=[1]");
        assert_eq!(encoded(b"/a b\xff\"<>"), "/a%20b%FF%22%3C%3E");
    }
}
