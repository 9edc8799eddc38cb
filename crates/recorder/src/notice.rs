//! Notices: what the terminal shows while a session runs. They are not records; a reader that is
//! too slow misses some.

use flow::address::{DeviceAddr, Target};
use flow::annotation::Annotation;
use flow::id::FlowId;
use flow::time::Stamp;
use flow::treatment::Treatment;
use std::sync::Arc;

/// A flow that ended, or a connection that was treated.
#[derive(Clone, Debug)]
pub struct Notice {
    pub at: Stamp,
    pub flow: FlowId,
    pub moment: Moment,
    pub device: DeviceAddr,
    pub target: Option<Target>,
    pub treatment: Option<Treatment>,
    /// What is known of the address that was dialled, or of a target that is an address.
    pub destination: Option<Arc<Annotation>>,
    /// Bytes relayed from the device; of an exchange, the request's body.
    pub bytes_up: u64,
    /// Bytes relayed to the device; of an exchange, the response's body.
    pub bytes_down: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It was decided how the connection is treated.
    Treated,
    /// An exchange ended.
    Exchanged(Exchanged),
    /// The connection ended.
    Closed,
}

/// An exchange in short. Texts are for people: control characters are replaced, long ones are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// `http/1.0`, `http/1.1` or `h2`; `None` when there were too many exchanges to remember it.
    pub protocol: Option<&'static str>,
    pub method: String,
    /// HTTP/1: the request target as sent. HTTP/2: `:path`.
    pub path: String,
    /// The `Host` field or `:authority`.
    pub authority: Option<String>,
    /// `None` when no final response head came.
    pub status: Option<u16>,
}
