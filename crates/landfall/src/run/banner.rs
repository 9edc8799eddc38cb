//! What a run says on stderr: how to connect the phone, what it recovered, how it ended.

use crate::context::Context;
use crate::error::{Error, chain};
use crate::interfaces;
use crate::output::cell::{bytes, count};
use crate::output::escape::printable;
use certs::Authority;
use demo::phone::Played;
use flow::id::FlowId;
use recorder::{Recovered, RecoveryReport, Summary};
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

/// How to connect the phone.
pub(super) fn welcome(
    context: &Context,
    authority: &Authority,
    address: SocketAddr,
    taken: &[SocketAddr],
    name: &str,
) {
    if context.quiet {
        return;
    }
    let settings = &context.settings;
    say(&format!("Landfall {} records the session {name}.", env!("CARGO_PKG_VERSION")));
    let reachable = interfaces::reachable(address.ip());
    if reachable.is_empty() {
        say(&format!("  proxy      {address} (only this machine reaches it)"));
    }
    for (interface, ip) in reachable {
        say(&format!("  proxy      {ip}, port {} (interface {interface})", address.port()));
    }
    for address in taken {
        let mode = settings.transparent.mode.word();
        say(&format!("  {mode:<9}  {address} (rules: landfall setup transparent)"));
    }
    if let Some(note) =
        unasked(!settings.users.is_empty() || !settings.credentials_files.is_empty(), taken)
    {
        say(note);
    }
    if let Some(hop) = &settings.upstream_proxy {
        say(&format!("  through    {hop}"));
    }
    say(&format!(
        "  authority  {}; the phone gets it from http://{}/",
        authority.name(),
        proxy::OWN_HOST
    ));
    if let Some(file) = &settings.file {
        say(&format!("  settings   {}", file.display()));
    }
    if settings.simulates() {
        say("  SIMULATED  names, addresses or times are simulated: this shows no real traffic");
    }
    if let Some(duration) = settings.duration {
        say(&format!("  stops      by itself after {}", crate::config::DurationText(duration)));
    }
    say("  Ctrl-C ends the recording.");
}

/// That the passwords do not hold everywhere, if so.
fn unasked(has_credentials: bool, transparent: &[SocketAddr]) -> Option<&'static str> {
    (has_credentials && !transparent.is_empty())
        .then_some("  NOTE       transparent listeners ask nobody for a password")
}

/// The line for programs that wait for the proxy. Always printed.
pub(super) fn ready(address: SocketAddr, taken: &[SocketAddr], session: &str) {
    let taken: Vec<_> = taken.iter().map(ToString::to_string).collect();
    let taken = match taken.as_slice() {
        [] => String::new(),
        taken => format!(" transparent={}", taken.join(",")),
    };
    say(&format!("ready proxy={address} session={session}{taken}"));
}

/// What was found of an earlier run that did not end.
pub(super) fn recovered(context: &Context, report: &RecoveryReport) {
    let name = report.directory.name();
    match &report.result {
        Ok(_) if context.quiet => {}
        Ok(Recovered::Signed) => {
            say(&format!("The session {name} had been closed; it is signed now."))
        }
        Ok(Recovered::Closed(recovery)) => {
            let cut = recovery.cut_log_bytes.0 + recovery.cut_store_bytes.0;
            let missing: u64 = recovery.missing_frames.iter().map(|missing| missing.count.0).sum();
            say(&format!(
                "The session {name} had been interrupted; it is closed now: {} connections were open, \
                 {} was cut off, {} chunks were adopted, {missing} are missing.",
                recovery.open_connections.0,
                bytes(cut),
                recovery.adopted_frames.0,
            ));
        }
        Err(error) => {
            not_recovered(&name, error).iter().for_each(|line| say(line));
            if let Some(hint) = error.hint() {
                say(&format!("hint: {hint}"));
            }
        }
    }
}

/// The lines about a session that could not be recovered, down to what went wrong first.
fn not_recovered(name: &str, error: &dyn std::error::Error) -> Vec<String> {
    let mut lines = vec![format!("warning: the session {name} could not be recovered")];
    lines.extend(chain(error).iter().map(|cause| format!("  because: {cause}")));
    lines
}

pub(super) fn stopping(context: &Context, why: &str, grace: Duration) {
    if !context.quiet {
        let grace = crate::config::DurationText(grace);
        say(&format!(
            "{why}: running connections get {grace} to finish; Ctrl-C again exits at once."
        ));
    }
}

