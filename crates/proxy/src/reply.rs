//! The few answers that Landfall gives a client in its own name. Short plain text that says whose
//! fault it was; after a refusal the connection is closed in a way that lets the answer arrive.

use crate::client::Speaks;
use crate::journal::Journal;
use crate::wire::Wire;
use bytes::BytesMut;
use feed::RecorderGone;
use flow::limits::Limits;
use flow::treatment::{BlockedWhy, Cause, Failure, Outcome, Stage, Treatment};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// Answers a client whose upstream was reached, from `bound`.
pub(crate) async fn established(
    client: &mut Wire,
    speaks: Speaks,
    bound: Option<SocketAddr>,
) -> io::Result<()> {
    match speaks {
        Speaks::Socks5 => client.write_all(&socks5(SUCCEEDED, bound)).await?,
        // What it gets is the server's, from the first byte on.
        Speaks::ToTheServer => return Ok(()),
        _ => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
    }
    client.flush().await
}

/// Ends the client's TLS handshake with an alert record.
pub(crate) async fn alert(client: &mut Wire, record: [u8; 7], limits: &Limits) {
    // A client that has gone needs no alert; the record says what happened in either case.
    drop(timeout(limits.answer_time, client.write_all(&record)).await);
}

/// Says no, in the record and to the client.
pub(crate) async fn refuse(
    client: &mut Wire,
    speaks: Speaks,
    limits: &Limits,
    journal: &Journal,
    treatment: Treatment,
) -> Result<Outcome, RecorderGone> {
    journal.treated(treatment.clone()).await?;
    refused(client, speaks, &treatment, limits).await;
    Ok(match speaks {
        Speaks::ToTheServer => Outcome::NotRelayedReset,
        _ => Outcome::NotRelayed,
    })
}

/// Says no in the client's own protocol, as far as that has words for why, and closes.
pub(crate) async fn refused(
    client: &mut Wire,
    speaks: Speaks,
    treatment: &Treatment,
    limits: &Limits,
) {
    let answer = match speaks {
        Speaks::Http => text(treatment).into_bytes(),
        // Rejected or failed; SOCKS4 has no finer words for it.
        Speaks::Socks4 => vec![0, 91, 0, 0, 0, 0, 0, 0],
        Speaks::Socks5Methods => vec![5, NO_ACCEPTABLE_METHODS],
        Speaks::Socks5Password => vec![1, 1],
        Speaks::Socks5 => socks5(code(treatment), None),
        Speaks::Tls(alert) => alert.to_vec(),
        Speaks::ToTheServer => return client.socket().reset_on_close(),
        Speaks::Nothing => Vec::new(),
    };
    let answering = async {
        client.write_all(&answer).await?;
        linger(client).await
    };
    drop(timeout(limits.answer_time, answering).await);
}

fn text(treatment: &Treatment) -> String {
    let hint = treatment.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    let text = format!("Landfall: {}.\n{hint}", treatment.why());
    let challenge = match treatment {
        Treatment::Blocked(BlockedWhy::NoCredentials | BlockedWhy::WrongCredentials) => {
            "Proxy-Authenticate: Basic realm=\"Landfall\", charset=\"UTF-8\"\r\n"
        }
        _ => "",
    };
    format!(
        "HTTP/1.1 {}\r\n{challenge}Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\nProxy-Connection: close\r\n\r\n{text}",
        status_line(treatment),
        text.len()
    )
}

/// A SOCKS5 reply (RFC 1928 section 6).
fn socks5(code: u8, bound: Option<SocketAddr>) -> Vec<u8> {
    let mut reply = vec![5, code, 0];
    push_socks5_address(&mut reply, bound.unwrap_or(UNSPECIFIED));
    reply
}

/// An address as SOCKS5 writes it: kind, address, port.
pub(crate) fn push_socks5_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(1);
            out.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(4);
            out.extend(ip.octets());
        }
    }
    out.extend(address.port().to_be_bytes());
}

/// The reply code that comes nearest to why (RFC 1928 section 6). For a time that is over there is
/// none; the one for a packet's is what other servers take.
fn code(treatment: &Treatment) -> u8 {
    match treatment {
        Treatment::Blocked(BlockedWhy::SocksCommand(_)) => 7,
        Treatment::Blocked(BlockedWhy::SocksAddressType(_)) => 8,
        // No rule of anybody's is in the way, there is just no room.
        Treatment::Blocked(BlockedWhy::DeviceLimit(_) | BlockedWhy::RecordingStopped) => 1,
        Treatment::Blocked(_) => 2,
        Treatment::Failed(Failure { stage: Stage::Resolve | Stage::Connect, cause, .. }) => {
            match cause {
                Cause::Refused => 5,
                Cause::TimedOut => 6,
                Cause::Unreachable(_) | Cause::NoSuchName | Cause::NoAddresses => 4,
                _ => 1,
            }
        }
        _ => 1,
    }
}

/// Ends our direction and reads on until the client does too: closing with bytes unread would
/// reset the connection and could take the answer with it.
pub(crate) async fn linger(client: &mut Wire) -> io::Result<()> {
    client.shutdown().await?;
    let mut ignored = BytesMut::new();
    while client.read_more(&mut ignored, LINGER_BYTES).await? > 0 {
        ignored.clear();
    }
    Ok(())
}

fn status_line(treatment: &Treatment) -> &'static str {
    match treatment {
        Treatment::Blocked(BlockedWhy::NoCredentials | BlockedWhy::WrongCredentials) => {
            "407 Proxy Authentication Required"
        }
        Treatment::Blocked(BlockedWhy::DeviceLimit(_) | BlockedWhy::RecordingStopped) => {
            "503 Service Unavailable"
        }
        Treatment::Blocked(_) => "403 Forbidden",
        Treatment::Failed(Failure { stage: Stage::Request, cause, .. }) => match cause {
            Cause::TooLarge(_) => "431 Request Header Fields Too Large",
            Cause::TimedOut => "408 Request Timeout",
            _ => "400 Bad Request",
        },
        Treatment::Failed(Failure { cause: Cause::TimedOut, .. }) => "504 Gateway Timeout",
        _ => "502 Bad Gateway",
    }
}

/// Bytes read at once, and thrown away, from a client that was refused.
const LINGER_BYTES: usize = 64 * 1024;
/// The reply code of a request that was granted.
const SUCCEEDED: u8 = 0;
/// The method that stands for none (RFC 1928 section 3).
const NO_ACCEPTABLE_METHODS: u8 = 0xff;
/// In place of an address where there is none to tell.
const UNSPECIFIED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
