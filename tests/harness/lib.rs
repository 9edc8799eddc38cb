//! What the integration tests share: the release binary as a process ([`landfall`]), a case around
//! it ([`case`]), servers for it to dial ([`origin`]), a device ([`device`]) and other people's
//! programs ([`tool`]). It knows the product from outside only: its command line, its ports and its
//! files.

pub mod browser;
pub mod case;
pub mod device;
pub mod field;
pub mod forwarder;
pub mod h2;
pub mod landfall;
pub mod mirror;
pub mod mmdb;
pub mod nameserver;
pub mod network;
pub mod origin;
pub mod pattern;
pub mod segments;
pub mod server;
pub mod test_ca;
pub mod tool;
pub mod volume;
