//! A refused command line in the words of every other error: what, the usage, and a hint. Clap
//! finds the mistake and the nearest spelling; how both are said is decided here.

use super::Cli;
use crate::config::{UnitError, rule_hint};
use crate::error::Error;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use flow::filter::FilterError;
use flow::id::{FlowId, NotAFlowId};
use flow::network::NetworkError;
use proxy::NotARule;
use std::error::Error as _;
use std::ffi::OsString;
use std::net::AddrParseError;

/// The refusal of `line` as ours.
pub(crate) fn explain(error: &clap::Error, line: &[OsString]) -> Error {
    match error.kind() {
        ErrorKind::InvalidUtf8 => not_utf8(line),
        ErrorKind::ValueValidation => of_value(error, line).unwrap_or_else(|| rendered(error)),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            without_verb(error)
        }
        _ => rendered(error),
    }
}

/// A noun alone, such as `landfall flow`: what can follow it is short enough to be listed.
fn without_verb(error: &clap::Error) -> Error {
    let path = command(error);
    let mut noun = Cli::command();
    for word in path.split(' ').skip(1) {
        noun = noun.find_subcommand(word).cloned().unwrap_or(noun);
    }
    let verbs: Vec<&str> = noun.get_subcommands().map(clap::Command::get_name).collect();
    Error::usage(format!("`{path}` needs a command"))
        .hint(format!("write one of {}", verbs.join(", ")))
}

fn not_utf8(line: &[OsString]) -> Error {
    let error = Error::usage("an argument is not valid UTF-8")
        .hint("write it in UTF-8; only paths may hold other bytes");
    match line.iter().find(|word| word.to_str().is_none()) {
        Some(word) => error.at(format!("{word:?}")),
        None => error,
    }
}

/// A value that its option's type refused: the type's error says what it wants.
fn of_value(error: &clap::Error, line: &[OsString]) -> Option<Error> {
    let (Some(ContextValue::String(option)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return None;
    };
    let source = error.source()?;
    if let Some(filter) = source.downcast_ref::<FilterError>() {
        return Some(Error::filter(value, filter).at(option));
    }
    let refused = Error::usage(format!("{} is not taken: {source}", abbreviated(value))).at(option);
    Some(match hint(source, value) {
        Some(hint) => refused.hint(hint),
        None => refused.hint(format!("`{} --help` tells what it takes", written(line))),
    })
}

fn hint(source: &(dyn std::error::Error + 'static), value: &str) -> Option<String> {
    if source.is::<AddrParseError>() {
        return Some("write an IP address and port such as 127.0.0.1:8080".to_owned());
    }
    if source.is::<NetworkError>() {
        return Some("write a network such as 10.0.0.0/8 or an address".to_owned());
    }
    if source.is::<NotAFlowId>() {
        let lower = value.to_lowercase();
        return Some(match lower.parse::<FlowId>() {
            Ok(id) => format!("did you mean {id}?"),
            Err(NotAFlowId) => "`landfall flow list` shows the ids, such as c12.3".to_owned(),
        });
    }
    if let Some(error) = source.downcast_ref::<NotARule>() {
        return Some(rule_hint(error));
    }
    source.downcast_ref::<UnitError>().map(|unit| format!("write {}", unit.takes()))
}

/// Whatever else is wrong, taken from clap's text: its paragraphs are the mistake, tips, the usage
/// and where to find help.
fn rendered(error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut paragraphs = text.split("\n\n");
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what);
    let what: Vec<&str> = what.split_whitespace().collect();
    let tip = text.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
    let usage = paragraphs.filter_map(|part| part.trim().strip_prefix("Usage: ")).map(usage);
    let refused = Error::usage(what.join(" ")).showing(usage);
    match (tip, error.get(ContextKind::ValidValue)) {
        (Some(tip), _) => refused.hint(tip.replace('\'', "`")),
        (None, Some(ContextValue::Strings(words))) if !words.is_empty() => {
            refused.hint(format!("write one of {}", words.join(", ")))
        }
        (None, _) => refused.hint(format!(
            "`{} --help` lists the {} and options",
            command(error),
            if text.contains("<COMMAND>") { "commands" } else { "arguments" }
        )),
    }
}

/// The usage on one line, without the option that clap takes for written when the environment
/// names the data directory.
fn usage(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    format!("usage: {}", words.join(" ").replace(" --data <DIR>", ""))
}

/// The command that was meant: the words of the usage before its first argument.
fn command(error: &clap::Error) -> String {
    let text = error.to_string();
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or(PROGRAM);
    let words = usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-']));
    words.collect::<Vec<_>>().join(" ")
}

/// The command that was written: its words, or that which stands for none.
fn written(line: &[OsString]) -> String {
    let mut path = vec![PROGRAM.to_owned()];
    let mut at = Cli::command();
    for word in line.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(next) = at.find_subcommand(word).cloned() {
            path.push(word.to_owned());
            at = next;
        }
    }
    if path.len() == 1 {
        path.push("run".to_owned());
    }
    path.join(" ")
}

