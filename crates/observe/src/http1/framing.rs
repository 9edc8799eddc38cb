//! How long a message's body is (RFC 9112 section 6.3). Where two readers could disagree about it,
//! the answer is an error: a wrong guess would show requests that nobody sent.

use super::defect::Malformed;
use super::head::{RequestHeadParts, ResponseHeadParts, is_token};
use flow::http::{Field, Framing, HttpVersion};

/// What delimits a message's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// The message ends with its head.
    None,
    /// This many bytes follow.
    Known(u64),
    Chunked,
    /// All that follows until the connection ends. Responses only.
    UntilClose,
}

impl BodyLength {
    /// How a reader takes the body out of the stream again.
    pub fn framing(self) -> Framing {
        match self {
            Self::None => Framing::None,
            Self::Known(_) | Self::UntilClose => Framing::Identity,
            Self::Chunked => Framing::Chunked,
        }
    }
}

/// What a request's method means for its response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Head,
    Connect,
    Other,
}

impl Asked {
    pub fn of(method: &[u8]) -> Self {
        match method {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// The length of a request's body.
pub fn request_framing(head: &RequestHeadParts) -> Result<BodyLength, Malformed> {
    match declared(head.version, &head.fields)? {
        Declared::Nothing => Ok(BodyLength::None),
        Declared::Length(length) => Ok(BodyLength::Known(length)),
        Declared::Chunked => Ok(BodyLength::Chunked),
        Declared::OtherCoding => Err(Malformed::RequestNotChunked),
    }
}

/// The length of the body of a response to a request with the method `asked`. A response that
/// switches protocols (101, or a 2xx to CONNECT) has none: what follows is no message.
pub fn response_framing(head: &ResponseHeadParts, asked: Asked) -> Result<BodyLength, Malformed> {
    let bodiless = matches!(head.status, 100..=199 | 204 | 304)
        || asked == Asked::Head
        || (asked == Asked::Connect && matches!(head.status, 200..=299));
    if bodiless {
        return Ok(BodyLength::None);
    }
    match declared(head.version, &head.fields)? {
        Declared::Nothing | Declared::OtherCoding => Ok(BodyLength::UntilClose),
        Declared::Length(length) => Ok(BodyLength::Known(length)),
        Declared::Chunked => Ok(BodyLength::Chunked),
    }
}

/// What the fields say of the body's length.
enum Declared {
    Nothing,
    Length(u64),
    Chunked,
    /// Transfer codings without chunked among them.
    OtherCoding,
}

fn declared(version: HttpVersion, fields: &[Field]) -> Result<Declared, Malformed> {
    let coding = transfer_coding(fields)?;
    let length = content_length(fields)?;
    match (coding, length) {
        (Some(_), _) if version == HttpVersion::Http10 => Err(Malformed::TransferEncodingInHttp10),
        (Some(_), Some(_)) => Err(Malformed::ContentLengthWithCoding),
        (Some(declared), None) => Ok(declared),
        (None, Some(length)) => Ok(Declared::Length(length)),
        (None, None) => Ok(Declared::Nothing),
    }
}

/// Reads all `Transfer-Encoding` lines as one list (RFC 9112 section 6.1). Empty list elements are
/// legal (RFC 9110 section 5.6.1.2) but refused: recipients are known to differ on them.
fn transfer_coding(fields: &[Field]) -> Result<Option<Declared>, Malformed> {
    let mut found = None;
    for element in elements(fields, "transfer-encoding") {
        if matches!(found, Some(Declared::Chunked)) {
            return Err(Malformed::ChunkedNotLast);
        }
        let mut parts = element.splitn(2, |byte| *byte == b';');
        let coding = parts.next().unwrap_or_default().trim_ascii_end();
        let has_parameters = parts.next().is_some();
        let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        if !is_token(coding) || (is_chunked && has_parameters) {
            return Err(Malformed::TransferEncoding);
        }
        found = Some(if is_chunked { Declared::Chunked } else { Declared::OtherCoding });
    }
    Ok(found)
}

/// Reads all `Content-Length` lines as one list. Repeats of one value are taken as that value, as
/// RFC 9110 section 8.6 allows.
fn content_length(fields: &[Field]) -> Result<Option<u64>, Malformed> {
    let mut found = None;
    for element in elements(fields, "content-length") {
        let length = decimal(element).ok_or(Malformed::ContentLength)?;
        if found.is_some_and(|earlier| earlier != length) {
            return Err(Malformed::ContentLengthsDiffer);
        }
        found = Some(length);
    }
    Ok(found)
}

/// The comma-separated elements of all fields called `name`, trimmed.
fn elements<'a>(fields: &'a [Field], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields
        .iter()
        .filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
        .flat_map(|field| field.value.split(|byte| *byte == b','))
        .map(|element| {
            let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
            let start = element.iter().take_while(|byte| is_space(byte)).count();
            let rest = element.get(start..).unwrap_or_default();
            let end = rest.len() - rest.iter().rev().take_while(|byte| is_space(byte)).count();
            rest.get(..end).unwrap_or_default()
        })
}

/// `1*DIGIT` that fits 64 bits. Not `str::parse`, which takes a sign.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn raw(start: &str, fields: &str) -> Bytes {
        Bytes::from(format!("{start}\r\n{}\r\n\r\n", fields.replace('|', "\r\n")))
    }

