//! What other databases say of a destination's addresses, dated and beside what the session recorded:
//! those that are asked now, and those that `landfall review opinion` stored. A session's own opinion is
//! that of its databases; nothing here changes it.

use super::lookup;
use crate::error::Error;
use crate::output::colour::Ink;
use crate::output::page::Page;
use crate::output::row::{Column, Kind, Row};
use evidence::shape::{AddressShape, DestinationShape};
use flow::address::{DnsName, Host};
use flow::annotation::Annotation;
use geoip::policy::Policies;
use geoip::{Config, Databases, SetChoice};
use recorder::read::{DestinationKey, DestinationRow};
use recorder::record::session::SourceShape;
use recorder::record::value::Wall;
use recorder::review::{self, AddressOpinion, Reviews};
use serde::Serialize;
use std::fmt::Display;
use std::sync::Arc;

/// The answers of other databases than the session's.
pub(super) struct Opinion {
    /// Where it stands in the review log, if it does.
    stored: Option<Stored>,
    set: String,
    databases: Vec<SourceShape>,
    pub(super) answers: Vec<AddressOpinion>,
    pub(super) differences: Vec<Difference>,
}

struct Stored {
    seq: u64,
    at: Wall,
    reviewer: String,
}

/// A field that the two opinions fill differently.
#[derive(Serialize)]
pub(super) struct Difference {
    pub(super) address: String,
    pub(super) what: &'static str,
    /// In the session.
    pub(super) recorded: String,
    /// By the other databases.
    pub(super) also: String,
}

/// Another set of databases, to be asked with the policies that are in effect for the session.
pub(super) struct Other {
    databases: Databases,
    policies: Policies,
}

impl Other {
    pub(super) fn open(
        config: &Config,
        set: SetChoice,
        policies: &Policies,
    ) -> Result<Self, Error> {
        let policies = policies.clone();
        let config = Config { set, policies: policies.clone(), ..config.clone() };
        Ok(Self { databases: Databases::open(&config)?, policies })
    }

    pub(super) fn set(&self) -> String {
        self.databases.set().to_string()
    }

    pub(super) fn sources(&self) -> Vec<SourceShape> {
        self.databases.status().into_iter().map(SourceShape::from).collect()
    }

    /// Asks about every address of the destination.
    pub(super) fn ask(&self, row: &DestinationRow) -> Opinion {
        let names = names(row);
        let answer = |address| AddressOpinion {
            annotation: Arc::new(self.databases.annotate(address, &names, None)),
            names: names.clone(),
        };
        let answers: Vec<_> = row.addresses.iter().map(|seen| answer(seen.address)).collect();
        Opinion {
            stored: None,
            set: self.set(),
            databases: self.sources(),
            differences: compared(row, &answers, &self.policies),
            answers,
        }
    }
}

/// The one host of a destination and the names behind it.
pub(super) fn names(row: &DestinationRow) -> Vec<DnsName> {
    let host = match &row.key {
        DestinationKey::Host(Some(Host::Name(name))) => Some(name.clone()),
        _ => None,
    };
    host.into_iter().chain(row.cnames.iter().cloned()).collect()
}

impl Opinion {
    /// Those in the review log, the oldest first.
    pub(super) fn all_stored(
        reviews: &Reviews,
        row: &DestinationRow,
        policies: &Policies,
    ) -> Vec<Self> {
        let opinions = row.hosts.iter().flat_map(|host| reviews.opinions(host));
        let mut stored: Vec<Self> =
            opinions.filter_map(|opinion| Self::stored(opinion, row, policies)).collect();
        stored.sort_by_key(|opinion| opinion.stored.as_ref().map(|stored| stored.seq));
        stored
    }

    /// `None` when it is about none of the row's addresses.
    fn stored(
        opinion: review::Opinion<'_>,
        row: &DestinationRow,
        policies: &Policies,
    ) -> Option<Self> {
        let review::Opinion { record, given, mut addresses } = opinion;
        let seen = |about: &AddressOpinion| {
            row.addresses.iter().any(|seen| seen.address == about.annotation.address)
        };
        addresses.retain(seen);
        (!addresses.is_empty()).then(|| Self {
            stored: Some(Stored {
                seq: record.seq,
                at: Wall(record.at.wall),
                reviewer: given.reviewer.as_str().to_owned(),
            }),
            set: given.set.clone(),
            databases: given.databases.clone(),
            differences: compared(row, &addresses, policies),
            answers: addresses,
        })
    }

