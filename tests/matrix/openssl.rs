//! `openssl s_client`: TLS is its own, what it says inside is written by hand and handed to it.

use crate::cell::{Cell, EVENTS, HELLO, Protocol, Way, grpc_message};
use crate::client::{entrance, forwarder};
use harness::field::Field;
use harness::h2;
use harness::landfall::Landfall;
use harness::tool::SHORT;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

pub fn run(field: &Field, landfall: &Landfall, cell: &Cell) {
    let at = format!("{}:{}", cell.host(), cell.protocol.port());
    let mut openssl = field.network.command(cell.way.place(), "timeout");
    openssl.args([&SHORT.as_secs().to_string(), "openssl", "s_client"]);
    openssl
        .args(["-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile"])
        .arg(&field.authority);
    openssl.args(["-servername", &cell.host(), "-verify_hostname", &cell.host()]);
    // It knows CONNECT, and no SOCKS.
    let mut socks = None;
    match cell.way {
        Way::Connect => openssl.args(["-proxy", &entrance(landfall, cell.way), "-connect", &at]),
        Way::Socks5 => {
            let forwarder = socks.insert(forwarder(field, landfall, cell));
            openssl.args(["-connect", &forwarder.socket().to_string()])
        }
        Way::Transparent => {
            let server = entrance(landfall, cell.way);
            openssl.args(["-connect", &format!("{server}:{}", cell.protocol.port())])
        }
    };
    match cell.protocol {
        Protocol::Http1 | Protocol::Sse => openssl.args(["-alpn", "http/1.1"]),
        Protocol::Http2 | Protocol::Grpc | Protocol::SseHttp2 => openssl.args(["-alpn", "h2"]),
        _ => &mut openssl,
    };
    converse(cell, &mut openssl);
}

/// What is said, and what must have come before more is said.
struct Turn {
    say: Vec<u8>,
    heard: Heard,
}

enum Heard {
    /// Bytes that end so.
    Until(Vec<u8>),
    /// An HTTP/2 stream that has ended, with this in its DATA frames.
    Stream(Vec<u8>),
}

/// Takes the turns, then ends standard input, on which s_client ends the connection.
fn converse(cell: &Cell, openssl: &mut Command) {
    openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = openssl.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for Turn { say, heard } in turns(cell) {
        stdin.write_all(&say).unwrap();
        let (mut got, mut buffer) = (Vec::new(), [0; 4096]);
        while !heard.is_all_of(&got) {
            let length = stdout.read(&mut buffer).unwrap();
            if length == 0 {
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("{cell:?} ended after {:?}\n{said}", String::from_utf8_lossy(&got));
            }
            got.extend(&buffer[..length]);
        }
    }
    drop(stdin);
    // Its status tells how the server closed: Python's may do so first, without a close_notify.
    child.wait().unwrap();
}

impl Heard {
    fn is_all_of(&self, got: &[u8]) -> bool {
        match self {
            Self::Until(end) => got.ends_with(end),
            Self::Stream(data) => {
                let (got, ended) = stream(got);
                assert!(!ended || got == *data, "{got:?}");
                ended
            }
        }
    }
}

fn turns(cell: &Cell) -> Vec<Turn> {
    let (host, path) = (cell.host(), cell.protocol.path());
    let until = |say: &[u8], end: &[u8]| Turn { say: say.into(), heard: Heard::Until(end.into()) };
    let http1 = |method: &str, fields: &str, body: &str, end: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n{body}");
        until(request.as_bytes(), end.as_bytes())
    };
    let http2 = |method: &str, fields: &[(&str, &str)], body: &[u8], data: &[u8]| Turn {
        say: http2(&host, method, path, fields, body),
        heard: Heard::Stream(data.into()),
    };
    match cell.protocol {
        Protocol::Http1 => {
            let length = format!("Content-Length: {}\r\n", HELLO.len());
            vec![http1("POST", &length, HELLO, &format!("\r\n\r\n{HELLO}"))]
        }
        Protocol::Sse => vec![http1("GET", "", "", &format!("\r\n\r\n{EVENTS}"))],
        Protocol::WebSocket => {
            let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
                          Sec-WebSocket-Version: 13\r\n\
                          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
            // Masked by zeros: a text, then the close 1000.
            vec![
                http1("GET", fields, "", "\r\n\r\n"),
                until(b"\x81\x85\0\0\0\0hello", b"\x81\x05hello"),
                until(b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x02\x03\xe8"),
            ]
        }
        Protocol::Http2 => vec![http2("POST", &[], HELLO.as_bytes(), HELLO.as_bytes())],
        Protocol::Grpc => {
            let fields = [("content-type", "application/grpc"), ("te", "trailers")];
            vec![http2("POST", &fields, &grpc_message(), &grpc_message())]
        }
        Protocol::SseHttp2 => vec![http2("GET", &[], b"", EVENTS.as_bytes())],
        Protocol::Opaque | Protocol::OpaquePlain => vec![
            until(b"", b"220 mail.example at your service\r\n"),
            until(b"NOOP\r\n", b"250 NOOP\r\n"),
            // A line with a capital Q is a command to s_client itself.
            until(b"quit\r\n", b"250 quit\r\n"),
        ],
    }
}

/// The client's opening, and one request on stream 1.
fn http2(host: &str, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let fields = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path)];
    let block = h2::block(&[&fields, more].concat());
    [
        h2::PREFACE,
        &h2::settings(&[]),
        &h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &block),
        &h2::frame(h2::DATA, h2::END_STREAM, 1, body),
    ]
    .concat()
}

/// What the DATA frames hold, and whether the stream has ended.
fn stream(mut got: &[u8]) -> (Vec<u8>, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut data, mut ended) = (Vec::new(), false);
        while let Some(frame) = h2::read_frame(&mut got).await {
            ended |= frame.stream == 1 && frame.flags & h2::END_STREAM != 0;
            if frame.kind == h2::DATA {
                data.extend(frame.payload);
            }
        }
        (data, ended)
    })
}
