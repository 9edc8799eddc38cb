//! Options of `landfall export`.

use std::path::PathBuf;

/// What to write where.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Session: a name, an id or the beginning of one [default: that of -S, else the newest].
    pub(crate) session: Option<String>,
    /// The form of the export.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: ExportFormat,
    /// File to write; `-` for stdout.
    #[arg(short = 'o', long = "out", value_name = "PATH")]
    pub(crate) out: PathBuf,
    /// Write the bundle as a directory, not as an archive.
    #[arg(long)]
    pub(crate) dir: bool,
}

/// The forms of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object per flow.
    Jsonl,
    /// One line per flow, RFC 4180, guarded against spreadsheet formulas.
    Csv,
    /// HTTP Archive 1.2, bodies included.
    Har,
    /// One JSON object per name look-up.
    Dns,
    /// A packet capture with the TLS secrets: the bytes that were kept, in packets made around them.
    Pcapng,
    /// All of it, sealed, for others to check: a BagIt bag in an archive.
    Bundle,
}
