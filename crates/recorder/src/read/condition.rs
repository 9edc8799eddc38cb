//! A filter as a condition over the view `listing`. The text holds only what stands in this file;
//! everything that a user wrote becomes a bound value.

use super::error::ReadError;
use super::flags_now::{FlagsNow, PLACE};
use super::reviewed::Reviewed;
use crate::index::cell::{address_key, number};
use flow::address::DnsName;
use flow::claim::Country;
use flow::filter::{Filter, Has, Pattern, Period, Piece, Place, Span, Term};
use flow::id::FlowId;
use flow::network::Network;
use flow::time::WallNanos;
use rusqlite::types::Value;
use std::net::IpAddr;

/// An SQL expression that is 0 or 1, never NULL, with the values of its `?`s in order.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

/// What a condition depends on beside the tables.
pub(super) struct Known<'a> {
    /// Relative times are before it.
    pub(super) now: WallNanos,
    pub(super) reviewed: &'a Reviewed,
    /// Where flags of now are asked for and are not those at capture.
    pub(super) flags_now: Option<FlagsNow>,
}

impl Condition {
    pub(super) fn compile(filter: &Filter, known: &Known<'_>) -> Result<Self, ReadError> {
        let mut condition = Self { sql: String::new(), values: Vec::new() };
        condition.filter(filter, known)?;
        Ok(condition)
    }

    fn filter(&mut self, filter: &Filter, known: &Known<'_>) -> Result<(), ReadError> {
        match filter {
            Filter::All => self.sql.push('1'),
            Filter::And(parts) => self.joined(parts, " AND ", |c, part| c.filter(part, known))?,
            Filter::Or(parts) => self.joined(parts, " OR ", |c, part| c.filter(part, known))?,
            Filter::Not(inner) => {
                self.sql.push_str("NOT ");
                self.joined(std::slice::from_ref(&**inner), "", |c, part| c.filter(part, known))?;
            }
            Filter::Term(term) => {
                // A column without a value does not match, so that its negation does.
                self.sql.push_str("coalesce(");
                self.term(term, known)?;
                self.sql.push_str(", 0)");
            }
        }
        Ok(())
    }

    fn term(&mut self, term: &Term, known: &Known<'_>) -> Result<(), ReadError> {
        match term {
            Term::Word(patterns) => self.each(patterns, |c, pattern| {
                c.each(&["host", "path", "operator"], |c, column| c.contains(column, pattern));
            }),
            Term::Host(patterns) => self.each(patterns, |c, p| c.whole("host", p)),
            Term::Method(patterns) => self.each(patterns, |c, p| c.whole("method", p)),
            Term::Protocol(patterns) => self.each(patterns, |c, p| c.whole("protocol", p)),
            Term::Outcome(patterns) => self.each(patterns, |c, p| c.whole("outcome", p)),
            Term::ConnectionOutcome(patterns) => {
                self.each(patterns, |c, p| c.whole("connection_outcome", p));
            }
            Term::Path(patterns) => self.each(patterns, |c, p| c.part("path", p)),
            Term::Type(patterns) => self.each(patterns, |c, p| c.part("type", p)),
            Term::Why(patterns) => self.each(patterns, |c, p| c.part("why", p)),
            Term::Operator(patterns) => self.each(patterns, |c, p| c.part("operator", p)),
            Term::Device(patterns) => self.each(patterns, |c, pattern| {
                c.sql.push('(');
                c.whole("device", pattern);
                c.sql.push_str(" OR EXISTS (SELECT 1 FROM session WHERE ");
                c.whole("session.device", pattern);
                c.sql.push_str("))");
            }),
            Term::App(patterns) => self.each(patterns, |c, p| c.whole("app", p)),
            Term::Flag(patterns) => self.each(patterns, Self::flag),
            Term::FlagNow(patterns) => self.each(patterns, |c, p| c.flag_now(p, known)),
            Term::Verdict(verdicts) => {
                self.listed("host", known.reviewed.hosts(|verdict| verdicts.contains(&verdict)));
            }
            Term::Country(countries) => self.countries("country", countries),
            Term::OperatorCountry(countries) => self.countries("operator_country", countries),
            Term::Registered(countries) => self.countries("registered", countries),
            Term::AsRegistered(countries) => self.countries("as_registered", countries),
            Term::Location(places) => self.each(places, Self::place),
            Term::Confidence(values) => {
                self.among("operator_confidence", values.iter().map(|v| text(v.as_str())));
            }
            Term::Asn(values) => {
                self.among("asn", values.iter().map(|v| Value::Integer(v.0.into())))
            }
            Term::Cname(zones) => self.each(zones, |c, zone| c.within(zone)),
            Term::Anycast(anycast) => {
                self.sql.push_str(if *anycast { "anycast = 1" } else { "anycast = 0" });
            }
            Term::Address(networks) => self.each(networks, |c, network| c.network(*network)),
            Term::Port(spans) => self.each(spans, |c, span| c.span("port", *span)),
            Term::Treatment(kinds) => {
                self.among("treatment", kinds.iter().map(|kind| text(kind.word())));
            }
            Term::Distrust(classes) => {
                self.among("distrust", classes.iter().map(|class| text(class.word())));
            }
            Term::Status(spans) => self.each(spans, |c, span| c.span("status", *span)),
            Term::Size(spans) => self.each(spans, |c, span| c.span(BOTH_BYTES, *span)),
            Term::Up(spans) => self.each(spans, |c, span| c.span("request_bytes", *span)),
            Term::Down(spans) => self.each(spans, |c, span| c.span("response_bytes", *span)),
            Term::Time(periods) => self.each(periods, |c, period| c.period(*period, known.now)),
            Term::Has(things) => {
                return self.joined(things, " OR ", |c, has| c.has(*has, known));
            }
            Term::Connection(ids) => {
                self.among("connection", ids.iter().map(|id| identity(id.0)));
            }
            Term::Id(ids) => self.each(ids, |c, id| c.id(*id)),
            Term::Simulated(simulated) => {
                self.sql.push_str(if *simulated { "simulated = 1" } else { "simulated = 0" });
            }
        }
        Ok(())
    }

