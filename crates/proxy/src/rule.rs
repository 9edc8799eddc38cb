//! A rule names destinations: by host, address, network, port, AS, country, or all of them. One
//! syntax for every list; which list a rule stands in says what is done.

use flow::address::{DnsName, unwrapped};
use flow::claim::{Asn, Country};
use flow::network::Network;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// `a.example` (that name alone), `*.a.example` (all names below it), `192.0.2.1`, `192.0.2.0/24`,
/// `port:993`, `AS37963`, `country:CN`, or `*` (everything).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule(Names);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Names {
    Host(DnsName),
    Below(DnsName),
    Address(IpAddr),
    Network(Network),
    Port(u16),
    Asn(Asn),
    Country(Country),
    Everything,
}

/// What is known of a destination when a rule is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Destination<'a> {
    /// The name or address that the client asked for, and the name in its ClientHello.
    pub names: &'a [&'a str],
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
    pub origin: Option<&'a Origin>,
}

/// What the databases say of an address, each source for itself: where one places it is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub asns: Vec<Asn>,
    pub countries: Vec<Country>,
}

/// How closely a rule names its destinations; the larger, the more closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Closeness(u8, usize);

impl Rule {
    /// Whether the rule is about this destination, as far as that is known.
    pub(crate) fn matches(&self, destination: &Destination<'_>) -> bool {
        let names = || destination.names.iter();
        let address = destination.address.map(unwrapped);
        match &self.0 {
            Names::Host(own) => names().any(|name| is(name, |name| name == own)),
            Names::Below(own) => {
                names().any(|name| is(name, |name| name != own && name.is_within(own.as_str())))
            }
            Names::Address(own) => {
                address == Some(*own) || names().any(|name| address_of(name) == Some(*own))
            }
            Names::Network(own) => {
                let named = names().filter_map(|name| address_of(name));
                address.into_iter().chain(named).any(|address| own.contains(address))
            }
            Names::Port(own) => destination.port == Some(*own),
            Names::Asn(own) => destination.origin.is_some_and(|o| o.asns.contains(own)),
            Names::Country(own) => destination.origin.is_some_and(|o| o.countries.contains(own)),
            Names::Everything => true,
        }
    }

    /// Whether the rule says whom it is about by name.
    pub(crate) fn is_about_names(&self) -> bool {
        matches!(self.0, Names::Host(_) | Names::Below(_))
    }

    /// Whether only the databases can tell what the rule is about.
    pub fn needs_origin(&self) -> bool {
        matches!(self.0, Names::Asn(_) | Names::Country(_))
    }

    pub(crate) fn closeness(&self) -> Closeness {
        match &self.0 {
            Names::Host(_) => Closeness(7, 0),
            Names::Below(name) => Closeness(6, name.as_str().len()),
            Names::Address(_) => Closeness(5, 0),
            // A prefix of one family is no shorter than the same of the other.
            Names::Network(network) => Closeness(4, usize::from(network.prefix())),
            Names::Port(_) => Closeness(3, 0),
            Names::Asn(_) => Closeness(2, 0),
            Names::Country(_) => Closeness(1, 0),
            Names::Everything => Closeness(0, 0),
        }
    }
}

fn is(name: &str, asked: impl Fn(&DnsName) -> bool) -> bool {
    name.parse::<DnsName>().is_ok_and(|name| asked(&name))
}

fn address_of(name: &str) -> Option<IpAddr> {
    name.parse().ok().map(unwrapped)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Names::Host(name) => name.fmt(f),
            Names::Below(name) => write!(f, "*.{name}"),
            Names::Address(address) => address.fmt(f),
            Names::Network(network) => network.fmt(f),
            Names::Port(port) => write!(f, "port:{port}"),
            Names::Asn(asn) => asn.fmt(f),
            Names::Country(country) => write!(f, "country:{country}"),
            Names::Everything => f.write_str("*"),
        }
    }
}

