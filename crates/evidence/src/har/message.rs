//! Requests and responses of an archive.

use super::content::{BodyText, Content, field};
use super::url;
use recorder::read::FlowDetail;
use recorder::record::sealed::Sealed;
use recorder::record::value::Text;
use serde::Serialize;

/// `request`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    method: String,
    url: String,
    http_version: String,
    cookies: Vec<Cookie>,
    headers: Vec<Pair>,
    query_string: Vec<Pair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post_data: Option<PostData>,
    headers_size: i64,
    body_size: i64,
}

/// `response`. Status 0: there is none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    status: u16,
    status_text: String,
    http_version: String,
    cookies: Vec<Cookie>,
    headers: Vec<Pair>,
    content: ContentShape,
    #[serde(rename = "redirectURL")]
    redirect_url: String,
    headers_size: i64,
    body_size: i64,
}

#[derive(Serialize)]
struct Pair {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct Cookie {
    name: String,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    mime_type: String,
    text: BodyText,
    /// The standard has no encoding here.
    #[serde(rename = "_encoding", skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContentShape {
    /// Bytes after decoding.
    size: u64,
    /// Bytes that the content encoding saved; negative where it made the body larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<i64>,
    mime_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<BodyText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

impl Request {
    pub(super) fn of_exchange(detail: &FlowDetail, content: Content) -> Self {
        let request = detail.exchange.as_ref().and_then(|exchange| exchange.request.as_ref());
        let Some(request) = request.map(|request| &request.body) else {
            return Self::of_connection(detail);
        };
        let url = url::of_exchange(detail, request);
        let on_the_wire = match request.stream_id {
            // HTTP/2 heads are compressed: there is no size of the text.
            Some(_) => -1,
            None => length(flow::stream::Extent::from(request.extent).len()),
        };
        Self {
            method: request.method.to_string_lossy().into_owned(),
            query_string: query(&url),
            url,
            http_version: request.version.clone(),
            cookies: cookies(&request.fields),
            headers: pairs(&request.fields),
            body_size: content.transferred.map_or(-1, length),
            post_data: post_data(content),
            headers_size: on_the_wire,
        }
    }

    /// What the client asked for, where no request of it was seen.
    pub(super) fn of_connection(detail: &FlowDetail) -> Self {
        Self {
            method: "CONNECT".to_owned(),
            url: url::of_connection(detail),
            http_version: UNKNOWN_VERSION.to_owned(),
            cookies: Vec::new(),
            headers: Vec::new(),
            query_string: Vec::new(),
            post_data: None,
            headers_size: -1,
            body_size: -1,
        }
    }
}

impl Response {
    pub(super) fn of_exchange(detail: &FlowDetail, content: Content) -> Self {
        let exchange = detail.exchange.as_ref();
        let last = exchange.and_then(|e| e.responses.iter().rfind(|r| r.body.is_final()));
        let Some(response) = last.map(|response| &response.body) else { return Self::none() };
        Self {
            status: response.status,
            status_text: response.reason.to_string_lossy().into_owned(),
            http_version: response.version.clone(),
            cookies: set_cookies(&response.fields),
            headers: pairs(&response.fields),
            redirect_url: field(&response.fields, "location").unwrap_or_default(),
            headers_size: match response.version.as_str() {
                "HTTP/2" => -1,
                _ => length(flow::stream::Extent::from(response.extent).len()),
            },
            body_size: content.transferred.map_or(-1, length),
            content: ContentShape::new(content),
        }
    }

