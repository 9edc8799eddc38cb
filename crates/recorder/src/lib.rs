//! The one owner of session directories: it takes the proxy's events, enriches them with what the
//! databases say, appends them to the record log and the stream store, and reads all of it back.
//! It opens no sockets and interprets no protocol.

pub mod audit;
mod body;
mod checkpoint;
mod checkpoints;
mod connection;
pub mod directory;
mod draft;
mod enrich;
mod entropy;
mod error;
#[cfg(test)]
mod fixture;
pub mod frame;
pub mod index;
mod log;
pub mod merkle;
mod notice;
mod opening;
mod openings;
pub mod probe;
pub mod read;
pub mod record;
mod recording;
mod recovery;
pub mod reobserve;
pub mod review;
mod seal;
mod session;
mod signer;
mod store;
mod summary;

pub use checkpoint::Checkpoint;
pub use enrich::{Annotator, Answer, Assessed, Sources};
pub use entropy::Entropy;
pub use error::{Error, ReviewFault};
pub use notice::{Exchanged, Moment, Notice};
pub use opening::{Setup, ToolFacts};
pub use recording::{Control, Recording, start};
pub use recovery::{Recovered, RecoveryReport, recover, recover_all};
pub use signer::{OpenSshFault, Signer};
pub use summary::Summary;
