//! TLS to the proxy itself, taken off: our leaf for the name that the client asks for, or for the
//! address that it reached. What it then says inside is any of the other protocols.

use super::ask::{Ask, malformed};
use crate::client::{Client, Served, Speaks};
use crate::client_needs::ClientNeeds;
use crate::client_tls;
use crate::opening::{self, Opening};
use crate::setup::Setup;
use crate::tls_failure;
use crate::wire::Wire;
use flow::address::Host;
use flow::tls::ClientHello;
use flow::treatment::{Cause, Failure, Side, Stage, Treatment};
use rustls::ServerConfig;
use std::sync::Arc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Shakes hands; from then on the client's wire is what passes inside.
pub(super) async fn take_off(client: &mut Client, served: &Served) -> Result<(), Ask> {
    let setup = &*served.setup;
    client.over_tls = true;
    client.speaks = Speaks::Tls(tls_failure::NOT_A_CLIENT_HELLO);
    let hello = match opening::read(&mut client.wire, None, &setup.limits, &served.abort).await {
        Opening::Tls(hello) => hello,
        Opening::RunEnded => return Err(Ask::nothing(Cause::RunEnded)),
        Opening::Failed(failure) => {
            let failure = Failure { stage: Stage::ProxyTls, ..failure };
            let raw = client.wire.take_unread();
            return Err(Ask::refused(Treatment::Failed(failure), raw));
        }
        _ => {
            let raw = client.wire.take_unread();
            return Err(Ask::refused(malformed("a TLS record without a ClientHello"), raw));
        }
    };
    let config = match config(client, setup, &hello).await {
        Ok(config) => config,
        Err(reason) => return Err(failed(client, &hello, Side::Landfall, Cause::Io(reason))),
    };
    let accepting = TlsAcceptor::from(Arc::new(config)).accept(client.wire.moved_out().under_tls());
    let cause = match timeout(setup.limits.tls_time, accepting).await {
        Ok(Ok(stream)) => {
            client.wire = Wire::inside(stream);
            client.speaks = Speaks::Http;
            return Ok(());
        }
        Ok(Err(error)) => tls_failure::cause(&error),
        Err(_elapsed) => Cause::TimedOut,
    };
    // rustls has said all that there was to say.
    client.speaks = Speaks::Nothing;
    Err(failed(client, &hello, Side::Client, cause))
}

fn failed(client: &mut Client, hello: &ClientHello, side: Side, cause: Cause) -> Ask {
    drop(client.wire.take_unread());
    let failure = Failure { stage: Stage::ProxyTls, side, cause };
    Ask::refused(Treatment::Failed(failure), hello.raw.clone())
}

async fn config(
    client: &Client,
    setup: &Setup,
    hello: &ClientHello,
) -> Result<ServerConfig, String> {
    let named = hello.server_name.as_deref().and_then(|name| name.parse::<Host>().ok());
    let host = named.unwrap_or_else(|| Host::Ip(client.listener.ip()));
    let needs = ClientNeeds::of(hello);
    let leaf = client_tls::leaf(setup, &host, needs.key, setup.clock.now()).await?;
    client_tls::config(setup, leaf, Some(b"http/1.1"), &needs)
}
