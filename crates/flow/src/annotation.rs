//! What the claims about an address add up to. Disagreement is a state of its own and is never
//! resolved by counting votes.

use crate::address::{DnsName, Host};
use crate::claim::{Asn, Claim, Confidence, Country, Operator};
use crate::network::Network;
use std::net::IpAddr;

/// Everything known of one address, under one set of databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    pub address: IpAddr,
    pub claims: Vec<Claim>,
    pub location: Location,
    pub asn: Option<Asn>,
    pub as_name: Option<String>,
    /// Of confidence A or B; what rests on public reporting alone is among the claims only.
    pub operator: Option<Operator>,
    pub address_registered: Option<Country>,
    pub as_registered: Option<Country>,
    pub anycast: bool,
    /// What kind of special range the address lies in, such as `private`.
    pub special_range: Option<String>,
    pub flags: Vec<Flag>,
}

impl Annotation {
    /// Of an address that no source knows anything of.
    pub fn unknown(address: IpAddr) -> Self {
        Self {
            address,
            claims: Vec::new(),
            location: Location::Unknown,
            asn: None,
            as_name: None,
            operator: None,
            address_registered: None,
            as_registered: None,
            anycast: false,
            special_range: None,
            flags: Vec::new(),
        }
    }
}

/// What the location sources say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// No source answers.
    Unknown,
    /// All sources that answer agree.
    Agreed { country: Country, answered: usize, asked: usize },
    /// Sources answer differently: source name and its country, in the order asked.
    Disagreed { answers: Vec<(String, Country)>, asked: usize },
    /// The analyst's own correction, which takes precedence.
    Overridden { country: Country },
}

impl Location {
    /// The country, only where nothing contradicts it.
    pub fn country(&self) -> Option<Country> {
        match self {
            Self::Agreed { country, .. } | Self::Overridden { country } => Some(*country),
            Self::Unknown | Self::Disagreed { .. } => None,
        }
    }
}

/// A policy asks a person to look at a destination. It is not a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The policy's name, such as `mainland-china`.
    pub policy: String,
    pub severity: Severity,
    /// Why, each reason apart; never empty.
    pub reasons: Vec<FlagReason>,
}

/// How much a policy asks for. It says nothing of the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// To be told apart in lists, no more.
    Info,
    /// To be looked at.
    #[default]
    Notice,
    /// To be looked at first.
    Warning,
    /// To be looked at now.
    Alarm,
}

impl Severity {
    pub const ALL: [Self; 4] = [Self::Info, Self::Notice, Self::Warning, Self::Alarm];

    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Alarm => "alarm",
        }
    }

    /// The highest of the flags.
    pub fn highest(flags: &[Flag]) -> Option<Self> {
        flags.iter().map(|flag| flag.severity).max()
    }
}

/// The text is no severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASeverity;

impl std::fmt::Display for NotASeverity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a severity is info, notice, warning or alarm")
    }
}

impl std::error::Error for NotASeverity {}

impl std::str::FromStr for Severity {
    type Err = NotASeverity;

    fn from_str(text: &str) -> Result<Self, NotASeverity> {
        Self::ALL.into_iter().find(|severity| severity.word() == text).ok_or(NotASeverity)
    }
}

/// One reason for a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagReason {
    /// `saying` of `asked` location sources place the address in the country.
    Located {
        country: Country,
        saying: usize,
        asked: usize,
    },
    /// The analyst's own correction places the address in the country.
    LocatedByOverride {
        country: Country,
    },
    /// The operator's group has its headquarters in the country.
    Operated {
        country: Country,
        group: String,
        confidence: Confidence,
    },
    /// The address is registered in the country.
    AddressRegistered {
        country: Country,
    },
    /// The announcing AS is registered in the country; which AS, where the same source says so.
    AsRegistered {
        country: Country,
        asn: Option<Asn>,
    },
    /// Location sources answer differently: each with its country.
    Disagreed {
        answers: Vec<(String, Country)>,
    },
    /// No location source answers.
    Unplaced,
    /// The operator's group is one that the policy names.
    OperatedBy {
        group: String,
        confidence: Confidence,
    },
    /// A source names this AS as the origin.
    Announced {
        asn: Asn,
        name: Option<String>,
    },
    /// A name of the CNAME chain lies within a zone that the policy names.
    Alias {
        name: DnsName,
        zone: DnsName,
    },
    /// The host that was asked for is one that the policy names.
    Host(Host),
    /// The address lies in a network that the policy names.
    Within(Network),
    Port(u16),
    /// A source marks the address as anycast.
    Anycast,
    /// The policy asks for what is not so: the condition, in the filter language.
    Not {
        condition: String,
    },
}

