//! The syntax tree, and its canonical text: parsing what `Display` writes gives the same tree.

use super::key::Key;
use super::moment::Period;
use super::pattern::{Pattern, Piece, write_quoted};
use super::span::{self, Span};
use crate::address::DnsName;
use crate::claim::{Asn, Confidence, Country};
use crate::distrust::DistrustClass;
use crate::id::{ConnectionId, FlowId};
use crate::network::Network;
use crate::treatment::Treatment;
use crate::verdict::Verdict;
use std::fmt;
use std::net::IpAddr;

/// A filter over flows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// No condition. Only ever the whole filter.
    All,
    /// At least two, none of them an `And`.
    And(Vec<Self>),
    /// At least two, none of them an `Or`.
    Or(Vec<Self>),
    Not(Box<Self>),
    Term(Term),
}

/// One condition. A list holds alternatives and is never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// Found anywhere in host, path or operator.
    Word(Vec<Pattern>),
    Host(Vec<Pattern>),
    Path(Vec<Pattern>),
    /// Media type of the response.
    Type(Vec<Pattern>),
    /// The device's address or name.
    Device(Vec<Pattern>),
    /// The user name that the client gave the proxy.
    App(Vec<Pattern>),
    Method(Vec<Pattern>),
    Protocol(Vec<Pattern>),
    /// Why the connection was treated as it was.
    Why(Vec<Pattern>),
    /// How the flow ended.
    Outcome(Vec<Pattern>),
    /// How the connection of an exchange ended.
    ConnectionOutcome(Vec<Pattern>),
    /// The name of a policy that flagged it at capture.
    Flag(Vec<Pattern>),
    /// The name of a policy that flags it now, after the policies were put anew.
    FlagNow(Vec<Pattern>),
    /// A person's judgement of the host.
    Verdict(Vec<Verdict>),
    Operator(Vec<Pattern>),
    /// The country on which nothing disagrees.
    Country(Vec<Country>),
    OperatorCountry(Vec<Country>),
    /// Where the address is registered.
    Registered(Vec<Country>),
    /// Where the AS is registered.
    AsRegistered(Vec<Country>),
    /// What the location sources say.
    Location(Vec<Place>),
    /// How well the link to the operator is founded.
    Confidence(Vec<Confidence>),
    Asn(Vec<Asn>),
    /// A name of the CNAME chain, the asked name among it, is the zone or lies below it.
    Cname(Vec<DnsName>),
    /// A source marks the address as anycast.
    Anycast(bool),
    Address(Vec<Network>),
    Port(Vec<Span>),
    Treatment(Vec<TreatmentKind>),
    /// How the device refused our leaf.
    Distrust(Vec<DistrustClass>),
    Status(Vec<Span>),
    /// Bytes of both directions.
    Size(Vec<Span>),
    Up(Vec<Span>),
    Down(Vec<Span>),
    Time(Vec<Period>),
    Has(Vec<Has>),
    Connection(Vec<ConnectionId>),
    Id(Vec<FlowId>),
    Simulated(bool),
}

/// What the location sources say of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// All sources that answer agree, or the analyst decided.
    Agreed,
    Disagreed,
    Unknown,
    /// At least one source answers with this country.
    Says(Country),
}

/// The treatments, without their why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TreatmentKind {
    Intercepted,
    Passthrough,
    Plaintext,
    Failed,
    Blocked,
}

impl TreatmentKind {
    pub const ALL: [Self; 5] =
        [Self::Intercepted, Self::Passthrough, Self::Plaintext, Self::Failed, Self::Blocked];

    /// The word of [`Treatment::word`].
    pub fn word(self) -> &'static str {
        match self {
            Self::Intercepted => "intercepted",
            Self::Passthrough => "passthrough",
            Self::Plaintext => "plaintext",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }
}

impl From<&Treatment> for TreatmentKind {
    fn from(treatment: &Treatment) -> Self {
        match treatment {
            Treatment::Intercepted => Self::Intercepted,
            Treatment::Passthrough(_) => Self::Passthrough,
            Treatment::Plaintext(_) => Self::Plaintext,
            Treatment::Failed(_) => Self::Failed,
            Treatment::Blocked(_) => Self::Blocked,
        }
    }
}

/// Something that a flow has or lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Has {
    /// A planted or recognised identifier in its content.
    Identifier,
    /// At capture.
    Flag,
    /// A person's judgement of the host.
    Verdict,
    /// A look-up that gave the address.
    Lookup,
    /// A look-up that was made for its sake, whatever it gave.
    Asked,
    /// An upstream that was reached.
    Upstream,
    Operator,
    Country,
    /// An address that a source marks as anycast.
    Anycast,
    /// A decoded HTTP exchange.
    Exchange,
    Response,
    /// A request or response body of at least one byte.
    Body,
}

