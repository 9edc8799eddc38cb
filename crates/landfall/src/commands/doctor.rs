//! `landfall doctor`: whether this machine can do a run, check by check, each with what helps.

use super::geo;
use crate::args::OutputArgs;
use crate::clock::SystemClock;
use crate::config::settings::Settings;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::names;
use crate::output::cell::bytes;
use crate::output::row::{Column, Kind, Row};
use evidence::shape::SCHEMA;
use flow::dns::{LookupOutcome, Sake};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

/// Runs every check; the exit code tells whether one failed.
pub(crate) fn run(context: &Context, output: OutputArgs) -> Result<Exit, Error> {
    let settings = &context.settings;
    let mut checks = vec![port(settings.listen)];
    checks.extend(addresses(settings.listen));
    checks.push(clock(OffsetDateTime::now_utc().year()));
    checks.push(authority(settings, SystemTime::now()));
    checks.extend(databases(settings));
    checks.push(disk(settings));
    checks.push(writable(settings.data.path()));
    checks.push(names(settings));
    let output = context.output(output);
    let mut rows = output.rows::<Check>()?;
    for check in &checks {
        if !rows.push(check)? {
            break;
        }
    }
    rows.finish()?;
    let failed = checks.iter().any(|check| check.result == Outcome::Fail);
    Ok(if failed { Exit::Runtime } else { Exit::Ok })
}

/// One line of the doctor's.
#[derive(Debug, Serialize)]
struct Check {
    schema: u32,
    check: &'static str,
    result: Outcome,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    Warn,
    Fail,
}

impl Check {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { schema: SCHEMA, check, result: Outcome::Ok, detail: detail.into(), hint: None }
    }

    fn warn(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self { result: Outcome::Warn, hint, ..Self::ok(check, detail) }
    }

    fn fail(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self { result: Outcome::Fail, hint, ..Self::ok(check, detail) }
    }
}

impl Row for Check {
    const COLUMNS: &'static [Column] = &[
        Column::hidden("schema", Kind::Number),
        Column::shown("result", "result", Kind::Word),
        Column::shown("check", "check", Kind::Text).whole(),
        Column::shown("detail", "detail", Kind::Text).wrapped(),
        Column::shown("hint", "hint", Kind::Text).below("hint: "),
    ];
}

fn port(listen: SocketAddr) -> Check {
    match TcpListener::bind(listen) {
        Ok(_listener) => Check::ok("port", format!("{listen} is free")),
        Err(error) => Check::fail(
            "port",
            format!("{listen} cannot be used: {error}"),
            "stop the program that uses it (perhaps another landfall), or choose another port with --listen",
        ),
    }
}

/// What to type into the phone's proxy settings.
fn addresses(listen: SocketAddr) -> Vec<Check> {
    let port = listen.port();
    let reachable = crate::interfaces::reachable(listen.ip());
    if reachable.is_empty() {
        return vec![Check::warn(
            "address",
            format!("no address of {listen} can be reached from another machine"),
            "connect this machine to the phone's network, or listen on 0.0.0.0",
        )];
    }
    let line = |(name, ip): (String, IpAddr)| {
        Check::ok("address", format!("proxy {ip}, port {port} (interface {name})"))
    };
    reachable.into_iter().map(line).collect()
}

/// Certificates and evidence need a clock that is right; the worst errors show in the year.
fn clock(year: i32) -> Check {
    if (BUILT_YEAR..BUILT_YEAR + 50).contains(&year) {
        Check::ok("clock", format!("{} UTC", short(OffsetDateTime::now_utc())))
    } else {
        Check::fail(
            "clock",
            format!("the machine's clock says {year}"),
            "set the clock: certificates and times in the record depend on it",
        )
    }
}

fn authority(settings: &Settings, now: SystemTime) -> Check {
    let authority = match certs::Authority::load(&settings.data.authority()) {
        Ok(Some(authority)) => authority,
        Ok(None) => return Check::ok("authority", "none yet; the first run creates it"),
        Err(error) => {
            let hint = error.hint().unwrap_or("restore its files from a backup");
            return Check::fail("authority", error.to_string(), hint);
        }
    };
    let name = authority.name();
    let until = short(OffsetDateTime::from(authority.not_after()));
    match authority.not_after().duration_since(now) {
        Err(_past) => Check::fail(
            "authority",
            format!("{name} expired on {until}"),
            "move its two files away; the next run makes a new one, which devices must trust",
        ),
        Ok(left) if left < EXPIRES_SOON => Check::warn(
            "authority",
            format!("{name} expires on {until}"),
            "plan for a new one, which devices must be told to trust",
        ),
        Ok(_) => Check::ok("authority", format!("{name}, valid until {until}")),
    }
}

fn databases(settings: &Settings) -> Vec<Check> {
    let databases = match geoip::Databases::open(&settings.geoip) {
        Ok(databases) => databases,
        Err(error) => return vec![Check::fail("databases", error.to_string(), error.hint())],
    };
    let today = OffsetDateTime::now_utc().date();
    let check = |status: geoip::DatabaseStatus| {
        let age = geo::age_days(status.built.as_deref(), today);
        let built = status.built.as_deref().unwrap_or("no date");
        let detail = format!("{} ({}), {built}", status.name, status.kind.as_str());
        match age {
            Some(days) if geo::is_stale(&status, today) => Check::warn(
                "database",
                format!("{detail}, {days} days old"),
                "addresses move; `landfall geo update` fetches newer databases",
            ),
            _ => Check::ok("database", detail),
        }
    };
    databases.status().into_iter().map(check).collect()
}

