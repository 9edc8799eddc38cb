//! Records of the review log, `log/review.jsonl`: what people made of a session after, or while, it was
//! recorded. The form of the lines is that of the record log; the kinds are others, so that neither
//! log takes the records of the other.

use super::flag::FlagShape;
use super::opinion::ReviewOpinion;
use super::probe::ReviewProbe;
use super::sealed::{EachSealed, HasSealed, Sealed};
use super::session::Tool;
use super::value::{Base64, Count, Spelled};
use super::{Envelope, RecordError, shape, write_envelope};
use flow::address::Host;
use flow::id::SessionId;
use flow::time::Stamp;
use flow::verdict::Verdict;
use geoip::policy::{Policies, Policy};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One record of the review log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewRecord {
    /// When it was made.
    pub at: Stamp,
    /// Random, so that a record cannot be guessed from its hash.
    pub nonce: [u8; 16],
    /// The line's number, from 0.
    pub seq: u64,
    pub body: ReviewBody,
}

impl ReviewRecord {
    /// The record's line, without the newline: the leaf of the tree.
    pub fn line(&self) -> Vec<u8> {
        let Self { at, nonce, seq, body } = self;
        let mut line = Vec::new();
        write_envelope(&mut line, *at, nonce, *seq, body.kind(), body);
        line
    }

    /// Reads a line without its newline.
    ///
    /// # Errors
    /// [`RecordError`] for every line that [`ReviewRecord::line`] would not have written.
    pub fn parse(line: &[u8]) -> Result<Self, RecordError> {
        let Envelope { at, nonce, seq, kind, body } = Envelope::read(line)?;
        let record = Self { at, nonce, seq, body: ReviewBody::parse(&kind, body)? };
        if record.line() == line { Ok(record) } else { Err(RecordError::NotCanonical) }
    }
}

/// What a record says; one variant per kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ReviewBody {
    Open(ReviewOpen),
    Key(ReviewKey),
    Verdict(ReviewVerdict),
    Policy(ReviewPolicy),
    Note(ReviewNote),
    Probe(ReviewProbe),
    Opinion(ReviewOpinion),
}

impl ReviewBody {
    /// The kind's name in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Open(_) => "review.open",
            Self::Key(_) => "review.key",
            Self::Verdict(_) => "review.verdict",
            Self::Policy(_) => "review.policy",
            Self::Note(_) => "review.note",
            Self::Probe(_) => "review.probe",
            Self::Opinion(_) => "review.opinion",
        }
    }

    /// Whether it says something of this destination.
    pub fn is_about(&self, host: &Host) -> bool {
        match self {
            Self::Verdict(verdict) => verdict.destination.0 == *host,
            Self::Note(note) => note.destination.as_ref().is_some_and(|about| about.0 == *host),
            Self::Opinion(given) => given.addresses.iter().any(|one| one.destination.0 == *host),
            Self::Open(_) | Self::Key(_) | Self::Policy(_) | Self::Probe(_) => false,
        }
    }

    /// What it says of this destination, where it is about several.
    pub fn about(&self, host: &Host) -> Cow<'_, Self> {
        match self {
            Self::Opinion(given) => Cow::Owned(Self::Opinion(given.of(host))),
            body => Cow::Borrowed(body),
        }
    }

    fn parse(kind: &str, json: &str) -> Result<Self, RecordError> {
        Ok(match kind {
            "review.open" => Self::Open(shape(json)?),
            "review.key" => Self::Key(shape(json)?),
            "review.verdict" => Self::Verdict(shape(json)?),
            "review.policy" => Self::Policy(shape(json)?),
            "review.note" => Self::Note(shape(json)?),
            "review.probe" => Self::Probe(shape(json)?),
            "review.opinion" => Self::Opinion(shape(json)?),
            other => return Err(RecordError::Kind(other.to_owned())),
        })
    }
}

impl HasSealed for ReviewBody {
    fn each_sealed(&mut self, each: &mut impl EachSealed) {
        match self {
            Self::Verdict(verdict) => {
                each.value(&mut verdict.reason);
                each.value(&mut verdict.reviewer);
            }
            Self::Policy(policy) => each.value(&mut policy.reviewer),
            Self::Probe(probe) => each.value(&mut probe.reviewer),
            Self::Opinion(opinion) => each.value(&mut opinion.reviewer),
            Self::Note(note) => {
                each.value(&mut note.reviewer);
                each.value(&mut note.text);
            }
            Self::Open(_) | Self::Key(_) => {}
        }
    }
}

