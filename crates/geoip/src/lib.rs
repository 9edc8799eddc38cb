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
mod physics;
mod record;
mod registry;
mod shape_file;
mod shapes;
mod source_name;
mod special;
mod sphere;
mod status;
mod store;
mod user_files;
mod vantages;
mod walk;

pub use config::{Config, Override};
pub use databases::Databases;
pub use error::Error;
pub use physics::{decide, limits, strength};
pub use shape_file::ShapeFault;
pub use shapes::{Extent, Shapes};
pub use status::{DatabaseKind, DatabaseStatus};
pub use vantages::deciding_vantages;
