//! `landfall geo update`: newer databases from their publishers. A request at third parties, and so
//! made on this command alone, which says whom it contacts before it does.

use crate::args::OutputArgs;
use crate::clock::SystemClock;
use crate::config::settings::{DatabaseUrls, Settings};
use crate::context::Context;
use crate::error::{Error, Exit, chain};
use crate::fetch::url::{Location, SourceUrl};
use crate::fetch::{Fetched, Fetcher, Limits, Progress};
use crate::names;
use crate::output::cell::bytes;
use crate::output::row::{Column, Kind, Row};
use crate::run::trust;
use evidence::shape::SCHEMA;
use geoip::{Doubts, SetChoice, SetId, SigningKey, TakenIn, Unusable, Update};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::{Date, OffsetDateTime};

/// Fetches, checks and takes in the sources that are named, or all.
pub(crate) fn run(
    context: &Context,
    only: &[String],
    doubts: Doubts,
    output: OutputArgs,
) -> Result<Exit, Error> {
    let settings = &context.settings;
    let wanted = wanted(&settings.database_urls, only)?;
    if settings.upstream_proxy.is_some() {
        return Err(Error::usage("databases are not fetched through an upstream proxy")
            .at("upstream-proxy")
            .hint("run `landfall geo update` with a configuration without it, if that is right"));
    }
    let key = signing_key(settings.database_urls.ipfire_key.as_deref())?;
    let output = context.output(output);
    let mut rows = output.rows::<UpdateRow<'_>>()?;
    let fetcher = fetcher(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::runtime("the runtime did not start").because(&error))?;
    let mut update = Update::begin(&settings.geoip, key)?;
    let today = OffsetDateTime::now_utc().date();
    tell_unusable(context, update.unusable());
    announce(context, &wanted, today);
    let mut taken = Vec::new();
    for (name, url) in wanted {
        let mut landing = update.landing()?;
        let from = runtime.block_on(fetch(context, &fetcher, name, url, today, &mut landing))?;
        let mut origin = from.to_string();
        if settings.simulates() {
            origin.push_str(" (simulated: [resolve] or [dial] is set)");
        }
        context.say(&format!("{name}: checking every network of it"));
        let taken_in = update.take_in(name, landing, &origin, doubts)?;
        taken.push((name, origin, taken_in));
    }
    let set = update.commit()?;
    for (name, origin, taken_in) in &taken {
        if !rows.push(&UpdateRow::new(name, origin, taken_in))? {
            break;
        }
    }
    rows.finish()?;
    context.say(&outcome(set.as_ref(), &settings.geoip.set));
    Ok(Exit::Ok)
}

/// What was in use and is replaced, if only by what came with the program.
fn tell_unusable(context: &Context, unusable: &[Unusable]) {
    for unusable in unusable {
        let (what, error) = match unusable {
            Unusable::Set(error) => ("the set in use", error),
            Unusable::File { name, error } => (name.as_str(), error),
        };
        let why = chain(error).join(": ");
        context.say(&format!(
            "{what} cannot be used: {why}. What came with the program stands in for it."
        ));
    }
}

/// What is asked after the update, which only makes a set the active one.
fn outcome(set: Option<&SetId>, configured: &SetChoice) -> String {
    let pinned = match configured {
        SetChoice::Active => None,
        SetChoice::Embedded | SetChoice::Named(_) => Some(format!(
            "the set {configured} is asked all the same, because the configuration pins it ([geo] set)"
        )),
    };
    match (set.map(SetId::short), pinned) {
        (Some(set), None) => {
            format!("The set {set} is asked from now on; sessions that run keep theirs.")
        }
        (Some(set), Some(pinned)) => {
            format!("The set {set} is the active one from now on; {pinned}.")
        }
        (None, None) => "Everything is as it was: these are the files in use.".to_owned(),
        (None, Some(pinned)) => {
            format!("Everything is as it was: these are the files of the active set; {pinned}.")
        }
    }
}

/// Sources and their URLs.
fn wanted<'a>(
    urls: &'a DatabaseUrls,
    only: &[String],
) -> Result<Vec<(&'static str, &'a SourceUrl)>, Error> {
    let sources: Vec<&'static str> = Update::sources().collect();
    if let Some(unknown) = only.iter().find(|name| !sources.contains(&name.as_str())) {
        return Err(Error::usage("there is no such source to update")
            .at(unknown)
            .hint(format!("write one of {}", sources.join(", "))));
    }
    let asked = |name: &&str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    Ok(sources.into_iter().filter(asked).map(|name| (name, urls.of(name))).collect())
}

