//! The condition of a policy: a filter over what is known of destinations. Keys about single flows
//! are refused, each with what can be written in its place.

use flow::filter::{self, Filter, FilterError, Key, Problem, Term};
use std::fmt;
use std::str::FromStr;

/// A filter that holds keys about destinations alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition(Filter);

impl Condition {
    pub fn filter(&self) -> &Filter {
        &self.0
    }

    /// One whose keys are known to be among them.
    pub(super) fn of_known(filter: Filter) -> Self {
        Self(filter)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let filter = filter::parse(text).map_err(|error| match &error.problem {
            Problem::UnknownKey { key, .. } if key.eq_ignore_ascii_case("finding") => {
                ConditionError::FindingsNotYet
            }
            _ => ConditionError::Filter(error),
        })?;
        match filter {
            Filter::All => Err(ConditionError::Everything),
            filter => check(&filter).map(|()| Self(filter)),
        }
    }
}

/// Why a text is no condition of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionError {
    /// It is no filter.
    Filter(FilterError),
    /// It would flag everything.
    Everything,
    /// A text without a key.
    Word,
    /// The key is about single flows.
    OfFlows(Key),
    /// The key is about a link of claims, which a policy keeps apart anyway.
    Confidence,
    /// One policy cannot rest on others.
    OfFlags,
    /// A verdict is given on what policies flag, not the other way round.
    OfVerdicts,
    /// `has:`, whose things have keys of their own here.
    Has,
    /// `finding:`; there are no findings but flags yet.
    FindingsNotYet,
}

impl ConditionError {
    /// What to do about it, as one sentence without a full stop.
    pub fn hint(&self) -> String {
        match self {
            Self::Filter(FilterError {
                problem: Problem::UnknownKey { suggestion: None, .. },
                ..
            })
            | Self::OfFlows(_) => {
                format!("the keys of a policy are {}", KEYS.map(Key::word).join(", "))
            }
            Self::Filter(error) => error.hint(),
            Self::Everything => "write a condition such as \"location:CN or asn:45102\"".to_owned(),
            Self::Word => "put a key before it: host:*.example.com or operator:Alibaba".to_owned(),
            Self::Confidence => {
                "leave it out: what rests on public reporting alone is told as possibly-operated"
                    .to_owned()
            }
            Self::OfFlags => "write the condition of that policy in its place".to_owned(),
            Self::OfVerdicts => "name the hosts with host: in its place".to_owned(),
            Self::Has => "write anycast:yes, location:unknown or not(…) in its place".to_owned(),
            Self::FindingsNotYet => {
                "leave it out: policies look at destinations, not yet at findings".to_owned()
            }
        }
    }
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(error) => error.fmt(f),
            Self::Everything => f.write_str("a policy needs a condition"),
            Self::Word => f.write_str("a policy takes no text without a key"),
            Self::OfFlows(key) => write!(
                f,
                "{:?} is known of single flows, and a policy is about destinations",
                key.word()
            ),
            Self::Confidence => f.write_str("a policy does not take \"confidence\""),
            Self::OfFlags => f.write_str("a policy cannot rest on the flags of others"),
            Self::OfVerdicts => {
                f.write_str("a policy cannot rest on verdicts, which come after it")
            }
            Self::Has => f.write_str("a policy does not take \"has\""),
            Self::FindingsNotYet => f.write_str("there are no findings to look for yet"),
        }
    }
}

impl std::error::Error for ConditionError {}

fn check(filter: &Filter) -> Result<(), ConditionError> {
    match filter {
        Filter::All => Ok(()),
        Filter::And(parts) | Filter::Or(parts) => parts.iter().try_for_each(check),
        Filter::Not(inner) => check(inner),
        Filter::Term(term) => check_term(term),
    }
}

fn check_term(term: &Term) -> Result<(), ConditionError> {
    let of_flows = |key| Err(ConditionError::OfFlows(key));
    match term {
        Term::Location(_)
        | Term::Country(_)
        | Term::OperatorCountry(_)
        | Term::Operator(_)
        | Term::Registered(_)
        | Term::AsRegistered(_)
        | Term::Asn(_)
        | Term::Cname(_)
        | Term::Host(_)
        | Term::Address(_)
        | Term::Port(_)
        | Term::Anycast(_) => Ok(()),
        Term::Word(_) => Err(ConditionError::Word),
        Term::Flag(_) | Term::FlagNow(_) => Err(ConditionError::OfFlags),
        Term::Verdict(_) => Err(ConditionError::OfVerdicts),
        Term::Has(_) => Err(ConditionError::Has),
        Term::Confidence(_) => Err(ConditionError::Confidence),
        Term::Path(_) => of_flows(Key::Path),
        Term::Type(_) => of_flows(Key::Type),
        Term::Device(_) => of_flows(Key::Device),
        Term::App(_) => of_flows(Key::App),
        Term::Method(_) => of_flows(Key::Method),
        Term::Protocol(_) => of_flows(Key::Protocol),
        Term::Why(_) => of_flows(Key::Why),
        Term::Outcome(_) => of_flows(Key::Outcome),
        Term::ConnectionOutcome(_) => of_flows(Key::ConnectionOutcome),
        Term::Treatment(_) => of_flows(Key::Treatment),
        Term::Distrust(_) => of_flows(Key::Distrust),
        Term::Status(_) => of_flows(Key::Status),
        Term::Size(_) => of_flows(Key::Size),
        Term::Up(_) => of_flows(Key::Up),
        Term::Down(_) => of_flows(Key::Down),
        Term::Time(_) => of_flows(Key::Time),
        Term::Connection(_) => of_flows(Key::Connection),
        Term::Id(_) => of_flows(Key::Id),
        Term::Simulated(_) => of_flows(Key::Simulated),
    }
}

/// The keys that say something of a destination.
const KEYS: [Key; 12] = [
    Key::Location,
    Key::Country,
    Key::OperatorCountry,
    Key::Operator,
    Key::Registered,
    Key::AsRegistered,
    Key::Asn,
    Key::Cname,
    Key::Host,
    Key::Address,
    Key::Port,
    Key::Anycast,
];