/// That nothing is recorded any more, and what becomes of connections. Always printed.
pub(super) fn stopped(error: &recorder::Error, session: &str, stays: bool) {
    say(&format!("RECORDING STOPPED: {error}"));
    chain(error).iter().skip(1).for_each(|cause| say(&format!("  because: {cause}")));
    match error {
        recorder::Error::DiskFloor { .. } => say(&format!("  The session {session} is closed.")),
        _ => say(&format!("  The session {session} is as it was left; the next run closes it.")),
    }
    if stays {
        say(
            "  Connections were ended and new ones are refused, because nothing passes unrecorded. \
             Ctrl-C ends.",
        );
    }
    let hint = error.hint().unwrap_or("`landfall doctor` checks what Landfall needs here");
    say(&format!("hint: {hint}; then start anew"));
}

/// The last word of such a run. What stopped it was told when it did.
pub(super) fn cut_short(session: &str, number: u64) -> Error {
    let what = format!("the recording of {session} stopped before the run ended");
    let refused = format!("{} refused since then", count(number, "connection"));
    Error::runtime(what)
        .showing((number > 0).then_some(refused))
        .hint("the reason is above, at RECORDING STOPPED; `landfall session show` has the rest")
}

/// How the demonstration's apps fared, and what each was there to show.
pub(super) fn played(context: &Context, played: &[Played]) {
    if context.quiet {
        return;
    }
    for Played { place, result } in played {
        let result = match result {
            Ok(text) => text.clone(),
            Err(text) => format!("gave up: {text}"),
        };
        say(&format!("  {:<24} {}", place.host(), place.shows));
        say(&format!("  {:<24}   the app: {result}", ""));
    }
}

/// What the session amounts to.
pub(super) fn summary(context: &Context, summary: &Summary) {
    if context.quiet {
        return;
    }
    let name = summary.directory.file_name().unwrap_or_default().to_string_lossy();
    say(&format!(
        "The session {name} holds {} and {} with {} ({} flagged).",
        count(summary.connections, "connection"),
        count(summary.exchanges, "exchange"),
        count(summary.destinations, "destination"),
        summary.flagged
    ));
    let treatments = summary.treatments.iter().map(|(word, number)| format!("{number} {word}"));
    let treatments: Vec<_> = treatments.collect();
    if !treatments.is_empty() {
        say(&format!("  {}", treatments.join(", ")));
    }
    say(&format!(
        "  {} sent, {} received, {}",
        bytes(summary.bytes_up),
        bytes(summary.bytes_down),
        count(summary.records, "record")
    ));
    say(&format!("  landfall dest list -S {name}{}", context.data_option));
}

/// That the condition of `--fail-on` is met, and by what.
pub(super) fn condition_met(context: &Context, first: FlowId, flows: u64) {
    if !context.quiet {
        say(&format!("--fail-on is met by {}, {first} first: exit 3.", count(flows, "flow")));
    }
}

/// A line on stderr. Without a stderr there is nobody to tell.
fn say(line: &str) {
    // In one write, so that no live line gets between the text and its end.
    let line = format!("{}\n", printable(line));
    drop(std::io::stderr().write_all(line.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparent_listeners_beside_credentials_are_told_of() {
        let listener = "127.0.0.1:8081".parse().unwrap();
        assert!(unasked(true, &[listener]).is_some());
        assert_eq!(unasked(true, &[]), None);
        assert_eq!(unasked(false, &[listener]), None);
    }

    #[test]
    fn the_end_of_a_run_whose_disk_was_full_repeated_what_its_beginning_had_said() {
        let text = cut_short("one", 2).to_string();
        assert!(text.contains("\n  2 connections refused since then\nhint: "), "{text}");
        assert!(!text.contains("space"), "{text}");
        assert!(!cut_short("one", 0).to_string().contains("refused"));
    }

    #[test]
    fn a_failed_recovery_is_told_down_to_its_first_cause() {
        #[derive(Debug)]
        struct Outer(std::io::Error);
        impl std::fmt::Display for Outer {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the log could not be cut")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        assert_eq!(
            not_recovered("one", &Outer(std::io::Error::other("read-only file system"))),
            [
                "warning: the session one could not be recovered",
                "  because: the log could not be cut",
                "  because: read-only file system",
            ]
        );
    }
}