/// `review.open`: the first record. It ties the log to its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewOpen {
    /// The record log as it was then.
    pub capture: Capture,
    /// The Ed25519 public key that signs this log, 32 bytes.
    pub key: Base64,
    pub session: Spelled<SessionId>,
    pub tool: Tool,
}

/// A record log at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    pub records: Count,
    /// The tree head over so many records.
    pub root: Base64,
}

/// `review.key`: another installation's key signs from this record on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewKey {
    pub key: Base64,
    pub tool: Tool,
}

/// `review.verdict`: a person's judgement of a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewVerdict {
    /// What the reviewer saw.
    pub assessment: SeenShape,
    pub destination: Spelled<Host>,
    pub reason: Sealed<String>,
    pub reviewer: Sealed<String>,
    pub verdict: Spelled<Verdict>,
}

/// An assessment as a person saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenShape {
    /// SHA-256 of the canonical form of `sentences`, hex.
    pub digest: String,
    pub sentences: Vec<SentenceShape>,
    /// The assessor's version.
    pub version: String,
}

/// One sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentenceShape {
    /// What it is about, such as `operator`, `address` or `flag`.
    pub about: String,
    pub text: String,
}

/// `review.policy`: flag policies that stand beside those at capture from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewPolicy {
    /// Destinations of which the flags changed.
    pub changed: Count,
    /// The first [`Self::LISTED`] of them, by name.
    pub changes: Vec<Change>,
    pub policies: Vec<PolicyShape>,
    pub reviewer: Sealed<String>,
}

impl ReviewPolicy {
    /// A record is bounded: so many changed destinations are listed, all are counted.
    pub const LISTED: usize = 1_000;

    /// The policies, to be evaluated again; `None` when one is not understood.
    pub fn policies(&self) -> Option<Policies> {
        let policy = |shape: &PolicyShape| {
            Some(Policy {
                name: shape.name.parse().ok()?,
                when: shape.when.parse().ok()?,
                severity: shape.severity.parse().ok()?,
            })
        };
        Policies::new(self.policies.iter().map(policy).collect::<Option<_>>()?).ok()
    }
}

/// What became of one destination's flags, compared with those that were in effect before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub destination: Spelled<Host>,
    pub gained: Vec<FlagShape>,
    pub lost: Vec<FlagShape>,
}

/// One policy, in its canonical text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyShape {
    pub name: String,
    pub severity: String,
    pub when: String,
}

impl From<&Policy> for PolicyShape {
    fn from(policy: &Policy) -> Self {
        Self {
            name: policy.name.to_string(),
            severity: policy.severity.word().to_owned(),
            when: policy.when.to_string(),
        }
    }
}

