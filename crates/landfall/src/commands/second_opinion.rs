//! What another set of databases says of a destination's addresses, dated and beside what the session
//! recorded. It is printed and changes nothing: a session's own opinion is that of its databases.

use super::lookup;
use crate::error::Error;
use crate::output::colour::Ink;
use crate::output::page::Page;
use crate::output::row::{Column, Kind, Row};
use evidence::shape::{AddressShape, DestinationShape};
use flow::address::{DnsName, Host};
use flow::annotation::Annotation;
use geoip::{Config, DatabaseStatus, Databases, SetChoice};
use recorder::read::{DestinationKey, DestinationRow};
use serde::Serialize;
use std::fmt::Display;

/// The answers of another set.
pub(super) struct Opinion {
    set: String,
    databases: Vec<DatabaseStatus>,
    names: Vec<DnsName>,
    answers: Vec<Annotation>,
    differences: Vec<Difference>,
}

/// A field that the two opinions fill differently.
#[derive(Serialize)]
struct Difference {
    address: String,
    what: &'static str,
    /// In the session.
    recorded: String,
    /// By the other set.
    also: String,
}

impl Opinion {
    /// Asks the set about every address of the destination.
    pub(super) fn ask(
        config: &Config,
        set: SetChoice,
        row: &DestinationRow,
    ) -> Result<Self, Error> {
        let databases = Databases::open(&Config { set, ..config.clone() })?;
        let host = match &row.key {
            DestinationKey::Host(Some(Host::Name(name))) => Some(name.clone()),
            _ => None,
        };
        let names: Vec<_> = host.into_iter().chain(row.cnames.iter().cloned()).collect();
        let mut opinion = Self {
            set: databases.set().to_string(),
            databases: databases.status(),
            names,
            answers: Vec::new(),
            differences: Vec::new(),
        };
        for seen in &row.addresses {
            let answer = databases.annotate(seen.address, &opinion.names, None);
            if let Some(recorded) = seen.annotation.as_deref() {
                opinion.differences.extend(differences(recorded, &answer));
            }
            opinion.answers.push(answer);
        }
        Ok(opinion)
    }

    /// For people.
    pub(super) fn fill(&self, page: &mut Page) {
        page.section(&format!("Also asked: the databases of set {}", short(&self.set)));
        for database in &self.databases {
            let built = database.built.as_deref().unwrap_or("no date");
            let hash = short(&database.sha256);
            page.line(&database.name, format_args!("{built}, SHA-256 {hash}…"));
        }
        if self.differences.is_empty() {
            page.line("differs", "in nothing from what the session recorded");
        }
        for difference in &self.differences {
            let Difference { address, what, recorded, also } = difference;
            let text = format!("{address}, {what}: recorded {recorded}; now {also}");
            page.inked_line("differs", text, Ink::Notice);
        }
        for answer in &self.answers {
            lookup::facts(page, answer);
            lookup::claims(page, answer);
        }
    }
}

/// A destination with another set's opinion.
#[derive(Serialize)]
pub(super) struct WithOpinion<'a> {
    #[serde(flatten)]
    destination: DestinationShape<'a>,
    also_with: OpinionShape<'a>,
}

#[derive(Serialize)]
struct OpinionShape<'a> {
    set: &'a str,
    databases: Vec<DatabaseShape<'a>>,
    addresses: Vec<AddressShape<'a>>,
    differences: &'a [Difference],
}

#[derive(Serialize)]
struct DatabaseShape<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<&'a str>,
    sha256: &'a str,
}

impl<'a> WithOpinion<'a> {
    pub(super) fn new(
        destination: DestinationShape<'a>,
        row: &DestinationRow,
        opinion: &'a Opinion,
    ) -> Self {
        let database = |status: &'a DatabaseStatus| DatabaseShape {
            name: &status.name,
            built: status.built.as_deref(),
            sha256: &status.sha256,
        };
        let address = |answer| AddressShape::new(answer, &opinion.names, row.simulated);
        Self {
            destination,
            also_with: OpinionShape {
                set: &opinion.set,
                databases: opinion.databases.iter().map(database).collect(),
                addresses: opinion.answers.iter().map(address).collect(),
                differences: &opinion.differences,
            },
        }
    }
}

impl Row for WithOpinion<'_> {
    const COLUMNS: &'static [Column] = &with_opinion(DestinationShape::COLUMNS);
}

const fn with_opinion(columns: &[Column]) -> [Column; DestinationShape::COLUMNS.len() + 1] {
    let mut all = [Column::hidden("also_with", Kind::Text); DestinationShape::COLUMNS.len() + 1];
    let mut at = 0;
    while at < columns.len() {
        all[at] = columns[at];
        at += 1;
    }
    all
}

/// What an annotation says in one respect.
type Field = fn(&Annotation) -> String;

fn differences(recorded: &Annotation, also: &Annotation) -> Vec<Difference> {
    let fields: [(&'static str, Field); 7] = [
        ("location", |a| lookup::location(&a.location)),
        ("AS", |a| text(a.asn)),
        ("operator", |a| text(a.operator.as_ref().map(|operator| &operator.group))),
        ("registration of the address", |a| text(a.address_registered)),
        ("registration of the AS", |a| text(a.as_registered)),
        ("anycast", |a| if a.anycast { "yes" } else { "no" }.to_owned()),
        ("flags", |a| {
            let flags: Vec<_> = a.flags.iter().map(|flag| flag.policy.as_str()).collect();
            if flags.is_empty() { NOTHING.to_owned() } else { flags.join(", ") }
        }),
    ];
    let mut found = Vec::new();
    for (what, field) in fields {
        let (recorded_text, also_text) = (field(recorded), field(also));
        if recorded_text != also_text {
            found.push(Difference {
                address: also.address.to_string(),
                what,
                recorded: recorded_text,
                also: also_text,
            });
        }
    }
    found
}

fn text(value: Option<impl Display>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

const NOTHING: &str = "nothing";
