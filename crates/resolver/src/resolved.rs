//! The result of one resolution, before it becomes the record of one look-up: without id, time and
//! connection, and therefore what is cached and shared.

use flow::address::DnsName;
use flow::dns::{Answer, Dnssec, Edns, LookupOutcome, Resolver};
use std::time::Duration;

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) resolver: Resolver,
    /// The asked name first.
    pub(crate) chain: Vec<DnsName>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) outcome: LookupOutcome,
    /// How long it may be kept; zero for what must be asked anew.
    pub(crate) lifetime: Duration,
    pub(crate) dnssec: Dnssec,
    pub(crate) edns: Edns,
}

impl Resolved {
    /// Nothing was learnt.
    pub(crate) fn failed(name: &DnsName, resolver: Resolver, outcome: LookupOutcome) -> Self {
        Self {
            resolver,
            chain: vec![name.clone()],
            answers: Vec::new(),
            outcome,
            lifetime: Duration::ZERO,
            dnssec: Dnssec::NotAsked,
            edns: Edns::NotAsked,
        }
    }

    /// The answers with the TTL that is left after `age`.
    pub(crate) fn answers_at(&self, age: Duration) -> Vec<Answer> {
        let passed = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        let mut answers = self.answers.clone();
        for answer in &mut answers {
            answer.ttl_seconds = answer.ttl_seconds.saturating_sub(passed);
        }
        answers
    }
}

/// Names of a CNAME chain, the asked one included, after which it is given up.
pub const MAX_CHAIN: usize = 16;
