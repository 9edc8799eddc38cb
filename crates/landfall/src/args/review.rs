//! What `landfall review` takes.

use super::OutputArgs;
use flow::verdict::Verdict;
use geoip::SetChoice;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ReviewVerb {
    /// The destinations that are flagged, and those that somebody judged: with flags, levels, verdict
    /// and where they stand (unreviewed, reviewed, or reopened since more is known).
    List {
        /// Such as: country:CN or flag:mainland-china (a flag at capture).
        filter: Vec<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// One destination with the whole history of its review, and what is new since the verdict.
    Show {
        /// A host, as `landfall review list` names it.
        name: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Give a verdict on a destination, with the reason; earlier ones are kept.
    Set {
        /// A host, as `landfall review list` names it.
        name: String,
        #[arg(long, value_name = "WORD")]
        verdict: VerdictWord,
        /// Why, in a sentence or more.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who judges [default: `reviewer` of the configuration, else the user of this machine].
        #[arg(long, value_name = "NAME")]
        reviewer: Option<String>,
    },
    /// Note something about a destination, without a verdict.
    Note {
        /// A host, as `landfall review list` names it.
        name: String,
        #[arg(long, value_name = "TEXT")]
        text: String,
        /// Who notes it [default: `reviewer` of the configuration, else the user of this machine].
        #[arg(long, value_name = "NAME")]
        reviewer: Option<String>,
    },
    /// Evaluate the flag policies of the configuration over the recorded session, and record which
    /// destinations gained or lost which flags. Flags at capture stay as they are.
    Reflag {
        /// Who asks for it [default: `reviewer` of the configuration, else the user of this machine].
        #[arg(long, value_name = "NAME")]
        reviewer: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Ask other databases about the addresses of the recorded destinations, and store what they say,
    /// dated and beside what the session's own said. Lists in what they differ.
    Opinion {
        /// Which destinations, such as: host:*.example.com [default: all].
        filter: Vec<String>,
        /// The set of databases to ask: active, embedded or the beginning of a set's name (see
        /// `landfall geo status --sets`).
        #[arg(long, value_name = "SET")]
        with: SetChoice,
        /// Who asks for it [default: `reviewer` of the configuration, else the user of this machine].
        #[arg(long, value_name = "NAME")]
        reviewer: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// A person's judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum VerdictWord {
    /// It is what it was flagged for, and that matters.
    Concern,
    /// It was looked at and does not matter.
    NoConcern,
    /// What is held decides neither, and more is not to be had.
    Unclear,
    /// Something is still to be done before it can be judged.
    NeedsMore,
}

impl From<VerdictWord> for Verdict {
    fn from(word: VerdictWord) -> Self {
        match word {
            VerdictWord::Concern => Self::Concern,
            VerdictWord::NoConcern => Self::NoConcern,
            VerdictWord::Unclear => Self::Unclear,
            VerdictWord::NeedsMore => Self::NeedsMore,
        }
    }
}
