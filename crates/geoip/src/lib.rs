//! What is known of an address: the bundled and the user's own databases, registry data, operator
//! lists and the analyst's overrides, and what they add up to.
//!
//! Every source is asked for every address and its answer is kept as a dated claim; disagreement
//! is a state of its own and nothing is decided by counting votes. The crate never touches the
//! network and keeps no cache: an annotation costs a few microseconds.

mod assess;
mod bundle;
mod config;
mod databases;
mod digest;
mod error;
mod flags;
mod ipfire;
mod manifest;
mod mmdb;
#[cfg(test)]
mod mmdb_writer;
mod operators;
mod overrides;
mod record;
mod registry;
mod source_name;
mod special;
mod status;
mod store;
mod user_files;
mod walk;

pub use config::{Config, Override};
pub use databases::Databases;
pub use error::Error;
pub use status::{DatabaseKind, DatabaseStatus};
