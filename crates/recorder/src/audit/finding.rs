//! What an audit finds, and which question each finding is about.

use std::fmt;

/// A question about a session, each answered apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clause {
    /// Are these the bytes that were signed?
    Integrity,
    /// Is all there that was seen?
    Completeness,
    /// Did it happen in this order?
    Order,
    /// Does everything that cites something cite what is there?
    Trace,
}

/// What a finding means for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// It is contradicted.
    Fails,
    /// It is not contradicted, and cannot be shown.
    NotProven,
}

/// Where in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Session,
    /// A record of the log.
    Record(u64),
    /// A file of the session, and a byte of it.
    File {
        name: String,
        offset: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session => f.write_str("session"),
            Self::Record(seq) => write!(f, "record {seq}"),
            Self::File { name, offset: 0 } => f.write_str(name),
            Self::File { name, offset } => write!(f, "{name}, byte {offset}"),
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub clause: Clause,
    pub weight: Weight,
    pub place: Place,
    /// A clause without a full stop.
    pub what: String,
}

/// Findings, of which each kind is counted and the first ones are kept.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    not_kept: u64,
}

impl Findings {
    /// Those that are kept, in the order in which they were found.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many more there were.
    pub fn not_kept(&self) -> u64 {
        self.not_kept
    }

    pub fn add(&mut self, clause: Clause, weight: Weight, place: Place, what: impl Into<String>) {
        let same = self.kept.iter().filter(|f| (f.clause, f.weight) == (clause, weight)).count();
        if same < MOST_KEPT {
            self.kept.push(Finding { clause, weight, place, what: what.into() });
        } else {
            self.not_kept += 1;
        }
    }

    /// The worst that was found about a question; `None` when nothing was.
    pub fn worst(&self, clause: Clause) -> Option<Weight> {
        self.kept.iter().filter(|found| found.clause == clause).map(|found| found.weight).min()
    }
}

/// Of each question and weight. A changed file can make every record of it wrong.
const MOST_KEPT: usize = 50;
