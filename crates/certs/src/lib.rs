//! The authority and its leaves: creates and loads the authority of this installation, and mints
//! the certificate of the name that a device asks for. No sockets, no clock (the time is passed
//! in), and no private key leaves the crate, except the leaf's inside a
//! [`rustls::sign::CertifiedKey`].

mod authority;
mod cache;
mod disk;
mod error;
mod export;
mod fingerprint;
mod former;
mod hold;
mod key_kind;
mod leaf;
mod pem;
mod profile;
mod removal;
mod rotation;
mod store;

pub use authority::Authority;
pub use error::{Action, Error};
pub use export::{Exported, Form};
pub use former::FormerAuthority;
pub use hold::{ExclusiveHold, Hold};
pub use key_kind::KeyKind;
pub use leaf::LeafMinter;
pub use removal::remove;
pub use rotation::{Settled, enter, rotate, settle};
