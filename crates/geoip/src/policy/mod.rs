//! Flag policies: what about a destination makes a person look at it, in the filter language. A
//! policy is evaluated over what the sources claim, purely; its flag is no verdict.

mod condition;
mod evaluate;

pub use condition::{Condition, ConditionError};

use flow::address::DnsName;
use flow::annotation::{Annotation, Flag, Severity};
use flow::claim::Country;
use flow::filter::{Filter, Place, Term};
use std::collections::BTreeSet;
use std::fmt;

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What `flag:` finds it by.
    pub name: PolicyName,
    pub when: Condition,
    pub severity: Severity,
}

/// 1 to 64 letters, digits, dots, dashes and underscores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyName(String);

impl PolicyName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot name a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPolicyName;

impl fmt::Display for NotAPolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name has 1 to 64 letters, digits, dots, dashes and underscores")
    }
}

impl std::error::Error for NotAPolicyName {}

impl std::str::FromStr for PolicyName {
    type Err = NotAPolicyName;

    fn from_str(text: &str) -> Result<Self, NotAPolicyName> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let good = (1..=LONGEST_NAME_BYTES).contains(&text.len()) && text.bytes().all(plain);
        if good { Ok(Self(text.to_owned())) } else { Err(NotAPolicyName) }
    }
}

/// The policies that are in effect together, each with a name of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies(Vec<Policy>);

impl Policies {
    /// # Errors
    /// [`PoliciesError`]: too many, or two of one name.
    pub fn new(policies: Vec<Policy>) -> Result<Self, PoliciesError> {
        if policies.len() > MOST_POLICIES {
            return Err(PoliciesError::TooMany);
        }
        let mut names = BTreeSet::new();
        match policies.iter().find(|policy| !names.insert(&policy.name)) {
            Some(twice) => Err(PoliciesError::Twice(twice.name.clone())),
            None => Ok(Self(policies)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.0.iter()
    }

    /// The flags of an address, in the order of the policies. `names` are the host and its CNAME
    /// chain, none for an address that was asked for itself; `port` is that of the connection, where
    /// there is one.
    pub fn flags(
        &self,
        annotation: &Annotation,
        names: &[DnsName],
        port: Option<u16>,
    ) -> Vec<Flag> {
        let asked = evaluate::asked(annotation);
        self.flags_of_asked(annotation, names, port, asked)
    }

    /// The same with the number of location databases that were asked.
    pub(crate) fn flags_of_asked(
        &self,
        annotation: &Annotation,
        names: &[DnsName],
        port: Option<u16>,
        asked: usize,
    ) -> Vec<Flag> {
        let subject = evaluate::Subject { annotation, names, port, asked };
        let flag = |policy: &Policy| {
            let reasons = subject.reasons(policy.when.filter())?;
            let Policy { name, severity, .. } = policy;
            Some(Flag { policy: name.to_string(), severity: *severity, reasons })
        };
        self.0.iter().filter_map(flag).collect()
    }

    /// Whether some policy depends on the port, so that one address can have several answers.
    pub fn by_port(&self) -> bool {
        let by_port = |term: &Term| matches!(term, Term::Port(_));
        self.0.iter().any(|policy| any_term(policy.when.filter(), &by_port))
    }

    /// The countries that policies name, in order.
    pub fn countries(&self) -> Vec<Country> {
        let mut countries = BTreeSet::new();
        for policy in &self.0 {
            gather(policy.when.filter(), &mut countries);
        }
        countries.into_iter().collect()
    }
}

impl Default for Policies {
    /// `mainland-china` alone: *located*, *operated* or *registered* there. Hong Kong, Macao and
    /// Taiwan have codes of their own and are never counted.
    fn default() -> Self {
        let flagged = Country::CN;
        let terms = [
            Term::Location(vec![Place::Says(flagged)]),
            Term::OperatorCountry(vec![flagged]),
            Term::Registered(vec![flagged]),
            Term::AsRegistered(vec![flagged]),
        ];
        let when = Condition::of_known(Filter::Or(terms.map(Filter::Term).to_vec()));
        let name = PolicyName("mainland-china".to_owned());
        Self(vec![Policy { name, when, severity: Severity::Notice }])
    }
}

/// Why policies cannot be in effect together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoliciesError {
    TooMany,
    Twice(PolicyName),
}

impl fmt::Display for PoliciesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "there are more than {MOST_POLICIES} policies"),
            Self::Twice(name) => write!(f, "two policies have the name {name}"),
        }
    }
}

impl std::error::Error for PoliciesError {}

fn any_term(filter: &Filter, is: &impl Fn(&Term) -> bool) -> bool {
    match filter {
        Filter::All => false,
        Filter::And(parts) | Filter::Or(parts) => parts.iter().any(|part| any_term(part, is)),
        Filter::Not(inner) => any_term(inner, is),
        Filter::Term(term) => is(term),
    }
}

fn gather(filter: &Filter, countries: &mut BTreeSet<Country>) {
    match filter {
        Filter::All => {}
        Filter::And(parts) | Filter::Or(parts) => {
            parts.iter().for_each(|part| gather(part, countries));
        }
        Filter::Not(inner) => gather(inner, countries),
        Filter::Term(
            Term::Country(named)
            | Term::OperatorCountry(named)
            | Term::Registered(named)
            | Term::AsRegistered(named),
        ) => countries.extend(named),
        Filter::Term(Term::Location(places)) => {
            countries.extend(places.iter().filter_map(|place| match place {
                Place::Says(country) => Some(*country),
                Place::Agreed | Place::Disagreed | Place::Unknown => None,
            }));
        }
        Filter::Term(_) => {}
    }
}

const LONGEST_NAME_BYTES: usize = 64;
/// More than anybody can keep apart.
const MOST_POLICIES: usize = 64;

#[cfg(test)]
mod tests;
