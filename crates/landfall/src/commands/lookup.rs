//! `landfall lookup`: what the databases say of any address. Addresses need no network; a name is
//! looked up, since it was asked for.

use super::Context;
use crate::args::OutputArgs;
use crate::clock::SystemClock;
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::output::escape::printable;
use crate::output::page::Page;
use crate::output::row::{Column, Kind, Row};
use crate::output::rows::Rows;
use evidence::shape::{AddressShape, ClaimShape};
use flow::address::{DnsName, Host};
use flow::annotation::{Annotation, Location};
use flow::dns::{Lookup, LookupOutcome, Resolver};
use geoip::Databases;
use resolver::NameResolver;
use std::io::{BufRead, BufReader, Read, StdoutLock, Write};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Looks up what is named, and what stdin names where `-` is among it.
pub(crate) fn run(context: &Context, what: &[String], output: OutputArgs) -> Result<Exit, Error> {
    let databases = Databases::open(&context.settings.geoip)?;
    let output = context.output(output);
    if let ([one], Format::Table, true) = (what, output.format, output.fields.is_empty())
        && let Ok(Host::Ip(address)) = one.parse()
    {
        let annotation = databases.annotate(address, &[]);
        output.page(|page| {
            facts(page, &annotation);
            claims(page, &annotation);
        })?;
        return Ok(Exit::Ok);
    }
    let mut asker = Asker {
        context,
        databases: &databases,
        names: None,
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
        match word.parse() {
            Ok(Host::Ip(address)) => self.print(address, &[], false),
            Ok(Host::Name(name)) => self.ask_name(&name),
            Err(error) => {
                self.complain(word, &error.to_string());
                Ok(true)
            }
        }
    }

    fn ask_name(&mut self, name: &DnsName) -> Result<bool, Error> {
        let lookup = self.look_up(name)?;
        if lookup.outcome != LookupOutcome::Found {
            self.complain(name.as_str(), &outcome(&lookup.outcome));
            return Ok(true);
        }
        let simulated = lookup.resolver == Resolver::Override;
        for address in lookup.addresses() {
            if !self.print(address, &lookup.chain, simulated)? {
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
            let names = NameResolver::new(settings.resolver.clone(), &settings.limits, clock)?;
            self.names = Some((runtime, names));
        }
        match &self.names {
            Some((runtime, names)) => Ok(runtime.block_on(names.look_up(name, None))),
            None => Err(Error::runtime("the resolver did not start")),
        }
    }

    fn print(
        &mut self,
        address: IpAddr,
        chain: &[DnsName],
        simulated: bool,
    ) -> Result<bool, Error> {
        let annotation = self.databases.annotate(address, chain);
        self.rows.push(&AddressShape::new(&annotation, chain, simulated))
    }

    /// One bad line of many does not end the others; the exit code tells.
    fn complain(&mut self, word: &str, why: &str) {
        self.exit = Exit::Runtime;
        let written = writeln!(std::io::stderr(), "warning: {}: {why}", printable(word));
        // Without a stderr there is nobody to tell.
        drop(written);
    }
}

fn outcome(outcome: &LookupOutcome) -> String {
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
            page.inked_line(&flag.policy, reason, crate::output::colour::Ink::Notice);
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
        Column::shown("country", "country", Kind::Text),
        Column::shown("countries", "sources", Kind::Text),
        Column::shown("asn", "AS", Kind::Number),
        Column::shown("as_name", "AS name", Kind::Text),
        Column::shown("operator", "operator", Kind::Text),
        Column::shown("operator_country", "seat", Kind::Text),
        Column::hidden("operator_confidence", Kind::Text),
        Column::hidden("registered_country", Kind::Text),
        Column::hidden("as_registered_country", Kind::Text),
        Column::hidden("anycast", Kind::Text),
        Column::shown("special_range", "range", Kind::Text),
        Column::hidden("operator_level", Kind::Text),
        Column::hidden("location_level", Kind::Text),
        Column::shown("flags", "flags", Kind::Flags),
        Column::hidden("flag_reasons", Kind::Text),
        Column::hidden("claims", Kind::Text),
        Column::hidden("simulated", Kind::Text),
    ];
}

const READ_BYTES: usize = 64 * 1024;
/// No host name or address is longer.
const LONGEST_LINE_BYTES: u64 = 4 * 1024;
