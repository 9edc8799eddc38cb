//! Colours: only on a terminal, never with `NO_COLOR`, always in addition to words.

use flow::annotation::Severity;
use std::fmt;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum When {
    #[default]
    Auto,
    Always,
    Never,
}

impl When {
    /// Whether to colour what goes to a stream that is, or is not, a terminal
    /// (`NO_COLOR`: <https://no-color.org>, any non-empty value).
    pub(crate) fn applies(self, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// What a piece of text is, as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Title,
    Faint,
    Good,
    Notice,
    Bad,
    Other,
}

impl Ink {
    /// The text in this ink, or bare when colours are off. The text must be printable already.
    pub(crate) fn on(self, text: &str, colours: bool) -> Inked<'_> {
        Inked { ink: if colours { self } else { Self::Plain }, text }
    }

    /// The ink for a word of the product: a treatment, a flag's reason, a check's result.
    pub(crate) fn of_word(word: &str) -> Self {
        match word {
            "failed" | "blocked" | "fail" => Self::Bad,
            "passthrough" | "warn" | "interrupted" => Self::Notice,
            "intercepted" | "ok" => Self::Good,
            "plaintext" => Self::Other,
            _ => Self::Plain,
        }
    }

    /// The ink of a flag.
    pub(crate) fn of_severity(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Plain,
            Severity::Notice | Severity::Warning => Self::Notice,
            Severity::Alarm => Self::Bad,
        }
    }

    /// SGR parameters (ECMA-48 section 8.3.117).
    fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Title => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Notice => "33",
            Self::Bad => "31",
            Self::Other => "36",
        }
    }
}

/// Text with its ink, to be displayed.
pub(crate) struct Inked<'a> {
    ink: Ink,
    text: &'a str,
}

impl fmt::Display for Inked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ink {
            Ink::Plain => f.write_str(self.text),
            ink => write!(f, "\u{1b}[{}m{}\u{1b}[0m", ink.sgr(), self.text),
        }
    }
}