    #[track_caller]
    fn check_request(fields: &str, expected: Result<BodyLength, Malformed>) {
        let head = RequestHeadParts::parse(&raw("POST / HTTP/1.1", fields)).unwrap();
        assert_eq!(request_framing(&head), expected, "{fields:?}");
    }

    #[test]
    fn request_lengths() {
        use BodyLength::{Chunked, Known};
        check_request("A: b", Ok(BodyLength::None));
        check_request("content-LENGTH: 12", Ok(Known(12)));
        check_request("Content-Length: 007", Ok(Known(7)));
        check_request("Content-Length: 18446744073709551615", Ok(Known(u64::MAX)));
        check_request("Content-Length: 5|Content-Length: 5", Ok(Known(5)));
        check_request("Content-Length: 5, 5", Ok(Known(5)));
        check_request("Transfer-Encoding: CHUNKED", Ok(Chunked));
        check_request("Transfer-Encoding: gzip, chunked", Ok(Chunked));
        check_request("Transfer-Encoding: gzip;q=1|transfer-encoding: chunked", Ok(Chunked));
    }

    #[test]
    fn requests_whose_length_is_disputable_have_none() {
        use Malformed as M;
        check_request("Content-Length: 5|Content-Length: 6", Err(M::ContentLengthsDiffer));
        check_request("Content-Length: 5, 6", Err(M::ContentLengthsDiffer));
        for length in
            ["", "-1", "+1", "0x5", "5 5", "5.0", "1e3", "18446744073709551616", "5,", "५"]
        {
            check_request(&format!("Content-Length: {length}"), Err(M::ContentLength));
        }
        check_request("Content-Length: 5|\t6", Err(M::ContentLength));
        let both = Err(M::ContentLengthWithCoding);
        check_request("Content-Length: 5|Transfer-Encoding: chunked", both);
        check_request("Transfer-Encoding: chunked|Content-Length: 0", both);
        check_request("Transfer-Encoding: identity|Content-Length: 3", both);
        check_request("Transfer-Encoding: chunked, gzip", Err(M::ChunkedNotLast));
        check_request(
            "Transfer-Encoding: chunked|Transfer-Encoding: chunked",
            Err(M::ChunkedNotLast),
        );
        check_request("Transfer-Encoding: chunked|Transfer-Encoding: x", Err(M::ChunkedNotLast));
        check_request("Transfer-Encoding: xchunked", Err(M::RequestNotChunked));
        check_request("Transfer-Encoding: identity", Err(M::RequestNotChunked));
        for coding in
            ["", "chunked,", ",chunked", "\u{b}chunked", "chunked;a=b", "chu nked", "\"chunked\""]
        {
            let expected = match coding {
                "chunked," => M::ChunkedNotLast,
                _ => M::TransferEncoding,
            };
            check_request(&format!("Transfer-Encoding: {coding}"), Err(expected));
        }
        check_request("Transfer-Encoding:|\tchunked|A: b", Ok(BodyLength::Chunked));
        check_request("Transfer-Encoding: x|\tchunked", Err(M::TransferEncoding));
        let head = RequestHeadParts::parse(&raw("POST / HTTP/1.0", "Transfer-Encoding: chunked"));
        assert_eq!(request_framing(&head.unwrap()), Err(M::TransferEncodingInHttp10));
    }

    #[track_caller]
    fn check_response(
        status: u16,
        asked: Asked,
        fields: &str,
        expected: Result<BodyLength, Malformed>,
    ) {
        let head = ResponseHeadParts::parse(&raw(&format!("HTTP/1.1 {status} x"), fields)).unwrap();
        assert_eq!(response_framing(&head, asked), expected, "{status} {asked:?} {fields:?}");
    }

    #[test]
    fn response_lengths() {
        use BodyLength::{Chunked, Known, UntilClose};
        let (both, none) = ("Content-Length: 5|Transfer-Encoding: chunked", Ok(BodyLength::None));
        for status in [100, 101, 103, 204, 304] {
            check_response(status, Asked::Other, both, none);
        }
        check_response(200, Asked::Head, both, none);
        check_response(200, Asked::Connect, both, none);
        check_response(299, Asked::Connect, "Content-Length: 5", none);
        check_response(407, Asked::Connect, "Content-Length: 5", Ok(Known(5)));
        check_response(200, Asked::Other, "A: b", Ok(UntilClose));
        check_response(205, Asked::Other, "Content-Length: 0", Ok(Known(0)));
        check_response(200, Asked::Other, "Transfer-Encoding: chunked", Ok(Chunked));
        check_response(200, Asked::Other, "Transfer-Encoding: gzip", Ok(UntilClose));
        check_response(200, Asked::Other, both, Err(Malformed::ContentLengthWithCoding));
    }
}
