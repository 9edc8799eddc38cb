//! What look-ups of a destination's name answered in the course of a session.

use super::known::Countries;
use super::{Shown, is_false};
use flow::address::DnsName;
use flow::claim::Country;
use recorder::read::{AddressAnswered, NameChange, NameHistory, Stretch};
use recorder::record::dns::ResolverShape;
use recorder::record::value::Wall;
use serde::Serialize;
use std::net::IpAddr;

/// The look-ups of one name: of one destination alone, not in lists.
#[derive(Clone, Debug, Serialize)]
pub struct NameHistoryShape<'a> {
    lookups: u64,
    /// Look-ups that no device caused, as the name is watched.
    #[serde(skip_serializing_if = "is_zero")]
    watched: u64,
    /// The oldest look-ups, of which there are too many to be read.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: u64,
    /// Successive look-ups with the same result are one.
    stretches: Vec<StretchShape<'a>>,
    addresses: Vec<AnsweredShape<'a>>,
}

#[derive(Clone, Debug, Serialize)]
struct StretchShape<'a> {
    first_seen: Wall,
    last_seen: Wall,
    lookups: u64,
    #[serde(skip_serializing_if = "is_zero")]
    watched: u64,
    cached: u64,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    resolver: &'a ResolverShape,
    chain: Vec<Shown<&'a DnsName>>,
    addresses: Vec<IpAddr>,
    /// Where the databases place them; absent unless they place each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    countries: Vec<Shown<Country>>,
    #[serde(flatten)]
    ttl: TtlShape,
    /// The first and the last.
    records: [u64; 2],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<ChangeShape<'a>>,
}

/// Seconds, as resolvers gave them; absent where the cache alone answered.
#[derive(Clone, Copy, Debug, Serialize)]
struct TtlShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_least: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_most: Option<u32>,
}

/// `what` is `addresses`, `chain`, `outcome` or `resolver`.
#[derive(Clone, Debug, Serialize)]
struct ChangeShape<'a> {
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<&'a [IpAddr]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<&'a [IpAddr]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    former_chain: Option<Vec<Shown<&'a DnsName>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    former_outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    former_resolver: Option<&'a ResolverShape>,
}

#[derive(Clone, Debug, Serialize)]
struct AnsweredShape<'a> {
    address: IpAddr,
    first_seen: Wall,
    last_seen: Wall,
    lookups: u64,
    #[serde(skip_serializing_if = "is_zero")]
    watched: u64,
    #[serde(flatten)]
    ttl: TtlShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Shown<Country>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    countries: Option<Countries<'a>>,
    #[serde(skip_serializing_if = "is_false")]
    anycast: bool,
    /// A connection to the name went there.
    dialled: bool,
}

impl<'a> NameHistoryShape<'a> {
    pub fn new(history: &'a NameHistory) -> Self {
        let stretches = history.stretches.iter().map(|it| StretchShape::new(history, it)).collect();
        Self {
            lookups: history.lookups,
            watched: history.watched,
            left_out: history.left_out,
            stretches,
            addresses: history.addresses.iter().map(AnsweredShape::new).collect(),
        }
    }
}

impl<'a> StretchShape<'a> {
    fn new(history: &NameHistory, stretch: &'a Stretch) -> Self {
        Self {
            first_seen: Wall(stretch.first),
            last_seen: Wall(stretch.last),
            lookups: stretch.lookups,
            watched: stretch.watched,
            cached: stretch.cached,
            outcome: &stretch.outcome,
            detail: stretch.detail.as_deref(),
            resolver: &stretch.resolver,
            chain: stretch.chain.iter().map(Shown).collect(),
            addresses: stretch.addresses.iter().copied().collect(),
            countries: history.countries(stretch).into_iter().map(Shown).collect(),
            ttl: TtlShape::new(stretch.ttl),
            records: [stretch.records.0, stretch.records.1],
            changes: stretch.changes.iter().map(ChangeShape::new).collect(),
        }
    }
}

impl TtlShape {
    fn new(ttl: Option<(u32, u32)>) -> Self {
        Self { ttl_least: ttl.map(|(least, _)| least), ttl_most: ttl.map(|(_, most)| most) }
    }
}

impl<'a> ChangeShape<'a> {
    fn new(change: &'a NameChange) -> Self {
        let nothing = Self {
            what: change.word(),
            added: None,
            gone: None,
            former_chain: None,
            former_outcome: None,
            former_resolver: None,
        };
        match change {
            NameChange::Addresses { added, gone } => {
                Self { added: Some(added), gone: Some(gone), ..nothing }
            }
            NameChange::Chain(chain) => {
                Self { former_chain: Some(chain.iter().map(Shown).collect()), ..nothing }
            }
            NameChange::Outcome(outcome) => Self { former_outcome: Some(outcome), ..nothing },
            NameChange::Resolver(resolver) => Self { former_resolver: Some(resolver), ..nothing },
        }
    }
}

impl<'a> AnsweredShape<'a> {
    fn new(answered: &'a AddressAnswered) -> Self {
        let known = answered.annotation.as_deref();
        Self {
            address: answered.address,
            first_seen: Wall(answered.first),
            last_seen: Wall(answered.last),
            lookups: answered.lookups,
            watched: answered.watched,
            ttl: TtlShape::new(answered.ttl),
            country: known.and_then(|known| known.location.country()).map(Shown),
            countries: known.map(Countries).filter(|countries| !countries.is_empty()),
            anycast: known.is_some_and(|known| known.anycast),
            dialled: answered.dialled,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
