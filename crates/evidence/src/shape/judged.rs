//! The verdict on a host: the keys that flows and destinations share. Absent where nobody judged.

use recorder::read::Judged;
use recorder::record::value::Wall;
use serde::Serialize;

/// A person's judgement, and when it was given.
#[derive(Clone, Debug, Serialize)]
pub(super) struct JudgedShape<'a> {
    verdict: &'static str,
    reviewer: &'a str,
    reviewed_at: Wall,
}

impl<'a> JudgedShape<'a> {
    pub(super) fn new(judged: &'a Judged) -> Self {
        Self {
            verdict: judged.verdict.word(),
            reviewer: &judged.reviewer,
            reviewed_at: Wall(judged.at),
        }
    }
}
