//! Where the body of an exchange lies that has no end in the log: it still runs, or the process
//! died. Its head says how the body is delimited, as it did to the peers.

use super::detail::ExchangeDetail;
use super::error::{Part, ReadError};
use bytes::Bytes;
use flow::http::Framing;
use flow::stream::Extent;
use observe::http1::framing::{Asked, BodyLength, request_framing, response_framing};
use observe::http1::head::{RequestHeadParts, ResponseHeadParts};

/// The framing of the body and the longest extent that it can have; `None` where there is no body,
/// or no head yet. `read` hands out a range of the body's stream.
pub(super) fn body(
    detail: &ExchangeDetail,
    part: Part,
    read: &mut dyn FnMut(Extent) -> Result<Bytes, ReadError>,
) -> Result<Option<(Framing, Extent)>, ReadError> {
    let Some(request) = detail.request.as_ref().map(|request| &request.body) else {
        return Ok(None);
    };
    let head: Extent = match part {
        Part::Request => request.extent.into(),
        Part::Response => match detail.responses.iter().rev().find(|head| head.body.is_final()) {
            Some(response) => response.body.extent.into(),
            None => return Ok(None),
        },
    };
    let rest = Extent { start: head.end, end: u64::MAX };
    if let Some(stream_id) = request.stream_id {
        return Ok(Some((Framing::Http2 { stream_id }, rest)));
    }
    let last = detail.responses.iter().rev().find(|head| head.body.is_final());
    let switched = last.is_some_and(|last| match last.body.status {
        SWITCHING_PROTOCOLS => true,
        status => &request.method.0[..] == b"CONNECT" && (200..300).contains(&status),
    });
    if switched {
        // What follows the heads is another protocol: both bodies are all of it.
        return Ok(Some((Framing::Identity, rest)));
    }
    let raw = read(head)?;
    // A head that the observer could read and that cannot be read now has no body to show.
    let length = match part {
        Part::Request => {
            RequestHeadParts::parse(&raw).ok().and_then(|head| request_framing(&head).ok())
        }
        Part::Response => ResponseHeadParts::parse(&raw).ok().and_then(|head| {
            let asked = Asked::of(&request.method.0);
            response_framing(&head, asked).ok()
        }),
    };
    Ok(length.and_then(|length| match length {
        BodyLength::None => None,
        BodyLength::Known(bytes) => {
            let end = rest.start.saturating_add(bytes);
            Some((length.framing(), Extent { end, ..rest }))
        }
        BodyLength::Chunked | BodyLength::UntilClose => Some((length.framing(), rest)),
    }))
}

const SWITCHING_PROTOCOLS: u16 = 101;
