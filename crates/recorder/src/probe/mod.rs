//! Probe files: what another machine measured, signed with its installation's key. Written and read
//! here, and read strictly, as they come from strangers. Nothing is measured here, and what may be
//! concluded is the business of [`crate::review`] and of the crate `geoip`.

mod bounds;
mod error;
mod file;
mod key;
mod shape;
#[cfg(test)]
pub(crate) mod tests;

pub use bounds::{MOST_BYTES, VERSION};
pub use error::ProbeError;
pub use file::ProbeFile;
pub use key::{NotAKey, PublicKey};
pub use shape::{
    AddressShape, HostShape, NetworkShape, ProbeFormat, ProbeShape, SampleShape, is_name,
};
