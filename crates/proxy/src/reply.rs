//! The few answers that Landfall gives a client in its own name. Short plain text that says whose
//! fault it was; after a refusal the connection is closed in a way that lets the answer arrive.

use crate::wire::Wire;
use bytes::BytesMut;
use flow::treatment::{Cause, Failure, Stage, Treatment};
use std::io;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// Answers a CONNECT whose upstream was reached.
pub(crate) async fn established(client: &mut Wire) -> io::Result<()> {
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await
}

/// Ends the client's TLS handshake with an alert record.
pub(crate) async fn alert(client: &mut Wire, record: [u8; 7]) {
    // A client that has gone needs no alert; the record says what happened in either case.
    drop(timeout(LINGER_TIME, client.write_all(&record)).await);
}

/// Says why there is no answer, and closes.
pub(crate) async fn refused(client: &mut Wire, treatment: &Treatment) {
    let text = format!("Landfall: {}.\n", treatment.why());
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\nProxy-Connection: close\r\n\r\n",
        status_line(treatment),
        text.len()
    );
    let answer = async {
        client.write_all(head.as_bytes()).await?;
        client.write_all(text.as_bytes()).await?;
        linger(client).await
    };
    drop(timeout(LINGER_TIME, answer).await);
}

/// Ends our direction and reads on until the client does too: closing with bytes unread would
/// reset the connection and could take the answer with it.
pub(crate) async fn linger(client: &mut Wire) -> io::Result<()> {
    client.socket().finish();
    let mut ignored = BytesMut::new();
    while client.read_more(&mut ignored, LINGER_BYTES).await? > 0 {
        ignored.clear();
    }
    Ok(())
}

fn status_line(treatment: &Treatment) -> &'static str {
    match treatment {
        Treatment::Blocked(_) => "403 Forbidden",
        Treatment::Failed(Failure { stage: Stage::Request, cause, .. }) => match cause {
            Cause::TooLarge => "431 Request Header Fields Too Large",
            Cause::TimedOut => "408 Request Timeout",
            _ => "400 Bad Request",
        },
        Treatment::Failed(Failure { cause: Cause::TimedOut, .. }) => "504 Gateway Timeout",
        _ => "502 Bad Gateway",
    }
}

/// Time that a client gets to take an answer after which we close.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(2);
/// Bytes read at once, and thrown away, from a client that was refused.
const LINGER_BYTES: usize = 64 * 1024;
