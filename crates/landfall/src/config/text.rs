//! Values that are written as strings in the file: whatever `FromStr` reads, with its error as the
//! file's error, so that the place of the string is kept, and with what would be right.

use super::unit::{DurationText, SizeText, UnitError};
use crate::fetch::url::SourceUrl;
use flow::address::{DnsName, Host};
use flow::assessment::Says;
use flow::claim::Country;
use flow::filter::{self, Filter, FilterError};
use flow::network::Network;
use geoip::SetChoice;
use proxy::{NotARule, Rule};
use resolver::NotAServer;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::str::FromStr;

/// A value read from a string; also usable as a table's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Text<T>(pub(super) T);

/// A type of which values are written as strings.
pub(super) trait Written: FromStr<Err: fmt::Display> {
    /// What such a value is, with an example, as a noun phrase.
    const IS: &'static str;

    /// What to do about a refused value.
    fn hint(_error: &Self::Err) -> String {
        format!("write {}", Self::IS)
    }
}

/// Between the message of a refused value and its hint: serde passes on one text.
pub(super) const HINT: &str = "\u{1f}";

impl<'de, T: Written> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(OneString(PhantomData)).map(Self)
    }
}

struct OneString<T>(PhantomData<T>);

impl<T: Written> Visitor<'_> for OneString<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::IS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|error| {
            let shown: String =
                text.chars().take(LONGEST_SHOWN).filter(|c| *c != '\u{1f}').collect();
            let more = if shown.len() < text.len() { "…" } else { "" };
            let hint = T::hint(&error);
            E::custom(format_args!("{shown:?}{more}: {error}{HINT}{hint}"))
        })
    }
}

const LONGEST_SHOWN: usize = 60;

impl Written for DurationText {
    const IS: &'static str = "a duration such as \"90s\", \"10m\" or \"1h30m\"";

    fn hint(error: &UnitError) -> String {
        format!("write {}, in quotes", error.takes())
    }
}

impl Written for SizeText {
    const IS: &'static str = "a size such as \"64KiB\" or \"16GiB\"";

    fn hint(error: &UnitError) -> String {
        format!("write {}, in quotes", error.takes())
    }
}

impl Written for FilterText {
    const IS: &'static str = "a filter such as \"country:CN not(status:2xx)\"";

    fn hint(error: &FilterError) -> String {
        error.hint()
    }
}

impl Written for Rule {
    const IS: &'static str = "a rule such as \"a.example\", \"*.a.example\", \"192.0.2.0/24\", \"port:993\", \"AS37963\" or \"country:CN\"";

    fn hint(error: &NotARule) -> String {
        rule_hint(error)
    }
}

/// What to write in the place of what is no rule.
pub(crate) fn rule_hint(error: &NotARule) -> String {
    match error {
        NotARule::Key(key) => match crate::suggest::nearest(key, NotARule::KEYS) {
            Some(nearest) => format!("did you mean \"{nearest}:…\"?"),
            None => format!("the keys of rules are {}", NotARule::KEYS.join(", ")),
        },
        NotARule::Url(host) => format!("write the host alone: {host}"),
        NotARule::HostAndPort(host, port) => {
            format!("write {host} for the host at every port, or port:{port} for every host")
        }
        NotARule::Star => {
            "write *.a.example for all names below a.example, * for everything".into()
        }
        NotARule::Network => {
            "write a network such as 192.0.2.0/24, with no bits set beyond the prefix".into()
        }
        NotARule::Port => "write a port from 1 to 65535, such as port:993".into(),
        NotARule::Asn => "write an AS number such as AS37963".into(),
        NotARule::Country => "write a two-letter country code, such as country:CN".into(),
        NotARule::Name => format!("write {}", <Rule as Written>::IS),
    }
}

impl Written for Network {
    const IS: &'static str = "a network such as \"10.0.0.0/8\"";
}

impl Written for DnsName {
    const IS: &'static str = "a host name such as \"a.example\"";
}

impl Written for Host {
    const IS: &'static str = "a host name or address such as \"a.example\"";
}

impl Written for Says {
    const IS: &'static str = "what can be tested, such as \"located:SG\", \"not-located:CN\", \"operator:Baishan Cloud\" or \"operator-country:CN\"";
}

impl Written for Country {
    const IS: &'static str = "a two-letter country code such as \"CN\"";
}

impl Written for SourceUrl {
    const IS: &'static str = "a URL such as \"https://mirror.example/db-{YYYY}-{MM}.mmdb.gz\", with http:// on this machine alone";
}

impl Written for SetChoice {
    const IS: &'static str =
        "a set of databases: \"active\", \"embedded\" or the beginning of a name";
}

impl Written for resolver::Server {
    const IS: &'static str = "a DNS server such as \"192.0.2.53\", \"tls://192.0.2.53#dns.example\" or \"https://192.0.2.53/dns-query#dns.example\"";

    fn hint(error: &NotAServer) -> String {
        match error {
            NotAServer::Address => format!(
                "write {}: the address is asked, and what follows # must be in its certificate",
                Self::IS
            ),
            NotAServer::Scheme(_) => "write tls:// or https://, or the address alone".to_owned(),
            NotAServer::Name | NotAServer::Path => format!("write {}", Self::IS),
            NotAServer::NameWithoutTls => {
                "write tls:// before it, or leave the name out".to_owned()
            }
        }
    }
}

impl Written for IpAddr {
    const IS: &'static str = "an IP address such as \"192.0.2.1\"";
}

impl Written for DialKey {
    const IS: &'static str = "an address, or address and port, such as \"192.0.2.1:443\"";
}

/// A filter of the one filter language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterText(pub(crate) Filter);

impl FromStr for FilterText {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        filter::parse(text).map(Self)
    }
}

/// A key of `[dial]`: an address at any port (`8.136.0.1`) or at one (`8.136.0.1:443`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum DialKey {
    Address(IpAddr),
    Socket(SocketAddr),
}

impl FromStr for DialKey {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        match text.parse::<SocketAddr>() {
            Ok(socket) => {
                Ok(Self::Socket(SocketAddr::new(socket.ip().to_canonical(), socket.port())))
            }
            Err(_) => text.parse::<IpAddr>().map(|ip| Self::Address(ip.to_canonical())),
        }
    }
}
