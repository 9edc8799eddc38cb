//! What a client at the proxy's port asks for, in whatever protocol it asks: its first byte tells.
//! Before that a trusted forwarder says whose connection it is, and TLS to the proxy is taken off.
//! Nothing is dialled here.

pub(crate) mod ask;
mod forwarder;
pub(crate) mod http;
mod proxy_tls;
mod socks5;

use crate::client::{Client, Served, Speaks};
use crate::listener::Original;
use crate::setup::Setup;
use crate::tls_failure;
use ask::{Ask, Refusal, Single};
use bytes::{Bytes, BytesMut};
use flow::event::Ingress;
use flow::treatment::{BlockedWhy, Cause, Treatment};
use tokio::time::{Instant, timeout_at};

/// Reads what the client asks for.
pub(crate) async fn read(client: &mut Client, served: &Served) -> Ask {
    let setup = &*served.setup;
    if setup.rules.is_trusted_forwarder(client.device.0.ip())
        && let Err(refused) = forwarder::read(client, &setup.limits).await
    {
        return refused;
    }
    client.place = served.devices.admit(client.device.0.ip());
    if client.place.is_none() {
        let why = BlockedWhy::DeviceLimit(setup.limits.device_connections);
        return Ask::Single(Single::Refused(hear_out(client, setup, why).await));
    }
    let head_time = setup.limits.request_head_time;
    let mut first = match first_byte(client, Instant::now() + head_time).await {
        Ok(first) => first,
        Err(cause) => return Ask::nothing(cause),
    };
    if let Err(why) = setup.rules.client(client.device.0.ip()) {
        client.speaks = Speaks::before_a_word(first);
        return Ask::refused(Treatment::Blocked(why), Bytes::new());
    }
    if first == TLS_HANDSHAKE {
        if let Err(refused) = proxy_tls::take_off(client, served).await {
            return refused;
        }
        first = match first_byte(client, Instant::now() + head_time).await {
            Ok(first) => first,
            Err(cause) => return Ask::nothing(cause),
        };
    }
    match first {
        SOCKS5 => socks5::read(client, setup, Instant::now() + head_time).await,
        SOCKS4 => {
            client.speaks = Speaks::Socks4;
            Ask::refused(Treatment::Blocked(BlockedWhy::Socks4), client.wire.take_unread())
        }
        _ => http::read(client, setup).await,
    }
}

/// What a client asks for whose connection was taken on its way to somebody else.
pub(crate) fn taken(client: &mut Client, original: Original, served: &Served) -> Ask {
    let device = client.device.0.ip();
    client.place = served.devices.admit(device);
    let refused = match &client.place {
        None => Err(BlockedWhy::DeviceLimit(served.setup.limits.device_connections)),
        Some(_) => served.setup.rules.client(device),
    };
    match refused {
        Ok(()) => Ask::tunnel(original.target(), Bytes::new()),
        Err(why) => Ask::refused(Treatment::Blocked(why), Bytes::new()),
    }
}

/// Learns in which protocol to say no to a client that is refused whatever it wants; one that keeps
/// quiet is told in plain text. A SOCKS5 client is heard up to its request: before that there is no
/// answer that means anything but a wrong method or password. All of it takes `answer_time` at most.
pub(crate) async fn hear_out(client: &mut Client, setup: &Setup, why: BlockedWhy) -> Refusal {
    let refusal = Refusal::new(Treatment::Blocked(why), Bytes::new());
    let deadline = Instant::now() + setup.limits.answer_time;
    let Ok(first) = first_byte(client, deadline).await else { return refusal };
    client.speaks = Speaks::before_a_word(first);
    if first != SOCKS5 {
        return refusal;
    }
    match socks5::read(client, setup, deadline).await {
        Ask::Single(Single::Tunnel(target, raw)) => {
            Refusal { raw, ..refusal }.of(Ingress::Socks5, target)
        }
        Ask::Associate(asked) => Refusal { raw: asked.raw, ..refusal },
        // One that was late too: what it said before is kept.
        Ask::Single(Single::Refused(heard)) => Refusal { treatment: refusal.treatment, ..heard },
        Ask::Single(Single::Own(_) | Single::Nothing(_)) | Ask::Forward(_) => refusal,
    }
}

/// Looks at the first byte, which stays.
async fn first_byte(client: &mut Client, deadline: Instant) -> Result<u8, Cause> {
    let mut buffer = BytesMut::new();
    let reading = client.wire.read_more(&mut buffer, FIRST_READ_BYTES);
    let read = timeout_at(deadline, reading).await;
    let first = buffer.first().copied();
    client.wire.unread(buffer.freeze());
    match (read, first) {
        (Ok(Ok(_)), Some(first)) => Ok(first),
        (Ok(Ok(_)), None) => Err(Cause::Closed),
        (Ok(Err(error)), _) => Err(tls_failure::cause(&error)),
        (Err(_elapsed), _) => Err(Cause::TimedOut),
    }
}

/// Content type of a TLS handshake record (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// The version that a SOCKS client's first message begins with.
const SOCKS4: u8 = 4;
const SOCKS5: u8 = 5;
/// What the first read may take; it is put back.
const FIRST_READ_BYTES: usize = 4 * 1024;
