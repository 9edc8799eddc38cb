//! Whether a condition holds of an address, and why: each reason apart, none weighed against
//! another. Every claim counts, those that something else stands above included.

use crate::source_name;
use flow::address::{DnsName, Host, unwrapped};
use flow::annotation::{Annotation, FlagReason, Location};
use flow::claim::{Asn, Claim, Confidence, Country, Operator, Source, Statement};
use flow::filter::{Filter, Pattern, Place, Term};
use std::collections::BTreeSet;

/// What a condition is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) annotation: &'a Annotation,
    pub(super) names: &'a [DnsName],
    /// `None`: not known, which is neither yes nor no.
    pub(super) port: Option<u16>,
    /// The location databases that were asked, answered or not.
    pub(super) asked: usize,
}

/// An answer to a condition.
enum Truth {
    /// With the reasons, never none.
    Yes(Vec<FlagReason>),
    No,
    /// It depends on what is not known.
    Open,
}

impl Subject<'_> {
    /// Why the condition holds: the better founded first, each once. `None` when it does not.
    pub(super) fn reasons(&self, condition: &Filter) -> Option<Vec<FlagReason>> {
        let Truth::Yes(mut found) = self.truth(condition) else { return None };
        found.sort_by_key(rank);
        let mut reasons: Vec<FlagReason> = Vec::new();
        for reason in found {
            // Two names in one zone, or two sources with one answer, are one reason.
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        Some(reasons)
    }

    fn truth(&self, condition: &Filter) -> Truth {
        match condition {
            Filter::All => Truth::No,
            Filter::And(parts) => self.all(parts),
            Filter::Or(parts) => self.any(parts),
            Filter::Not(inner) => match self.truth(inner) {
                Truth::Yes(_) => Truth::No,
                Truth::No => Truth::Yes(vec![FlagReason::Not { condition: inner.to_string() }]),
                Truth::Open => Truth::Open,
            },
            Filter::Term(term) => match self.term(term) {
                Some(reasons) if reasons.is_empty() => Truth::No,
                Some(reasons) => Truth::Yes(reasons),
                None => Truth::Open,
            },
        }
    }

    fn all(&self, parts: &[Filter]) -> Truth {
        let mut reasons = Vec::new();
        let mut open = false;
        for part in parts {
            match self.truth(part) {
                Truth::Yes(more) => reasons.extend(more),
                Truth::No => return Truth::No,
                Truth::Open => open = true,
            }
        }
        if open { Truth::Open } else { Truth::Yes(reasons) }
    }

    fn any(&self, parts: &[Filter]) -> Truth {
        let mut reasons = Vec::new();
        let mut open = false;
        for part in parts {
            match self.truth(part) {
                Truth::Yes(more) => reasons.extend(more),
                Truth::No => {}
                Truth::Open => open = true,
            }
        }
        match (reasons.is_empty(), open) {
            (false, _) => Truth::Yes(reasons),
            (true, true) => Truth::Open,
            (true, false) => Truth::No,
        }
    }

    /// The reasons for which a term holds; none when it does not; `None` when that is not known.
    fn term(&self, term: &Term) -> Option<Vec<FlagReason>> {
        Some(match term {
            Term::Location(places) => places.iter().flat_map(|place| self.place(*place)).collect(),
            Term::Country(countries) => match self.annotation.location.country() {
                Some(country) if countries.contains(&country) => self.located(country),
                _ => Vec::new(),
            },
            Term::OperatorCountry(countries) => self.seated(countries),
            Term::Operator(patterns) => self.operated(patterns),
            Term::Registered(countries) => self.each_claim(|claim| match claim.statement {
                Statement::AddressRegistered(country) if countries.contains(&country) => {
                    Some(FlagReason::AddressRegistered { country })
                }
                _ => None,
            }),
            Term::AsRegistered(countries) => self.each_claim(|claim| match claim.statement {
                Statement::AsRegistered(country) if countries.contains(&country) => {
                    let asn = self.origin_by(&claim.source);
                    Some(FlagReason::AsRegistered { country, asn })
                }
                _ => None,
            }),
            Term::Asn(asns) => self.each_claim(|claim| match &claim.statement {
                Statement::OriginAs { asn, name } if asns.contains(asn) => {
                    Some(FlagReason::Announced { asn: *asn, name: name.clone() })
                }
                _ => None,
            }),
            Term::Cname(zones) => self.aliases(zones),
            Term::Host(patterns) => {
                let host = match self.names.first() {
                    Some(name) => Host::Name(name.clone()),
                    None => Host::Ip(self.annotation.address),
                };
                let text = host.to_string();
                let named = patterns.iter().any(|pattern| pattern.is_whole(&text));
                named.then_some(FlagReason::Host(host)).into_iter().collect()
            }
            Term::Address(networks) => {
                let address = unwrapped(self.annotation.address);
                let around = networks.iter().filter(|network| network.contains(address));
                around.map(|network| FlagReason::Within(*network)).collect()
            }
            Term::Port(spans) => {
                let port = self.port?;
                let within = spans.iter().any(|s| (s.from..=s.to).contains(&u64::from(port)));
                within.then_some(FlagReason::Port(port)).into_iter().collect()
            }
            Term::Anycast(wanted) => {
                let is_so = match (self.annotation.anycast, wanted) {
                    (true, true) => Some(FlagReason::Anycast),
                    (false, false) => {
                        Some(FlagReason::Not { condition: Term::Anycast(true).to_string() })
                    }
                    _ => None,
                };
                is_so.into_iter().collect()
            }
            // No condition holds any other.
            _ => Vec::new(),
        })
    }

    fn each_claim(&self, reason: impl Fn(&Claim) -> Option<FlagReason>) -> Vec<FlagReason> {
        self.annotation.claims.iter().filter_map(reason).collect()
    }

    fn place(&self, place: Place) -> Vec<FlagReason> {
        let location = &self.annotation.location;
        match (place, location) {
            (Place::Says(country), _) => self.located(country),
            (Place::Agreed, location) => {
                location.country().map(|country| self.located(country)).unwrap_or_default()
            }
            (Place::Disagreed, Location::Disagreed { answers, .. }) => {
                vec![FlagReason::Disagreed { answers: answers.clone() }]
            }
            (Place::Unknown, Location::Unknown) => vec![FlagReason::Unplaced],
            (Place::Disagreed | Place::Unknown, _) => Vec::new(),
        }
    }

    /// Who places it in the country: the analyst, and how many of the databases.
    fn located(&self, country: Country) -> Vec<FlagReason> {
        let placing = |claim: &&Claim| claim.statement == Statement::Located(country);
        let (overridden, databases): (Vec<&Claim>, Vec<&Claim>) =
            self.annotation.claims.iter().filter(placing).partition(|claim| is_override(claim));
        // A database answers once.
        let (saying, asked) = (databases.len(), self.asked);
        let by_override =
            (!overridden.is_empty()).then_some(FlagReason::LocatedByOverride { country });
        let by_databases = (saying > 0).then_some(FlagReason::Located { country, saying, asked });
        by_override.into_iter().chain(by_databases).collect()
    }

    fn seated(&self, countries: &[Country]) -> Vec<FlagReason> {
        self.each_claim(|claim| {
            let operator = operator(claim)?;
            let country = operator.headquarters.filter(|seat| countries.contains(seat))?;
            let (group, confidence) = (operator.group.clone(), operator.confidence);
            Some(FlagReason::Operated { country, group, confidence })
        })
    }

    fn operated(&self, patterns: &[Pattern]) -> Vec<FlagReason> {
        self.each_claim(|claim| {
            let Operator { group, confidence, .. } = operator(claim)?;
            let named = patterns.iter().any(|pattern| pattern.is_part(group));
            let (group, confidence) = (group.clone(), *confidence);
            named.then_some(FlagReason::OperatedBy { group, confidence })
        })
    }

    fn aliases(&self, zones: &[DnsName]) -> Vec<FlagReason> {
        let within = |name: &DnsName| {
            let zone = zones.iter().find(|zone| name.is_within(zone.as_str()))?;
            Some(FlagReason::Alias { name: name.clone(), zone: zone.clone() })
        };
        self.names.iter().filter_map(within).collect()
    }

    /// The AS that a source names. Sources can differ in it, and then in what they say of it.
    fn origin_by(&self, source: &Source) -> Option<Asn> {
        self.annotation.claims.iter().find_map(|claim| match claim.statement {
            Statement::OriginAs { asn, .. } if *claim.source == *source => Some(asn),
            _ => None,
        })
    }
}