    pub(super) fn none() -> Self {
        Self {
            status: 0,
            status_text: String::new(),
            http_version: UNKNOWN_VERSION.to_owned(),
            cookies: Vec::new(),
            headers: Vec::new(),
            content: ContentShape::new(Content::default()),
            redirect_url: String::new(),
            headers_size: -1,
            body_size: -1,
        }
    }
}

impl ContentShape {
    fn new(content: Content) -> Self {
        let saved = content.transferred.map(|bytes| length(content.size) - length(bytes));
        Self {
            size: content.size,
            compression: saved.filter(|saved| *saved != 0),
            mime_type: content.media_type.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
            encoding: content.text.as_ref().filter(|text| text.is_base64()).map(|_| "base64"),
            text: content.text,
            comment: content.comment,
        }
    }
}

fn post_data(content: Content) -> Option<PostData> {
    if content.transferred.is_none_or(|bytes| bytes == 0) {
        return None;
    }
    let text = content.text.unwrap_or(BodyText::Plain(String::new()));
    Some(PostData {
        mime_type: content.media_type.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
        encoding: text.is_base64().then_some("base64"),
        text,
        comment: content.comment,
    })
}

fn pairs(fields: &[(Text, Sealed<Text>)]) -> Vec<Pair> {
    let pair = |(name, value): &(Text, Sealed<Text>)| Pair {
        name: name.to_string_lossy().into_owned(),
        value: value.to_string_lossy().into_owned(),
    };
    fields.iter().map(pair).collect()
}

/// Names and values as sent, not decoded.
fn query(url: &str) -> Vec<Pair> {
    let before_fragment = url.split('#').next().unwrap_or(url);
    let Some((_, query)) = before_fragment.split_once('?') else { return Vec::new() };
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Pair { name: name.to_owned(), value: value.to_owned() }
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// Cookies of a request (RFC 6265 section 4.2).
fn cookies(fields: &[(Text, Sealed<Text>)]) -> Vec<Cookie> {
    values(fields, b"cookie")
        .flat_map(|value| value.split(';').map(cookie).collect::<Vec<_>>())
        .collect()
}

/// Cookies that a response sets, without their attributes (RFC 6265 section 4.1).
fn set_cookies(fields: &[(Text, Sealed<Text>)]) -> Vec<Cookie> {
    values(fields, b"set-cookie")
        .map(|value| cookie(value.split(';').next().unwrap_or("")))
        .collect()
}

fn values<'a>(
    fields: &'a [(Text, Sealed<Text>)],
    name: &'a [u8],
) -> impl Iterator<Item = String> + 'a {
    let named = fields.iter().filter(move |(own, _)| own.0.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.to_string_lossy().into_owned())
}

fn cookie(pair: &str) -> Cookie {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    Cookie { name: name.trim().to_owned(), value: value.trim().to_owned() }
}

fn length(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

const UNKNOWN_VERSION: &str = "unknown";
const UNKNOWN_TYPE: &str = "x-unknown";

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&'static str, &'static str)]) -> Vec<(Text, Sealed<Text>)> {
        let field = |(name, value): &(&'static str, &'static str)| {
            (Text((*name).into()), Sealed::Open(Text((*value).into())))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn cookies_and_queries_are_split() {
        let sent = fields(&[("Cookie", "a=1; b=x=y"), ("cookie", "c")]);
        let sent: Vec<_> = cookies(&sent).into_iter().map(|c| (c.name, c.value)).collect();
        let expected = [("a", "1"), ("b", "x=y"), ("c", "")];
        assert_eq!(sent, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        let set = fields(&[("Set-Cookie", "id=7; Path=/; HttpOnly")]);
        assert_eq!(set_cookies(&set).len(), 1);
        let query: Vec<_> = query("https://h/p?a=1&b&&c=d%20e#f?g=1")
            .into_iter()
            .map(|pair| format!("{}:{}", pair.name, pair.value))
            .collect();
        assert_eq!(query, ["a:1", "b:", "c:d%20e"]);
    }

    #[test]
    fn content_size_is_decoded_and_compression_the_difference() {
        let content = Content { transferred: Some(40), size: 100, ..Content::default() };
        let shape = serde_json::to_value(ContentShape::new(content)).unwrap();
        assert_eq!(
            shape,
            serde_json::json!({"size": 100, "compression": 60, "mimeType": "x-unknown"})
        );
        let plain = Content { transferred: Some(7), size: 7, ..Content::default() };
        assert!(ContentShape::new(plain).compression.is_none());
    }
}
