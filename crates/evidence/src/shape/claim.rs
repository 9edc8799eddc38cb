//! Claims: what one source says.

use flow::claim::{Claim, Statement};
use serde::Serialize;

/// One claim, with all that it takes to check it:
/// `{"source":"dbip-country","built":"2026-06-01","licence":"CC BY 4.0","sha256":"4e7f…",
/// "about":"located","value":"CN","matched":"8.136.0.0/13"}`.
#[derive(Clone, Debug, Serialize)]
pub struct ClaimShape<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<&'a str>,
    licence: &'a str,
    /// Of the file as published; absent where the source is no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    /// The axis: `located`, `address-registered`, `as-registered`, `origin-as`, `operator`,
    /// `anycast` or `special-range`.
    about: &'static str,
    /// What it says on that axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The network or name that matched.
    matched: &'a str,
}

impl<'a> ClaimShape<'a> {
    pub fn new(claim: &'a Claim) -> Self {
        let (about, value) = match &claim.statement {
            Statement::Located(country) => ("located", Some(country.to_string())),
            Statement::AddressRegistered(country) => {
                ("address-registered", Some(country.to_string()))
            }
            Statement::AsRegistered(country) => ("as-registered", Some(country.to_string())),
            Statement::OriginAs { asn, name: Some(name) } => {
                ("origin-as", Some(format!("{asn} {name}")))
            }
            Statement::OriginAs { asn, name: None } => ("origin-as", Some(asn.to_string())),
            Statement::Operator(operator) => ("operator", Some(operator.group.clone())),
            Statement::Anycast => ("anycast", None),
            Statement::SpecialRange(range) => ("special-range", Some(range.clone())),
        };
        Self {
            source: &claim.source.name,
            built: claim.source.built.as_deref(),
            licence: &claim.source.licence,
            sha256: claim.source.sha256.as_deref(),
            about,
            value,
            matched: &claim.matched,
        }
    }

    /// The axis, as a word.
    pub fn about(&self) -> &'static str {
        self.about
    }

    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}
