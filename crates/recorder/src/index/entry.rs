//! What the index takes in of one line. Of an exchange it needs little, and exchanges are most of
//! a log: whoever writes the log hands that over, and their lines are not read again; and where
//! they are read, they are not made into records first if this process has written them.

use super::exchange::{Answer, Closing, Request};
use crate::openings::{OpeningError, Openings};
use crate::record::exchange::{BodyShape, is_final};
use crate::record::exchange::{End, ExchangeClose, ExchangeRequest, ExchangeResponse, Messages};
use crate::record::sealed::{Sealed, WITHHELD};
use crate::record::value::{Base64, Count, Mono, Spelled, Text, Wall};
use crate::record::{Body, Record, RecordError, VERSION};
use flow::id::ExchangeId;
use flow::time::Stamp;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One line of the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) at: Stamp,
    pub(super) seq: u64,
    pub(super) said: Said,
}

/// What it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Request(ExchangeId, Request),
    /// The final response.
    Answer(ExchangeId, Answer),
    Closing(ExchangeId, Closing),
    Other(Box<Body>),
}

impl Entry {
    /// Reads a line that anybody may have written.
    ///
    /// # Errors
    /// [`Unread`] for every line that is no record in canonical form, and values that are not those
    /// that it commits to.
    pub(super) fn checked(line: &[u8], openings: &mut Openings) -> Result<Self, Unread> {
        Self::opened(Record::parse(line)?, openings)
    }

    /// Reads a line that this process has just written.
    ///
    /// # Errors
    /// [`Unread`] for lines that are no records, as far as they are looked at.
    pub(super) fn own(line: &[u8], openings: &mut Openings) -> Result<Self, Unread> {
        let envelope: EnvelopeIn<'_> = serde_json::from_slice(line).map_err(RecordError::Syntax)?;
        if envelope.v != VERSION {
            return Err(RecordError::Version(envelope.v).into());
        }
        let body = envelope.body.get();
        let said = match &*envelope.kind {
            "exchange.request" => {
                let request: RequestIn<'_> = shape(body)?;
                // The path comes after the values of all fields.
                request.said(values(openings, envelope.seq.0)?.last())
            }
            "exchange.response" => {
                let response: ResponseIn = shape(body)?;
                if !is_final(response.status) {
                    return Self::opened(Record::parse_own(line)?, openings);
                }
                let value = match response.fields.0 {
                    Some(index) => values(openings, envelope.seq.0)?.get(index).cloned(),
                    None => None,
                };
                let answer = Answer::new(response.status, value.as_deref());
                Said::Answer(response.exchange.0, answer)
            }
            "exchange.close" => shape::<CloseIn>(body)?.said(),
            _ => return Self::opened(Record::parse_own(line)?, openings),
        };
        let at = Stamp { wall: envelope.at.0, mono: envelope.mono.0 };
        Ok(Self { at, seq: envelope.seq.0, said })
    }

    /// What a record says of the beginning, the final response or the end of an exchange; `None` of
    /// all others.
    pub(super) fn of_exchange(record: &Record) -> Option<Self> {
        let said = match &record.body {
            Body::ExchangeRequest(request) => {
                let target = request.target.to_string_lossy();
                RequestIn::from(&**request).said(Some(&target))
            }
            Body::ExchangeResponse(response) if response.is_final() => answered(response),
            Body::ExchangeClose(close) => CloseIn::from(&**close).said(),
            _ => return None,
        };
        Some(Self { at: record.at, seq: record.seq, said })
    }

    fn opened(mut record: Record, openings: &mut Openings) -> Result<Self, Unread> {
        openings.open(record.seq, &record.nonce, &mut record.body)?;
        Ok(Self::of_exchange(&record).unwrap_or_else(|| {
            let said = Said::Other(Box::new(record.body));
            Self { at: record.at, seq: record.seq, said }
        }))
    }
}

