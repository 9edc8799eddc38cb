//! Records about addresses: what each source says, and what that adds up to. Both kinds carry the
//! number by which `connection.dial` and `connection.target` cite them.

use super::flag::FlagShape;
use super::session::SourceShape;
use super::value::{Count, Spelled};
use flow::address::DnsName;
use flow::annotation::{Annotation, Location};
use flow::claim::{Claim, Country, Operator, Statement};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `claims`: every answer of every source about an address, once per session and set of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    pub address: Spelled<IpAddr>,
    /// From 1, in the order of asking; shared with the `assessment` record that follows.
    pub assessment: Count,
    pub claims: Vec<ClaimShape>,
    /// The names that the sources were asked about: the host and its CNAME chain.
    pub names: Vec<Spelled<DnsName>>,
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimShape {
    /// The network or name that matched.
    pub matched: String,
    pub says: Says,
    pub source: SourceShape,
}

/// What a claim says; `about` names the axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Says {
    Located {
        country: Spelled<Country>,
    },
    AddressRegistered {
        country: Spelled<Country>,
    },
    AsRegistered {
        country: Spelled<Country>,
    },
    OriginAs {
        asn: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    Operator {
        operator: OperatorShape,
    },
    Anycast,
    SpecialRange {
        range: String,
    },
}

/// Who runs a network or a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorShape {
    /// How the list knows.
    pub basis: String,
    /// `A`, `B` or `C`.
    pub confidence: String,
    pub group: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headquarters: Option<Spelled<Country>>,
    /// The AS number or DNS suffix that matched.
    pub matched: String,
}

/// `assessment`: what the claims of the same number add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assessment {
    pub address: Spelled<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_registered: Option<Spelled<Country>>,
    pub anycast: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_registered: Option<Spelled<Country>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    pub assessment: Count,
    /// The assessor's version.
    pub assessor: String,
    pub flags: Vec<FlagShape>,
    pub location: LocationShape,
    pub names: Vec<Spelled<DnsName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorShape>,
    /// That of the connection, where a policy asks for ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special_range: Option<String>,
}

/// What the location sources say together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "agreement", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LocationShape {
    Unknown,
    Agreed {
        answered: Count,
        asked: Count,
        country: Spelled<Country>,
    },
    Disagreed {
        /// Source and country, in the order asked.
        answers: Vec<(String, Spelled<Country>)>,
        asked: Count,
    },
    Overridden {
        country: Spelled<Country>,
    },
}

impl Claims {
    pub(crate) fn new(number: u64, names: &[DnsName], annotation: &Annotation) -> Self {
        Self {
            address: Spelled(annotation.address),
            assessment: Count(number),
            claims: annotation.claims.iter().map(ClaimShape::from).collect(),
            names: names.iter().cloned().map(Spelled).collect(),
        }
    }
}

impl Assessment {
    pub(crate) fn new(
        number: u64,
        names: &[DnsName],
        port: Option<u16>,
        annotation: &Annotation,
    ) -> Self {
        Self {
            address: Spelled(annotation.address),
            address_registered: annotation.address_registered.map(Spelled),
            anycast: annotation.anycast,
            as_name: annotation.as_name.clone(),
            as_registered: annotation.as_registered.map(Spelled),
            asn: annotation.asn.map(|asn| asn.0),
            assessment: Count(number),
            assessor: ASSESSOR.to_owned(),
            flags: annotation.flags.iter().map(FlagShape::from).collect(),
            location: (&annotation.location).into(),
            names: names.iter().cloned().map(Spelled).collect(),
            operator: annotation.operator.as_ref().map(OperatorShape::from),
            port,
            special_range: annotation.special_range.clone(),
        }
    }
}

impl From<&Claim> for ClaimShape {
    fn from(claim: &Claim) -> Self {
        let says = match &claim.statement {
            Statement::Located(country) => Says::Located { country: Spelled(*country) },
            Statement::AddressRegistered(country) => {
                Says::AddressRegistered { country: Spelled(*country) }
            }
            Statement::AsRegistered(country) => Says::AsRegistered { country: Spelled(*country) },
            Statement::OriginAs { asn, name } => Says::OriginAs { asn: asn.0, name: name.clone() },
            Statement::Operator(operator) => Says::Operator { operator: operator.into() },
            Statement::Anycast => Says::Anycast,
            Statement::SpecialRange(range) => Says::SpecialRange { range: range.clone() },
        };
        Self { matched: claim.matched.clone(), says, source: claim.source.as_ref().into() }
    }
}

impl From<&Operator> for OperatorShape {
    fn from(operator: &Operator) -> Self {
        Self {
            basis: operator.basis.clone(),
            confidence: operator.confidence.as_str().to_owned(),
            group: operator.group.clone(),
            headquarters: operator.headquarters.map(Spelled),
            matched: operator.matched.clone(),
        }
    }
}

impl From<&Location> for LocationShape {
    fn from(location: &Location) -> Self {
        let count = |number: &usize| Count(*number as u64);
        match location {
            Location::Unknown => Self::Unknown,
            Location::Agreed { country, answered, asked } => Self::Agreed {
                answered: count(answered),
                asked: count(asked),
                country: Spelled(*country),
            },
            Location::Disagreed { answers, asked } => Self::Disagreed {
                answers: answers.iter().map(|(name, at)| (name.clone(), Spelled(*at))).collect(),
                asked: count(asked),
            },
            Location::Overridden { country } => Self::Overridden { country: Spelled(*country) },
        }
    }
}

/// Name and version of the rules that make an assessment of claims.
const ASSESSOR: &str = "assess/0";
