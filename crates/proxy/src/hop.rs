//! Asking an upstream proxy for a connection: HTTP `CONNECT` (RFC 9110 section 9.3.6) and SOCKS5
//! (RFC 1928) with user and password (RFC 1929). Returns why there is none as a clause that has the
//! proxy for its subject. Dials nothing; every answer is bounded and the caller sets the deadline.

use crate::upstream_proxy::HopCredentials;
use crate::wire::Wire;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use flow::address::{Host, Target};
use flow::limits::Limits;
use observe::http1::head::ResponseHeadParts;
use observe::http1::head_buffer::{Collected, HeadBuffer};
use observe::socks5_reply::{self, Reply};
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Why the proxy does not connect: each a clause that has it for its subject.
pub(crate) enum Refused {
    /// It may connect to another address.
    Target(String),
    /// Nor would it connect to another one.
    Everything(String),
}

impl From<String> for Refused {
    fn from(how: String) -> Self {
        Self::Everything(how)
    }
}

/// Asks by HTTP. Bytes that came behind the answer are the upstream's, and put back.
pub(crate) async fn connect(
    wire: &mut Wire,
    target: &Target,
    credentials: Option<&HopCredentials>,
    limits: &Limits,
) -> Result<(), Refused> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(both) = credentials {
        let encoded = STANDARD.encode(format!("{}:{}", both.user(), both.password()));
        request.push_str(&format!("Proxy-Authorization: Basic {encoded}\r\n"));
    }
    request.push_str("\r\n");
    wire.write_all(request.as_bytes()).await.map_err(|error| broken(&error))?;
    loop {
        let head = read_head(wire, limits).await?;
        match head.status {
            // Interim answers precede the final one (RFC 9110 section 15.2).
            100..=199 if head.status != 101 => {}
            200..=299 => return Ok(()),
            status => {
                let how = format!("refused: {status} {}", shown(&head.reason));
                let is_of_target = status != PROXY_AUTHENTICATION_REQUIRED;
                return Err(if is_of_target { Refused::Target(how) } else { how.into() });
            }
        }
    }
}

async fn read_head(wire: &mut Wire, limits: &Limits) -> Result<ResponseHeadParts, String> {
    let mut head = HeadBuffer::new(limits.request_head_bytes);
    loop {
        let mut buffer = BytesMut::new();
        let length = wire.read_more(&mut buffer, READ_BYTES).await.map_err(|e| broken(&e))?;
        if length == 0 {
            return Err("closed the connection before it answered".to_owned());
        }
        match head.feed(&buffer) {
            Ok(Collected::NeedMore) => {}
            Ok(Collected::Head { head: raw, taken, .. }) => {
                buffer.advance(taken.min(buffer.len()));
                wire.unread(buffer.freeze());
                return ResponseHeadParts::parse(&raw)
                    .map_err(|defect| format!("sent malformed data: {defect}"));
            }
            Err(_defect) => return Err("sent an answer over the limit".to_owned()),
        }
    }
}

/// Asks by SOCKS5.
pub(crate) async fn socks5(
    wire: &mut Wire,
    target: &Target,
    credentials: Option<&HopCredentials>,
) -> Result<(), Refused> {
    let methods: &[u8] = match credentials {
        None => &[VERSION, 1, NO_AUTHENTICATION],
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
    };
    wire.write_all(methods).await.map_err(|error| broken(&error))?;
    let [version, method] = read_pair(wire).await?;
    match (version, method, credentials) {
        (VERSION, NO_AUTHENTICATION, _) => {}
        (VERSION, USER_AND_PASSWORD, Some(both)) => authenticate(wire, both).await?,
        (VERSION, 0xff, None) => return Err("refused: it wants credentials".to_owned().into()),
        (VERSION, 0xff, Some(_)) => {
            return Err("refused: it takes no credentials".to_owned().into());
        }
        (VERSION, method, _) => return Err(format!("chose the unknown method {method}").into()),
        (_, _, _) => return Err("sent malformed data: it is no SOCKS5 proxy".to_owned().into()),
    }
    wire.write_all(&request(target)).await.map_err(|error| broken(&error))?;
    let mut answer = Vec::new();
    loop {
        let needed = match socks5_reply::parse(&answer) {
            Reply::Incomplete(needed) => needed,
            Reply::Complete { code: 0 } => return Ok(()),
            Reply::Complete { code } => {
                let how = format!("refused: {}", socks5_reply::code_name(code));
                return Err(Refused::Target(how));
            }
            Reply::Malformed(what) => return Err(format!("sent malformed data: {what}").into()),
        };
        // No more than the answer: what follows it is the upstream's.
        let mut more = vec![0; needed];
        let read = wire.read_exact(&mut more).await;
        // Some proxies close where they cannot connect.
        read.map_err(|error| Refused::Target(broken(&error)))?;
        answer.append(&mut more);
    }
}

async fn authenticate(wire: &mut Wire, both: &HopCredentials) -> Result<(), String> {
    let mut request = vec![1];
    for text in [both.user(), both.password()] {
        // HopCredentials are made of at most 255 bytes.
        request.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        request.extend_from_slice(text.as_bytes());
    }
    wire.write_all(&request).await.map_err(|error| broken(&error))?;
    match read_pair(wire).await? {
        [_, 0] => Ok(()),
        [..] => Err("refused: the credentials are wrong".to_owned()),
    }
}

fn request(target: &Target) -> Vec<u8> {
    let mut request = vec![VERSION, CONNECT, 0];
    match &target.host {
        Host::Ip(IpAddr::V4(ip)) => {
            request.push(1);
            request.extend(ip.octets());
        }
        Host::Ip(IpAddr::V6(ip)) => {
            request.push(4);
            request.extend(ip.octets());
        }
        Host::Name(name) => {
            request.push(3);
            // A name has at most 253 bytes.
            request.push(u8::try_from(name.as_str().len()).unwrap_or(u8::MAX));
            request.extend_from_slice(name.as_str().as_bytes());
        }
    }
    request.extend(target.port.to_be_bytes());
    request
}

async fn read_pair(wire: &mut Wire) -> Result<[u8; 2], String> {
    let mut pair = [0; 2];
    wire.read_exact(&mut pair).await.map_err(|error| broken(&error))?;
    Ok(pair)
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "closed the connection before it answered".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "reset the connection before it answered".to_owned()
        }
        _ => format!("failed: {error}"),
    }
}

/// A peer's text in ours.
fn shown(reason: &[u8]) -> String {
    let text = String::from_utf8_lossy(reason);
    let clean = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    clean.take(LONGEST_REASON).collect()
}

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;
const LONGEST_REASON: usize = 100;
const READ_BYTES: usize = 4 * 1024;