/// The text is no rule; what it looks like instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotARule {
    /// `key:…` with a key that there is not.
    Key(Box<str>),
    /// A URL; its host.
    Url(Box<str>),
    /// A host with a port.
    HostAndPort(Box<str>, Box<str>),
    /// `*` where it means nothing.
    Star,
    Network,
    Port,
    Asn,
    Country,
    Name,
}

impl NotARule {
    /// What may stand before a colon.
    pub const KEYS: [&'static str; 3] = ["port", "asn", "country"];
}

impl fmt::Display for NotARule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(key) => return write!(f, "no rule has the key {key:?}"),
            Self::Url(_) => "a URL is no rule",
            Self::HostAndPort(..) => "a rule is about a host or a port, not about both",
            Self::Star => "* stands alone or before the first dot",
            Self::Network => "this is no network",
            Self::Port => "this is no port",
            Self::Asn => "this is no AS number",
            Self::Country => "this is no country code",
            Self::Name => "this is no rule",
        })
    }
}

impl std::error::Error for NotARule {}

impl FromStr for Rule {
    type Err = NotARule;

    fn from_str(text: &str) -> Result<Self, NotARule> {
        if text == "*" {
            return Ok(Self(Names::Everything));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self(Names::Address(unwrapped(address))));
        }
        if let Some((_, rest)) = text.split_once("://") {
            return Err(NotARule::Url(host_of(rest).into()));
        }
        if text.contains('/') {
            let network = text.parse().map_err(|_syntax| NotARule::Network)?;
            return Ok(Self(Names::Network(network)));
        }
        if let Some((key, value)) = text.split_once(':') {
            return keyed(key, value).map(Self);
        }
        if let Some(digits) = text.get(2..).filter(|d| is_number(d) && starts_with_as(text)) {
            let number = digits.parse().map_err(|_range| NotARule::Asn)?;
            return Ok(Self(Names::Asn(Asn(number))));
        }
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let star = || if name.contains('*') { NotARule::Star } else { NotARule::Name };
        let name: DnsName = name.parse().map_err(|_syntax| star())?;
        Ok(Self(if below { Names::Below(name) } else { Names::Host(name) }))
    }
}

/// The host of a URL's authority and what follows it (RFC 3986 section 3.2).
fn host_of(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let place = authority.rsplit_once('@').map_or(authority, |(_user, place)| place);
    let literal = place.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    match literal {
        Some((address, _port)) => address,
        None => place.split(':').next().unwrap_or(place),
    }
}

fn keyed(key: &str, value: &str) -> Result<Names, NotARule> {
    if key.eq_ignore_ascii_case("port") {
        let port = Some(value).filter(|value| is_number(value)).and_then(|v| v.parse().ok());
        return port.filter(|port| *port != 0).map(Names::Port).ok_or(NotARule::Port);
    }
    if key.eq_ignore_ascii_case("country") {
        return value.parse().map(Names::Country).map_err(|_code| NotARule::Country);
    }
    if key.eq_ignore_ascii_case("asn") {
        let digits = if starts_with_as(value) { value.get(2..).unwrap_or("") } else { value };
        let number = Some(digits).filter(|digits| is_number(digits)).and_then(|d| d.parse().ok());
        return number.map(|number| Names::Asn(Asn(number))).ok_or(NotARule::Asn);
    }
    Err(match is_number(value) && key.contains('.') {
        true => NotARule::HostAndPort(key.into(), value.into()),
        false => NotARule::Key(key.into()),
    })
}