/// The value as a quoted text of bounded length.
fn abbreviated(value: &str) -> String {
    match value.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{:?}…", value.get(..end).unwrap_or_default()),
        None => format!("{value:?}"),
    }
}

const PROGRAM: &str = "landfall";
const LONGEST_SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn line(text: &str) -> Vec<OsString> {
        format!("landfall {text}").split_whitespace().map(OsString::from).collect()
    }

    fn said(line: Vec<OsString>) -> String {
        let error = super::super::parse(line.clone()).unwrap_err();
        let error = explain(&error, &line);
        assert_eq!(error.exit().code(), 2);
        error.to_string()
    }

    #[track_caller]
    fn check(text: &str, what: &str, hint: &str) {
        let shown = said(line(text));
        let last = shown.lines().last().unwrap();
        assert!(shown.starts_with("error: ") && shown.contains(what), "{text}: {shown}");
        assert!(last.starts_with("hint: ") && last.contains(hint), "{text}: {shown}");
        assert!(!shown.contains("tip:") && !shown.contains("--data <DIR>"), "{text}: {shown}");
    }

    #[test]
    fn every_refusal_ends_with_a_hint() {
        check("--lisen 127.0.0.1:0", "--lisen", "`--listen`");
        check("sesion list", "sesion", "session");
        check("flow list -o jsnol", "possible values: table", "jsonl");
        check("flow show", "usage: landfall flow show", "`landfall flow show --help` lists");
        check("flow show --data d", "usage: landfall flow show", "`landfall flow show --help`");
        check("flow", "`landfall flow` needs a command", "write one of list, show, messages, body");
        check("flow body c1.1 --part x", "--part", "write one of request, response");
        check(
            "flow list --limit x",
            "not a number of rows such as 20",
            "`landfall flow list --help`",
        );
        check("--transparent-mark x", "such as 0x4c46", "`landfall run --help`");
        check("--dta x flow list", "--dta", "`--data`");
        check("-q -v", "--quiet", "`landfall");
        check("flow show 12", "cN", "`landfall flow list` shows the ids");
        check("flow show C1.1", "not a flow id", "did you mean c1.1?");
        check("--listen localhost:8080", "--listen", "such as 127.0.0.1:8080");
        check("--duration 10", "--duration", "10m");
        check("--allow 10.0.0.1/8", "beyond the prefix", "10.0.0.0/8");
        check("--passthrough a/b", "--passthrough", "such as 192.0.2.0/24");
        check("--block contry:CN", "the key \"contry\"", "did you mean \"country:…\"?");
        check("--fail-on contry:CN", "contry:CN\n  ^", "\"country\"");
    }

    #[test]
    fn what_is_not_utf8_is_named_and_what_is_long_is_not_repeated() {
        let mut bad = line("flow list");
        bad.push(OsString::from_vec(b"host:\xff\x1b".to_vec()));
        let shown = said(bad);
        assert!(shown.contains(r"host:\xFF\u{1b}"), "{shown}");
        let shown = said(line(&format!("--fail-on {}", "a".repeat(5_000))));
        assert!(shown.len() < 300, "{shown}");
        let shown = said(line(&format!("--listen {}", "a".repeat(5_000))));
        assert!(shown.len() < 300, "{shown}");
    }
}
