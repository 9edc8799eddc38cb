//! What a client of an HTTP proxy asks for: a tunnel, a plain request to forward, or Landfall's own
//! pages. Reads one request head and nothing after it.

use super::ask::{Ask, Forwarded, Refusal, Single, malformed, request_failed};
use crate::client::{Client, Speaks};
use crate::credentials::{Login, without_passwords};
use crate::received::{self, NotReceived, Received};
use crate::setup::Setup;
use crate::{forward_head, onboarding};
use bytes::Bytes;
use flow::address::{Host, Target};
use flow::event::Ingress;
use flow::treatment::Treatment;
use observe::http1::framing::{BodyLength, request_framing};
use observe::http1::head::{Oddity, RequestHeadParts};
use std::net::SocketAddr;

/// Reads what the client asks for. Landfall's own pages need no password: a device gets the
/// certificate there, which is no secret.
pub(crate) async fn read(client: &mut Client, setup: &Setup) -> Ask {
    client.speaks = Speaks::Http;
    let (mut received, rest) = match received::read(&mut client.wire, &setup.limits).await {
        Ok(read) => read,
        Err(NotReceived { cause, raw }) if raw.is_empty() => return Ask::nothing(cause),
        Err(NotReceived { cause, raw }) => {
            return Ask::refused(request_failed(cause), without_passwords(raw));
        }
    };
    client.wire.unread(rest);
    received.raw = without_passwords(received.raw);
    let raw = received.raw.clone();
    let login = login(&received.head);
    client.app = login.as_ref().and_then(Login::app);
    let ask = match understand(received, &client.own) {
        Ok(ask) => ask,
        Err(NotServed { treatment, target }) => {
            let refusal = Refusal::new(treatment, raw);
            return Ask::Single(Single::Refused(match target {
                Some(target) => refusal.of(Ingress::AbsoluteForm, target),
                None => refusal,
            }));
        }
    };
    let asked = match &ask {
        Ask::Single(Single::Tunnel(target, _)) => Some((Ingress::Connect, target)),
        Ask::Forward(request) => Some((Ingress::AbsoluteForm, &request.target)),
        _ => None,
    };
    match (asked, setup.credentials.admit(login.as_ref())) {
        (Some((ingress, target)), Err(why)) => {
            let refusal = Refusal::new(Treatment::Blocked(why), raw);
            Ask::Single(Single::Refused(refusal.of(ingress, target.clone())))
        }
        _ => ask,
    }
}

fn login(head: &RequestHeadParts) -> Option<Login> {
    let is_login = |name: &[u8]| name.eq_ignore_ascii_case(b"proxy-authorization");
    let field = head.fields.iter().find(|field| is_login(&field.name))?;
    Some(Login::of_field(&field.value))
}

/// A request that is not served.
struct NotServed {
    treatment: Treatment,
    /// Whom it would have gone to, where that much could be read.
    target: Option<Target>,
}

impl From<Treatment> for NotServed {
    fn from(treatment: Treatment) -> Self {
        Self { treatment, target: None }
    }
}

fn understand(received: Received, own: &[SocketAddr]) -> Result<Ask, NotServed> {
    let head = &received.head;
    let text = std::str::from_utf8(&head.target)
        .map_err(|_not_utf8| malformed("the request target is not ASCII"))?;
    if head.method.as_ref() == b"CONNECT" {
        let target = Target::parse(text, None).map_err(|error| malformed(&error.to_string()))?;
        return Ok(Ask::tunnel(target, received.raw));
    }
    if text.starts_with('/') || text == "*" {
        return Ok(Ask::own(received));
    }
    let (authority, path) = split_absolute(text)?;
    let target =
        Target::parse(authority, Some(80)).map_err(|error| malformed(&error.to_string()))?;
    let is_options = head.method.as_ref() == b"OPTIONS";
    let path = match path {
        "" if is_options => Bytes::from_static(b"*"),
        path if path.starts_with('/') => head.target.slice_ref(path.as_bytes()),
        path => Bytes::from(format!("/{path}")),
    };
    if onboarding::is_own(&target) || is_listener(&target, own) {
        return Ok(Ask::own(received));
    }
    let body = match body(head) {
        Ok(body) => body,
        Err(treatment) => return Err(NotServed { treatment, target: Some(target) }),
    };
    Ok(Ask::Forward(Box::new(Forwarded { target, path, body, received })))
}

