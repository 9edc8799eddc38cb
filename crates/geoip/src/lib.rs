//! What is known of an address: the bundled and the user's own databases, registry data, operator
//! lists and the analyst's overrides, and what they add up to.
//!
//! Every source is asked for every address and its answer is kept as a dated claim; disagreement
//! is a state of its own and nothing is decided by counting votes. Apart from claims stand the shapes
//! of countries and what a round trip says against one ([`decide`]). The crate never touches the
//! network and keeps no cache: an annotation costs a few microseconds.

mod annotate;
pub mod assess;
mod bundle;
mod check_and_ask;
mod config;
mod databases;
mod difference;
pub mod digest;
mod error;
mod fault;
mod inspection;
mod ipfire;
mod ipfire_layout;
mod ipfire_signature;
#[cfg(test)]
mod ipfire_writer;
mod manifest;
mod mmdb;
mod mmdb_values;
#[cfg(test)]
mod mmdb_writer;
mod operators;
mod overrides;
mod physics;
pub mod policy;
mod prune;
mod record;
mod registry;
mod sanity;
mod set;
mod shape_file;
mod shapes;
mod source_name;
mod special;
mod sphere;
mod status;
mod store;
mod unpacking;
mod update;
mod user_files;
mod vantages;
mod verification;
mod walk;

pub use check_and_ask::check_and_ask;
pub use config::{Config, Override};
pub use databases::Databases;
pub use difference::Difference;
pub use error::Error;
pub use fault::{Fault, Spot};
pub use inspection::{Format, Inspected};
pub use ipfire_signature::{NotASigningKey, Signature, SigningKey};
pub use physics::{decide, limits, strength};
pub use prune::{Keep, Pruned, Pruning, prune};
pub use set::{NotASet, SetChoice, SetFile, SetId, SetName, SetOrigin, SetStatus, sets};
pub use shape_file::ShapeFault;
pub use shapes::{Extent, Shapes};
pub use status::{DatabaseKind, DatabaseOrigin, DatabaseStatus};
pub use update::{Doubts, TakenIn, Unusable, Update};
pub use vantages::deciding_vantages;
pub use verification::{Verified, verify_all, verify_files};
