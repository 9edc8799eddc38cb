//! Reads a complete message head: start line and field lines. Raw bytes are kept: order, case and
//! repeats of fields as they came, values without their surrounding whitespace. It does not judge
//! what the fields mean; see [`super::framing`] for the length of the body.

use super::defect::{Defect, Malformed};
use bytes::Bytes;
use flow::http::{Field, HttpVersion};
use std::ops::Range;

/// A request's start line and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeadParts {
    pub method: Bytes,
    /// As sent: origin, absolute, authority or asterisk form (RFC 9112 section 3.2).
    pub target: Bytes,
    pub version: HttpVersion,
    pub fields: Vec<Field>,
    pub oddities: Vec<Oddity>,
}

/// A response's status line and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHeadParts {
    pub version: HttpVersion,
    /// 100 to 999.
    pub status: u16,
    pub reason: Bytes,
    pub fields: Vec<Field>,
    pub oddities: Vec<Oddity>,
}

/// What a head does that RFC 9112 forbids a sender but lets a recipient understand. A reader may
/// tolerate it; whoever passes the message on under its own name must refuse or repair it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// A line ended by LF alone (section 2.2).
    BareLf,
    /// A field value that goes on in the next line (section 5.2). The value keeps the line break.
    ObsFold,
    /// A space inside the request target (section 3.2).
    SpaceInTarget,
}

impl RequestHeadParts {
    /// Reads a head as [`super::head_buffer::HeadBuffer`] hands it over: from the start line
    /// through the empty line.
    pub fn parse(raw: &Bytes) -> Result<Self, Defect> {
        let mut oddities = Vec::new();
        let line = line_at(raw, 0)?;
        let (range, after) = (line.content.clone(), line.next);
        line.note(&mut oddities);
        let text = raw.get(range).unwrap_or_default();
        let defect = |why| Defect { at: 0, why };
        let first = text.iter().position(|byte| *byte == b' ');
        let last = text.iter().rposition(|byte| *byte == b' ');
        let (Some(first), Some(last)) = (first, last) else {
            return Err(defect(Malformed::RequestLine));
        };
        if first == last {
            return Err(defect(Malformed::RequestLine));
        }
        let method = text.get(..first).unwrap_or_default();
        let target = text.get(first + 1..last).unwrap_or_default();
        let version = version(text.get(last + 1..).unwrap_or_default()).map_err(defect)?;
        if !is_token(method) {
            return Err(defect(Malformed::Method));
        }
        if target.is_empty() || target.iter().any(|byte| byte.is_ascii_control()) {
            return Err(defect(Malformed::Target));
        }
        if target.contains(&b' ') {
            note(&mut oddities, Oddity::SpaceInTarget);
        }
        let (method, target) = (raw.slice_ref(method), raw.slice_ref(target));
        let fields = parse_fields(raw, after, &mut oddities)?;
        Ok(Self { method, target, version, fields, oddities })
    }
}

impl ResponseHeadParts {
    /// Reads a head from the status line through the empty line. The reason phrase and the space
    /// before it may be missing.
    pub fn parse(raw: &Bytes) -> Result<Self, Defect> {
        let mut oddities = Vec::new();
        let line = line_at(raw, 0)?;
        let (range, after) = (line.content.clone(), line.next);
        line.note(&mut oddities);
        let text = raw.get(range).unwrap_or_default();
        let defect = |why| Defect { at: 0, why };
        let (Some(protocol), Some(b' ')) = (text.get(..VERSION_BYTES), text.get(VERSION_BYTES))
        else {
            return Err(defect(Malformed::StatusLine));
        };
        let version = version(protocol).map_err(defect)?;
        let (code, reason) = match text.get(VERSION_BYTES + 1..).unwrap_or_default() {
            [a, b, c] => ([*a, *b, *c], &[][..]),
            [a, b, c, b' ', reason @ ..] => ([*a, *b, *c], reason),
            _ => return Err(defect(Malformed::StatusLine)),
        };
        if !code.iter().all(u8::is_ascii_digit) || code[0] == b'0' {
            return Err(defect(Malformed::StatusLine));
        }
        let status = code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let reason = if reason.is_empty() { Bytes::new() } else { raw.slice_ref(reason) };
        let fields = parse_fields(raw, after, &mut oddities)?;
        Ok(Self { version, status, reason, fields, oddities })
    }
}

