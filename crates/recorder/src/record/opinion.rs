//! `review.opinion`: what other databases said of addresses of the session when they were asked after it
//! was recorded. It stands beside the capture's claims and never in their place.

use super::destination::{Assessment, ClaimShape};
use super::sealed::Sealed;
use super::session::SourceShape;
use super::value::Spelled;
use flow::address::{DnsName, Host};
use flow::annotation::Annotation;
use serde::{Deserialize, Serialize};

/// The answers of one set of databases, asked at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewOpinion {
    /// At most [`Self::LISTED`]; further ones are in records that follow.
    pub addresses: Vec<OpinionShape>,
    /// All that was asked, whether it answered or not.
    pub databases: Vec<SourceShape>,
    pub reviewer: Sealed<String>,
    /// The name of the set of the publishers' databases among them.
    pub set: String,
}

impl ReviewOpinion {
    /// A record is bounded: so many addresses are in one.
    pub const LISTED: usize = 256;

    /// The same with the addresses of one destination alone.
    pub fn of(&self, host: &Host) -> Self {
        let of_host = self.addresses.iter().filter(|opinion| opinion.destination.0 == *host);
        Self { addresses: of_host.cloned().collect(), ..self.clone() }
    }
}

/// What the databases said of one address of a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpinionShape {
    /// Its number is that of the capture's assessment that it stands beside; its flags are by the
    /// policies that were in effect when it was asked for.
    pub assessment: Assessment,
    pub claims: Vec<ClaimShape>,
    pub destination: Spelled<Host>,
}

impl OpinionShape {
    /// `number` is that of the capture's assessment, `names` those that were asked about.
    pub fn new(host: &Host, number: u64, names: &[DnsName], annotation: &Annotation) -> Self {
        Self {
            assessment: Assessment::new(number, names, None, annotation),
            claims: annotation.claims.iter().map(ClaimShape::from).collect(),
            destination: Spelled(host.clone()),
        }
    }
}