/// How many location databases were asked, as far as an annotation tells: where the analyst's word
/// stands above them it says so in a flag or not at all, and then those that answered are counted.
pub(super) fn asked(annotation: &Annotation) -> usize {
    let of_flags = || {
        let mut reasons = annotation.flags.iter().flat_map(|flag| &flag.reasons);
        reasons.find_map(|reason| match reason {
            FlagReason::Located { asked, .. } => Some(*asked),
            _ => None,
        })
    };
    match &annotation.location {
        Location::Agreed { asked, .. } | Location::Disagreed { asked, .. } => *asked,
        Location::Overridden { .. } | Location::Unknown => of_flags().unwrap_or_else(|| {
            let answered: BTreeSet<&str> = annotation
                .claims
                .iter()
                .filter(|claim| {
                    matches!(claim.statement, Statement::Located(_)) && !is_override(claim)
                })
                .map(|claim| claim.source.name.as_str())
                .collect();
            answered.len()
        }),
    }
}

fn operator(claim: &Claim) -> Option<&Operator> {
    match &claim.statement {
        Statement::Operator(operator) => Some(operator),
        _ => None,
    }
}

fn is_override(claim: &Claim) -> bool {
    claim.source.name == source_name::OVERRIDE
}

/// Located before operated before registered, the better founded first.
fn rank(reason: &FlagReason) -> u8 {
    let operated = |confidence: &Confidence| 1 + *confidence as u8;
    match reason {
        FlagReason::LocatedByOverride { .. }
        | FlagReason::Located { .. }
        | FlagReason::Disagreed { .. }
        | FlagReason::Unplaced => 0,
        FlagReason::Operated { confidence, .. } | FlagReason::OperatedBy { confidence, .. } => {
            operated(confidence)
        }
        FlagReason::AddressRegistered { .. } => 4,
        FlagReason::AsRegistered { .. } => 5,
        FlagReason::Announced { .. } => 6,
        FlagReason::Alias { .. } => 7,
        FlagReason::Host(_) => 8,
        FlagReason::Within(_) => 9,
        FlagReason::Port(_) => 10,
        FlagReason::Anycast => 11,
        FlagReason::Not { .. } => 12,
    }
}
