//! A device's connection from accept to close: what it asks for, how it is treated, both TLS legs,
//! and the relay of every byte unchanged. Tells what happens as [`flow::event::Event`]s.
//!
//! It knows no database, no file and no page but the onboarding one. HTTP is read by observers
//! beside the relay; only plain requests in absolute form have their head rewritten.

mod accept;
mod association;
mod broken;
mod ciphertext;
mod client;
mod client_identity;
mod client_needs;
mod client_tls;
mod connection;
mod credentials;
mod datagram_flow;
mod datagram_upstream;
mod devices;
mod dial;
mod epochs;
mod forward;
mod forward_head;
mod hop;
mod incompatible;
mod ingress;
mod interception;
mod journal;
mod kernel_times;
mod key_log;
mod last_hop;
mod listener;
mod measure;
mod memory;
mod onboarding;
mod opening;
mod policy;
mod received;
mod relay;
mod reply;
mod response_end;
mod round_trip;
mod rule;
mod setup;
mod tls_base;
mod tls_failure;
mod uplink;
mod upstream;
mod upstream_proxy;
mod upstream_tls;
mod upstream_trust;
mod watch;
mod wire;

pub use accept::serve;
pub use client_identity::ClientIdentity;
pub use credentials::Credentials;
pub use dial::connect;
pub use epochs::Epochs;
pub use listener::{Listener, TransparentMode};
pub use measure::{Handshaken, Measured, Measuring, NotMeasured};
pub use memory::Memory;
pub use onboarding::OWN_HOST;
pub use policy::{OnDistrust, Rules};
pub use rule::{NotARule, Origin, Rule};
pub use setup::{DialTable, KeptWire, OnMalformed, OriginOf, Outgoing, Setup};
pub use uplink::read_uplink;
pub use upstream_proxy::{HopCredentials, NotAnUpstreamProxy, UpstreamProxy};
pub use upstream_trust::{NoRoots, OnUnverified, UpstreamTrust};
pub use watch::Watch;
