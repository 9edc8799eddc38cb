//! What was seen: the domain model that every other crate speaks. Data only: no IO, no clock, no
//! storage format (each boundary, such as the record log or the JSON output, owns its shapes).
//!
//! # Glossary
//! - **session**: one recording run; a directory on disk ([`id::SessionId`]).
//! - **connection**: one transport conversation between the device and a target. The upstream
//!   connection that Landfall opened for it belongs to it ([`id::ConnectionId`]).
//! - **exchange**: one HTTP request with its response ([`id::ExchangeId`], [`http`]).
//! - **flow**: any recorded conversation unit: an exchange, a WebSocket, an opaque tunnel.
//! - **target**: whom the client asked for ([`address::Target`]). **upstream**: whom we dialled
//!   ([`address::Upstream`]). **hop**: an upstream proxy on the way ([`address::Hop`]). **device**: the phone ([`address::DeviceAddr`]).
//! - **authority**: our CA. **leaf**: a certificate that it minted.
//! - **treatment**: *intercepted*, *passthrough*, *plaintext*, *failed* or *blocked*, each with a
//!   *why* ([`treatment`]). A **rule** names destinations that are to be treated one way. A device
//!   that refuses our leaf shows **distrust** ([`distrust`]).
//! - **destination**: a host and the addresses behind it. **claim**: one dated statement of one
//!   source about an address ([`claim`]). **annotation**: what the claims about an address add up
//!   to, disagreement included ([`annotation`]).
//! - **vantage**: where the machine that measures stands. **epoch**: the time in which its network stays
//!   the same ([`uplink`]). **sample**: what one handshake took ([`round_trip`]). **exclusion**: what a
//!   round trip says against a country ([`physics`]).
//! - **message**: a WebSocket message, a gRPC message or a server-sent event inside a body
//!   ([`message`]).
//! - **stream**: the bytes of one leg and direction of a connection, in the order in which they
//!   were relayed ([`stream`]). An **extent** is a range of it.
//! - **event**: what the proxy tells the recorder ([`event`]).

pub mod address;
pub mod annotation;
pub mod assessment;
pub mod bound;
pub mod claim;
pub mod distrust;
pub mod dns;
pub mod event;
pub mod filter;
pub mod http;
pub mod id;
pub mod limits;
pub mod message;
pub mod network;
pub mod phases;
pub mod physics;
pub mod round_trip;
pub mod stream;
pub mod time;
pub mod tls;
pub mod treatment;
pub mod uplink;
pub mod verdict;
