//! What is checked, and whom the person who checks trusts.

use super::OutputArgs;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// A bundle (archive or directory), or a session: a directory, a name, an id or the beginning of
    /// one [default: that of -S, else the newest].
    #[arg(value_name = "BUNDLE|SESSION")]
    pub(crate) what: Option<String>,
    /// File of keys that may have signed, in OpenSSH's form: a public key or allowed_signers;
    /// repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Vec<PathBuf>,
    /// File of root certificates (PEM) to which servers' chains may lead, beside the platform's;
    /// repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) roots: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