/// Why a line could not be taken in.
#[derive(Debug)]
pub(super) enum Unread {
    Record(RecordError),
    Opening(OpeningError),
}

impl From<RecordError> for Unread {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<OpeningError> for Unread {
    fn from(error: OpeningError) -> Self {
        Self::Opening(error)
    }
}

/// The values of a record that this process has just sealed, unchecked; none where they are withheld.
fn values(openings: &mut Openings, seq: u64) -> Result<Vec<Cow<'_, str>>, Unread> {
    #[derive(Deserialize)]
    struct OpeningIn<'a> {
        #[serde(borrow)]
        values: Vec<Lossy<'a>>,
    }
    let Some(line) = openings.line(seq)? else { return Ok(Vec::new()) };
    let opening: OpeningIn<'_> = serde_json::from_slice(line).map_err(RecordError::Syntax)?;
    Ok(opening.values.into_iter().map(|value| value.0).collect())
}

fn answered(response: &ExchangeResponse) -> Said {
    let is_type = |(name, _): &&(Text, Sealed<Text>)| name.0.eq_ignore_ascii_case(CONTENT_TYPE);
    let field = response.fields.iter().find(is_type);
    let value = field.and_then(|(_, value)| value.open()).map(Text::to_string_lossy);
    Said::Answer(response.exchange.0, Answer::new(response.status, value.as_deref()))
}

fn shape<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, RecordError> {
    serde_json::from_str(json).map_err(RecordError::Syntax)
}

#[derive(Deserialize)]
struct EnvelopeIn<'a> {
    at: Wall,
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    mono: Mono,
    seq: Count,
    v: u64,
}

#[derive(Deserialize)]
struct RequestIn<'a> {
    #[serde(borrow, default)]
    authority: Option<Lossy<'a>>,
    exchange: Spelled<ExchangeId>,
    #[serde(borrow)]
    method: Lossy<'a>,
    #[serde(borrow)]
    version: Cow<'a, str>,
}

impl<'a> From<&'a ExchangeRequest> for RequestIn<'a> {
    fn from(request: &'a ExchangeRequest) -> Self {
        let lossy = |text: &'a Text| Lossy(text.to_string_lossy());
        Self {
            authority: request.authority.as_ref().map(lossy),
            exchange: request.exchange,
            method: lossy(&request.method),
            version: Cow::Borrowed(&request.version),
        }
    }
}

impl RequestIn<'_> {
    fn said(self, target: Option<&Cow<'_, str>>) -> Said {
        let request = Request::new(
            self.authority.map(|authority| authority.0.into_owned()),
            self.method.0.into_owned(),
            target.map_or(WITHHELD, |target| target),
            &self.version,
        );
        Said::Request(self.exchange.0, request)
    }
}

#[derive(Deserialize)]
struct ResponseIn {
    exchange: Spelled<ExchangeId>,
    fields: ContentType,
    status: u16,
}

#[derive(Deserialize)]
struct CloseIn {
    exchange: Spelled<ExchangeId>,
    request_body: BodyIn,
    #[serde(default)]
    response_body: Option<BodyIn>,
}

#[derive(Deserialize)]
struct BodyIn {
    bytes: Count,
    end: End,
    #[serde(default)]
    messages: Option<Messages>,
    mono: Mono,
}

impl From<&ExchangeClose> for CloseIn {
    fn from(close: &ExchangeClose) -> Self {
        Self {
            exchange: close.exchange,
            request_body: (&close.request_body).into(),
            response_body: close.response_body.as_ref().map(BodyIn::from),
        }
    }
}

impl From<&BodyShape> for BodyIn {
    fn from(body: &BodyShape) -> Self {
        Self { bytes: body.bytes, end: body.end, messages: body.messages, mono: body.mono }
    }
}

