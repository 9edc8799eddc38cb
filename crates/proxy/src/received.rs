//! A request's head as it came, raw and read; and reading one within its bounds.

use crate::tls_failure;
use bytes::{Buf, Bytes, BytesMut};
use flow::bound::Bound;
use flow::limits::Limits;
use flow::treatment::Cause;
use observe::http1::head::RequestHeadParts;
use observe::http1::head_buffer::{Collected, HeadBuffer};
use observe::sniff::{Sniffed, sniff};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

/// A request's head.
pub(crate) struct Received {
    /// From the request line through the empty line.
    pub(crate) raw: Bytes,
    pub(crate) head: RequestHeadParts,
}

/// A head that did not come, or cannot be read.
pub(crate) struct NotReceived {
    pub(crate) cause: Cause,
    /// The bytes that came, up to a bound; none when the peer said nothing.
    pub(crate) raw: Bytes,
}

/// Reads one request head within its deadline and bound; also returns the bytes after it.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    limits: &Limits,
) -> Result<(Received, Bytes), NotReceived> {
    let deadline = Instant::now() + limits.request_head_time;
    let mut head = HeadBuffer::new(limits.request_head_bytes);
    let mut kept = BytesMut::new();
    loop {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        let cause = match timeout_at(deadline, stream.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => Some(Cause::Closed),
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(tls_failure::cause(&error)),
            Err(_elapsed) => Some(Cause::TimedOut),
        };
        if let Some(cause) = cause {
            return Err(NotReceived { cause, raw: kept.freeze() });
        }
        kept.extend_from_slice(&buffer);
        let cause = if sniff(&kept) == Sniffed::Tls {
            Cause::Malformed("TLS where an HTTP proxy request was expected".to_owned())
        } else {
            match head.feed(&buffer) {
                Ok(Collected::NeedMore) => continue,
                Ok(Collected::Head { head: raw, taken, .. }) => {
                    match RequestHeadParts::parse(&raw) {
                        Ok(head) => {
                            buffer.advance(taken);
                            return Ok((Received { raw, head }, buffer.freeze()));
                        }
                        Err(_) if raw.starts_with(b"PROXY ") => {
                            Cause::Malformed(FORWARDER_NOT_TRUSTED.to_owned())
                        }
                        Err(defect) => Cause::Malformed(defect.to_string()),
                    }
                }
                Err(_defect) => Cause::TooLarge(Bound::RequestHeadBytes(limits.request_head_bytes)),
            }
        };
        return Err(NotReceived { cause, raw: kept.freeze() });
    }
}

/// What a PROXY protocol header is from a peer that was not named.
const FORWARDER_NOT_TRUSTED: &str =
    "a PROXY protocol header from a peer that is no trusted forwarder (see --proxy-protocol-from)";
const READ_BYTES: usize = 4 * 1024;
