//! `landfall lookup`: what the databases say of any address. Addresses need no network; a name is
//! looked up, since it was asked for. What is asked about is contacted on request alone.

use super::lookup_rtt::{self, Ruler};
use super::measuring::Asked;
use crate::args::OutputArgs;
use crate::clock::{self, SystemClock};
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::names;
use crate::output::Format;
use crate::output::colour::Ink;
use crate::output::escape::printable;
use crate::output::page::Page;
use crate::output::row::{Column, Kind, Row};
use crate::output::rows::Rows;
use evidence::shape::{AddressShape, ClaimShape};
use flow::address::{DnsName, Host, Target};
use flow::annotation::{Annotation, Location};
use flow::dns::{Lookup, LookupOutcome, Resolver, Sake};
use geoip::Databases;
use resolver::NameResolver;
use std::io::{BufRead, BufReader, Read, StdoutLock, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::runtime::Runtime;

/// Looks up what is named, and what stdin names where `-` is among it.
pub(crate) fn run(
    context: &Context,
    what: &[String],
    rtt: bool,
    output: OutputArgs,
) -> Result<Exit, Error> {
    let databases = Arc::new(Databases::open(&context.settings.geoip)?);
    let ruler = if rtt { Some(Ruler::new(context, &databases)?) } else { None };
    let output = context.output(output);
    if let ([one], Format::Table, true) = (what, output.format, output.fields.is_empty())
        && let Ok(asked @ Asked { host: Host::Ip(address), .. }) = asked(one, rtt)
    {
        let annotation = databases.annotate(address, &[], None);
        let measured = ruler.map(|ruler| ruler.measure(&asked, &annotation));
        output.page(|page| {
            facts(page, &annotation);
            if let Some(measured) = &measured {
                lookup_rtt::fill(page, measured);
            }
            claims(page, &annotation);
        })?;
        return Ok(Exit::Ok);
    }
    let mut asker = Asker {
        context,
        databases: &databases,
        names: None,
        ruler,
        rows: output.rows::<AddressShape<'_>>()?,
        exit: Exit::Ok,
    };
    for word in what {
        let more = match word.as_str() {
            "-" => asker.read(std::io::stdin().lock())?,
            word => asker.ask(word)?,
        };
        if !more {
            break;
        }
    }
    let exit = asker.exit;
    asker.rows.finish()?;
    Ok(exit)
}

struct Asker<'a> {
    context: &'a Context,
    databases: &'a Databases,
    /// Made when the first name is asked for.
    names: Option<(Runtime, NameResolver)>,
    /// There where round trips are asked for.
    ruler: Option<Ruler>,
    rows: Rows<'a, StdoutLock<'static>>,
    exit: Exit,
}

impl Asker<'_> {
    /// Asks for every line of the input. Memory does not grow with it.
    fn read(&mut self, input: impl Read) -> Result<bool, Error> {
        let mut input = BufReader::with_capacity(READ_BYTES, input);
        let mut line = Vec::new();
        loop {
            if input.buffer().is_empty() {
                // Whoever writes the questions one by one waits for the answers.
                self.rows.flush()?;
            }
            line.clear();
            let read = input
                .by_ref()
                .take(LONGEST_LINE_BYTES)
                .read_until(b'\n', &mut line)
                .map_err(|error| Error::runtime("stdin could not be read").because(&error))?;
            if read == 0 {
                return Ok(true);
            }
            let text = String::from_utf8_lossy(&line);
            let word = text.trim();
            if !word.is_empty() && !self.ask(word)? {
                return Ok(false);
            }
        }
    }

    /// Asks for one address or name; `false` when no more rows are wanted.
    fn ask(&mut self, word: &str) -> Result<bool, Error> {
        match asked(word, self.ruler.is_some()) {
            Ok(asked @ Asked { host: Host::Ip(address), .. }) => {
                self.print(&asked, address, &[], false)
            }
            Ok(asked @ Asked { host: Host::Name(_), .. }) => self.ask_name(&asked),
            Err(hint) => {
                self.complain(word, "not an address or host name", &hint);
                Ok(true)
            }
        }
    }

    fn ask_name(&mut self, asked: &Asked) -> Result<bool, Error> {
        let Host::Name(name) = &asked.host else { return Ok(true) };
        let lookup = self.look_up(name)?;
        if lookup.outcome != LookupOutcome::Found {
            let hint = remedy(&lookup.outcome);
            self.complain(name.as_str(), &outcome(&lookup.outcome), hint);
            return Ok(true);
        }
        let simulated = lookup.resolver == Resolver::Override;
        for address in lookup.addresses() {
            if !self.print(asked, address, &lookup.chain, simulated)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn look_up(&mut self, name: &DnsName) -> Result<Lookup, Error> {
        if self.names.is_none() {
            let settings = &self.context.settings;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Error::runtime("the runtime did not start").because(&error))?;
            let clock = Arc::new(SystemClock::start());
            let names = names::resolver(settings, &settings.limits, clock, None)?;
            self.names = Some((runtime, names));
        }
        match &self.names {
            Some((runtime, names)) => Ok(runtime.block_on(names.look_up(name, Sake::Landfall))),
            None => Err(Error::runtime("the resolver did not start")),
        }
    }

    fn print(
        &mut self,
        asked: &Asked,
        address: IpAddr,
        chain: &[DnsName],
        simulated: bool,
    ) -> Result<bool, Error> {
        let annotation = self.databases.annotate(address, chain, None);
        let now = clock::wall(SystemTime::now());
        let measured = self.ruler.as_ref().map(|ruler| ruler.measure(asked, &annotation));
        let shape = AddressShape::new(&annotation, chain, simulated).asked(now);
        self.rows.push(&shape.measured(measured))
    }

    /// One bad line of many does not end the others; the exit code tells.
    fn complain(&mut self, word: &str, why: &str, hint: &str) {
        self.exit = Exit::Runtime;
        let (word, hint) = (printable(word), printable(hint));
        let written = writeln!(std::io::stderr(), "warning: {word}: {why}\nhint: {hint}");
        // Without a stderr there is nobody to tell.
        drop(written);
    }
}

