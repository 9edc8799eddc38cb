//! What the claims about an address add up to. Disagreement is a state of its own and is never
//! resolved by counting votes.

use crate::claim::{Asn, Claim, Confidence, Country, Operator};
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
    /// Why, each reason apart; never empty.
    pub reasons: Vec<FlagReason>,
}

/// One reason for a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagReason {
    /// `saying` of `asked` location sources place the address in the country.
    Located { country: Country, saying: usize, asked: usize },
    /// The analyst's own correction places the address in the country.
    LocatedByOverride { country: Country },
    /// The operator's group has its headquarters in the country.
    Operated { country: Country, group: String, confidence: Confidence },
    /// The address is registered in the country.
    AddressRegistered { country: Country },
    /// The announcing AS is registered in the country; which AS, where the same source says so.
    AsRegistered { country: Country, asn: Option<Asn> },
}

impl FlagReason {
    /// The word for tables: `located`, `operated`, `possibly-operated` (what rests on public
    /// reporting alone) or `registered`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Located { .. } | Self::LocatedByOverride { .. } => "located",
            Self::Operated { confidence: Confidence::C, .. } => "possibly-operated",
            Self::Operated { .. } => "operated",
            Self::AddressRegistered { .. } | Self::AsRegistered { .. } => "registered",
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
        }
    }
}
