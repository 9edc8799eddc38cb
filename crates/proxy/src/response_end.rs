//! Where the response to a forwarded request ends, so that nothing behind it reaches the client,
//! which could take it for the answer to what it asks next. Reads and writes no stream.

use crate::forward_head;
use crate::ingress::ask::Forwarded;
use flow::limits::Limits;
use observe::http1::framing::{Asked, response_framing};
use observe::http1::head::ResponseHeadParts;
use observe::http1::head_buffer::{Collected, HeadBuffer};
use observe::http1::message_body::MessageBody;

/// Follows the response to one request, interim responses before it included.
pub(crate) struct ResponseEnd {
    asked: Asked,
    asked_to_switch: bool,
    limit: usize,
    reading: Reading,
}

enum Reading {
    Head(HeadBuffer),
    Body(MessageBody),
    Switched,
}

/// The response is none, or nobody asked for it: the bytes from this one on must not pass.
pub(crate) struct Broken {
    pub(crate) at: usize,
}

impl ResponseEnd {
    pub(crate) fn new(request: &Forwarded, limits: &Limits) -> Self {
        let (head, limit) = (&request.received.head, limits.observed_header_bytes);
        let reading = Reading::Head(HeadBuffer::new(limit));
        let asked_to_switch = forward_head::asks_for_websocket(head);
        Self { asked: Asked::of(&head.method), asked_to_switch, limit, reading }
    }

    /// How many of the next bytes belong to the response.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match &mut self.reading {
                Reading::Head(buffer) => {
                    let start = Broken { at: taken };
                    match buffer.feed(rest) {
                        Ok(Collected::NeedMore) => return Ok(bytes.len()),
                        Ok(Collected::Head { head, taken: length, .. }) => {
                            self.reading = self.after(&head).ok_or(start)?;
                            taken += length;
                        }
                        Err(_defect) => return Err(start),
                    }
                }
                Reading::Body(body) if body.is_done() => break,
                Reading::Body(body) => match body.feed(rest, &mut |_payload| {}) {
                    Ok(length) => taken += length,
                    Err(defect) => {
                        return Err(Broken { at: taken + defect.at.min(rest.len()) });
                    }
                },
                Reading::Switched => return Ok(bytes.len()),
            }
        }
        Ok(taken)
    }

    /// What comes after a head; `None` when it cannot be understood or was not asked for.
    fn after(&self, head: &[u8]) -> Option<Reading> {
        let head = ResponseHeadParts::parse(&bytes::Bytes::copy_from_slice(head)).ok()?;
        Some(match head.status {
            101 if self.asked_to_switch => Reading::Switched,
            101 => return None,
            100..=199 => Reading::Head(HeadBuffer::new(self.limit)),
            _ => {
                let length = response_framing(&head, self.asked).ok()?;
                Reading::Body(MessageBody::new(length, self.limit))
            }
        })
    }

    /// Whether all of it has passed. One that lasts until the close never has.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(&self.reading, Reading::Body(body) if body.is_done())
    }

    /// Whether the connection is no HTTP any more, as the client asked.
    pub(crate) fn has_switched(&self) -> bool {
        matches!(self.reading, Reading::Switched)
    }
}
