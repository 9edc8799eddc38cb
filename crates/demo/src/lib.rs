//! A phone and the servers that its apps talk to, simulated on loopback: everything that Landfall
//! shows, without a phone and without a packet leaving the machine.
//!
//! The proxy, the recorder and the databases are the real ones; they are not known here. The cast
//! ([`cast`]) names real addresses, and whoever runs the demonstration dials the loopback
//! [`origins`] in their place, which marks the session as simulated.

pub mod cast;
pub mod origins;
pub mod phone;
