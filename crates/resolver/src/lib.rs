//! Name look-ups with their whole provenance: which server answered, over which transport, the CNAME
//! chain, every answer with its TTL, the outcome, the time. Decides nothing: whether an address may
//! be dialled is the proxy's question.
//!
//! Messages, the system's configuration and the hosts file are hickory's. The exchange with a
//! server is ours, because hickory's resolver does not tell which of several servers answered.

mod cache;
mod channel;
mod config;
mod encrypted;
mod error;
mod exchange;
mod local;
pub mod reply;
mod resolved;
mod resolver;
mod server;
mod servers;
mod system;

pub use config::{Config, Override};
pub use error::Error;
pub use exchange::Failure;
pub use resolver::NameResolver;
pub use server::{Identity, NotAServer, Over, Path, Server};
