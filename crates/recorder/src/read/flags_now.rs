//! Which connections the policies flag that hold now, for the filter. The flags of rows are worked out with
//! the rows.

use super::annotations::Annotations;
use super::error::ReadError;
use super::records::Records;
use super::reviewed::{Reviewed, json};
use flow::filter::{Filter, Pattern, Term};

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
        let pairs: Vec<(i64, Option<i64>)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(failed)?;
        let mut all = Vec::new();
        for (number, port) in pairs {
            let Some(assessed) = annotations.get(records, number)? else { continue };
            let of_port = port.and_then(|port| u16::try_from(port).ok());
            let flags = reviewed.flags(&assessed.annotation, &assessed.names, of_port);
            let flags = flags.unwrap_or_default();
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

fn place(assessment: i64, port: Option<i64>) -> String {
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
