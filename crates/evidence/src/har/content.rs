//! Bodies in an archive: decoded, as text where they are some, else base64.

use crate::decode::{Decoded, content_encoding, decoder, fields};
use crate::error::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flow::id::ExchangeId;
use recorder::read::{FlowDetail, Part, ReadError, Session};
use recorder::record::exchange::BodyShape;
use recorder::record::sealed::Sealed;
use recorder::record::value::Text;
use serde::Serialize;

/// A body and what its message says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// Bytes as transferred, framing removed; `None` when no body was followed to its end.
    pub(super) transferred: Option<u64>,
    /// Bytes after decoding; those as transferred where decoding is not possible.
    pub(super) size: u64,
    /// The `Content-Type` field.
    pub(super) media_type: Option<String>,
    pub(super) text: Option<BodyText>,
    /// Why the text is missing or not whole.
    pub(super) comment: Option<String>,
}

/// A body's bytes in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum BodyText {
    Plain(String),
    Base64(String),
}

impl Content {
    /// Reads and decodes a body of an exchange.
    pub(super) fn read(
        session: &Session,
        id: ExchangeId,
        part: Part,
        detail: &FlowDetail,
    ) -> Result<Self, Error> {
        let Some(exchange) = &detail.exchange else { return Ok(Self::default()) };
        let fields = fields(detail, part);
        let media_type = field(fields, "content-type");
        let close = exchange.close.as_ref().map(|close| &close.body);
        let shape = close.and_then(|close| match part {
            Part::Request => Some(&close.request_body),
            Part::Response => close.response_body.as_ref(),
        });
        let Some(shape) = shape else { return Ok(Self { media_type, ..Self::default() }) };
        let transferred = Some(shape.bytes.0);
        if shape.bytes.0 == 0 {
            return Ok(Self { transferred, media_type, ..Self::default() });
        }
        let encoding = content_encoding(detail, part);
        let content = Self::decoded(session, id, part, shape, &encoding)?;
        Ok(Self { transferred, media_type, ..content })
    }

    fn decoded(
        session: &Session,
        id: ExchangeId,
        part: Part,
        shape: &BodyShape,
        encoding: &str,
    ) -> Result<Self, Error> {
        let mut decoded = Decoded::default();
        let failed = match decoder(encoding, &mut decoded) {
            Ok(mut writer) => {
                let read = session.body(id, part, &mut writer);
                let finished = writer.finish();
                match (read, finished) {
                    (Ok(()), Ok(())) => None,
                    // The writer is memory: only a decoder refuses.
                    (Err(ReadError::Output(error)), _) | (Ok(()), Err(error)) => {
                        Some(Failed::Decoding(error.to_string()))
                    }
                    (Err(error), _) => Some(Failed::Reading(error.to_string())),
                }
            }
            Err(error) => Some(Failed::Decoding(error.to_string())),
        };
        match failed {
            None if decoded.is_cut() => Ok(Self {
                size: decoded.total,
                comment: Some("the body is too large for an archive".to_owned()),
                ..Self::default()
            }),
            None => Ok(Self::of(decoded, None)),
            Some(Failed::Reading(why)) => Ok(Self::of(decoded, Some(why))),
            Some(Failed::Decoding(why)) if encoding.is_empty() => {
                Ok(Self { size: shape.bytes.0, comment: Some(why), ..Self::default() })
            }
            Some(Failed::Decoding(why)) => {
                // As transferred, and said so.
                let content = Self::decoded(session, id, part, shape, "")?;
                let why = format!("the content encoding {encoding:?} was not undone: {why}");
                Ok(Self { comment: Some(why), ..content })
            }
        }
    }

    fn of(decoded: Decoded, comment: Option<String>) -> Self {
        Self {
            size: decoded.total,
            text: Some(BodyText::new(decoded.bytes)),
            comment,
            ..Self::default()
        }
    }
}

enum Failed {
    Reading(String),
    Decoding(String),
}

impl BodyText {
    /// Text is UTF-8 without control characters other than white space.
    fn new(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains(|c: char| c.is_control() && !"\t\r\n".contains(c)) => {
                Self::Plain(text)
            }
            Ok(text) => Self::Base64(STANDARD.encode(text)),
            Err(error) => Self::Base64(STANDARD.encode(error.as_bytes())),
        }
    }

    pub(super) fn is_base64(&self) -> bool {
        matches!(self, Self::Base64(_))
    }
}

/// The first value of a field, for people.
pub(super) fn field(fields: &[(Text, Sealed<Text>)], name: &str) -> Option<String> {
    let named = fields.iter().find(|(own, _)| own.0.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, value)| value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_bodies_are_base64() {
        let plain = |text: &str| BodyText::Plain(text.to_owned());
        assert_eq!(BodyText::new(b"{\"a\":\n1}".to_vec()), plain("{\"a\":\n1}"));
        assert_eq!(BodyText::new("\u{4e2d}".as_bytes().to_vec()), plain("\u{4e2d}"));
        assert_eq!(BodyText::new(vec![0xff, 0x00]), BodyText::Base64("/wA=".to_owned()));
        assert_eq!(BodyText::new(vec![b'a', 0]), BodyText::Base64("YQA=".to_owned()));
    }
}
