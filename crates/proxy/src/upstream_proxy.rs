//! The proxy through which upstreams are dialled, as configured: kind, place, credentials and the
//! hosts that are dialled without it. Opens no connection. HopCredentials are shown nowhere.

use crate::rule::{Destination, Rule};
use flow::address::{HopKind, Host, Target};
use std::fmt;
use std::str::FromStr;

/// An upstream proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamProxy {
    pub kind: HopKind,
    /// Where the proxy is.
    pub place: Target,
    pub credentials: Option<HopCredentials>,
    /// Hosts that are dialled directly.
    pub except: Vec<Rule>,
}

impl UpstreamProxy {
    /// Whether this host is dialled through it.
    pub(crate) fn serves(&self, host: &Host) -> bool {
        let address = match host {
            Host::Ip(ip) => Some(*ip),
            Host::Name(_) => None,
        };
        let name = host.to_string();
        let host = Destination { names: &[&name], address, ..Destination::default() };
        !self.except.iter().any(|rule| rule.matches(&host))
    }
}

/// The URL without the credentials.
impl fmt::Display for UpstreamProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.kind.word(), self.place)
    }
}

/// A user name and a password, each of 1 to 255 bytes (RFC 1929 section 2), the name without a
/// colon (RFC 7617 section 2).
#[derive(Clone, PartialEq, Eq)]
pub struct HopCredentials {
    user: Box<str>,
    password: Box<str>,
}

impl HopCredentials {
    /// # Errors
    /// One of them is empty, too long, holds control characters, or the name a colon.
    pub fn new(user: &str, password: &str) -> Result<Self, NotAnUpstreamProxy> {
        let usable =
            |text: &str| (1..=255).contains(&text.len()) && !text.contains(char::is_control);
        if usable(user) && usable(password) && !user.contains(':') {
            Ok(Self { user: user.into(), password: password.into() })
        } else {
            Err(NotAnUpstreamProxy::Credentials)
        }
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for HopCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HopCredentials(hidden)")
    }
}

/// `user:password`, as in a file; one line end is ignored.
impl FromStr for HopCredentials {
    type Err = NotAnUpstreamProxy;

    fn from_str(text: &str) -> Result<Self, NotAnUpstreamProxy> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let (user, password) = line.split_once(':').ok_or(NotAnUpstreamProxy::Credentials)?;
        Self::new(user, password)
    }
}

/// The text is no URL of an upstream proxy. Never holds the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnUpstreamProxy {
    Scheme,
    Place,
    /// Something follows the port.
    Rest,
    Credentials,
}

impl fmt::Display for NotAnUpstreamProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "not a URL with the scheme http, socks5 or socks5h",
            Self::Place => "the proxy's host and port are missing or malformed",
            Self::Rest => "nothing may follow the proxy's port",
            Self::Credentials => {
                "the credentials are not user:password of 1 to 255 bytes each, special characters \
                 in a URL written as %XX"
            }
        })
    }
}

impl std::error::Error for NotAnUpstreamProxy {}

impl FromStr for UpstreamProxy {
    type Err = NotAnUpstreamProxy;

    /// `http|socks5|socks5h://[user:password@]host:port`; no hosts are excepted.
    fn from_str(text: &str) -> Result<Self, NotAnUpstreamProxy> {
        let (scheme, rest) = text.split_once("://").ok_or(NotAnUpstreamProxy::Scheme)?;
        let kind = [HopKind::Http, HopKind::Socks5, HopKind::Socks5h]
            .into_iter()
            .find(|kind| scheme.eq_ignore_ascii_case(kind.word()))
            .ok_or(NotAnUpstreamProxy::Scheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => (Some(decoded(credentials)?), place),
            None => (None, rest),
        };
        if place.contains(['/', '?', '#']) {
            return Err(NotAnUpstreamProxy::Rest);
        }
        let place = Target::parse(place, None).map_err(|_host| NotAnUpstreamProxy::Place)?;
        Ok(Self { kind, place, credentials, except: Vec::new() })
    }
}

/// `user:password` of a URL, each percent-encoded (RFC 3986 section 3.2.1).
fn decoded(text: &str) -> Result<HopCredentials, NotAnUpstreamProxy> {
    let (user, password) = text.split_once(':').ok_or(NotAnUpstreamProxy::Credentials)?;
    let decoded = |text| percent_decoded(text).ok_or(NotAnUpstreamProxy::Credentials);
    HopCredentials::new(&decoded(user)?, &decoded(password)?)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The URL as shown, and user and password.
    type Read<'a> = (&'a str, Option<(&'a str, &'a str)>);

    #[track_caller]
    fn check(text: &str, expected: Result<Read<'_>, NotAnUpstreamProxy>) {
        let got = text.parse::<UpstreamProxy>();
        let shown = got.map(|proxy| {
            let credentials = proxy.credentials.as_ref();
            let credentials =
                credentials.map(|both| (both.user().to_owned(), both.password().to_owned()));
            (proxy.to_string(), credentials)
        });
        let expected = expected.map(|(url, credentials)| {
            let owned = credentials.map(|(user, password)| (user.to_owned(), password.to_owned()));
            (url.to_owned(), owned)
        });
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn urls() {
        check("http://proxy.example:3128", Ok(("http://proxy.example:3128", None)));
        check("SOCKS5://u:p@[::1]:1080/", Ok(("socks5://[::1]:1080", Some(("u", "p")))));
        check("socks5h://u:p%40%3A@a:1", Ok(("socks5h://a:1", Some(("u", "p@:")))));
        check("http://u:p@q@a:1", Ok(("http://a:1", Some(("u", "p@q")))));
        check("https://a:1", Err(NotAnUpstreamProxy::Scheme));
        check("a:1", Err(NotAnUpstreamProxy::Scheme));
        check("http://a", Err(NotAnUpstreamProxy::Place));
        check("http://:1", Err(NotAnUpstreamProxy::Place));
        check("http://a:1/x", Err(NotAnUpstreamProxy::Rest));
        for credentials in ["u", ":p", "u:", "u%3Ax:p", "u:p%0A", "u:%4", "u:%zz", "u:%ff"] {
            check(&format!("http://{credentials}@a:1"), Err(NotAnUpstreamProxy::Credentials));
        }
        check(&format!("http://u:{}@a:1", "p".repeat(256)), Err(NotAnUpstreamProxy::Credentials));
    }

    #[test]
    fn credentials_are_not_shown() {
        let proxy: UpstreamProxy = "http://name:secret@a:1".parse().unwrap();
        let shown = format!("{proxy} {proxy:?}");
        assert!(!shown.contains("name:") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_file_s_line_end_is_no_part_of_the_password() {
        assert_eq!("u:p\r\n".parse::<HopCredentials>(), HopCredentials::new("u", "p"));
        assert_eq!("u:p\n\n".parse::<HopCredentials>(), Err(NotAnUpstreamProxy::Credentials));
    }
}