    /// For people.
    pub(super) fn fill(&self, page: &mut Page) {
        let set = short(&self.set);
        match &self.stored {
            None => page.section(&format!("Also asked: the databases of set {set}")),
            Some(Stored { seq, at, reviewer }) => {
                page.section(&format!("Later opinion: the databases of set {set}"));
                page.line("asked", format_args!("{at} for {reviewer} (review record {seq})"));
            }
        }
        for database in &self.databases {
            let built = database.built.as_deref().unwrap_or("no date");
            let hash = short(database.sha256.as_deref().unwrap_or_default());
            page.line(&database.name, format_args!("{built}, SHA-256 {hash}…"));
        }
        if self.differences.is_empty() {
            page.line("differs", "in nothing from what the session recorded");
        }
        let when = if self.stored.is_some() { "then" } else { "now" };
        for difference in &self.differences {
            let Difference { address, what, recorded, also } = difference;
            let text = format!("{address}, {what}: recorded {recorded}; {when} {also}");
            page.inked_line("differs", text, Ink::Notice);
        }
        for answer in &self.answers {
            lookup::facts(page, &answer.annotation);
            lookup::claims(page, &answer.annotation);
        }
    }
}

/// A destination with the opinions of other databases.
#[derive(Serialize)]
pub(super) struct WithOpinions<'a> {
    #[serde(flatten)]
    destination: DestinationShape<'a>,
    /// Those that were stored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    opinions: Vec<OpinionShape<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    also_with: Option<OpinionShape<'a>>,
}

#[derive(Serialize)]
struct OpinionShape<'a> {
    /// In the review log, as what follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Wall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewer: Option<&'a str>,
    set: &'a str,
    databases: &'a [SourceShape],
    addresses: Vec<AddressShape<'a>>,
    differences: &'a [Difference],
}

impl<'a> WithOpinions<'a> {
    pub(super) fn new(
        destination: DestinationShape<'a>,
        row: &DestinationRow,
        stored: &'a [Opinion],
        also: Option<&'a Opinion>,
    ) -> Self {
        let shape = |opinion| OpinionShape::new(opinion, row.simulated);
        let opinions = stored.iter().map(shape).collect();
        Self { destination, opinions, also_with: also.map(shape) }
    }
}

impl<'a> OpinionShape<'a> {
    fn new(opinion: &'a Opinion, simulated: bool) -> Self {
        let Opinion { stored, set, databases, answers, differences } = opinion;
        let address = |answer: &'a AddressOpinion| {
            AddressShape::new(&answer.annotation, &answer.names, simulated)
        };
        Self {
            seq: stored.as_ref().map(|stored| stored.seq),
            at: stored.as_ref().map(|stored| stored.at),
            reviewer: stored.as_ref().map(|stored| stored.reviewer.as_str()),
            set,
            databases,
            addresses: answers.iter().map(address).collect(),
            differences,
        }
    }
}

impl Row for WithOpinions<'_> {
    const COLUMNS: &'static [Column] = &with_opinions(DestinationShape::COLUMNS);
}

const fn with_opinions(columns: &[Column]) -> [Column; DestinationShape::COLUMNS.len() + 2] {
    let mut all = [Column::hidden("also_with", Kind::Text); DestinationShape::COLUMNS.len() + 2];
    let mut at = 0;
    while at < columns.len() {
        all[at] = columns[at];
        at += 1;
    }
    all[at] = Column::hidden("opinions", Kind::Text);
    all
}

/// In what the answers differ from those of the capture. Flags are compared by the same policies, so
/// that another policy is no other opinion; those that ask for a port are left out of both.
fn compared(
    row: &DestinationRow,
    answers: &[AddressOpinion],
    policies: &Policies,
) -> Vec<Difference> {
    let mut found = Vec::new();
    for AddressOpinion { annotation: also, names } in answers {
        let seen = row.addresses.iter().find(|seen| seen.address == also.address);
        let Some(recorded) = seen.and_then(|seen| seen.annotation.as_deref()) else { continue };
        found.extend(differences(recorded, also));
        let flags = |annotation| {
            let flags = policies.flags(annotation, names, None);
            let flags: Vec<_> = flags.iter().map(|flag| flag.policy.as_str()).collect();
            if flags.is_empty() { NOTHING.to_owned() } else { flags.join(", ") }
        };
        found.extend(difference(also, "flags", flags(recorded), flags(also)));
    }
    found
}

/// What an annotation says in one respect.
type Field = fn(&Annotation) -> String;

fn differences(recorded: &Annotation, also: &Annotation) -> Vec<Difference> {
    let fields: [(&'static str, Field); 6] = [
        ("location", |a| lookup::location(&a.location)),
        ("AS", |a| text(a.asn)),
        ("operator", |a| text(a.operator.as_ref().map(|operator| &operator.group))),
        ("registration of the address", |a| text(a.address_registered)),
        ("registration of the AS", |a| text(a.as_registered)),
        ("anycast", |a| if a.anycast { "yes" } else { "no" }.to_owned()),
    ];
    let differs = |(what, field): (_, Field)| difference(also, what, field(recorded), field(also));
    fields.into_iter().filter_map(differs).collect()
}

fn difference(
    about: &Annotation,
    what: &'static str,
    recorded: String,
    also: String,
) -> Option<Difference> {
    let address = about.address.to_string();
    (recorded != also).then_some(Difference { address, what, recorded, also })
}

fn text(value: Option<impl Display>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

const NOTHING: &str = "nothing";
