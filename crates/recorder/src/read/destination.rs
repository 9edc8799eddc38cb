//! Destinations: the hosts that were asked for and the addresses behind them, or the same grouped
//! by who runs them and where they are. Disagreement between addresses or sources stays visible.

use super::reviewed::Judged;
use flow::address::{DnsName, Host};
use flow::annotation::{Annotation, Flag};
use flow::assessment::{Contact, ContentLevel, LocationLevel, OperatorLevel};
use flow::claim::{Asn, Country, Operator};
use flow::filter::TreatmentKind;
use flow::id::ConnectionId;
use flow::time::WallNanos;
use std::net::IpAddr;
use std::sync::Arc;

/// One destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationRow {
    pub key: DestinationKey,
    /// The hosts asked for, in order; one when grouped by host.
    pub hosts: Vec<Host>,
    /// The addresses dialled for them, oldest first. Where a host's location changed, they differ.
    pub addresses: Vec<AddressSeen>,
    /// The names behind the hosts: their CNAME chains without the hosts themselves.
    pub cnames: Vec<DnsName>,
    /// The country on which all sources and all addresses agree.
    pub country: Held<Country>,
    /// What the location sources answered, each with every country it gave for an address.
    pub countries: Vec<(String, Vec<Country>)>,
    pub asn: Held<Asn>,
    pub as_name: Held<String>,
    pub operator: Held<Operator>,
    pub registered_country: Held<Country>,
    pub as_registered_country: Held<Country>,
    /// A source marks one of the addresses as anycast.
    pub anycast: bool,
    pub contact: Contact,
    /// `None`: nothing at all is known of it. So it is for the location.
    pub operator_level: Option<OperatorLevel>,
    pub location_level: Option<LocationLevel>,
    pub content_level: ContentLevel,
    /// The first of its connections that have the highest levels: of contact, and of content.
    pub shown_by: [Option<ConnectionId>; 2],
    /// Those at capture: each policy once, with the reasons of all addresses.
    pub flags: Vec<Flag>,
    /// The same by the policies of the query, where it has some.
    pub flags_now: Option<Vec<Flag>>,
    /// The verdict on the host, where the row is one and the query has one.
    pub judged: Option<Arc<Judged>>,
    pub first_seen: WallNanos,
    pub last_seen: WallNanos,
    pub flows: u64,
    pub connections: u64,
    /// Bytes relayed on connections with a flow that counts; of running ones, those kept so far.
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// How often its connections were treated how; undecided ones are not among them.
    pub treatments: Vec<(TreatmentKind, u64)>,
    /// A simulation stood for an address at least once, or the whole session is simulated.
    pub simulated: bool,
}

impl DestinationRow {
    /// Some address was dialled although no answer of a look-up holds it.
    pub fn dialled_without_lookup(&self) -> bool {
        self.addresses.iter().any(|seen| !seen.looked_up)
    }
}

/// What the rows are grouped by. `None` gathers the flows of which it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DestinationKey {
    Host(Option<Host>),
    Operator(Option<String>),
    Asn(Option<Asn>),
    Country(Option<Country>),
    /// Grouped by country: the sources do not agree on one.
    CountryDisagreed,
    Address(Option<IpAddr>),
}

impl std::fmt::Display for DestinationKey {
    /// The value, `unknown` or `disagreed`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(Some(host)) => host.fmt(f),
            Self::Operator(Some(group)) => f.write_str(group),
            Self::Asn(Some(asn)) => asn.fmt(f),
            Self::Country(Some(country)) => country.fmt(f),
            Self::Address(Some(address)) => address.fmt(f),
            Self::CountryDisagreed => f.write_str("disagreed"),
            Self::Host(None)
            | Self::Operator(None)
            | Self::Asn(None)
            | Self::Country(None)
            | Self::Address(None) => f.write_str("unknown"),
        }
    }
}

/// One address of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSeen {
    pub address: IpAddr,
    /// What the databases say of it.
    pub annotation: Option<Arc<Annotation>>,
    /// The number of the assessment that says so.
    pub assessment: Option<u64>,
    pub first_seen: WallNanos,
    pub last_seen: WallNanos,
    pub connections: u64,
    /// An answer of a look-up of this session holds it; otherwise it is hard-coded, or came to
    /// the device in another way.
    pub looked_up: bool,
    pub simulated: bool,
}

/// What the addresses of a destination have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Held<T> {
    /// Known of no address.
    #[default]
    Unknown,
    /// The same for all addresses of which it is known.
    One(T),
    /// Different ones, in order of first sight.
    Several(Vec<T>),
}

impl<T> Held<T> {
    /// The value, where there is only one.
    pub fn one(&self) -> Option<&T> {
        match self {
            Self::One(value) => Some(value),
            Self::Unknown | Self::Several(_) => None,
        }
    }

    /// All of them.
    pub fn all(&self) -> &[T] {
        match self {
            Self::Unknown => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

impl<T: PartialEq> FromIterator<T> for Held<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut distinct: Vec<T> = Vec::new();
        for value in values {
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        match distinct.len() {
            0 => Self::Unknown,
            1 => distinct.pop().map_or(Self::Unknown, Self::One),
            _ => Self::Several(distinct),
        }
    }
}