/// What a word asks about. A port is for measuring alone.
pub(super) fn asked(word: &str, measuring: bool) -> Result<Asked, String> {
    match (host(word), measuring) {
        (Ok(host), _) => Ok(Asked { host, port: HTTPS }),
        (Err(hint), true) if !word.contains('/') => match Target::parse(word, None) {
            Ok(Target { host: named, port }) => {
                Ok(Asked { host: host(&named.to_string()).or(Err(hint))?, port })
            }
            Err(_) => Err(hint),
        },
        (Err(hint), _) => Err(hint),
    }
}

/// What a word names, or what to write in its place. Whatever looks like a mistyped address, a URL
/// or a network is refused here, so that it is asked of no name server.
fn host(word: &str) -> Result<Host, String> {
    let said = |host: &str| match host.parse::<Host>() {
        Ok(host) => format!("write {host} alone"),
        Err(_) => NAMES.to_owned(),
    };
    if let Some((_, rest)) = word.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = Target::parse(authority, Some(443)).map(|target| target.host.to_string());
        return Err(said(&host.unwrap_or_default()));
    }
    if let Some((address, _)) = word.split_once('/') {
        return Err(said(address));
    }
    match word.parse() {
        Ok(Host::Name(name)) if is_numeric(name.as_str()) => Err(DOTTED.to_owned()),
        Ok(host) => Ok(host),
        Err(_) => match Target::parse(word, None) {
            Ok(target) => Err(said(&target.host.to_string())),
            Err(_) => Err(NAMES.to_owned()),
        },
    }
}

/// Whether the last label is a number, as in no name of the internet (RFC 3696 section 2) and in
/// every way in which programs write IPv4 addresses: `8.8.8`, `999.1.1.1`, `0x08080808`.
fn is_numeric(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let (digits, radix) = match last.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (last, 10),
    };
    digits.chars().all(|c| c.is_digit(radix))
}

pub(super) fn remedy(outcome: &LookupOutcome) -> &'static str {
    match outcome {
        LookupOutcome::Found | LookupOutcome::NoAddresses | LookupOutcome::NoSuchName => {
            "check the spelling, or write an address"
        }
        LookupOutcome::ServerFailure(_)
        | LookupOutcome::TimedOut
        | LookupOutcome::Unreachable(_) => {
            "`landfall doctor` checks the resolver; addresses need none"
        }
    }
}

pub(super) fn outcome(outcome: &LookupOutcome) -> String {
    match outcome {
        LookupOutcome::Found => "found".to_owned(),
        LookupOutcome::NoAddresses => "the name has no addresses".to_owned(),
        LookupOutcome::NoSuchName => "the name does not exist".to_owned(),
        LookupOutcome::ServerFailure(code) => format!("the resolver answered {code}"),
        LookupOutcome::TimedOut => "the resolver did not answer in time".to_owned(),
        LookupOutcome::Unreachable(why) => format!("no resolver could be asked: {why}"),
    }
}

/// What is known of one address, for people.
pub(crate) fn facts(page: &mut Page, annotation: &Annotation) {
    page.section(&format!("Address {}", annotation.address));
    page.some("special range", annotation.special_range.as_deref());
    page.line("location", location(&annotation.location));
    page.some("address", annotation.address_registered.map(|c| format!("registered in {c}")));
    let announced = annotation.asn.map(|asn| {
        format!("{asn} {}", annotation.as_name.as_deref().unwrap_or_default()).trim_end().to_owned()
    });
    page.some("announced by", announced);
    page.some("AS", annotation.as_registered.map(|country| format!("registered in {country}")));
    if let Some(operator) = &annotation.operator {
        let seat =
            operator.headquarters.map_or_else(String::new, |c| format!(", headquarters in {c}"));
        let confidence = operator.confidence.as_str();
        page.line(
            "operator",
            format_args!("{}{seat} (confidence {confidence}: {})", operator.group, operator.basis),
        );
    }
    if annotation.anycast {
        page.line("anycast", "yes: one address, many machines");
    }
    for flag in &annotation.flags {
        for reason in &flag.reasons {
            page.inked_line(&flag.policy, reason, Ink::of_severity(flag.severity));
        }
    }
}

