//! Two sessions side by side: which destinations only one of them has, and in what those of both differ.
//! Facts beside facts; which difference matters is not judged here.

use super::destination::{DestinationKey, DestinationRow};
use flow::assessment::{LocationLevel, OperatorLevel};
use std::collections::BTreeMap;

/// One respect in which two sessions differ about a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub destination: DestinationKey,
    pub kind: DifferenceKind,
    /// The key of a destination's row that differs.
    pub what: &'static str,
    pub a: Compared,
    pub b: Compared,
}

/// What a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DifferenceKind {
    OnlyInA,
    OnlyInB,
    /// Addresses, what the databases say of them, levels, flags.
    Claims,
    /// How often, how much, and how it was treated.
    Traffic,
}

impl DifferenceKind {
    /// The word for tables and files.
    pub fn word(self) -> &'static str {
        match self {
            Self::OnlyInA => "only-in-a",
            Self::OnlyInB => "only-in-b",
            Self::Claims => "claims",
            Self::Traffic => "traffic",
        }
    }
}

/// What one session has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    Count(u64),
    /// In alphabetical order; empty where it has nothing.
    Texts(Vec<String>),
}

/// Which respects are looked at beside whether a destination is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Respects {
    ClaimsAndTraffic,
    /// Amounts differ between any two runs.
    Claims,
}

/// The differences in the order of the destinations' keys; empty when there are none.
pub fn compare(a: &[DestinationRow], b: &[DestinationRow], respects: Respects) -> Vec<Difference> {
    let mut sides: BTreeMap<&DestinationKey, [Option<&DestinationRow>; 2]> = BTreeMap::new();
    for row in a {
        sides.entry(&row.key).or_default()[0] = Some(row);
    }
    for row in b {
        sides.entry(&row.key).or_default()[1] = Some(row);
    }
    let mut differences = Vec::new();
    for (key, side) in sides {
        let mut say = |kind, what, a, b| {
            differences.push(Difference { destination: key.clone(), kind, what, a, b });
        };
        let connections = |row: &DestinationRow| Compared::Count(row.connections);
        let none = Compared::Count(0);
        match side {
            [Some(a), Some(b)] => {
                for (kind, what, read) in RESPECTS {
                    let (of_a, of_b) = (read(a), read(b));
                    let counts =
                        respects == Respects::ClaimsAndTraffic || *kind != DifferenceKind::Traffic;
                    if counts && of_a != of_b {
                        say(*kind, *what, of_a, of_b);
                    }
                }
            }
            [Some(a), None] => say(DifferenceKind::OnlyInA, "connections", connections(a), none),
            [None, Some(b)] => say(DifferenceKind::OnlyInB, "connections", none, connections(b)),
            [None, None] => {}
        }
    }
    differences
}

/// Reads one respect of a destination.
type Read = fn(&DestinationRow) -> Compared;

/// In the order in which they are told.
const RESPECTS: &[(DifferenceKind, &str, Read)] = {
    use DifferenceKind::{Claims, Traffic};
    &[
        (Claims, "addresses", |row| texts(row.addresses.iter().map(|seen| seen.address))),
        (Claims, "cnames", |row| texts(&row.cnames)),
        (Claims, "country", |row| texts(row.country.all())),
        (Claims, "countries", |row| {
            let of = |(source, countries): &(String, Vec<_>)| {
                countries.iter().map(|country| format!("{source} {country}")).collect::<Vec<_>>()
            };
            texts(row.countries.iter().flat_map(of))
        }),
        (Claims, "asn", |row| texts(row.asn.all())),
        (Claims, "as_name", |row| texts(row.as_name.all())),
        (Claims, "operator", |row| texts(row.operator.all().iter().map(|o| &o.group))),
        (Claims, "operator_country", |row| {
            texts(row.operator.all().iter().filter_map(|operator| operator.headquarters))
        }),
        (Claims, "registered_country", |row| texts(row.registered_country.all())),
        (Claims, "as_registered_country", |row| texts(row.as_registered_country.all())),
        (Claims, "anycast", |row| texts([if row.anycast { "yes" } else { "no" }])),
        (Claims, "contact", |row| texts([row.contact.code()])),
        (Claims, "operator_level", |row| texts(row.operator_level.map(OperatorLevel::code))),
        (Claims, "location_level", |row| texts(row.location_level.map(LocationLevel::code))),
        (Claims, "content_level", |row| texts([row.content_level.code()])),
        (Claims, "flags", |row| {
            let reasons = row.flags.iter().flat_map(|flag| {
                flag.reasons.iter().map(move |reason| format!("{}: {reason}", flag.policy))
            });
            texts(reasons)
        }),
        (Traffic, "connections", |row| Compared::Count(row.connections)),
        (Traffic, "flows", |row| Compared::Count(row.flows)),
        (Traffic, "bytes_up", |row| Compared::Count(row.bytes_up)),
        (Traffic, "bytes_down", |row| Compared::Count(row.bytes_down)),
        (Traffic, "treatment", |row| {
            texts(row.treatments.iter().map(|(kind, count)| format!("{} {count}", kind.word())))
        }),
    ]
};

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Compared {
    let mut texts: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    texts.sort();
    texts.dedup();
    Compared::Texts(texts)
}
