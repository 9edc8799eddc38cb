//! The check of a whole MMDB file: its parts, every network that its search tree yields, every record
//! decoded by type. A hash proves a published file; this is for files that nobody vouches for.
//!
//! [`maxminddb::Reader::verify`] is not used: it refuses files without a description, which sound
//! ones in wide use are, and it does not know which types our fields must have.

use crate::error::Error;
use crate::fault::Fault;
use crate::mmdb_values::Values;
use crate::record::Record;
use maxminddb::{Reader, WithinOptions};
use std::collections::HashSet;
use std::path::Path;

/// What a file turned out to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Networks with a record, those that are reached by several paths counted by each.
    pub(crate) networks: u64,
    /// Some record has a field for a location.
    pub(crate) locates: bool,
    /// Some record names a country of registration, an AS or an anycast network.
    pub(crate) describes: bool,
}

/// Walks the file. Time and memory are linear in its size whatever it holds: a tree that shares
/// branches, or records that share values, to appear larger than they can be are cut off.
pub(crate) fn walk(path: &Path, bytes: &[u8]) -> Result<Survey, Error> {
    let unsound = |source| Error::Mmdb { path: path.to_owned(), source };
    let faulty = |fault| Error::Fault { path: path.to_owned(), fault };
    let marker = metadata_marker(bytes)
        .ok_or_else(|| faulty(Fault::whole("it has no metadata, so it is cut or no MMDB file")))?;
    let metadata_at = marker + METADATA_MARKER.len();
    let metadata = bytes.get(metadata_at..).unwrap_or_default();
    Values::new(metadata, metadata_at).check(0).map_err(faulty)?;
    let reader = Reader::from_source(bytes).map_err(unsound)?;
    let metadata = reader.metadata();
    let tree_bytes = metadata.node_count as usize * usize::from(metadata.record_size) / 4;
    let data_at = tree_bytes + SEPARATOR_BYTES;
    let separator = bytes.get(tree_bytes..data_at).unwrap_or_default();
    if separator.len() != SEPARATOR_BYTES || separator.iter().any(|byte| *byte != 0) {
        let what = "the search tree has another number of nodes than the metadata say";
        return Err(faulty(Fault::at(tree_bytes, what)));
    }
    let mut values = Values::new(bytes.get(data_at..marker).unwrap_or_default(), data_at);
    // Everything is yielded, empty and aliased networks too, so that each step of the iterator
    // is one that is counted.
    let options =
        WithinOptions::default().include_networks_without_data().include_aliased_networks();
    let nodes = u64::from(metadata.node_count);
    let mut steps_left = nodes.saturating_add(1).saturating_mul(MOST_YIELDS_PER_NODE);
    let mut survey = Survey::default();
    let mut decoded = HashSet::new();
    for network in reader.networks(options).map_err(unsound)? {
        let network = network.map_err(unsound)?;
        steps_left = match steps_left.checked_sub(1) {
            Some(left) => left,
            None => return Err(Error::EndlessTree { path: path.to_owned() }),
        };
        let Some(offset) = network.offset() else { continue };
        survey.networks += 1;
        // Many networks share a record.
        if decoded.insert(offset) {
            values.check(offset).map_err(faulty)?;
            let record = network.decode::<Record<'_>>().map_err(|error| {
                let place = network.network().map_or_else(|e| e.to_string(), |n| n.to_string());
                faulty(Fault::of(place, error.to_string()))
            })?;
            let record = record.unwrap_or_default();
            survey.locates |= record.has_place();
            survey.describes |=
                record.registered().is_some() || record.asn().is_some() || record.anycast();
        }
    }
    Ok(survey)
}

/// Where the metadata's marker stands: the last one, as all readers take it.
pub(crate) fn metadata_marker(bytes: &[u8]) -> Option<usize> {
    bytes.windows(METADATA_MARKER.len()).rposition(|window| window == METADATA_MARKER)
}

const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Zeroes between search tree and data.
const SEPARATOR_BYTES: usize = 16;

/// A tree of n nodes has n + 1 leaves. The customary aliases of the IPv4 part (`::ffff:0:0/96`,
/// `2001::/32`, `2002::/16`, `64:ff9b::/96`) let some of them be reached five times.
const MOST_YIELDS_PER_NODE: u64 = 8;