fn starts_with_as(text: &str) -> bool {
    text.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("as"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[track_caller]
    fn name(text: &str, name: &str, expected: bool) {
        let destination = Destination { names: &[name], ..Destination::default() };
        assert_eq!(rule(text).matches(&destination), expected, "{text} {name}");
    }

    #[test]
    fn names_and_addresses() {
        name("bank.example", "bank.example", true);
        name("bank.example", "BANK.example.", true);
        name("bank.example", "a.bank.example", false);
        name("*.bank.example", "a.b.bank.example", true);
        name("*.bank.example", "bank.example", false);
        name("*.bank.example", "mybank.example", false);
        name("192.0.2.1", "192.0.2.1", true);
        name("192.0.2.1", "::ffff:192.0.2.1", true);
        name("192.0.2.0/24", "192.0.2.7", true);
        name("192.0.2.0/24", "192.0.3.7", false);
        name("192.0.2.0/24", "bank.example", false);
        name("*", "whatever.example", true);
    }

    #[test]
    fn what_is_known_of_the_address() {
        let origin = Origin {
            asns: vec![Asn(37963)],
            countries: vec!["CN".parse().unwrap(), "HK".parse().unwrap()],
        };
        let destination = Destination {
            names: &["a.example"],
            address: Some("::ffff:203.0.113.9".parse().unwrap()),
            port: Some(993),
            origin: Some(&origin),
        };
        for (text, expected) in [
            ("203.0.113.9", true),
            ("203.0.113.0/24", true),
            ("2001:db8::/32", false),
            ("port:993", true),
            ("port:443", false),
            ("AS37963", true),
            ("AS3796", false),
            ("country:HK", true),
            ("country:US", false),
        ] {
            assert_eq!(rule(text).matches(&destination), expected, "{text}");
            assert!(!rule(text).matches(&Destination::default()), "nothing known: {text}");
        }
    }

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        for text in [
            "a.example",
            "*.a.example",
            "192.0.2.1",
            "2001:db8::1",
            "192.0.2.0/24",
            "2001:db8::/32",
            "port:993",
            "AS37963",
            "country:CN",
            "*",
            "as12.example",
        ] {
            assert_eq!(rule(text).to_string(), text);
        }
        for (text, canonical) in [
            ("as37963", "AS37963"),
            ("asn:AS37963", "AS37963"),
            ("asn:37963", "AS37963"),
            ("Country:cn", "country:CN"),
            ("PORT:0993", "port:993"),
            ("A.Example.", "a.example"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(rule(text).to_string(), canonical);
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for (text, why) in [
            ("", NotARule::Name),
            ("a*.example", NotARule::Star),
            ("**", NotARule::Star),
            ("*.", NotARule::Name),
            ("port:", NotARule::Port),
            ("port:0", NotARule::Port),
            ("port:65536", NotARule::Port),
            ("port:+1", NotARule::Port),
            ("country:CHN", NotARule::Country),
            ("country:", NotARule::Country),
            ("contry:CN", NotARule::Key("contry".into())),
            ("asn:", NotARule::Asn),
            ("AS99999999999", NotARule::Asn),
            ("10.0.0.1/8", NotARule::Network),
            ("a.example:443", NotARule::HostAndPort("a.example".into(), "443".into())),
            ("https://a.example:8/b", NotARule::Url("a.example".into())),
            ("https://[::1]/x", NotARule::Url("::1".into())),
            ("https://[2001:db8::1]:8443", NotARule::Url("2001:db8::1".into())),
            ("https://user:secret@a.example#b", NotARule::Url("a.example".into())),
            ("https://user@[::1]:8?c", NotARule::Url("::1".into())),
            ("https://[::1", NotARule::Url("[".into())),
            ("a/b", NotARule::Network),
            ("*.1.2.3.4/8", NotARule::Network),
        ] {
            assert_eq!(text.parse::<Rule>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn the_more_a_rule_leaves_open_the_less_close_it_is() {
        let order = [
            "*",
            "country:CN",
            "AS37963",
            "port:443",
            "10.0.0.0/8",
            "10.1.0.0/16",
            "10.1.2.3",
            "*.example",
            "*.a.example",
            "a.example",
        ];
        let close = order.map(|text| rule(text).closeness());
        assert!(close.is_sorted(), "{close:?}");
    }
}
