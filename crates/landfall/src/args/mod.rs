//! The command line: what may be written, nothing of what it means. Verbs and options that are not
//! built are not here, so that they are refused with a suggestion.

mod export;
mod output;
mod probe;
mod refusal;
mod review;
mod run;
mod verb;
mod verify;

pub(crate) use export::{ExportArgs, ExportFormat};
pub(crate) use output::OutputArgs;
pub(crate) use probe::ProbeArgs;
pub(crate) use refusal::explain;
pub(crate) use review::ReviewVerb;
pub(crate) use run::{LiveFormat, RunArgs};
pub(crate) use verb::{
    CaVerb, CertificateForm, DestVerb, FlowVerb, GeoVerb, Part, SessionVerb, SetupVerb,
    TransparentArgs, Verb, WireLeg,
};
pub(crate) use verify::VerifyArgs;

use crate::output::colour::When;
use clap::{Arg, ArgAction, CommandFactory, Parser};
use std::ffi::OsString;
use std::path::PathBuf;

/// See, with evidence, where a phone's traffic goes. Without a verb: `landfall run`.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// Output options written before the verb; the verb's own go before them.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options that every verb takes.
#[derive(Debug, clap::Args)]
pub(crate) struct GlobalArgs {
    /// Directory of the authority, the sessions and the unpacked databases [default: the
    /// platform's data directory].
    #[arg(help_heading = EVERYWHERE, long, global = true, value_name = "DIR", env = "LANDFALL_DATA", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,
    /// Configuration file [default: landfall.toml in the data directory, if it is there].
    #[arg(help_heading = EVERYWHERE, long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Session to read: a name, an id or the beginning of one [default: the newest].
    #[arg(help_heading = EVERYWHERE, short = 'S', global = true, value_name = "SESSION", id = "pick")]
    pub(crate) session: Option<String>,
    /// When to use colours.
    #[arg(help_heading = EVERYWHERE, long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
    /// Say more on stderr; twice for the libraries as well.
    #[arg(help_heading = EVERYWHERE, short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Say only errors on stderr.
    #[arg(help_heading = EVERYWHERE, short, long, global = true)]
    pub(crate) quiet: bool,
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// Clap's, help and version among them; [`explain`] says what is wrong.
pub(crate) fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(with_verb(line.into_iter().collect()))
}

/// Inserts `run` where no verb is written: before the first word that is neither an option of the
/// top level nor the value of one. A line that asks for help or the version needs no verb.
fn with_verb(mut line: Vec<OsString>) -> Vec<OsString> {
    let command = Cli::command();
    let mut words = line.iter().skip(1).map(|word| word.to_string_lossy());
    let verbless = loop {
        let Some(word) = words.next() else { break true };
        if !word.starts_with('-') || word == "-" {
            break false;
        }
        if ["-h", "--help", "-V", "--version"].contains(&word.as_ref()) {
            break false;
        }
        match command.get_arguments().find(|arg| is_spelled(arg, &word)) {
            Some(arg) if arg.get_action().takes_values() => {
                // The value is the next word unless it is attached: `--data=x`, `-Sx`.
                let attached = match word.strip_prefix("--") {
                    Some(long) => long.contains('='),
                    None => word.chars().count() > 2,
                };
                if !attached {
                    words.next();
                }
            }
            Some(_) => {}
            // A slip in an option of the top level, before a verb that is written after all.
            None => {
                let run = command.find_subcommand("run");
                let of_run =
                    run.is_some_and(|run| run.get_arguments().any(|a| is_spelled(a, &word)));
                break of_run
                    || !words.any(|word| command.find_subcommand(word.as_ref()).is_some());
            }
        }
    };
    if verbless {
        line.insert(line.len().min(1), "run".into());
    }
    line
}

fn is_spelled(arg: &Arg, word: &str) -> bool {
    match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long.split_once('=').map_or(long, |(name, _)| name)),
        None => arg.get_short() == word.chars().nth(1),
    }
}

const EVERYWHERE: &str = "Options of every command";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    fn words(line: &str) -> impl Iterator<Item = OsString> {
        format!("landfall {line}")
            .split_whitespace()
            .map(OsString::from)
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn cli(line: &str) -> Cli {
        parse(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn the_definition_is_consistent_and_every_help_renders() {
        fn render(command: &mut clap::Command) {
            assert!(!command.render_long_help().to_string().is_empty());
            command.get_subcommands_mut().for_each(render);
        }
        Cli::command().debug_assert();
        let mut command = Cli::command();
        command.build();
        render(&mut command);
    }

    #[test]
    fn no_verb_is_run() {
        for line in [
            "",
            "run",
            "--listen 127.0.0.1:0",
            "--data d --listen 127.0.0.1:0",
            "--data=d",
            "-v -v",
            "-S list",
            "-o jsonl --allow-local",
        ] {
            assert!(matches!(cli(line).verb, Verb::Run(_)), "{line}");
        }
        for line in
            ["session list", "--data d session list", "-Sx session list", "-o json session list"]
        {
            assert!(matches!(cli(line).verb, Verb::Session(_)), "{line}");
        }
    }

    #[test]
    fn help_is_a_word_too() {
        for line in ["help", "help flow", "flow help list", "--help", "flow list --help"] {
            let error = parse(words(line)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{line}");
        }
    }

    #[test]
    fn options_are_read() {
        let Verb::Run(run) = cli(
            "--passthrough a.example,*.b.example --passthrough c.example --duration 10m --allow 10.0.0.0/8",
        )
        .verb
        else {
            panic!("not run")
        };
        let passthrough: Vec<_> = run.passthrough.iter().map(ToString::to_string).collect();
        assert_eq!(passthrough, ["a.example", "*.b.example", "c.example"]);
        assert_eq!(run.duration.unwrap().0.as_secs(), 600);
        let Verb::Flow(FlowVerb::List { filter, output }) =
            cli("flow list host:a.example or country:CN --sort -time --limit 3 -S x").verb
        else {
            panic!("not flow list")
        };
        assert_eq!(filter.join(" "), "host:a.example or country:CN");
        assert_eq!(output.limit, Some(3));
        assert!(output.sort.unwrap().descending);
    }

    #[track_caller]
    fn refused(line: &str, kind: ErrorKind, says: &str) {
        let error = parse(words(line)).unwrap_err();
        assert_eq!(error.kind(), kind, "{line}");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(says), "{error}");
    }

    #[test]
    fn what_is_unknown_is_refused_with_a_suggestion() {
        refused("--lisen 127.0.0.1:0", ErrorKind::UnknownArgument, "--listen");
        refused("--dta x flow list", ErrorKind::UnknownArgument, "--data");
        refused("sesion list", ErrorKind::InvalidSubcommand, "session");
        refused("flow list --limt 3", ErrorKind::UnknownArgument, "--limit");
        refused("flow list -o jsnol", ErrorKind::InvalidValue, "jsonl");
        refused("--upstream-verify maybe", ErrorKind::InvalidValue, "record");
        refused("--duration 10", ErrorKind::ValueValidation, "--duration");
        refused("--allow 10.0.0.1/8", ErrorKind::ValueValidation, "beyond the prefix");
        refused("flow show", ErrorKind::MissingRequiredArgument, "ID");
        refused("flow show 12", ErrorKind::ValueValidation, "cN");
        refused("-q -v", ErrorKind::ArgumentConflict, "--quiet");
    }
}
