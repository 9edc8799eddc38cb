//! What a tunnel opens with: the client's first bytes, or the server's if that speaks first. The
//! bytes are put back; nothing is decided here.

use crate::tls_failure;
use crate::wire::Wire;
use bytes::BytesMut;
use flow::bound::Bound;
use flow::limits::Limits;
use flow::tls::ClientHello;
use flow::treatment::{Cause, Failure, Side, Stage};
use observe::client_hello::{self, Parsed};
use observe::sniff::{Sniffed, sniff};
use std::io;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How a tunnel opens.
pub(crate) enum Opening {
    Tls(Box<ClientHello>),
    Http1,
    /// The HTTP/2 preface in the clear (RFC 9113 section 3.3).
    Http2,
    /// Neither TLS nor HTTP.
    Other,
    ServerFirst,
    /// The peer closed without a byte.
    Silent,
    /// Nobody sent a byte for the idle time.
    Idle,
    /// The upstream's end of the connection failed. Reading from it again would look like an end.
    UpstreamFailed(io::Error),
    Failed(Failure),
    /// The run ended before it was clear.
    RunEnded,
}

/// Waits for the first bytes of either side, or for the end of the run. Without an upstream only
/// the client is waited for.
pub(crate) async fn read(
    client: &mut Wire,
    upstream: Option<&Wire>,
    limits: &Limits,
    run_ends: &CancellationToken,
) -> Opening {
    let mut first = BytesMut::new();
    let mut deadline = Instant::now() + limits.idle_time;
    let opening = loop {
        let spoken = async {
            match upstream {
                Some(upstream) => upstream.socket().has_spoken().await,
                None => std::future::pending().await,
            }
        };
        let reading = client.read_more(&mut first, limits.client_hello_bytes);
        let read = tokio::select! {
            biased;
            read = timeout_at(deadline, reading) => read,
            spoken = spoken => break match spoken {
                Ok(true) => Opening::ServerFirst,
                Ok(false) if first.is_empty() => Opening::Silent,
                Ok(false) => Opening::Other,
                Err(error) => Opening::UpstreamFailed(error),
            },
            () = run_ends.cancelled() => break Opening::RunEnded,
        };
        match read {
            Ok(Ok(0)) if first.is_empty() => break Opening::Silent,
            Err(_elapsed) if first.is_empty() => break Opening::Idle,
            Ok(Ok(0)) | Err(_) => break Opening::Other,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => break failed(Side::Client, tls_failure::cause(&error)),
        }
        // A protocol of short messages is not held up for long.
        if first.first() != Some(&TLS_HANDSHAKE) {
            deadline = deadline.min(Instant::now() + limits.undecided_time);
        } else {
            deadline = deadline.min(Instant::now() + limits.tls_time);
        }
        match sniff(&first) {
            Sniffed::NeedMore => {}
            Sniffed::Tls => break read_hello(client, &mut first, limits, run_ends).await,
            Sniffed::Http1 => break Opening::Http1,
            Sniffed::Http2Preface => break Opening::Http2,
            Sniffed::Other => break Opening::Other,
        }
    };
    client.unread(first.freeze());
    opening
}

/// Reads the whole ClientHello, whatever records and segments it comes in.
async fn read_hello(
    client: &mut Wire,
    first: &mut BytesMut,
    limits: &Limits,
    run_ends: &CancellationToken,
) -> Opening {
    let deadline = Instant::now() + limits.tls_time;
    loop {
        match client_hello::parse(first) {
            Parsed::Complete(hello) => return Opening::Tls(hello),
            Parsed::NotAClientHello(_) => return Opening::Other,
            Parsed::Incomplete if first.len() >= limits.client_hello_bytes => {
                let bound = Bound::ClientHelloBytes(limits.client_hello_bytes);
                return failed(Side::Client, Cause::TooLarge(bound));
            }
            Parsed::Incomplete => {}
        }
        let most = limits.client_hello_bytes.saturating_sub(first.len());
        let read = tokio::select! {
            biased;
            read = timeout_at(deadline, client.read_more(first, most)) => read,
            () = run_ends.cancelled() => return failed(Side::Landfall, Cause::RunEnded),
        };
        match read {
            Ok(Ok(0)) => return failed(Side::Client, Cause::Closed),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return failed(Side::Client, tls_failure::cause(&error)),
            Err(_elapsed) => return failed(Side::Client, Cause::TimedOut),
        }
    }
}

fn failed(side: Side, cause: Cause) -> Opening {
    Opening::Failed(Failure { stage: Stage::ClientHello, side, cause })
}

/// Content type of a TLS handshake record (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 22;