/// The body of a request that reads the same to everybody.
fn body(head: &RequestHeadParts) -> Result<BodyLength, Treatment> {
    if head.oddities.iter().any(|oddity| *oddity != Oddity::BareLf) {
        return Err(malformed("a folded header line or a space in the target"));
    }
    let body = request_framing(head).map_err(|why| malformed(&why.to_string()))?;
    forward_head::unambiguous(head, body).map_err(malformed)?;
    Ok(body)
}

/// Splits `http://authority/path?query` into the authority and the rest, fragment left out.
fn split_absolute(text: &str) -> Result<(&str, &str), Treatment> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(malformed("the request target is neither absolute nor for CONNECT"));
    };
    if scheme.eq_ignore_ascii_case("https") {
        return Err(malformed("https requests take a CONNECT tunnel"));
    }
    // A WebSocket's handshake is an HTTP request (RFC 6455 section 4.1).
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("ws") {
        return Err(malformed("only http requests are forwarded"));
    }
    let rest = rest.split_once('#').map_or(rest, |(rest, _fragment)| rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(malformed("the request target holds user information"));
    }
    Ok((authority, path))
}

fn is_listener(target: &Target, own: &[SocketAddr]) -> bool {
    match target.host {
        Host::Ip(ip) => own.contains(&SocketAddr::new(ip, target.port)),
        Host::Name(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use observe::http1::head::RequestHeadParts;

    #[track_caller]
    fn check(request: &str, expected: &str) {
        let raw = Bytes::copy_from_slice(request.as_bytes());
        let head = RequestHeadParts::parse(&raw).unwrap();
        let own = ["192.168.1.5:8080".parse().unwrap()];
        let got = match understand(Received { raw, head }, &own) {
            Ok(Ask::Single(Single::Tunnel(target, _))) => format!("tunnel {target}"),
            Ok(Ask::Forward(request)) => {
                let path = String::from_utf8(request.path.to_vec()).unwrap();
                format!("forward {} {path} {:?}", request.target, request.body)
            }
            Ok(Ask::Single(Single::Own(_))) => "own".to_owned(),
            Ok(_) => "other".to_owned(),
            Err(refused) => refused.treatment.why(),
        };
        assert!(got.starts_with(expected), "{request}: {got}");
    }

    #[test]
    fn requests_at_the_proxy_port() {
        check("CONNECT a.example:443 HTTP/1.1\r\n\r\n", "tunnel a.example:443");
        check("CONNECT a.example HTTP/1.1\r\n\r\n", "client sent malformed data: the port");
        check("GET / HTTP/1.1\r\n\r\n", "own");
        check("GET http://192.168.1.5:8080/x HTTP/1.1\r\n\r\n", "own");
        check("GET http://LANDFALL.internal/x HTTP/1.1\r\n\r\n", "own");
        check("GET http://a.example HTTP/1.1\r\n\r\n", "forward a.example:80 / None");
        check("GET HTTP://a.example?q#f HTTP/1.1\r\n\r\n", "forward a.example:80 /?q None");
        check("OPTIONS http://a.example:8 HTTP/1.1\r\n\r\n", "forward a.example:8 * None");
        check(
            "POST http://a.example/p HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
            "forward a.example:80 /p Known(5)",
        );
        check("GET https://a.example/ HTTP/1.1\r\n\r\n", "client sent malformed data: https");
        check("GET ftp://a.example/ HTTP/1.1\r\n\r\n", "client sent malformed data: only http");
        check("GET http://u@a.example/ HTTP/1.1\r\n\r\n", "client sent malformed data: the req");
        check("GET a.example HTTP/1.1\r\n\r\n", "client sent malformed data: the request target");
        check(
            "POST http://a.example/ HTTP/1.1\r\nContent-Length: 5\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
            "client sent malformed data: both",
        );
    }

    #[test]
    fn a_request_that_is_not_served_lost_its_host() {
        let request = b"POST http://a.example:8/ HTTP/1.1\r\nContent-Length: 5\r\n\
            Transfer-Encoding: chunked\r\n\r\n";
        let raw = Bytes::from_static(request);
        let head = RequestHeadParts::parse(&raw).unwrap();
        let refused = understand(Received { raw, head }, &[]).err().unwrap();
        assert_eq!(refused.target.unwrap().to_string(), "a.example:8");
    }
}
