//! Decoded fields to heads: pseudo-header fields apart from regular ones (RFC 9113 section 8.3).
//!
//! A head is refused only where it leaves open what was asked or answered. Other rules (lower-case
//! names, no connection-specific fields) are not checked: a breach changes nothing that is read.

use bytes::Bytes;
use flow::http::{Field, field};
use std::fmt;

/// A request's fields, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Bytes,
    /// `:path`; empty where CONNECT has none.
    pub(super) path: Bytes,
    pub(super) scheme: Option<Bytes>,
    /// `:authority`, else `host`.
    pub(super) authority: Option<Bytes>,
    /// `:protocol` of an extended CONNECT (RFC 8441 section 4).
    pub(super) protocol: Option<Bytes>,
    pub(super) fields: Vec<Field>,
}

/// A response's fields, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) fields: Vec<Field>,
}

/// Why a list of fields is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// A pseudo-header field that is missing.
    Missing(&'static str),
    /// A pseudo-header field that is there twice, so that readers may differ.
    Repeated(&'static str),
    /// A pseudo-header field that has no place in this kind of head.
    UnknownPseudoField,
    /// A pseudo-header field behind a regular one.
    LatePseudoField,
    /// `:status` is not three digits from 100.
    BadStatus,
}

impl Request {
    pub(super) fn from_fields(fields: Vec<Field>) -> Result<Self, HeadError> {
        let [method, path, scheme, authority, protocol] = &mut [const { None }; 5];
        let fields = take_pseudo(
            fields,
            &mut [
                (":method", method),
                (":path", path),
                (":scheme", scheme),
                (":authority", authority),
                (":protocol", protocol),
            ],
        )?;
        let method = method.take().ok_or(HeadError::Missing(":method"))?;
        let path = match path.take() {
            Some(path) => path,
            None if method == "CONNECT" && protocol.is_none() => Bytes::new(),
            None => return Err(HeadError::Missing(":path")),
        };
        Ok(Self {
            method,
            path,
            scheme: scheme.take(),
            authority: authority.take().or_else(|| field(&fields, "host").cloned()),
            protocol: protocol.take(),
            fields,
        })
    }
}

impl Response {
    pub(super) fn from_fields(fields: Vec<Field>) -> Result<Self, HeadError> {
        let mut status = None;
        let fields = take_pseudo(fields, &mut [(":status", &mut status)])?;
        let status = status.ok_or(HeadError::Missing(":status"))?;
        match status.as_ref() {
            [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => {
                let digits = status.iter().map(|digit| u16::from(digit - b'0'));
                Ok(Self { status: digits.fold(0, |number, digit| number * 10 + digit), fields })
            }
            _ => Err(HeadError::BadStatus),
        }
    }
}

/// A trailer section, which has no pseudo-header fields (section 8.1).
pub(super) fn trailers(fields: Vec<Field>) -> Result<Vec<Field>, HeadError> {
    take_pseudo(fields, &mut [])
}

/// Moves the pseudo-header fields at the front into `wanted`; what is left are the regular ones.
fn take_pseudo(
    mut fields: Vec<Field>,
    wanted: &mut [(&'static str, &mut Option<Bytes>)],
) -> Result<Vec<Field>, HeadError> {
    let is_pseudo = |field: &Field| field.name.first() == Some(&b':');
    let front = fields.iter().take_while(|field| is_pseudo(field)).count();
    if fields.iter().skip(front).any(is_pseudo) {
        return Err(HeadError::LatePseudoField);
    }
    for field in fields.drain(..front) {
        let (name, slot) = wanted
            .iter_mut()
            .find(|(name, _slot)| field.name == *name)
            .ok_or(HeadError::UnknownPseudoField)?;
        if slot.replace(field.value).is_some() {
            return Err(HeadError::Repeated(name));
        }
    }
    Ok(fields)
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "{name} is missing"),
            Self::Repeated(name) => write!(f, "{name} is repeated"),
            Self::UnknownPseudoField => f.write_str("a pseudo-header field has no place in it"),
            Self::LatePseudoField => f.write_str("a pseudo-header field follows a regular field"),
            Self::BadStatus => f.write_str(":status is no number of three digits"),
        }
    }
}

impl std::error::Error for HeadError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&'static str, &'static str)]) -> Vec<Field> {
        list.iter()
            .map(|(name, value)| Field { name: (*name).into(), value: (*value).into() })
            .collect()
    }

    #[track_caller]
    fn check_request(
        list: &[(&'static str, &'static str)],
        expected: Result<(&str, &str, Option<&str>), HeadError>,
    ) {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let got = Request::from_fields(fields(list));
        let got = got.map(|r| (text(&r.method), text(&r.path), r.authority.as_ref().map(text)));
        let expected = expected.map(|(method, path, authority)| {
            (method.to_owned(), path.to_owned(), authority.map(str::to_owned))
        });
        assert_eq!(got, expected, "{list:?}");
    }

    #[test]
    fn requests() {
        let get = [(":method", "GET"), (":scheme", "https"), (":path", "/a")];
        check_request(&get, Ok(("GET", "/a", None)));
        check_request(&[&get[..], &[("host", "h")]].concat(), Ok(("GET", "/a", Some("h"))));
        check_request(
            &[&get[..], &[(":authority", "a"), ("host", "h")]].concat(),
            Ok(("GET", "/a", Some("a"))),
        );
        let connect = [(":method", "CONNECT"), (":authority", "h:443")];
        check_request(&connect, Ok(("CONNECT", "", Some("h:443"))));
        check_request(
            &[&connect[..], &[(":protocol", "websocket")]].concat(),
            Err(HeadError::Missing(":path")),
        );
        check_request(&[(":path", "/")], Err(HeadError::Missing(":method")));
        check_request(&[(":method", "GET")], Err(HeadError::Missing(":path")));
        check_request(&[&get[..], &[(":path", "/b")]].concat(), Err(HeadError::Repeated(":path")));
        check_request(
            &[&get[..], &[("a", "b"), (":authority", "x")]].concat(),
            Err(HeadError::LatePseudoField),
        );
        check_request(
            &[&get[..], &[(":status", "200")]].concat(),
            Err(HeadError::UnknownPseudoField),
        );
    }

    #[test]
    fn responses() {
        let status = |text| Response::from_fields(fields(&[(":status", text)])).map(|r| r.status);
        assert_eq!(status("200"), Ok(200));
        assert_eq!(status("103"), Ok(103));
        for text in ["", "20", "2000", "099", "+20", "2x0"] {
            assert_eq!(status(text), Err(HeadError::BadStatus), "{text}");
        }
        assert_eq!(Response::from_fields(Vec::new()), Err(HeadError::Missing(":status")));
    }

    #[test]
    fn trailers_have_no_pseudo_fields() {
        assert_eq!(trailers(fields(&[("a", "b")])), Ok(fields(&[("a", "b")])));
        assert_eq!(trailers(fields(&[(":status", "200")])), Err(HeadError::UnknownPseudoField));
    }
}
