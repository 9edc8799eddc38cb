//! A destination as it stands in review: a line of `landfall review list`.

use super::flag::{self, FlagReasons};
use super::{SCHEMA, Shown};
use flow::address::Host;
use flow::assessment::{LocationLevel, OperatorLevel};
use recorder::read::DestinationRow;
use recorder::record::review::{ReviewBody, ReviewRecord, ReviewVerdict, SentenceShape};
use recorder::record::value::Wall;
use recorder::review::Difference;
use serde::Serialize;
use std::borrow::Cow;

/// Where a destination stands in review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewState {
    /// Nobody has judged it.
    Unreviewed,
    /// The verdict was given on what is known today.
    Reviewed,
    /// Something else is known today than the reviewer saw.
    Reopened,
}

impl ReviewState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Unreviewed => "unreviewed",
            Self::Reviewed => "reviewed",
            Self::Reopened => "reopened",
        }
    }
}

/// A destination's flags and levels, with the verdict that holds.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewShape<'a> {
    schema: u32,
    host: Shown<&'a Host>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewed_at: Option<Wall>,
    /// Those at capture.
    flags: Vec<&'a str>,
    /// By the policies of the newest `landfall review reflag`, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    flags_now: Option<Vec<&'a str>>,
    flag_reasons: FlagReasons<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    contact: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location_level: Option<&'static str>,
    content_level: &'static str,
    /// What is known today and was not when the verdict was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    new: Vec<String>,
    /// What was known then and is no more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone: Vec<String>,
    /// Of one destination alone, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<ReviewRecordShape<'a>>>,
    #[serde(skip_serializing_if = "super::is_false")]
    simulated: bool,
}

/// One record of the review log.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewRecordShape<'a> {
    seq: u64,
    at: Wall,
    kind: &'static str,
    body: Cow<'a, ReviewBody>,
}

impl<'a> ReviewShape<'a> {
    /// `verdict` is the one that holds, and `difference` what has changed since it was given.
    pub fn new(
        row: &'a DestinationRow,
        host: &'a Host,
        state: ReviewState,
        verdict: Option<(&'a ReviewRecord, &'a ReviewVerdict)>,
        difference: &Difference,
    ) -> Self {
        let given = verdict.map(|(_record, verdict)| verdict);
        let flags_now = row.flags_now.as_deref();
        let in_effect = flags_now.unwrap_or(&row.flags);
        Self {
            schema: SCHEMA,
            host: Shown(host),
            state: state.word(),
            verdict: given.map(|given| given.verdict.0.word()),
            reviewer: given.map(|given| given.reviewer.as_str()),
            reason: given.map(|given| given.reason.as_str()),
            reviewed_at: verdict.map(|(record, _verdict)| Wall(record.at.wall)),
            flags: flag::policies(&row.flags),
            flags_now: flags_now.map(flag::policies),
            flag_reasons: FlagReasons(in_effect),
            severity: flag::severity(in_effect),
            contact: row.contact.code(),
            operator_level: row.operator_level.map(OperatorLevel::code),
            location_level: row.location_level.map(LocationLevel::code),
            content_level: row.content_level.code(),
            new: difference.new.iter().map(sentence).collect(),
            gone: difference.gone.iter().map(sentence).collect(),
            history: None,
            simulated: row.simulated,
        }
    }

    /// The same with everything that was said of it.
    pub fn with_history(self, records: impl Iterator<Item = &'a ReviewRecord>) -> Self {
        let host = self.host.0;
        let history = records.map(|record| ReviewRecordShape {
            seq: record.seq,
            at: Wall(record.at.wall),
            kind: record.body.kind(),
            body: record.body.about(host),
        });
        Self { history: Some(history.collect()), ..self }
    }
}

fn sentence(sentence: &SentenceShape) -> String {
    format!("{}: {}", sentence.about, sentence.text)
}