/// `review.note`: a person's remark, on a destination or on the whole session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewNote {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Spelled<Host>>,
    pub reviewer: Sealed<String>,
    pub text: Sealed<String>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::fixture::at;
    use crate::record::Record;
    use crate::record::opinion::OpinionShape;
    use crate::record::probe::Standing;
    use crate::record::sealed::Opening;
    use crate::record::session::SourceShape;
    use crate::seal::FieldSeed;
    use bytes::Bytes;

    fn bodies() -> Vec<ReviewBody> {
        let key = || Base64(Bytes::from_static(&[1; 32]));
        let tool = || Tool { sha256: None, version: "0".to_owned() };
        let flag = |policy: &str| FlagShape {
            policy: policy.to_owned(),
            reasons: Vec::new(),
            severity: None,
        };
        let sentence = SentenceShape { about: "operator".into(), text: "O2 a list".into() };
        let destination = || Spelled("a.example".parse().unwrap());
        vec![
            ReviewBody::Open(ReviewOpen {
                capture: Capture { records: Count(3), root: key() },
                key: key(),
                session: Spelled(SessionId([7; 16])),
                tool: tool(),
            }),
            ReviewBody::Key(ReviewKey { key: key(), tool: tool() }),
            ReviewBody::Verdict(ReviewVerdict {
                assessment: SeenShape {
                    digest: "00".repeat(32),
                    sentences: vec![sentence],
                    version: "assess/2".into(),
                },
                destination: destination(),
                reason: Sealed::Open("measured \u{7}".into()),
                reviewer: Sealed::Open("m".into()),
                verdict: Spelled(Verdict::NoConcern),
            }),
            ReviewBody::Policy(ReviewPolicy {
                changed: Count(1),
                changes: vec![Change {
                    destination: destination(),
                    gained: vec![flag("a")],
                    lost: vec![flag("b")],
                }],
                policies: Policies::default().iter().map(PolicyShape::from).collect(),
                reviewer: Sealed::Open("m".into()),
            }),
            ReviewBody::Note(ReviewNote {
                destination: None,
                reviewer: Sealed::Open("m".into()),
                text: Sealed::Open("x".into()),
            }),
            ReviewBody::Note(ReviewNote {
                destination: Some(destination()),
                reviewer: Sealed::Open("m".into()),
                text: Sealed::Open("x".into()),
            }),
            ReviewBody::Probe(ReviewProbe {
                file: "{\"probe\":{}}\n".into(),
                key: key(),
                reviewer: Sealed::Open("m".into()),
                sha256: "00".repeat(32),
                standing: Standing::Unknown,
            }),
            ReviewBody::Opinion(opinion()),
        ]
    }

    fn opinion() -> ReviewOpinion {
        let annotation = flow::annotation::Annotation::unknown("8.136.0.1".parse().unwrap());
        let of = |host: &str| OpinionShape::new(&host.parse().unwrap(), 7, &[], &annotation);
        let source = SourceShape {
            attribution: None,
            built: Some("2026-06-01".into()),
            licence: "CC BY 4.0".into(),
            name: "dbip-country".into(),
            sha256: Some("00".repeat(32)),
        };
        ReviewOpinion {
            addresses: vec![of("a.example"), of("b.example")],
            databases: vec![source],
            reviewer: Sealed::Open("m".into()),
            set: "11".repeat(32),
        }
    }

    #[test]
    fn of_several_destinations_each_is_told_its_own() {
        let [a, c] = ["a.example", "c.example"].map(|host| host.parse().unwrap());
        let body = ReviewBody::Opinion(opinion());
        assert!(body.is_about(&a) && !body.is_about(&c));
        let ReviewBody::Opinion(of_a) = body.about(&a).into_owned() else { panic!() };
        let hosts: Vec<_> = of_a.addresses.iter().map(|one| one.destination.0.clone()).collect();
        assert_eq!(hosts, [a]);
    }

    #[test]
    fn every_kind_reads_back_and_is_documented() {
        let format = include_str!("../../../../docs/FORMAT.md");
        for (seq, body) in bodies().into_iter().enumerate() {
            let record = ReviewRecord { at: at(1), nonce: [9; 16], seq: seq as u64, body };
            let (seed, mut opening) = (FieldSeed::new([5; 32]), Vec::new());
            let mut sealed = record.clone();
            seed.seal(&record.nonce, record.seq, &mut sealed.body, &mut Vec::new(), &mut opening);
            let line = sealed.line();
            let mut read = ReviewRecord::parse(&line).unwrap();
            assert_eq!(read, sealed);
            if let Some(opening) = opening.strip_suffix(b"\n") {
                let opening = Opening::parse(opening).unwrap();
                seed.open(&record.nonce, &mut read.body, opening).unwrap();
            }
            assert_eq!(read, record);
            let text = String::from_utf8(line.clone()).unwrap();
            // Keys are sorted: parsing into a sorted map and writing it gives the same.
            let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(sorted(&value), text);
            assert!(format.contains(&format!("`{}`", record.body.kind())), "{text}");
            assert!(Record::parse(&line).is_err(), "the record log takes none of these");
            let spaced = text.replacen(':', ": ", 1);
            assert!(matches!(
                ReviewRecord::parse(spaced.as_bytes()),
                Err(RecordError::NotCanonical)
            ));
        }
    }

    pub(crate) fn sorted(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::Object(map) => {
                let mut keys: Vec<_> = map.keys().collect();
                keys.sort();
                let member = |key: &String| {
                    format!("{}:{}", serde_json::Value::String(key.clone()), sorted(&map[key]))
                };
                format!("{{{}}}", keys.into_iter().map(member).collect::<Vec<_>>().join(","))
            }
            serde_json::Value::Array(items) => {
                format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(","))
            }
            value => value.to_string(),
        }
    }

    #[test]
    fn recorded_policies_are_evaluated_again() {
        let [_, _, _, ReviewBody::Policy(policy), ..] = &bodies()[..] else { panic!() };
        assert_eq!(policy.policies(), Some(Policies::default()));
        let mut odd = policy.clone();
        odd.policies[0].when = "status:4xx".into();
        assert_eq!(odd.policies(), None);
    }
}