fn announce(context: &Context, wanted: &[(&str, &SourceUrl)], today: Date) {
    context.say("This contacts third parties, which then know this machine's address:");
    for (name, url) in wanted {
        if let Some(at) = url.locations(today).first() {
            context.say(&format!("  {} for {name} ({at})", at.host()));
        }
    }
}

async fn fetch(
    context: &Context,
    fetcher: &Fetcher,
    name: &str,
    url: &SourceUrl,
    today: Date,
    out: &mut impl Write,
) -> Result<Location, Error> {
    for at in url.locations(today) {
        let mut meter = Meter::new(context, name);
        let contacts = |to: &Location| {
            if to.host() != at.host() {
                context.say(&format!("{name}: redirected to {}", to.host()));
            }
        };
        match fetcher.fetch(&at, out, contacts, |progress| meter.tell(progress)).await? {
            Fetched::Written(from) => {
                meter.end();
                return Ok(from);
            }
            Fetched::NotThere => context.say(&format!("{name}: {at} does not exist")),
        }
    }
    Err(Error::runtime(format!("the publisher has no {name} where it is looked for"))
        .at(url)
        .hint(format!("give the URL below [geo.update] as {name} = \"https://…\"")))
}

/// Says how far a fetch is: on a terminal in one line that changes, elsewhere at its end.
struct Meter<'a> {
    context: &'a Context,
    name: &'a str,
    terminal: bool,
    last: Option<Instant>,
    bytes: u64,
}

impl<'a> Meter<'a> {
    fn new(context: &'a Context, name: &'a str) -> Self {
        let terminal = std::io::stderr().is_terminal() && !context.quiet;
        Self { context, name, terminal, last: None, bytes: 0 }
    }

    fn tell(&mut self, Progress { bytes: read, of }: Progress) {
        self.bytes = read;
        if !self.terminal || self.last.is_some_and(|last| last.elapsed() < BETWEEN) {
            return;
        }
        self.last = Some(Instant::now());
        let of = of.map_or_else(String::new, |of| format!(" of {}", bytes(of)));
        drop(write!(std::io::stderr(), "\r\x1b[K{}: {}{of}", self.name, bytes(read)));
    }

    fn end(self) {
        if self.terminal {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
        self.context.say(&format!("{}: {} fetched", self.name, bytes(self.bytes)));
    }
}

const BETWEEN: Duration = Duration::from_millis(200);

fn fetcher(settings: &Settings) -> Result<Fetcher, Error> {
    let clock = Arc::new(SystemClock::start());
    let names = names::resolver(settings, &settings.limits, clock, None)?;
    let roots = trust::roots(&settings.upstream_ca, None)?;
    let (dial, mark) = (settings.dial.clone(), settings.transparent.mark);
    Fetcher::new(names, dial, mark, roots, Limits::default())
}

/// The key of the IPFire project, or that of whoever signs the mirror's files.
pub(super) fn signing_key(file: Option<&Path>) -> Result<SigningKey, Error> {
    let refuse = |path: &Path, why: &(dyn std::error::Error + 'static)| {
        Error::usage("the key that signs IPFire's database cannot be used")
            .at(path.display())
            .because(why)
            .hint("name a PEM file with a public key: -----BEGIN PUBLIC KEY-----")
    };
    match file {
        None => SigningKey::of_ipfire()
            .map_err(|error| Error::runtime("this build is broken").because(&error)),
        Some(path) => {
            let der = SubjectPublicKeyInfoDer::from_pem_file(path)
                .map_err(|error: pem::Error| refuse(path, &error))?;
            SigningKey::from_der(&der).map_err(|error| refuse(path, &error))
        }
    }
}

#[derive(Serialize)]
struct UpdateRow<'a> {
    schema: u32,
    name: &'a str,
    result: &'static str,
    built: &'a str,
    networks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
    sha256: &'a str,
    from: &'a str,
}

impl<'a> UpdateRow<'a> {
    fn new(name: &'a str, from: &'a str, taken: &'a TakenIn) -> Self {
        let compared = (!taken.known).then_some(taken.difference);
        Self {
            schema: SCHEMA,
            name,
            result: if taken.known { "unchanged" } else { "updated" },
            built: &taken.built,
            networks: taken.networks,
            changed: compared.map(|difference| difference.changed),
            lost: compared.map(|difference| difference.lost),
            sha256: &taken.sha256,
            from,
        }
    }
}

impl Row for UpdateRow<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("name", "name", Kind::Text),
        Column::shown("result", "result", Kind::Text),
        Column::shown("built", "built", Kind::Text),
        Column::shown("networks", "networks", Kind::Number),
        Column::shown("changed", "moved", Kind::Number),
        Column::shown("lost", "gone", Kind::Number),
        Column::shown("sha256", "SHA-256", Kind::Text),
        Column::hidden("from", Kind::Text),
    ];
}