impl FlagReason {
    /// The word for tables, such as `located`, `operated`, `possibly-operated` (what rests on
    /// public reporting alone) or `registered`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Located { .. } | Self::LocatedByOverride { .. } => "located",
            Self::Operated { confidence: Confidence::C, .. }
            | Self::OperatedBy { confidence: Confidence::C, .. } => "possibly-operated",
            Self::Operated { .. } | Self::OperatedBy { .. } => "operated",
            Self::AddressRegistered { .. } | Self::AsRegistered { .. } => "registered",
            Self::Disagreed { .. } => "disagreed",
            Self::Unplaced => "unplaced",
            Self::Announced { .. } => "asn",
            Self::Alias { .. } => "cname",
            Self::Host(_) => "host",
            Self::Within(_) => "address",
            Self::Port(_) => "port",
            Self::Anycast => "anycast",
            Self::Not { .. } => "not",
        }
    }

    /// The country that the reason is about.
    pub fn country(&self) -> Option<Country> {
        match self {
            Self::Located { country, .. }
            | Self::LocatedByOverride { country }
            | Self::Operated { country, .. }
            | Self::AddressRegistered { country }
            | Self::AsRegistered { country, .. } => Some(*country),
            _ => None,
        }
    }
}

impl std::fmt::Display for FlagReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Located { country, saying, asked } => {
                write!(f, "located in {country} by {saying} of {asked} databases")
            }
            Self::LocatedByOverride { country } => {
                write!(f, "located in {country} by the analyst's override")
            }
            Self::Operated { country, group, confidence: Confidence::C } => write!(
                f,
                "possibly operated by {group}, headquartered in {country}, by public reporting"
            ),
            Self::Operated { country, group, confidence } => write!(
                f,
                "operated by {group}, headquartered in {country} (confidence {})",
                confidence.as_str()
            ),
            Self::AddressRegistered { country } => write!(f, "address registered in {country}"),
            Self::AsRegistered { country, asn: Some(asn) } => {
                write!(f, "{asn} registered in {country}")
            }
            Self::AsRegistered { country, asn: None } => write!(f, "AS registered in {country}"),
            Self::Disagreed { answers } => {
                let answers: Vec<String> =
                    answers.iter().map(|(source, country)| format!("{source} {country}")).collect();
                write!(f, "databases disagree: {}", answers.join(", "))
            }
            Self::Unplaced => f.write_str("no database places it"),
            Self::OperatedBy { group, confidence: Confidence::C } => {
                write!(f, "possibly operated by {group}, by public reporting")
            }
            Self::OperatedBy { group, confidence } => {
                write!(f, "operated by {group} (confidence {})", confidence.as_str())
            }
            Self::Announced { asn, name: Some(name) } => write!(f, "announced by {asn} {name}"),
            Self::Announced { asn, name: None } => write!(f, "announced by {asn}"),
            Self::Alias { name, zone } => write!(f, "the chain has {name}, within {zone}"),
            Self::Host(host) => write!(f, "the host is {host}"),
            Self::Within(network) => write!(f, "the address lies in {network}"),
            Self::Port(port) => write!(f, "the port is {port}"),
            Self::Anycast => f.write_str("a source marks the address as anycast"),
            Self::Not { condition } => write!(f, "not {condition}"),
        }
    }
}