/// Reads field lines from offset `from` until an empty line or the end.
pub(crate) fn parse_fields(
    raw: &Bytes,
    from: usize,
    oddities: &mut Vec<Oddity>,
) -> Result<Vec<Field>, Defect> {
    let mut fields: Vec<Field> = Vec::new();
    let mut value_start = 0;
    let mut at = from;
    while at < raw.len() {
        let line = line_at(raw, at)?;
        let start = line.content.start;
        let text = raw.get(line.content.clone()).unwrap_or_default();
        let defect = |why| Defect { at: start, why };
        line.note(oddities);
        match text {
            [] => break,
            [b' ' | b'\t', ..] => {
                let field = fields.last_mut().ok_or(defect(Malformed::FoldWithoutField))?;
                note(oddities, Oddity::ObsFold);
                let more = trim(raw, line.content.clone());
                if !more.is_empty() {
                    if field.value.is_empty() {
                        value_start = more.start;
                    }
                    field.value = raw.slice(value_start..more.end);
                }
            }
            _ if fields.len() >= MOST_FIELDS => {
                return Err(defect(Malformed::TooManyFields(MOST_FIELDS)));
            }
            _ => {
                let name_bytes = name_length(text).map_err(defect)?;
                let value = trim(raw, start + name_bytes + 1..line.content.end);
                value_start = value.start;
                let name = raw.slice(start..start + name_bytes);
                fields.push(Field { name, value: raw.slice(value) });
            }
        }
        at = line.next;
    }
    Ok(fields)
}

/// Whether `bytes` is a token (RFC 9110 section 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// A line of a head: its content without the line ending, and where the next line starts.
struct Line {
    content: Range<usize>,
    next: usize,
    bare_lf: bool,
}

impl Line {
    fn note(&self, oddities: &mut Vec<Oddity>) {
        if self.bare_lf {
            note(oddities, Oddity::BareLf);
        }
    }
}

fn line_at(raw: &[u8], start: usize) -> Result<Line, Defect> {
    let rest = raw.get(start..).unwrap_or_default();
    let length = rest.iter().position(|byte| *byte == b'\n');
    let (line, next) = match length {
        Some(length) => (rest.get(..length).unwrap_or_default(), start + length + 1),
        None => (rest, raw.len()),
    };
    let content = line.strip_suffix(b"\r").unwrap_or(line);
    if let Some(offset) = content.iter().position(|byte| matches!(byte, b'\r' | 0)) {
        let is_cr = content.get(offset) == Some(&b'\r');
        let why = if is_cr { Malformed::BareCr } else { Malformed::NulByte };
        return Err(Defect { at: start + offset, why });
    }
    let bare_lf = length.is_some() && content.len() == line.len();
    Ok(Line { content: start..start + content.len(), next, bare_lf })
}

/// Bytes of the field name before the colon.
fn name_length(line: &[u8]) -> Result<usize, Malformed> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed::FieldWithoutColon)?;
    let name = line.get(..colon).unwrap_or_default();
    match name {
        [.., b' ' | b'\t'] => Err(Malformed::SpaceBeforeColon),
        name if is_token(name) => Ok(colon),
        _ => Err(Malformed::FieldName),
    }
}

/// The range without spaces and tabs at its ends; an empty range lies at the end of the given one.
fn trim(raw: &[u8], range: Range<usize>) -> Range<usize> {
    let text = raw.get(range.clone()).unwrap_or_default();
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let leading = text.iter().take_while(|byte| is_space(byte)).count();
    let trailing = text.iter().skip(leading).rev().take_while(|byte| is_space(byte)).count();
    range.start + leading..range.end - trailing
}

