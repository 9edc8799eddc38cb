//! What people make of a session: the review log beside the record log, which is only read here. A
//! verdict is a person's; nothing here judges.

mod append;
mod capture;
mod opinions;
mod probes;
mod scan;
mod seen;

pub use append::ReviewWriter;
pub use opinions::{AddressOpinion, Opinion};
pub use probes::ImportedProbe;
pub use seen::{Difference, Seen};

use crate::directory::SessionDir;
use crate::error::{Error, ReviewFault};
use crate::read::{DestinationRow, Judged, Reviewed};
use crate::record::review::{ReviewBody, ReviewPolicy, ReviewRecord, ReviewVerdict};
use flow::address::Host;
use flow::id::SessionId;
use geoip::assess::Facts;
use geoip::policy::Policies;
use opinions::Opinions;
use scan::Scan;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The reviews of one session, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Reviews {
    records: Vec<ReviewRecord>,
    policies: Option<Policies>,
    unsigned: u64,
    torn: bool,
    probes: Vec<ImportedProbe>,
    opinions: Opinions,
}

impl Reviews {
    /// Reads a session's review log; without one there are no reviews. What the last checkpoint
    /// signed must be there as it was; an end that an interruption tore is left out.
    ///
    /// # Errors
    /// [`Error::RolledBack`] and [`Error::BadReview`] when it was changed.
    pub fn read(directory: &SessionDir, session: SessionId) -> Result<Self, Error> {
        let Scan { records, tree, signed, torn, .. } = Scan::read(directory, session)?;
        let unsigned = tree.size().saturating_sub(signed);
        Ok(Self { unsigned, torn, ..Self::of(directory, records)? })
    }

    fn of(directory: &SessionDir, records: Vec<ReviewRecord>) -> Result<Self, Error> {
        let newest = records.iter().rev().find_map(policy_of);
        let path = || directory.review_file();
        let understood = |policy: &ReviewPolicy| {
            let fault = ReviewFault::Policies;
            policy.policies().ok_or_else(|| Error::BadReview { path: path(), fault })
        };
        let policies = newest.map(understood).transpose()?;
        let probes =
            probes::imported(&records).map_err(|fault| Error::BadReview { path: path(), fault })?;
        let opinions = Opinions::of(&records)
            .ok_or_else(|| Error::BadReview { path: path(), fault: ReviewFault::Opinion })?;
        Ok(Self { records, policies, unsigned: 0, torn: false, probes, opinions })
    }

    /// Records at the end that no checkpoint covers.
    pub fn unsigned(&self) -> u64 {
        self.unsigned
    }

    /// Something follows the records that is none.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// The keys that it names, which signed it.
    pub fn keys(&self) -> impl Iterator<Item = [u8; 32]> {
        self.records.iter().filter_map(|record| match &record.body {
            ReviewBody::Open(open) => open.key.0.as_ref().try_into().ok(),
            ReviewBody::Key(key) => key.key.0.as_ref().try_into().ok(),
            _ => None,
        })
    }

    pub fn records(&self) -> &[ReviewRecord] {
        &self.records
    }

    /// Everything said of a destination.
    pub fn of_destination(&self, host: &Host) -> impl Iterator<Item = &ReviewRecord> {
        self.records.iter().filter(move |record| record.body.is_about(host))
    }

    /// The verdict that holds: the last one.
    pub fn verdict(&self, host: &Host) -> Option<(&ReviewRecord, &ReviewVerdict)> {
        let records: Vec<&ReviewRecord> = self.of_destination(host).collect();
        records.into_iter().rev().find_map(|record| match &record.body {
            ReviewBody::Verdict(verdict) => Some((record, verdict)),
            _ => None,
        })
    }

    /// What other databases said of a destination's addresses, in the order in which they were asked.
    pub fn opinions<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = Opinion<'a>> {
        self.opinions.about(&self.records, host)
    }

    /// What listings show of it.
    pub fn reviewed(&self) -> Reviewed {
        let verdicts = self.records.iter().filter_map(|record| match &record.body {
            ReviewBody::Verdict(given) => {
                let (verdict, reviewer) = (given.verdict.0, given.reviewer.as_str().to_owned());
                let judged = Judged { verdict, reviewer, at: record.at.wall };
                Some((given.destination.0.clone(), Arc::new(judged)))
            }
            _ => None,
        });
        Reviewed { verdicts: verdicts.collect(), policies: self.policies.clone() }
    }

    /// SHA-256, hex, of every file that was asked for an opinion.
    pub fn databases(&self) -> impl Iterator<Item = &str> {
        self.records
            .iter()
            .flat_map(|record| match &record.body {
                ReviewBody::Opinion(given) => given.databases.as_slice(),
                _ => &[],
            })
            .filter_map(|source| source.sha256.as_deref())
    }

    /// The facts with what other databases said later.
    pub fn with_opinions(&self, facts: Facts) -> Facts {
        self.opinions.beside(facts)
    }

    /// The hosts that somebody judged.
    pub fn judged(&self) -> impl Iterator<Item = &Host> {
        self.records.iter().filter_map(|record| match &record.body {
            ReviewBody::Verdict(verdict) => Some(&verdict.destination.0),
            _ => None,
        })
    }

    /// The policies that were put beside those at capture last.
    pub fn policies(&self) -> Option<&Policies> {
        self.policies.as_ref()
    }

    /// The record of them.
    pub fn newest_policy(&self) -> Option<&ReviewRecord> {
        self.records.iter().rev().find(|record| policy_of(record).is_some())
    }

    /// The probes that were imported: of each file the last record.
    pub fn probes(&self) -> &[ImportedProbe] {
        &self.probes
    }

    /// Adds what they measured to the facts about a destination: of the same addresses, asked for as
    /// the same host, at one of the ports that the session used. Whatever else they measured says
    /// nothing about it.
    pub fn add_probes(&self, facts: &mut Facts, row: &DestinationRow, ports: &BTreeSet<u16>) {
        probes::add(&self.probes, facts, row, ports);
    }
}

fn policy_of(record: &ReviewRecord) -> Option<&ReviewPolicy> {
    match &record.body {
        ReviewBody::Policy(policy) => Some(policy),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
