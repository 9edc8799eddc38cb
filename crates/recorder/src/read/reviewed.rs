//! What a review adds to listings: the verdict on each host, and the flags by policies that were put beside
//! those at capture. It is handed over with a query; the review log itself is read elsewhere.

use super::annotations::{Annotations, Assessed};
use super::error::ReadError;
use super::listing::count;
use super::records::Records;
use flow::address::Host;
use flow::annotation::Flag;
use flow::filter::{Filter, Pattern, Term};
use flow::time::WallNanos;
use flow::verdict::Verdict;
use geoip::policy::Policies;
use std::collections::HashMap;
use std::sync::Arc;

/// Nothing unless somebody reviewed.
#[derive(Clone, Debug, Default)]
pub struct Reviewed {
    /// The verdict that holds, by host.
    pub verdicts: HashMap<Host, Arc<Judged>>,
    /// Policies to be evaluated again, beside those at capture.
    pub policies: Option<Policies>,
}

/// A verdict, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub verdict: Verdict,
    pub reviewer: String,
    pub at: WallNanos,
}

impl Reviewed {
    /// The verdict on a host, where there is one.
    pub(super) fn judged(&self, host: Option<&Host>) -> Option<Arc<Judged>> {
        self.verdicts.get(host?).cloned()
    }

    /// The flags of a connection to this port, where there are policies beside those at capture.
    pub(super) fn flags(&self, assessed: &Assessed, port: Option<u16>) -> Option<Vec<Flag>> {
        let policies = self.policies.as_ref()?;
        Some(policies.flags(&assessed.annotation, &assessed.names, port))
    }

    /// The hosts with one of these verdicts, as a JSON list.
    pub(super) fn hosts(&self, is_one: impl Fn(Verdict) -> bool) -> String {
        let judged = self.verdicts.iter().filter(|(_, judged)| is_one(judged.verdict));
        json(judged.map(|(host, _)| host.to_string()))
    }
}

/// The policies' names by which each assessment is flagged now, for each port of its connections.
#[derive(Debug, Default)]
pub(super) struct FlagsNow {
    all: Vec<(String, Vec<String>)>,
}

impl FlagsNow {
    /// `None` when the filter does not ask for them, or they are those at capture.
    pub(super) fn asked(
        filter: &Filter,
        records: &Records<'_>,
        annotations: &Annotations,
        reviewed: &Reviewed,
    ) -> Result<Option<Self>, ReadError> {
        if reviewed.policies.is_none() || !asks(filter) {
            return Ok(None);
        }
        let failed = |source| records.failed(source);
        let sql = "SELECT DISTINCT assessment, port FROM connections WHERE assessment IS NOT NULL";
        let mut statement = records.db.prepare(sql).map_err(failed)?;
        let pairs: Vec<(i64, Option<u64>)> = statement
            .query_map([], |row| Ok((row.get(0)?, count(row, 1)?)))
            .and_then(Iterator::collect)
            .map_err(failed)?;
        let mut all = Vec::new();
        for (number, port) in pairs {
            let Some(assessed) = annotations.get(records, number)? else { continue };
            let of_port = port.and_then(|port| u16::try_from(port).ok());
            let flags = reviewed.flags(&assessed, of_port).unwrap_or_default();
            if !flags.is_empty() {
                let names = flags.into_iter().map(|flag| flag.policy).collect();
                all.push((place(number, port), names));
            }
        }
        Ok(Some(Self { all }))
    }

    /// Where a policy flags whose name is the pattern, as a JSON list of [`PLACE`]s.
    pub(super) fn places(&self, pattern: &Pattern) -> String {
        let flagged =
            self.all.iter().filter(|(_, names)| names.iter().any(|n| pattern.is_whole(n)));
        json(flagged.map(|(place, _)| place.clone()))
    }
}

/// The assessment of a row of the listing with its port, as one text.
pub(super) const PLACE: &str = "(listing.assessment || ':' || coalesce(listing.port, ''))";

fn place(assessment: i64, port: Option<u64>) -> String {
    let port = port.map_or_else(String::new, |port| port.to_string());
    format!("{assessment}:{port}")
}

fn asks(filter: &Filter) -> bool {
    match filter {
        Filter::All => false,
        Filter::And(parts) | Filter::Or(parts) => parts.iter().any(asks),
        Filter::Not(inner) => asks(inner),
        Filter::Term(term) => matches!(term, Term::FlagNow(_)),
    }
}

fn json(texts: impl Iterator<Item = String>) -> String {
    serde_json::Value::from_iter(texts).to_string()
}
