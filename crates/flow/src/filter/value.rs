//! A term's key and values: from text to what they mean.

use super::ast::{Has, Place, Term, TreatmentKind};
use super::error::{FilterError, Problem, nearest};
use super::key::Key;
use super::lexer::{RawTerm, RawValue};
use super::moment::Period;
use super::pattern::Pattern;
use super::span::{self, Span};
use crate::claim::{Asn, Confidence, Country};
use crate::distrust::DistrustClass;
use crate::id::{ConnectionId, FlowId};
use crate::network::Network;
use crate::verdict::Verdict;
use std::net::IpAddr;

/// Understands one term that begins at `position`.
pub(super) fn term(position: usize, raw: RawTerm) -> Result<Term, FilterError> {
    let Some(written) = raw.key else { return word(position, raw) };
    let lower = written.to_ascii_lowercase();
    let Some(key) = Key::ALL.into_iter().find(|key| key.word() == lower) else {
        let words = Key::ALL.map(Key::word);
        let suggestion = nearest(&written, &words);
        return Err(FilterError {
            position,
            problem: Problem::UnknownKey { key: shortened(&written), suggestion },
        });
    };
    let values = raw.values;
    let country = |text: &str| text.parse::<Country>().ok();
    const COUNTRY: &str = "a two-letter country code";
    const STATUS: &str = "a status such as 404, 4xx, 400-499 or >=400";
    const SIZE: &str = "a size such as >10kB, <1MiB or 1kB..2kB";
    Ok(match key {
        Key::Host => Term::Host(patterns(values)?),
        Key::Path => Term::Path(patterns(values)?),
        Key::Type => Term::Type(patterns(values)?),
        Key::Device => Term::Device(patterns(values)?),
        Key::App => Term::App(patterns(values)?),
        Key::Method => Term::Method(patterns(values)?),
        Key::Protocol => Term::Protocol(patterns(values)?),
        Key::Why => Term::Why(patterns(values)?),
        Key::Outcome => Term::Outcome(patterns(values)?),
        Key::ConnectionOutcome => Term::ConnectionOutcome(patterns(values)?),
        Key::Flag => Term::Flag(patterns(values)?),
        Key::FlagNow => Term::FlagNow(patterns(values)?),
        Key::Verdict => Term::Verdict(verdicts(values)?),
        Key::Operator => Term::Operator(patterns(values)?),
        Key::Country => Term::Country(each(key, values, COUNTRY, country)?),
        Key::OperatorCountry => Term::OperatorCountry(each(key, values, COUNTRY, country)?),
        Key::Registered => Term::Registered(each(key, values, COUNTRY, country)?),
        Key::AsRegistered => Term::AsRegistered(each(key, values, COUNTRY, country)?),
        Key::Location => Term::Location(places(values)?),
        Key::Confidence => Term::Confidence(each(key, values, "A, B or C", confidence)?),
        Key::Asn => Term::Asn(each(key, values, "an AS number such as 45102", asn)?),
        Key::Cname => Term::Cname(each(key, values, "a DNS zone such as alicdn.com", |text| {
            text.strip_prefix("*.").unwrap_or(text).parse().ok()
        })?),
        Key::Anycast => Term::Anycast(answer(key, values)?),
        Key::Address => {
            Term::Address(each(key, values, "an address or a network such as 8.0.0.0/8", network)?)
        }
        Key::Port => Term::Port(each(key, values, "a port or a range such as 1-1023", |text| {
            Span::read(text, "-", span::digits)
        })?),
        Key::Treatment => Term::Treatment(treatments(values)?),
        Key::Distrust => Term::Distrust(distrusts(values)?),
        Key::Status => Term::Status(each(key, values, STATUS, span::read_status)?),
        Key::Size => Term::Size(each(key, values, SIZE, sizes)?),
        Key::Up => Term::Up(each(key, values, SIZE, sizes)?),
        Key::Down => Term::Down(each(key, values, SIZE, sizes)?),
        Key::Time => Term::Time(each(
            key,
            values,
            "-10m, a date, an RFC 3339 time or a range a..b of them",
            Period::read,
        )?),
        Key::Has => Term::Has(things(values)?),
        Key::Connection => {
            Term::Connection(each(key, values, "a connection such as c12", connection)?)
        }
        Key::Id => Term::Id(each(key, values, "a flow id such as c12 or c12.3", |text| {
            text.parse::<FlowId>().ok()
        })?),
        Key::Simulated => Term::Simulated(answer(key, values)?),
    })
}

/// A term without a key, unless it looks like one whose colon is missing.
fn word(position: usize, raw: RawTerm) -> Result<Term, FilterError> {
    let first = raw.values.first().filter(|_| !raw.quoted).map(RawValue::text);
    match first.and_then(|text| Key::before_operator(&text)) {
        Some(meant) => Err(FilterError { position, problem: Problem::NoColon(shortened(&meant)) }),
        None => patterns(raw.values).map(Term::Word),
    }
}