    /// `(a OR b …)`.
    fn each<T>(&mut self, alternatives: &[T], write: impl Fn(&mut Self, &T)) {
        for (index, alternative) in alternatives.iter().enumerate() {
            self.sql.push_str(if index == 0 { "(" } else { " OR " });
            write(self, alternative);
        }
        self.sql.push(')');
    }

    /// The same with any connective, and parts that may be refused.
    fn joined<T>(
        &mut self,
        parts: &[T],
        connective: &str,
        write: impl Fn(&mut Self, &T) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        for (index, part) in parts.iter().enumerate() {
            self.sql.push_str(if index == 0 { "(" } else { connective });
            write(self, part)?;
        }
        self.sql.push(')');
        Ok(())
    }

    /// The whole text is the pattern.
    fn whole(&mut self, column: &str, pattern: &Pattern) {
        self.like(column, like_text(pattern));
    }

    /// The pattern stands anywhere in the text.
    fn contains(&mut self, column: &str, pattern: &Pattern) {
        self.like(column, format!("%{}%", like_text(pattern)));
    }

    /// Anywhere without a wildcard, the whole text with one.
    fn part(&mut self, column: &str, pattern: &Pattern) {
        match pattern.literal() {
            Some(_) => self.contains(column, pattern),
            None => self.whole(column, pattern),
        }
    }

    fn like(&mut self, column: &str, pattern: String) {
        self.sql.push_str(column);
        self.sql.push_str(" LIKE ? ESCAPE '\\'");
        self.values.push(Value::Text(pattern));
    }

    fn among(&mut self, column: &str, values: impl Iterator<Item = Value>) {
        self.sql.push_str(column);
        self.sql.push_str(" IN (");
        for (index, value) in values.enumerate() {
            self.sql.push_str(if index == 0 { "?" } else { ", ?" });
            self.values.push(value);
        }
        self.sql.push(')');
    }

    fn countries(&mut self, column: &str, countries: &[Country]) {
        self.among(column, countries.iter().map(|country| text(country.as_str())));
    }

    /// Flagged at capture.
    fn flag(&mut self, pattern: &Pattern) {
        self.sql.push_str(
            "EXISTS (SELECT 1 FROM flags WHERE flags.assessment = listing.assessment AND ",
        );
        self.whole("policy", pattern);
        self.sql.push(')');
    }

    /// Flagged by the policies that hold now, which are those at capture where no others were put.
    fn flag_now(&mut self, pattern: &Pattern, known: &Known<'_>) {
        match &known.flags_now {
            Some(flags) => self.listed(PLACE, flags.places(pattern)),
            None => self.flag(pattern),
        }
    }

    /// The expression is in a JSON list of texts, which may be longer than SQLite binds values.
    fn listed(&mut self, expression: &str, list: String) {
        self.sql.push_str(expression);
        self.sql.push_str(" IN (SELECT value FROM json_each(?))");
        self.values.push(Value::Text(list));
    }

