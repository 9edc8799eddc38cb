//! The authority and its leaves: creates and loads the authority of this installation, and mints
//! the certificate of the name that a device asks for. No sockets, no clock (the time is passed
//! in), and no private key leaves the crate, except the leaf's inside a
//! [`rustls::sign::CertifiedKey`].

mod authority;
mod cache;
mod error;
mod export;
mod fingerprint;
mod hold;
mod key_kind;
mod leaf;
mod pem;
mod profile;
mod store;
mod succession;

pub use authority::Authority;
pub use error::{Action, Error};
pub use export::{Exported, Form};
pub use hold::{ExclusiveHold, Hold};
pub use key_kind::KeyKind;
pub use leaf::LeafMinter;
pub use succession::{FormerAuthority, remove, rotate};