fn patterns(values: Vec<RawValue>) -> Result<Vec<Pattern>, FilterError> {
    let read = |value: RawValue| {
        let position = value.position;
        let problem = Problem::Expected("a value");
        Pattern::new(value.pieces).ok_or(FilterError { position, problem })
    };
    values.into_iter().map(read).collect()
}

/// Reads each value with `read`.
fn each<T>(
    key: Key,
    values: Vec<RawValue>,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, FilterError> {
    each_word(key, values, expected, &[], read)
}

/// Reads each value with `read`, and suggests one of `words` in place of a refused one.
fn each_word<T>(
    key: Key,
    values: Vec<RawValue>,
    expected: &'static str,
    words: &[&'static str],
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, FilterError> {
    let read = |value: RawValue| {
        let text = value.text();
        read(&text).ok_or_else(|| FilterError {
            position: value.position,
            problem: Problem::BadValue {
                key: key.word(),
                value: shortened(&text),
                expected,
                suggestion: nearest(&text, words),
            },
        })
    };
    values.into_iter().map(read).collect()
}

fn places(values: Vec<RawValue>) -> Result<Vec<Place>, FilterError> {
    let expected = "agreed, disagreed, unknown or a two-letter country code";
    each_word(Key::Location, values, expected, &["agreed", "disagreed", "unknown"], place)
}

fn treatments(values: Vec<RawValue>) -> Result<Vec<TreatmentKind>, FilterError> {
    let expected = "intercepted, passthrough, plaintext, failed or blocked";
    let words = TreatmentKind::ALL.map(TreatmentKind::word);
    each_word(Key::Treatment, values, expected, &words, |text| {
        TreatmentKind::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(text))
    })
}

fn distrusts(values: Vec<RawValue>) -> Result<Vec<DistrustClass>, FilterError> {
    let expected = "authority-not-trusted, pinned, probable or unknown";
    let words = DistrustClass::ALL.map(DistrustClass::word);
    each_word(Key::Distrust, values, expected, &words, |text| {
        DistrustClass::ALL.into_iter().find(|class| class.word().eq_ignore_ascii_case(text))
    })
}

fn verdicts(values: Vec<RawValue>) -> Result<Vec<Verdict>, FilterError> {
    let expected = "concern, no-concern, unclear or needs-more";
    let words = Verdict::ALL.map(Verdict::word);
    each_word(Key::Verdict, values, expected, &words, |text| text.to_ascii_lowercase().parse().ok())
}

fn things(values: Vec<RawValue>) -> Result<Vec<Has>, FilterError> {
    let expected = "flag, verdict, lookup, operator, country, anycast, exchange, response or body";
    // Nothing looks for identifiers yet, so that none is offered.
    let offered = Has::ALL.into_iter().filter(|has| *has != Has::Identifier);
    let offered: Vec<_> = offered.map(Has::word).collect();
    each_word(Key::Has, values, expected, &offered, |text| {
        Has::ALL.into_iter().find(|has| has.word().eq_ignore_ascii_case(text))
    })
}

fn place(text: &str) -> Option<Place> {
    match text.to_ascii_lowercase().as_str() {
        "agreed" => Some(Place::Agreed),
        "disagreed" => Some(Place::Disagreed),
        "unknown" => Some(Place::Unknown),
        code => code.parse().ok().map(Place::Says),
    }
}

fn confidence(text: &str) -> Option<Confidence> {
    [Confidence::A, Confidence::B, Confidence::C]
        .into_iter()
        .find(|confidence| confidence.as_str().eq_ignore_ascii_case(text))
}

fn asn(text: &str) -> Option<Asn> {
    let number = match text.get(..2) {
        Some(prefix) if prefix.eq_ignore_ascii_case("as") => text.get(2..)?,
        _ => text,
    };
    u32::try_from(span::digits(number)?).ok().map(Asn)
}

fn network(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(span::digits(prefix)?)),
        None => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    let address: IpAddr = bare.parse().ok()?;
    let address = if prefix.is_none() { address.to_canonical() } else { address };
    let width = if address.is_ipv4() { 32 } else { 128 };
    Network::containing(address, u8::try_from(prefix.unwrap_or(width)).ok()?)
}

fn sizes(text: &str) -> Option<Span> {
    Span::read(text, "..", span::read_size)
}

fn connection(text: &str) -> Option<ConnectionId> {
    match text.parse().ok()? {
        FlowId::Connection(connection) => Some(connection),
        FlowId::Exchange(_) => None,
    }
}

/// One yes or no.
fn answer(key: Key, values: Vec<RawValue>) -> Result<bool, FilterError> {
    if let Some(second) = values.get(1) {
        let problem = Problem::Expected("one value");
        return Err(FilterError { position: second.position, problem });
    }
    let answers =
        each(key, values, "yes or no", |text| match text.to_ascii_lowercase().as_str() {
            "yes" | "true" => Some(true),
            "no" | "false" => Some(false),
            _ => None,
        })?;
    Ok(answers.first().copied().unwrap_or(true))
}

/// Enough of a text to recognise it in a message.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text.to_owned(),
    }
}

const SHOWN_CHARACTERS: usize = 60;