fn disk(settings: &Settings) -> Check {
    // The directory need not exist yet: its nearest parent is on the same file system.
    let data = settings.data.path();
    let absolute = std::path::absolute(data).unwrap_or_else(|_unknown| data.to_owned());
    let existing = absolute.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let floor = settings.limits.free_disk_bytes;
    let hint = "free some space, or choose another file system with --data";
    match fs4::available_space(existing) {
        Ok(free) if free < floor => Check::fail(
            "disk",
            format!("{} free for {}, the floor is {}", bytes(free), data.display(), bytes(floor)),
            hint,
        ),
        Ok(free) if free / 4 < floor => {
            Check::warn("disk", format!("{} free for {}", bytes(free), data.display()), hint)
        }
        Ok(free) => Check::ok("disk", format!("{} free for {}", bytes(free), data.display())),
        Err(error) => Check::fail("disk", format!("{}: {error}", existing.display()), hint),
    }
}

/// Whether a run could write there: creates a file and removes it. A directory that is not there
/// yet is not created for it; its nearest parent is tried.
fn writable(data: &Path) -> Check {
    let absolute = std::path::absolute(data).unwrap_or_else(|_unknown| data.to_owned());
    let existing = absolute.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let file = existing.join(format!(".landfall-doctor-{}", std::process::id()));
    let tried = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)
        .and_then(|_file| std::fs::remove_file(&file));
    match tried {
        Ok(()) => Check::ok("data", format!("{} can be written to", data.display())),
        Err(error) => Check::fail(
            "data",
            format!("{} cannot be written to: {error}", existing.display()),
            "choose a directory that you can write to with --data",
        ),
    }
}

/// Asks the resolver for a name that always exists.
fn names(settings: &Settings) -> Check {
    let hint = "check the network, or name a server in [resolver] of landfall.toml";
    let mut limits = settings.limits.clone();
    limits.resolve_time = limits.resolve_time.min(RESOLVER_PATIENCE);
    let clock = Arc::new(SystemClock::start());
    let resolver = match names::resolver(settings, &limits, clock, None) {
        Ok(resolver) => resolver,
        Err(error) => return Check::fail("resolver", error.to_string(), hint),
    };
    let asked = resolver.describe();
    let (Ok(runtime), Ok(name)) =
        (tokio::runtime::Builder::new_current_thread().enable_all().build(), KNOWN_NAME.parse())
    else {
        return Check::fail("resolver", "the runtime did not start", hint);
    };
    let lookup = runtime.block_on(resolver.look_up(&name, Sake::Landfall));
    match lookup.outcome {
        LookupOutcome::Found | LookupOutcome::NoAddresses | LookupOutcome::NoSuchName => {
            let took = lookup.took.as_millis();
            Check::ok("resolver", format!("{asked} answers ({took} ms for {KNOWN_NAME})"))
        }
        LookupOutcome::ServerFailure(code) => {
            Check::warn("resolver", format!("{asked} answers {code} for {KNOWN_NAME}"), hint)
        }
        LookupOutcome::TimedOut => {
            Check::warn("resolver", format!("{asked} does not answer"), hint)
        }
        LookupOutcome::Unreachable(why) => {
            Check::warn("resolver", format!("{asked} cannot be asked: {why}"), hint)
        }
    }
}

fn short(time: OffsetDateTime) -> String {
    let wall = crate::clock::wall(SystemTime::from(time));
    crate::output::cell::short_time(&recorder::record::value::Wall(wall).to_string())
}

/// A clock that is behind the program is wrong.
const BUILT_YEAR: i32 = 2026;
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const RESOLVER_PATIENCE: Duration = Duration::from_secs(3);
/// Reserved for documentation (RFC 2606), and resolvable.
const KNOWN_NAME: &str = "example.com";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_fails_with_a_hint() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let check = port(taken.local_addr().unwrap());
        assert_eq!(check.result, Outcome::Fail);
        assert!(check.hint.unwrap().contains("--listen"));
        assert_eq!(port("127.0.0.1:0".parse().unwrap()).result, Outcome::Ok);
    }

    #[test]
    fn a_data_directory_that_cannot_be_written_fails_and_nothing_is_left_behind() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(writable(temp.path()).result, Outcome::Ok);
        assert_eq!(writable(&temp.path().join("not/yet")).result, Outcome::Ok);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
        let file = temp.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let check = writable(&file);
        assert_eq!(check.result, Outcome::Fail);
        assert!(check.hint.unwrap().contains("--data"));
    }

    #[test]
    fn a_clock_in_another_decade_fails() {
        assert_eq!(clock(1970).result, Outcome::Fail);
        assert_eq!(clock(2026).result, Outcome::Ok);
        assert_eq!(clock(2106).result, Outcome::Fail);
    }
}
