//! What all that is known of a destination adds up to, sentence by sentence.

use flow::assessment::Assessment;
use geoip::assess::{Sentence, sentences};
use serde::Serialize;

/// An assessment: its version and its sentences, each with the records that it rests on.
#[derive(Clone, Debug, Serialize)]
pub struct AssessmentShape {
    version: &'static str,
    sentences: Vec<SentenceShape>,
    /// The answers to statements under test.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<AnswerShape>,
}

/// One sentence.
#[derive(Clone, Debug, Serialize)]
struct SentenceShape {
    /// What it is about, such as `operator` or `caveat`.
    about: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<u64>,
    /// Those of the review log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    review_records: Vec<u64>,
}

/// A statement with its answer.
#[derive(Clone, Debug, Serialize)]
struct AnswerShape {
    text: String,
    says: String,
    /// `supports`, `contradicts` or `cannot tell`.
    answer: &'static str,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<u64>,
}

impl AssessmentShape {
    pub fn new(assessment: &Assessment) -> Self {
        let answers = assessment.answers.iter().map(|answered| AnswerShape {
            text: answered.statement.text.clone(),
            says: answered.statement.says.to_string(),
            answer: answered.answer.word(),
            why: answered.why.clone(),
            level: answered.level,
            records: answered.records.iter().map(|seq| seq.0).collect(),
        });
        Self {
            version: assessment.version,
            sentences: sentences(assessment).into_iter().map(SentenceShape::from).collect(),
            statements: answers.collect(),
        }
    }
}

impl From<Sentence> for SentenceShape {
    fn from(sentence: Sentence) -> Self {
        Self {
            about: sentence.about.word(),
            text: sentence.text,
            records: sentence.records.iter().map(|seq| seq.0).collect(),
            review_records: sentence.reviewed.iter().map(|seq| seq.0).collect(),
        }
    }
}