    fn place(&mut self, place: &Place) {
        match place {
            Place::Agreed => self.sql.push_str("location IN ('agreed', 'overridden')"),
            Place::Disagreed => self.sql.push_str("location = 'disagreed'"),
            Place::Unknown => self.sql.push_str("coalesce(location, 'unknown') = 'unknown'"),
            Place::Says(country) => {
                self.sql.push_str(
                    "EXISTS (SELECT 1 FROM claims WHERE claims.assessment = listing.assessment
                     AND claims.about = 'located' AND claims.country = ?)",
                );
                self.values.push(text(country.as_str()));
            }
        }
    }

    fn network(&mut self, network: Network) {
        // A single address may be written with zeros behind it, a network never is.
        let (low, high) = bounds(network);
        self.sql.push_str("(length(address_key) = ? AND address_key BETWEEN ? AND ?)");
        self.values.extend([Value::Integer(low.len() as i64), Value::Blob(low), Value::Blob(high)]);
    }

    /// A name of a chain that leads from the host to it. Names hold no `%`, but `_`.
    fn within(&mut self, zone: &DnsName) {
        self.sql.push_str(
            "(host = ? OR host LIKE ? ESCAPE '\\' OR EXISTS (SELECT 1 FROM lookups JOIN chain ON chain.lookup = lookups.id
                 WHERE lookups.name = listing.host
                     AND (chain.name = ? OR chain.name LIKE ? ESCAPE '\\')))",
        );
        let below = format!("%.{}", zone.as_str().replace('_', "\\_"));
        let values = [text(zone.as_str()), text(&below)];
        self.values.extend(values.iter().cloned().chain(values.iter().cloned()));
    }

    fn span(&mut self, column: &str, span: Span) {
        self.sql.push_str(column);
        self.sql.push_str(" BETWEEN ? AND ?");
        self.values.extend([Value::Integer(number(span.from)), Value::Integer(number(span.to))]);
    }

    fn period(&mut self, period: Period, now: WallNanos) {
        self.sql.push_str("(time >= ? AND time < ?)");
        let from = period.from.map_or(0, |from| number(from.resolve(now).0));
        let until = period.until.map_or(i64::MAX, |until| number(until.resolve(now).0));
        self.values.extend([Value::Integer(from), Value::Integer(until)]);
    }

    fn has(&mut self, has: Has, known: &Known<'_>) -> Result<(), ReadError> {
        self.sql.push_str(match has {
            Has::Verdict => {
                self.listed("host", known.reviewed.hosts(|_any| true));
                return Ok(());
            }
            Has::Identifier => return Err(ReadError::NotLookedFor("identifiers")),
            Has::Flag => "flagged",
            Has::Lookup => "looked_up",
            Has::Asked => {
                "EXISTS (SELECT 1 FROM records WHERE records.connection = listing.connection
                 AND records.exchange = 0 AND records.kind = 'dns')"
            }
            Has::Upstream => {
                "EXISTS (SELECT 1 FROM connections WHERE connections.id = listing.connection
                 AND connections.reached)"
            }
            Has::Operator => "operator IS NOT NULL",
            Has::Country => "country IS NOT NULL",
            Has::Anycast => "anycast",
            Has::Exchange => "exchange > 0",
            Has::Response => "status IS NOT NULL",
            Has::Body => "(exchange > 0 AND (request_bytes > 0 OR response_bytes > 0))",
        });
        Ok(())
    }

    fn id(&mut self, id: FlowId) {
        self.sql.push_str("(connection = ?");
        self.values.push(identity(id.connection().0));
        if let FlowId::Exchange(exchange) = id {
            self.sql.push_str(" AND exchange = ?");
            self.values.push(Value::Integer(exchange.number.into()));
        }
        self.sql.push(')');
    }
}

/// A pattern for LIKE, with what is special there escaped.
fn like_text(pattern: &Pattern) -> String {
    let mut like = String::new();
    for piece in pattern.pieces() {
        match piece {
            Piece::Any => like.push('%'),
            Piece::Literal(text) => {
                for character in text.chars() {
                    if matches!(character, '%' | '_' | '\\') {
                        like.push('\\');
                    }
                    // As in the tables, whose texts hold no control characters.
                    like.push(if character.is_control() { '\u{fffd}' } else { character });
                }
            }
        }
    }
    like
}

/// The lowest and the highest address of a network, as the index keeps addresses.
fn bounds(network: Network) -> (Vec<u8>, Vec<u8>) {
    let prefix = u32::from(network.prefix());
    let high = match network.address() {
        IpAddr::V4(ip) => {
            IpAddr::V4((ip.to_bits() | u32::MAX.checked_shr(prefix).unwrap_or(0)).into())
        }
        IpAddr::V6(ip) => {
            IpAddr::V6((ip.to_bits() | u128::MAX.checked_shr(prefix).unwrap_or(0)).into())
        }
    };
    (address_key(network.address()), address_key(high))
}

/// An id that no row has stands for one that is too large for the tables.
fn identity(id: u64) -> Value {
    Value::Integer(i64::try_from(id).unwrap_or(-1))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// NULL only where neither direction is known.
const BOTH_BYTES: &str = "coalesce(request_bytes + response_bytes, request_bytes, response_bytes)";
