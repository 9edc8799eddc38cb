//! What a reviewer saw of a destination, sentence by sentence, and what differs from it later. Answers
//! to statements under test are left out: they change with the questions, not with the facts.

use crate::merkle::Hash;
use crate::read::{AddressSeen, DestinationRow, located};
use crate::record::review::{SeenShape, SentenceShape};
use aws_lc_rs::digest;
use flow::annotation::Flag;
use flow::assessment::Assessment;
use geoip::assess::{About, sentences};

/// The sentences on a destination at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    version: &'static str,
    sentences: Vec<SentenceShape>,
}

/// What two moments have not in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Sentences that are there now.
    pub new: Vec<SentenceShape>,
    /// Sentences that are there no more.
    pub gone: Vec<SentenceShape>,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty()
    }
}

impl Seen {
    /// Of a destination, its assessment, and the flags that are in effect.
    pub fn new(row: &DestinationRow, assessment: &Assessment, flags: &[Flag]) -> Self {
        let sentence = |about: &str, text: String| SentenceShape { about: about.to_owned(), text };
        let assessed = sentences(assessment)
            .into_iter()
            .filter(|found| found.about != About::Statement)
            .map(|found| sentence(found.about.word(), found.text));
        let aliases = row.cnames.iter().map(|name| sentence("alias", name.to_string()));
        let addresses = row.addresses.iter().map(|seen| sentence("address", address(seen)));
        let flags = flags.iter().flat_map(|flag| {
            let text = |reason| format!("{}: {reason}", flag.policy);
            flag.reasons.iter().map(move |reason| sentence("flag", text(reason)))
        });
        let sentences = assessed.chain(aliases).chain(addresses).chain(flags).collect();
        Self { version: assessment.version, sentences }
    }

    pub fn shape(&self) -> SeenShape {
        // Writing texts as JSON cannot fail; the form is the one in which they stand in the record.
        let canonical = serde_json::to_vec(&self.sentences).unwrap_or_default();
        let digest = Hash::from_digest(&digest::digest(&digest::SHA256, &canonical));
        SeenShape {
            digest: format!("{digest:?}"),
            sentences: self.sentences.clone(),
            version: self.version.to_owned(),
        }
    }

    /// What is new now, and what is gone, since somebody saw `then`.
    pub fn since(&self, then: &SeenShape) -> Difference {
        let missing = |of: &[SentenceShape], among: &[SentenceShape]| {
            of.iter().filter(|sentence| !among.contains(sentence)).cloned().collect()
        };
        Difference {
            new: missing(&self.sentences, &then.sentences),
            gone: missing(&then.sentences, &self.sentences),
        }
    }
}

/// An address with what each location source says of it.
fn address(seen: &AddressSeen) -> String {
    let answers: Vec<String> = seen
        .annotation
        .iter()
        .flat_map(|annotation| located(annotation))
        .map(|(source, country)| format!("{source} {country}"))
        .collect();
    match answers.is_empty() {
        true => seen.address.to_string(),
        false => format!("{}: {}", seen.address, answers.join(", ")),
    }
}
