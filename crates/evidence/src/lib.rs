//! What a session becomes outside: JSON lines, CSV and HAR, each a function of a recorded session,
//! written with bounded memory. Decides nothing: what is known stands in the session.

pub mod csv;
pub mod decode;
mod error;
pub mod flows;
pub mod handshake;
pub mod har;
mod inflate;
pub mod messages;
mod opening;
pub mod shape;

pub use error::Error;
pub use opening::attributions;
