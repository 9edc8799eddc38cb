//! `index.sqlite`: the record log as tables, for listings and look-ups. It is derived: nothing is
//! in it that is not in the log, it may lag behind, and it can be thrown away at any time. It never
//! reads the stream store.

pub(crate) mod build;
pub(crate) mod cell;
pub(crate) mod connection;
mod destination;
mod entry;
mod error;
mod exchange;
mod handed;
mod indexer;
mod insert;
pub(crate) mod log;
mod place;
mod round_trip;
mod schema;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod writer;

pub use build::reindex;
pub use error::IndexError;
pub(crate) use handed::Handed;
pub use indexer::Indexer;