impl CloseIn {
    fn said(self) -> Said {
        let Self { exchange, request_body: request, response_body: response } = self;
        let closing = Closing {
            request_bytes: request.bytes.0,
            sent: request.mono.0.0,
            response_bytes: response.as_ref().map(|body| body.bytes.0),
            outcome: outcome(request.end, response.as_ref().map(|body| body.end)),
            messages: messages(request.messages, response.and_then(|body| body.messages)),
        };
        Said::Closing(exchange.0, closing)
    }
}

/// The messages of both bodies; `None` where neither was read as messages.
fn messages(request: Option<Messages>, response: Option<Messages>) -> Option<u64> {
    match (request, response) {
        (None, None) => None,
        (up, down) => {
            let seen = |messages: Option<Messages>| messages.map_or(0, |some| some.seen.0);
            Some(seen(up).saturating_add(seen(down)))
        }
    }
}

/// The response's end decides, unless it is in order and the request's is not.
fn outcome(request: End, response: Option<End>) -> &'static str {
    match (response, request) {
        (None, _) => "no-response",
        (Some(End::Complete), request) => end_word(request),
        (Some(response), _) => end_word(response),
    }
}

fn end_word(end: End) -> &'static str {
    match end {
        End::Complete => "complete",
        End::Truncated => "truncated",
        End::Reset => "reset",
        End::NotFollowed => "not-followed",
    }
}

/// A [`Text`] as [`Text::to_string_lossy`] gives it, borrowed from the line where it can be.
struct Lossy<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Lossy<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Lossy<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an object with the one key \"base64\"")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Lossy(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Lossy(Cow::Owned(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut bytes = Base64(bytes::Bytes::new());
                while map.next_key::<IgnoredAny>()?.is_some() {
                    bytes = map.next_value()?;
                }
                Ok(Lossy(Cow::Owned(Text(bytes.0).to_string_lossy().into_owned())))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Which field is the first `Content-Type` (RFC 9110 section 8.3).
struct ContentType(Option<usize>);

impl<'de> Deserialize<'de> for ContentType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First;
        impl<'de> Visitor<'de> for First {
            type Value = ContentType;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("pairs of name and value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                let mut first = None;
                let mut index = 0;
                while let Some((name, _)) = fields.next_element::<(Lossy<'_>, IgnoredAny)>()? {
                    if first.is_none() && name.0.as_bytes().eq_ignore_ascii_case(CONTENT_TYPE) {
                        first = Some(index);
                    }
                    index += 1;
                }
                Ok(ContentType(first))
            }
        }
        deserializer.deserialize_seq(First)
    }
}

const CONTENT_TYPE: &[u8] = b"content-type";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::testing::{Made, body, exchange};
    use flow::http::Framing;

    /// Every line of a log says the same, whoever reads it.
    #[track_caller]
    fn check(made: &Made) {
        let log = std::fs::read(made.session.log_file()).unwrap();
        let mut openings = Openings::of_records(&made.session);
        let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for (line, record) in lines.zip(made.records()) {
            let checked = Entry::checked(line, &mut openings).unwrap();
            assert_eq!(Entry::own(line, &mut openings).unwrap(), checked);
            match Entry::of_exchange(&record) {
                Some(handed) => assert_eq!(handed, checked),
                None => assert!(matches!(checked.said, Said::Other(_))),
            }
        }
    }

    #[test]
    fn lines_say_the_same_to_every_reader() {
        let mut made = Made::new();
        made.request(exchange(1, 1), 1, "GET", "/a?b=\"c\"&d=\u{e9}");
        made.response(exchange(1, 1), 103, "text/plain");
        made.response(exchange(1, 1), 200, "Text/HTML; charset=\"utf-8\"");
        made.end(exchange(1, 1), 2, body(Framing::None, 1, 1, 0), None);
        made.request(exchange(1, 2), 1, "G\u{1}T", "/\u{85}\n");
        made.response(exchange(1, 2), 404, "a\tb");
        let five = body(Framing::Identity, 19, 24, 5);
        made.end(exchange(1, 2), 3, body(Framing::None, 1, 1, 0), Some(five));
        check(&made);
    }
}
