//! What a session becomes outside: JSON lines, CSV, HAR and PCAPNG, each a function of a recorded session,
//! written with bounded memory. Decides nothing: what is known stands in the session.

pub mod bundle;
pub mod csv;
pub mod decode;
pub mod destinations;
mod error;
pub mod flows;
pub mod handshake;
pub mod har;
mod inflate;
pub mod lookups;
pub mod messages;
mod opening;
pub mod pcapng;
pub mod shape;
pub mod sshsig;
pub mod verify;

pub use error::Error;
pub use opening::attributions;
