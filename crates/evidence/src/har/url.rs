//! The URL of an entry, from what the client sent and how it was connected. Readers of archives
//! parse URLs, so bytes that no URL may hold are percent-encoded (RFC 3986 section 2.1).

use flow::filter::TreatmentKind;
use recorder::read::FlowDetail;
use recorder::record::exchange::ExchangeRequest;

/// The URL of an exchange.
pub(super) fn of_exchange(detail: &FlowDetail, request: &ExchangeRequest) -> String {
    let target = encoded(&request.target.0);
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
        None => authority(detail, &scheme),
    };
    // CONNECT and OPTIONS * have targets that are no paths.
    let path = if target.starts_with('/') { target } else { format!("/{target}") };
    format!("{scheme}://{authority}{path}")
}

/// The URL of a connection on which no exchange was seen.
pub(super) fn of_connection(detail: &FlowDetail) -> String {
    let scheme = match detail.row.treatment {
        Some(TreatmentKind::Plaintext) => "http",
        _ if detail.connection.client_hello.is_some() || detail.row.port != Some(80) => "https",
        _ => "http",
    };
    format!("{scheme}://{}/", authority(detail, scheme))
}

fn scheme(detail: &FlowDetail) -> &'static str {
    match detail.row.treatment {
        Some(TreatmentKind::Intercepted | TreatmentKind::Passthrough) => "https",
        _ if detail.connection.client_hello.is_some() => "https",
        _ => "http",
    }
}

/// Host and port as the client asked for them; a reserved name (RFC 2606) where it did not.
fn authority(detail: &FlowDetail, scheme: &str) -> String {
    let row = &detail.row;
    let host = match &row.host {
        Some(flow::address::Host::Ip(std::net::IpAddr::V6(ip))) => format!("[{ip}]"),
        Some(host) => host.to_string(),
        None => return "unknown.invalid".to_owned(),
    };
    match (scheme, row.port) {
        ("https", Some(443)) | ("http", Some(80)) | (_, None) => host,
        (_, Some(port)) => format!("{host}:{port}"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_no_url_holds_are_encoded() {
        assert_eq!(encoded(b"/a?b=c%20d&e=[1]"), "/a?b=c%20d&e=[1]");
        assert_eq!(encoded(b"/a b\xff\"<>"), "/a%20b%FF%22%3C%3E");
    }
}