impl Has {
    pub const ALL: [Self; 12] = [
        Self::Identifier,
        Self::Flag,
        Self::Verdict,
        Self::Lookup,
        Self::Asked,
        Self::Upstream,
        Self::Operator,
        Self::Country,
        Self::Anycast,
        Self::Exchange,
        Self::Response,
        Self::Body,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Identifier => "identifier",
            Self::Flag => "flag",
            Self::Verdict => "verdict",
            Self::Lookup => "lookup",
            Self::Asked => "asked",
            Self::Upstream => "upstream",
            Self::Operator => "operator",
            Self::Country => "country",
            Self::Anycast => "anycast",
            Self::Exchange => "exchange",
            Self::Response => "response",
            Self::Body => "body",
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Term(term) => term.fmt(f),
            Self::Not(inner) => write!(f, "not({inner})"),
            Self::Or(parts) => write_joined(f, parts, " or "),
            Self::And(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { " " })?;
                    match part {
                        Self::Or(_) => write!(f, "({part})")?,
                        _ => part.fmt(f)?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(patterns) => {
                let words: Vec<Word<'_>> = patterns.iter().map(Word).collect();
                write_joined(f, &words, ",")
            }
            Self::Host(values) => write_term(f, Key::Host, values),
            Self::Path(values) => write_term(f, Key::Path, values),
            Self::Type(values) => write_term(f, Key::Type, values),
            Self::Device(values) => write_term(f, Key::Device, values),
            Self::App(values) => write_term(f, Key::App, values),
            Self::Method(values) => write_term(f, Key::Method, values),
            Self::Protocol(values) => write_term(f, Key::Protocol, values),
            Self::Why(values) => write_term(f, Key::Why, values),
            Self::Outcome(values) => write_term(f, Key::Outcome, values),
            Self::ConnectionOutcome(values) => write_term(f, Key::ConnectionOutcome, values),
            Self::Flag(values) => write_term(f, Key::Flag, values),
            Self::FlagNow(values) => write_term(f, Key::FlagNow, values),
            Self::Verdict(values) => write_term(f, Key::Verdict, values),
            Self::Operator(values) => write_term(f, Key::Operator, values),
            Self::Country(values) => write_term(f, Key::Country, values),
            Self::OperatorCountry(values) => write_term(f, Key::OperatorCountry, values),
            Self::Registered(values) => write_term(f, Key::Registered, values),
            Self::AsRegistered(values) => write_term(f, Key::AsRegistered, values),
            Self::Location(values) => write_term(f, Key::Location, values),
            Self::Confidence(values) => {
                let letters: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
                write_term(f, Key::Confidence, &letters)
            }
            Self::Asn(values) => write_term(f, Key::Asn, values),
            Self::Cname(values) => write_term(f, Key::Cname, values),
            Self::Anycast(anycast) => write_answer(f, Key::Anycast, *anycast),
            Self::Address(values) => {
                let networks: Vec<Address> = values.iter().copied().map(Address).collect();
                write_term(f, Key::Address, &networks)
            }
            Self::Port(values) => write_spans(f, Key::Port, values, |span, f| {
                span.write(f, "-", |number| number.to_string())
            }),
            Self::Treatment(values) => {
                let words: Vec<&str> = values.iter().map(|value| value.word()).collect();
                write_term(f, Key::Treatment, &words)
            }
            Self::Distrust(values) => {
                let words: Vec<&str> = values.iter().map(|value| value.word()).collect();
                write_term(f, Key::Distrust, &words)
            }
            Self::Status(values) => write_spans(f, Key::Status, values, span::write_status),
            Self::Size(values) => write_spans(f, Key::Size, values, write_sizes),
            Self::Up(values) => write_spans(f, Key::Up, values, write_sizes),
            Self::Down(values) => write_spans(f, Key::Down, values, write_sizes),
            Self::Time(values) => write_term(f, Key::Time, values),
            Self::Has(values) => {
                let words: Vec<&str> = values.iter().map(|value| value.word()).collect();
                write_term(f, Key::Has, &words)
            }
            Self::Connection(values) => write_term(f, Key::Connection, values),
            Self::Id(values) => write_term(f, Key::Id, values),
            Self::Simulated(simulated) => write_answer(f, Key::Simulated, *simulated),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agreed => f.write_str("agreed"),
            Self::Disagreed => f.write_str("disagreed"),
            Self::Unknown => f.write_str("unknown"),
            Self::Says(country) => country.fmt(f),
        }
    }
}

/// A network, a single address without its prefix.
struct Address(Network);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.address(), self.0.prefix()) {
            (address @ IpAddr::V4(_), 32) | (address @ IpAddr::V6(_), 128) => address.fmt(f),
            _ => self.0.fmt(f),
        }
    }
}

/// A pattern that stands without a key, where a colon or a connective would be read as syntax.
struct Word<'a>(&'a Pattern);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.0.literal()
            && ["and", "or", "not"].iter().any(|word| word.eq_ignore_ascii_case(text))
        {
            return write_quoted(f, text);
        }
        self.0.pieces().iter().try_for_each(|piece| match piece {
            Piece::Literal(text) if text.contains(':') || Key::before_operator(text).is_some() => {
                write_quoted(f, text)
            }
            piece => Pattern::new([piece.clone()]).map_or(Ok(()), |single| single.fmt(f)),
        })
    }
}

fn write_term<T: fmt::Display>(f: &mut fmt::Formatter<'_>, key: Key, values: &[T]) -> fmt::Result {
    write!(f, "{}:", key.word())?;
    write_joined(f, values, ",")
}

fn write_answer(f: &mut fmt::Formatter<'_>, key: Key, answer: bool) -> fmt::Result {
    write!(f, "{}:{}", key.word(), if answer { "yes" } else { "no" })
}

fn write_joined<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    values: &[T],
    separator: &str,
) -> fmt::Result {
    for (index, value) in values.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { separator })?;
        value.fmt(f)?;
    }
    Ok(())
}

fn write_spans(
    f: &mut fmt::Formatter<'_>,
    key: Key,
    spans: &[Span],
    write: impl Fn(Span, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    write!(f, "{}:", key.word())?;
    for (index, span) in spans.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { "," })?;
        write(*span, f)?;
    }
    Ok(())
}

fn write_sizes(span: Span, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    span.write(f, "..", span::size_text)
}
