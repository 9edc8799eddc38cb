//! What every command starts from: the settings, the session that was picked, and how to print.

use crate::args::{GlobalArgs, LiveFormat, OutputArgs, RunArgs};
use crate::config;
use crate::config::settings::{DataDir, Settings};
use crate::error::{Error, chain};
use crate::output::colour::When;
use crate::output::escape::printable;
use crate::output::{Format, Output};
use geoip::SetChoice;
use recorder::Signer;
use recorder::read::{Session, Sessions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The command's surroundings.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    /// `-S`.
    pub(crate) picked: Option<String>,
    pub(crate) colour: When,
    pub(crate) quiet: bool,
    /// ` --data DIR` for commands that are suggested, where one was given.
    pub(crate) data_option: String,
    /// Output options that were written before the verb.
    before_verb: OutputArgs,
}

impl Context {
    /// Reads the configuration and checks all of it.
    ///
    /// # Errors
    /// Usage: see [`config::read`] and [`Settings::new`].
    pub(crate) fn new(
        global: GlobalArgs,
        before_verb: OutputArgs,
        run: RunArgs,
    ) -> Result<Self, Error> {
        let data_option = global.data.as_deref().map(data_option).unwrap_or_default();
        let data = DataDir::new(global.data)?;
        let file = config::read(global.config.as_deref(), data.path())?;
        Ok(Self {
            settings: Settings::new(file, run, data)?,
            picked: global.session,
            colour: global.color,
            quiet: global.quiet,
            data_option,
            before_verb,
        })
    }

    /// Says on standard error what is wrong and does not end the command.
    pub(crate) fn warn(&self, error: &Error) {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        drop(writeln!(std::io::stderr(), "warning: {text}"));
    }

    /// How to print rows.
    pub(crate) fn output(&self, args: OutputArgs) -> Output {
        args.over(&self.before_verb).resolve(self.colour)
    }

    /// The key that signs: the person's own where the configuration names one, else the installation's.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(crate) fn signer(&self) -> Result<Signer, Error> {
        Ok(Signer::load(self.settings.data.path(), self.settings.signing_key.as_deref())?)
    }

    pub(crate) fn sessions(&self) -> Sessions {
        Sessions::at(self.settings.data.path())
    }

    /// Says something beside the command's data, on standard error, unless `-q` was given.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet {
            drop(writeln!(std::io::stderr(), "{line}"));
        }
    }

    /// Says why a list is empty, and what helps, on standard error, unless `-q` was given.
    pub(crate) fn nothing(&self, what: &str, hint: &str) {
        self.say(&format!("{}\nhint: {}", printable(what), printable(hint)));
    }

    /// The session that is named, else that of `-S`, else the newest. Damage is told on stderr.
    ///
    /// # Errors
    /// There is no such session, several, or it cannot be read.
    pub(crate) fn session(&self, named: Option<&str>) -> Result<Session, Error> {
        let sessions = self.sessions();
        let session = match named.or(self.picked.as_deref()) {
            Some(name) => sessions.find(name)?,
            None => sessions.newest()?,
        };
        Ok(with_damage_told(session))
    }

    /// The session that is named, or the one in a directory: what holds a separator is a path.
    ///
    /// # Errors
    /// As of [`Context::session`].
    pub(crate) fn session_at(&self, named: &str) -> Result<Session, Error> {
        let path = Path::new(named);
        match path.components().count() > 1 {
            true => Ok(with_damage_told(Session::open(path)?)),
            false => self.session(Some(named)),
        }
    }

    /// The format of live lines that was asked for before the verb.
    ///
    /// # Errors
    /// Usage: an option that makes no sense for lines that come one by one.
    pub(crate) fn live_format(&self) -> Result<Option<LiveFormat>, Error> {
        match (self.before_verb.format, self.before_verb.given()) {
            (Some(Format::Table), Some("--output")) => Ok(Some(LiveFormat::Table)),
            (Some(Format::Jsonl), Some("--output")) => Ok(Some(LiveFormat::Jsonl)),
            (_, None) => Ok(None),
            (_, Some(option)) => Err(Error::usage("a run prints lines as they come")
                .at(option)
                .hint("take -o table or -o jsonl; `landfall flow list` has the other forms")),
        }
    }

    /// Refuses row options for a command that prints no rows.
    ///
    /// # Errors
    /// Usage, when one was given.
    pub(crate) fn no_rows(&self) -> Result<(), Error> {
        match self.before_verb.given() {
            Some(option) => Err(Error::usage("this command prints no rows")
                .at(option)
                .hint(format!("leave {option} out"))),
            None => Ok(()),
        }
    }
}

/// The option as a shell takes it.
fn data_option(directory: &Path) -> String {
    let text = directory.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    match text.chars().all(is_plain) {
        true => format!(" --data {text}"),
        false => format!(" --data '{}'", text.replace('\'', "'\\''")),
    }
}

/// The options of `run` that other commands take too.
pub(crate) fn with_databases(geoip: Vec<PathBuf>, databases: Option<SetChoice>) -> RunArgs {
    RunArgs { geoip, databases, ..RunArgs::default() }
}

/// Says on stderr what is wrong with the session's log.
fn with_damage_told(session: Session) -> Session {
    if let Some(damage) = session.damage() {
        let mut text = "warning: the log is damaged".to_owned();
        for cause in chain(damage) {
            text.push_str("\n  because: ");
            text.push_str(&printable(&cause));
        }
        drop(writeln!(std::io::stderr(), "{text}"));
    }
    session
}
