//! The PROXY protocol header of a trusted forwarder: whose connection this is. It is demanded, for
//! otherwise a client could send one of its own through a forwarder that adds none.

use super::ask::{Ask, malformed, request_failed};
use crate::client::{Client, Speaks};
use crate::credentials::without_passwords;
use crate::tls_failure;
use bytes::{Buf, Bytes, BytesMut};
use flow::address::DeviceAddr;
use flow::bound::Bound;
use flow::limits::Limits;
use flow::treatment::Cause;
use observe::proxy_protocol::{Header, parse};
use std::net::SocketAddr;
use tokio::time::{Instant, timeout_at};

/// Takes the header off and the device's address from it.
pub(super) async fn read(client: &mut Client, limits: &Limits) -> Result<(), Ask> {
    client.forwarded_by = Some(client.device.0);
    let deadline = Instant::now() + limits.request_head_time;
    let mut bytes = BytesMut::new();
    loop {
        let cause = match parse(&bytes) {
            Ok(Some((header, length))) => {
                if let Header::Source(source) = header {
                    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
                    client.device = DeviceAddr(source);
                }
                bytes.advance(length);
                client.wire.unread(bytes.freeze());
                return Ok(());
            }
            Err(defect) => {
                client.speaks = Speaks::before_a_word(bytes.first().copied().unwrap_or_default());
                let why = malformed(&format!("{defect}, which a trusted forwarder must send"));
                return Err(Ask::refused(why, kept(bytes.freeze())));
            }
            Ok(None) if bytes.len() >= limits.request_head_bytes => {
                Cause::TooLarge(Bound::RequestHeadBytes(limits.request_head_bytes))
            }
            Ok(None) => {
                let most = limits.request_head_bytes.saturating_sub(bytes.len());
                match timeout_at(deadline, client.wire.read_more(&mut bytes, most)).await {
                    Ok(Ok(0)) => Cause::Closed,
                    Ok(Ok(_)) => continue,
                    Ok(Err(error)) => tls_failure::cause(&error),
                    Err(_elapsed) => Cause::TimedOut,
                }
            }
        };
        client.speaks = Speaks::Nothing;
        return Err(if bytes.is_empty() {
            Ask::nothing(cause)
        } else {
            Ask::refused(request_failed(cause), kept(bytes.freeze()))
        });
    }
}

/// What is recorded of a refused beginning: nothing that may hold a password. What is behind a
/// malformed header, and what a SOCKS5 client says, is not read here, so it is not kept either.
fn kept(bytes: Bytes) -> Bytes {
    let length = match bytes.first() {
        Some(&SOCKS5) => 0,
        _ if bytes.starts_with(b"PROXY ") => {
            bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1)
        }
        _ if bytes.starts_with(b"\r\n") => bytes.len().min(BINARY_HEADER_BYTES),
        _ => bytes.len(),
    };
    without_passwords(bytes.slice(..length))
}

/// The first byte of a SOCKS5 client.
const SOCKS5: u8 = 5;
/// Bytes of a binary header without its addresses.
const BINARY_HEADER_BYTES: usize = 16;
