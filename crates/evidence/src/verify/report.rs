//! What a check came to: one line for each question.

use flow::id::SessionId;
use recorder::audit::{Clause, Findings, Weight};

/// The answers to all questions.
#[derive(Clone, Debug)]
pub struct Report {
    pub session: Option<SessionId>,
    pub records: u64,
    /// In the order of [`Question`].
    pub lines: Vec<Line>,
}

impl Report {
    /// Of what is no bundle at all, and why.
    pub fn of_none(why: impl Into<String>) -> Self {
        let not_looked_at = |question: &Question| {
            Line::new(*question, Answer::NotProven, "not looked at: there is no bundle to look at")
        };
        let mut lines: Vec<Line> = Question::ALL.iter().map(not_looked_at).collect();
        if let Some(first) = lines.first_mut() {
            *first = Line::new(Question::Integrity, Answer::Fail, why);
        }
        Self { session: None, records: 0, lines }
    }

    /// The worst answer of all.
    pub fn worst(&self) -> Answer {
        self.lines.iter().map(|line| line.answer).max().unwrap_or(Answer::NotProven)
    }
}

/// What is asked of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// Are these the bytes that were signed?
    Integrity,
    /// Is all there that was seen?
    Completeness,
    /// Did it happen in this order?
    Order,
    /// Whose keys signed?
    Identity,
    /// When was it there at the latest?
    Time,
    /// Did the servers take part, whose certificates were shown?
    Servers,
    /// Does what was made of it follow from it?
    Derived,
    /// Does everything that cites something cite what is there?
    Trace,
}

impl Question {
    /// In the order in which they are answered.
    pub const ALL: [Self; 8] = [
        Self::Integrity,
        Self::Completeness,
        Self::Order,
        Self::Identity,
        Self::Time,
        Self::Servers,
        Self::Derived,
        Self::Trace,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Integrity => "INTEGRITY",
            Self::Completeness => "COMPLETENESS",
            Self::Order => "ORDER",
            Self::Identity => "IDENTITY",
            Self::Time => "TIME",
            Self::Servers => "SERVERS",
            Self::Derived => "DERIVED",
            Self::Trace => "TRACE",
        }
    }
}

/// From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    Pass,
    NotProven,
    Fail,
}

impl Answer {
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::NotProven => "NOT PROVEN",
            Self::Fail => "FAIL",
        }
    }
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub question: Question,
    pub answer: Answer,
    /// What it comes to, or why: a clause without a full stop.
    pub what: String,
    /// Single findings, each with its place.
    pub findings: Vec<(String, String)>,
    /// How many more there are.
    pub more: u64,
}

impl Line {
    pub(super) fn new(question: Question, answer: Answer, what: impl Into<String>) -> Self {
        Self { question, answer, what: what.into(), findings: Vec::new(), more: 0 }
    }

    /// The line of what was found about one question; `passes` is said where nothing was.
    pub(super) fn of_findings(
        question: Question,
        clause: Clause,
        all: &Findings,
        passes: &str,
    ) -> Self {
        let of_clause = || all.kept().iter().filter(|found| found.clause == clause);
        let answer = match all.worst(clause) {
            None => return Self::new(question, Answer::Pass, passes),
            Some(Weight::Fails) => Answer::Fail,
            Some(Weight::NotProven) => Answer::NotProven,
        };
        let worst = all.worst(clause);
        let mut found = of_clause().filter(|found| Some(found.weight) == worst);
        let what = match (found.next(), found.next()) {
            (Some(only), None) => format!("{}: {}", only.place, only.what),
            (Some(first), Some(_)) => format!("{}: {}, and more", first.place, first.what),
            (None, _) => String::new(),
        };
        let findings: Vec<_> =
            of_clause().map(|found| (found.place.to_string(), found.what.clone())).collect();
        let findings = if findings.len() > 1 { findings } else { Vec::new() };
        Self { question, answer, what, findings, more: all.not_kept() }
    }
}