fn version(text: &[u8]) -> Result<HttpVersion, Malformed> {
    match text {
        b"HTTP/1.1" => Ok(HttpVersion::Http11),
        b"HTTP/1.0" => Ok(HttpVersion::Http10),
        _ => Err(Malformed::Version),
    }
}

fn note(oddities: &mut Vec<Oddity>, oddity: Oddity) {
    if !oddities.contains(&oddity) {
        oddities.push(oddity);
    }
}

const VERSION_BYTES: usize = 8;

/// Each field costs about 64 bytes beside its text, which the limit on a head's bytes does not see.
const MOST_FIELDS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(fields: &[Field]) -> Vec<(&str, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        fields.iter().map(|field| (text(&field.name[..]), text(&field.value[..]))).collect()
    }

    #[track_caller]
    fn check_request(raw: &str, start: (&str, &str), fields: &[(&str, &str)], oddities: &[Oddity]) {
        let head = RequestHeadParts::parse(&Bytes::copy_from_slice(raw.as_bytes())).unwrap();
        assert_eq!((&head.method[..], &head.target[..]), (start.0.as_bytes(), start.1.as_bytes()));
        assert_eq!(shown(&head.fields), fields, "{raw:?}");
        assert_eq!(head.oddities, oddities, "{raw:?}");
    }

    #[test]
    fn requests() {
        check_request("GET / HTTP/1.1\r\n\r\n", ("GET", "/"), &[], &[]);
        check_request(
            "POST http://h/?q HTTP/1.0\r\nhOST: h\r\nX:  a b\t\r\nX:\r\nx:c\r\n\r\n",
            ("POST", "http://h/?q"),
            &[("hOST", "h"), ("X", "a b"), ("X", ""), ("x", "c")],
            &[],
        );
        check_request("X * HTTP/1.1\nA: b\n\n", ("X", "*"), &[("A", "b")], &[Oddity::BareLf]);
        check_request(
            "GET /a b HTTP/1.1\r\nA: b\r\n c\r\n \r\nB:\r\n\td \r\n e\r\n\r\n",
            ("GET", "/a b"),
            &[("A", "b\r\n c"), ("B", "d \r\n e")],
            &[Oddity::SpaceInTarget, Oddity::ObsFold],
        );
        check_request(
            "GET /\u{e9} HTTP/1.1\r\nA: \u{1}\r\n\r\n",
            ("GET", "/é"),
            &[("A", "\u{1}")],
            &[],
        );
    }

    #[track_caller]
    fn check_refused(raw: &str, at: usize, why: Malformed) {
        let raw = Bytes::copy_from_slice(raw.as_bytes());
        assert_eq!(RequestHeadParts::parse(&raw), Err(Defect { at, why }), "{raw:?}");
    }

    #[test]
    fn refused_requests() {
        check_refused("GET\r\n\r\n", 0, Malformed::RequestLine);
        check_refused("GET /\r\n\r\n", 0, Malformed::RequestLine);
        check_refused("GET  HTTP/1.1\r\n\r\n", 0, Malformed::Target);
        check_refused("GET /\t HTTP/1.1\r\n\r\n", 0, Malformed::Target);
        check_refused("G(T / HTTP/1.1\r\n\r\n", 0, Malformed::Method);
        check_refused(" GET / HTTP/1.1\r\n\r\n", 0, Malformed::Method);
        check_refused("GET / HTTP/1.2\r\n\r\n", 0, Malformed::Version);
        check_refused("GET / http/1.1\r\n\r\n", 0, Malformed::Version);
        check_refused("GET / HTTP/1.1 \r\n\r\n", 0, Malformed::Version);
        check_refused("GET /\0 HTTP/1.1\r\n\r\n", 5, Malformed::NulByte);
        check_refused("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 20, Malformed::NulByte);
        check_refused("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 20, Malformed::BareCr);
        check_refused("GET / HTTP/1.1\r\nA: b\r\r\n\r\n", 20, Malformed::BareCr);
        check_refused("GET / HTTP/1.1\r\nA : b\r\n\r\n", 16, Malformed::SpaceBeforeColon);
        check_refused("GET / HTTP/1.1\r\nA\t: b\r\n\r\n", 16, Malformed::SpaceBeforeColon);
        check_refused("GET / HTTP/1.1\r\n: b\r\n\r\n", 16, Malformed::FieldName);
        check_refused("GET / HTTP/1.1\r\nA b: c\r\n\r\n", 16, Malformed::FieldName);
        check_refused("GET / HTTP/1.1\r\nA: b\r\nc\r\n\r\n", 22, Malformed::FieldWithoutColon);
        check_refused("GET / HTTP/1.1\r\n A: b\r\n\r\n", 16, Malformed::FoldWithoutField);
    }

    #[track_caller]
    fn check_response(line: &str, expected: Result<(u16, &str), Malformed>) {
        let raw = Bytes::from(format!("{line}\r\nA: b\r\n\r\n"));
        let got = ResponseHeadParts::parse(&raw);
        let got = got.map(|head| (head.status, head.reason)).map_err(|defect| defect.why);
        assert_eq!(got, expected.map(|(status, reason)| (status, Bytes::from(reason.to_owned()))));
    }

    #[test]
    fn responses() {
        check_response("HTTP/1.1 200 OK", Ok((200, "OK")));
        check_response("HTTP/1.0 404 Not  found ", Ok((404, "Not  found ")));
        check_response("HTTP/1.1 204 ", Ok((204, "")));
        check_response("HTTP/1.1 204", Ok((204, "")));
        check_response("HTTP/1.1 999 x", Ok((999, "x")));
        check_response("HTTP/1.1 099 x", Err(Malformed::StatusLine));
        check_response("HTTP/1.1 20 x", Err(Malformed::StatusLine));
        check_response("HTTP/1.1 2000 x", Err(Malformed::StatusLine));
        check_response("HTTP/1.1  200 x", Err(Malformed::StatusLine));
        check_response("HTTP/1.1 +20 x", Err(Malformed::StatusLine));
        check_response("HTTP/2 200 x", Err(Malformed::StatusLine));
        check_response("HTTP/2.0 200 x", Err(Malformed::Version));
        check_response("ICY 200 OK", Err(Malformed::StatusLine));
        check_response("", Err(Malformed::StatusLine));
    }

    #[test]
    fn many_fields_are_refused_before_they_cost_memory() {
        let lines = "a:\n".repeat(MOST_FIELDS + 1);
        let raw = Bytes::from(format!("GET / HTTP/1.1\n{lines}\n"));
        let why = RequestHeadParts::parse(&raw).unwrap_err().why;
        assert_eq!(why, Malformed::TooManyFields(MOST_FIELDS));
    }

    proptest! {
        #[test]
        fn a_head_that_we_read_another_parser_reads_alike(
            raw in prop::collection::vec(prop::sample::select(b"aZ-:: \t,1/\r\n".to_vec()), 0..40),
        ) {
            let raw = Bytes::from([b"GET / HTTP/1.1\r\n", &raw[..], b"\r\n\r\n"].concat());
            let end = raw.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
            let raw = raw.slice(..end);
            if let Ok(head) = RequestHeadParts::parse(&raw) && head.oddities.is_empty() {
                let mut headers = [httparse::EMPTY_HEADER; 40];
                let mut other = httparse::Request::new(&mut headers);
                prop_assert_eq!(other.parse(&raw), Ok(httparse::Status::Complete(raw.len())));
                let theirs: Vec<_> = other.headers.iter().map(|h| (h.name, std::str::from_utf8(h.value).unwrap())).collect();
                prop_assert_eq!(shown(&head.fields), theirs);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(raw in prop::collection::vec(any::<u8>(), 0..80)) {
            let raw = Bytes::from(raw);
            let _read = (RequestHeadParts::parse(&raw), ResponseHeadParts::parse(&raw));
        }
    }
}