/// Who says so.
pub(crate) fn claims(page: &mut Page, annotation: &Annotation) {
    page.section(&format!("Claims about {}", annotation.address));
    for claim in &annotation.claims {
        let shape = ClaimShape::new(claim);
        let built = claim.source.built.as_deref().unwrap_or("no date");
        let value = shape.value().unwrap_or_default();
        page.line(&claim.source.name, format_args!("{} {value}", shape.about()));
        let hash = claim.source.sha256.as_deref().and_then(|hash| hash.get(..16));
        let file = hash.map_or_else(String::new, |hash| format!(", SHA-256 {hash}…"));
        page.line("", format_args!("for {} ({built}{file})", claim.matched));
    }
}

/// What the location sources say together, in a sentence that goes no further than they do.
pub(crate) fn location(location: &Location) -> String {
    match location {
        Location::Unknown => "no database answers".to_owned(),
        Location::Agreed { country, answered, asked } => {
            format!("{country} according to {answered} of {asked} databases")
        }
        Location::Disagreed { answers, .. } => {
            let answers: Vec<_> = answers.iter().map(|(name, c)| format!("{name} {c}")).collect();
            format!("databases disagree: {}", answers.join(", "))
        }
        Location::Overridden { country } => format!("{country} by the analyst's override"),
    }
}

impl Row for AddressShape<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("host", "host", Kind::Text),
        Column::shown("address", "address", Kind::Text),
        Column::hidden("cnames", Kind::Text),
        Column::shown("country", "country", Kind::Country),
        Column::shown("countries", "sources", Kind::Sources).spare(1).room(18),
        Column::shown("asn", "AS", Kind::Number),
        Column::shown("as_name", "AS name", Kind::Text).spare(2),
        Column::shown("operator", "operator", Kind::Text).room(12),
        Column::shown("operator_country", "seat", Kind::Text).spare(3),
        Column::hidden("operator_confidence", Kind::Text),
        Column::hidden("registered_country", Kind::Text),
        Column::hidden("as_registered_country", Kind::Text),
        Column::shown("anycast", "anycast", Kind::Mark).spare(2),
        Column::shown("special_range", "range", Kind::Text),
        Column::hidden("operator_level", Kind::Text),
        Column::hidden("location_level", Kind::Text),
        Column::shown("rtt", "round trip", Kind::Text),
        Column::shown("flags", "flags", Kind::Flags),
        Column::hidden("flag_reasons", Kind::Text),
        Column::shown("severity", "severity", Kind::Text).spare(4),
        Column::hidden("claims", Kind::Text),
        Column::hidden("asked", Kind::Time),
        Column::hidden("round_trips", Kind::Text),
        Column::hidden("simulated", Kind::Text),
    ];
}

const NAMES: &str = "write an address or a host name, such as 192.0.2.1 or www.example.com";
const DOTTED: &str = "write all four numbers of the address, each from 0 to 255";
const HTTPS: u16 = 443;
const READ_BYTES: usize = 64 * 1024;
/// No host name or address is longer.
const LONGEST_LINE_BYTES: u64 = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(word: &str, says: &str) {
        let hint = host(word).unwrap_err();
        assert!(hint.contains(says), "{word}: {hint}");
    }

    #[test]
    fn what_is_neither_address_nor_name_is_never_asked_of_a_name_server() {
        refused("https://www.example.com/a?b", "write www.example.com alone");
        refused("https://user@www.example.com:8443", "write www.example.com alone");
        refused("http://[2001:db8::1]:80/", "write 2001:db8::1 alone");
        refused("www.example.com:443", "write www.example.com alone");
        refused("8.8.8.8:53", "write 8.8.8.8 alone");
        refused("8.8.8.0/24", "write 8.8.8.0 alone");
        refused("8.8.8", "four numbers");
        refused("999.1.1.1", "four numbers");
        refused("0x08080808", "four numbers");
        refused("134744072", "four numbers");
        refused("8.8.8.8.", "four numbers");
        refused("a b", "write an address");
        refused("", "write an address");
        refused("://", "write an address");
    }

    #[test]
    fn a_port_is_taken_where_round_trips_are_measured() {
        for (word, host, port) in [
            ("8.8.8.8:853", "8.8.8.8", 853),
            ("[2001:db8::1]:8443", "2001:db8::1", 8443),
            ("www.example.com:8443", "www.example.com", 8443),
            ("www.example.com", "www.example.com", 443),
        ] {
            let asked = asked(word, true).unwrap();
            assert_eq!((asked.host.to_string(), asked.port), (host.to_owned(), port));
        }
        for word in ["8.8.8:443", "https://a.example:443", "a.example:", "10.0.0.0/8:1"] {
            assert!(asked(word, true).is_err(), "{word}");
        }
        assert!(asked("8.8.8.8:53", false).is_err());
    }

    #[test]
    fn addresses_and_names_are_taken() {
        for word in
            ["8.8.8.8", "2001:db8::1", "[2001:db8::1]", "www.example.com", "1e100.net", "0xa.de"]
        {
            assert!(host(word).is_ok(), "{word}");
        }
    }
}
