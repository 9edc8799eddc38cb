//! What the caller decides: where the files lie, which further databases are asked, and what the
//! analyst corrects. Values only; nothing is opened or checked here.

use crate::policy::Policies;
use crate::set::SetChoice;
use flow::claim::{Asn, Country};
use flow::network::Network;
use std::path::PathBuf;

/// What [`crate::Databases::open`] needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which set of the publishers' databases is asked.
    pub set: SetChoice,
    /// The program's data directory. The bundled files are unpacked to `geoip/<sha256>/` below it,
    /// and each `*.mmdb` file that lies directly in `geoip/` is asked as well.
    pub data_dir: PathBuf,
    /// Further MMDB files of the user's own. A source is named after the file without `.mmdb`.
    pub extra_mmdb: Vec<PathBuf>,
    pub overrides: Vec<Override>,
    /// What makes a person look at an address.
    pub policies: Policies,
}

/// The analyst's own correction for a network. Of several that contain an address, the one with
/// the longest prefix holds, alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    pub network: Network,
    /// Where the machines of the network are.
    pub country: Option<Country>,
    /// The AS that announces the network.
    pub asn: Option<Asn>,
    /// Who runs it. Its headquarters are known when the curated lists have a group of that name.
    pub operator: Option<String>,
    /// Why, in the analyst's words.
    pub note: String,
}
