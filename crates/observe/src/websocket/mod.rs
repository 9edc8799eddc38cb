//! WebSocket (RFC 6455) as it passes: frames and messages of each direction, read and never
//! written. Payloads are counted and, where they are plain text, checked; they are not held, and
//! compressed ones are not inflated here.

pub mod extension;
mod follower;
pub mod frame;
#[cfg(test)]
mod tests;
mod utf8;

pub(crate) use follower::WebSocketFollower;
