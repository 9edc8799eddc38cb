//! Flags as they stand in records: a policy's name, how much it asks for, and each reason apart. What
//! a policy is about is not decided here.

use super::value::{Count, Spelled};
use flow::address::{DnsName, Host};
use flow::annotation::{Flag, FlagReason, Severity};
use flow::claim::{Asn, Confidence, Country};
use flow::network::Network;
use serde::{Deserialize, Serialize};

/// A policy that asks a person to look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlagShape {
    pub policy: String,
    /// Never empty.
    pub reasons: Vec<ReasonShape>,
    /// Absent where it is `notice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
}

/// One reason for a flag; `about` names what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ReasonShape {
    Located {
        asked: Count,
        country: Spelled<Country>,
        saying: Count,
    },
    LocatedByOverride {
        country: Spelled<Country>,
    },
    Operated {
        confidence: String,
        country: Spelled<Country>,
        group: String,
    },
    AddressRegistered {
        country: Spelled<Country>,
    },
    AsRegistered {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asn: Option<u32>,
        country: Spelled<Country>,
    },
    Disagreed {
        answers: Vec<(String, Spelled<Country>)>,
    },
    Unplaced,
    OperatedBy {
        confidence: String,
        group: String,
    },
    Announced {
        asn: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    Alias {
        name: Spelled<DnsName>,
        zone: Spelled<DnsName>,
    },
    Host {
        host: Spelled<Host>,
    },
    Within {
        network: Spelled<Network>,
    },
    Port {
        port: u16,
    },
    Anycast,
    Not {
        condition: String,
    },
}

impl FlagShape {
    /// `None` when a severity or a confidence is none that is known.
    pub fn flag(&self) -> Option<Flag> {
        let reasons = self.reasons.iter().map(ReasonShape::reason).collect::<Option<_>>()?;
        let severity = match &self.severity {
            Some(word) => word.parse().ok()?,
            None => Severity::Notice,
        };
        Some(Flag { policy: self.policy.clone(), severity, reasons })
    }
}

impl ReasonShape {
    fn reason(&self) -> Option<FlagReason> {
        let count = |count: Count| usize::try_from(count.0).unwrap_or(usize::MAX);
        Some(match self {
            Self::Located { asked, country, saying } => FlagReason::Located {
                country: country.0,
                saying: count(*saying),
                asked: count(*asked),
            },
            Self::LocatedByOverride { country } => {
                FlagReason::LocatedByOverride { country: country.0 }
            }
            Self::Operated { confidence: letter, country, group } => FlagReason::Operated {
                country: country.0,
                group: group.clone(),
                confidence: confidence(letter)?,
            },
            Self::AddressRegistered { country } => {
                FlagReason::AddressRegistered { country: country.0 }
            }
            Self::AsRegistered { asn, country } => {
                FlagReason::AsRegistered { country: country.0, asn: asn.map(Asn) }
            }
            Self::Disagreed { answers } => FlagReason::Disagreed {
                answers: answers.iter().map(|(source, at)| (source.clone(), at.0)).collect(),
            },
            Self::Unplaced => FlagReason::Unplaced,
            Self::OperatedBy { confidence: letter, group } => {
                FlagReason::OperatedBy { group: group.clone(), confidence: confidence(letter)? }
            }
            Self::Announced { asn, name } => {
                FlagReason::Announced { asn: Asn(*asn), name: name.clone() }
            }
            Self::Alias { name, zone } => {
                FlagReason::Alias { name: name.0.clone(), zone: zone.0.clone() }
            }
            Self::Host { host } => FlagReason::Host(host.0.clone()),
            Self::Within { network } => FlagReason::Within(network.0),
            Self::Port { port } => FlagReason::Port(*port),
            Self::Anycast => FlagReason::Anycast,
            Self::Not { condition } => FlagReason::Not { condition: condition.clone() },
        })
    }
}

impl From<&Flag> for FlagShape {
    fn from(flag: &Flag) -> Self {
        let severity = match flag.severity {
            Severity::Notice => None,
            other => Some(other.word().to_owned()),
        };
        Self {
            policy: flag.policy.clone(),
            reasons: flag.reasons.iter().map(ReasonShape::from).collect(),
            severity,
        }
    }
}

impl From<&FlagReason> for ReasonShape {
    fn from(reason: &FlagReason) -> Self {
        let letter = |confidence: &Confidence| confidence.as_str().to_owned();
        match reason {
            FlagReason::Located { country, saying, asked } => Self::Located {
                asked: Count(*asked as u64),
                country: Spelled(*country),
                saying: Count(*saying as u64),
            },
            FlagReason::LocatedByOverride { country } => {
                Self::LocatedByOverride { country: Spelled(*country) }
            }
            FlagReason::Operated { country, group, confidence } => Self::Operated {
                confidence: letter(confidence),
                country: Spelled(*country),
                group: group.clone(),
            },
            FlagReason::AddressRegistered { country } => {
                Self::AddressRegistered { country: Spelled(*country) }
            }
            FlagReason::AsRegistered { country, asn } => {
                Self::AsRegistered { asn: asn.map(|asn| asn.0), country: Spelled(*country) }
            }
            FlagReason::Disagreed { answers } => Self::Disagreed {
                answers: answers.iter().map(|(name, at)| (name.clone(), Spelled(*at))).collect(),
            },
            FlagReason::Unplaced => Self::Unplaced,
            FlagReason::OperatedBy { group, confidence } => {
                Self::OperatedBy { confidence: letter(confidence), group: group.clone() }
            }
            FlagReason::Announced { asn, name } => {
                Self::Announced { asn: asn.0, name: name.clone() }
            }
            FlagReason::Alias { name, zone } => {
                Self::Alias { name: Spelled(name.clone()), zone: Spelled(zone.clone()) }
            }
            FlagReason::Host(host) => Self::Host { host: Spelled(host.clone()) },
            FlagReason::Within(network) => Self::Within { network: Spelled(*network) },
            FlagReason::Port(port) => Self::Port { port: *port },
            FlagReason::Anycast => Self::Anycast,
            FlagReason::Not { condition } => Self::Not { condition: condition.clone() },
        }
    }
}

fn confidence(letter: &str) -> Option<Confidence> {
    [Confidence::A, Confidence::B, Confidence::C]
        .into_iter()
        .find(|confidence| confidence.as_str() == letter)
}
