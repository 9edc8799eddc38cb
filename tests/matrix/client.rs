//! The clients of one command line per cell: curl, nghttp and Python.

use crate::cell::{Cell, Client, EVENTS, HELLO, Protocol, Way, grpc_message};
use harness::field::Field;
use harness::landfall::Landfall;
use harness::network::V4;
use harness::server::Server;
use harness::tool::{self, Output, SHORT};
use std::path::PathBuf;
use std::process::Command;

pub fn run(field: &Field, landfall: &Landfall, cell: &Cell) {
    match cell.client {
        Client::Curl => curl(field, landfall, cell),
        Client::Nghttp => nghttp(field, landfall, cell),
        _ => python(field, landfall, cell),
    }
}

/// Where the way begins: the proxy, or the server that the phone believes to reach.
pub fn entrance(landfall: &Landfall, way: Way) -> String {
    match way {
        Way::Transparent => V4.server.to_owned(),
        _ => landfall.proxy().to_string(),
    }
}

/// A local port that leads to the cell's server, for clients that know no proxies.
pub fn forwarder(field: &Field, landfall: &Landfall, cell: &Cell) -> Server {
    let mut python = field.python(cell.way.place(), "forwarder.py");
    python.args([cell.way.word(), &entrance(landfall, cell.way), &cell.host()]);
    Server::announced(python.arg(cell.protocol.port().to_string()))
}

/// A file with these bytes, of the cell alone.
fn file(field: &Field, cell: &Cell, bytes: &[u8]) -> PathBuf {
    let path = field.case.path(&format!("{}.bytes", cell.host()));
    std::fs::write(&path, bytes).unwrap();
    path
}

fn python(field: &Field, landfall: &Landfall, cell: &Cell) {
    let mut python = field.python(cell.way.place(), "matrix_client.py");
    python.args([cell.way.word(), &entrance(landfall, cell.way)]).arg(&field.authority);
    python.args([cell.protocol.word(), &cell.host(), &cell.protocol.port().to_string()]);
    assert_eq!(tool::run(&mut python, SHORT).expect_success().text(), "ok\n");
}

fn curl(field: &Field, landfall: &Landfall, cell: &Cell) {
    let mut curl = field.network.command(cell.way.place(), "curl");
    curl.args(["--silent", "--show-error", "--no-buffer", "--cacert"]).arg(&field.authority);
    let entrance = entrance(landfall, cell.way);
    match cell.way {
        Way::Connect => curl.args(["--proxytunnel", "--proxy", &entrance]),
        Way::Socks5 => curl.args(["--socks5-hostname", &entrance]),
        Way::Transparent => curl.args(["--connect-to", &format!("::{entrance}:")]),
    };
    let at = format!("{}:{}", cell.host(), cell.protocol.port());
    let url = format!("https://{at}{}", cell.protocol.path());
    let posted = |curl: &mut Command, bytes: &[u8]| {
        curl.arg("--data-binary").arg(format!("@{}", file(field, cell, bytes).display()));
    };
    curl.arg("--write-out").arg("%{stderr}%{http_version}");
    let (version, answer) = match cell.protocol {
        Protocol::Http1 => {
            posted(&mut curl, HELLO.as_bytes());
            ("1.1", HELLO.into())
        }
        Protocol::Http2 => {
            posted(curl.arg("--http2"), HELLO.as_bytes());
            ("2", HELLO.into())
        }
        Protocol::Grpc => {
            curl.args(["--http2", "--header", "content-type: application/grpc"]);
            posted(curl.args(["--header", "te: trailers"]), &grpc_message());
            ("2", grpc_message())
        }
        Protocol::Sse => ("1.1", EVENTS.into()),
        Protocol::SseHttp2 => ("2", EVENTS.into()),
        Protocol::WebSocket => return curl_listens(&mut curl, &at),
        Protocol::Opaque => return curl_speaks_smtp(&mut curl, &format!("smtps://{at}")),
        Protocol::OpaquePlain => return curl_speaks_smtp(&mut curl, &format!("smtp://{at}")),
    };
    let output = tool::run(curl.arg(url), SHORT).expect_success();
    assert_eq!((output.stdout, output.stderr), (answer, version.into()));
}

/// A curl without `ws://` shakes hands by its headers, and shows the frames that come.
fn curl_listens(curl: &mut Command, at: &str) {
    curl.args(["--http1.1", "--header", "Connection: Upgrade", "--header", "Upgrade: websocket"]);
    curl.args(["--header", "Sec-WebSocket-Version: 13"]);
    curl.args(["--header", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]);
    let output = tool::run(curl.arg(format!("https://{at}/greet")), SHORT);
    assert_eq!(output.stdout, b"\x81\x05hello", "{output:?}");
}

fn curl_speaks_smtp(curl: &mut Command, url: &str) {
    let output: Output = tool::run(curl.args(["--verbose", "--request", "NOOP", url]), SHORT);
    let said = output.expect_success().error_text();
    assert!(said.contains("< 220 mail.example") && said.contains("< 250 NOOP"), "{said}");
}

fn nghttp(field: &Field, landfall: &Landfall, cell: &Cell) {
    let forwarder = Some(cell.way)
        .filter(|way| *way != Way::Transparent)
        .map(|_| forwarder(field, landfall, cell));
    let at = match &forwarder {
        Some(forwarder) => forwarder.socket().to_string(),
        None => format!("{}:{}", V4.server, cell.protocol.port()),
    };
    let mut nghttp = field.network.command(cell.way.place(), "nghttp");
    // The name is the one that it asks for, in TLS too.
    nghttp.arg("--no-verify-peer").arg(format!("--header=:authority: {}", cell.host()));
    let answer = match cell.protocol {
        Protocol::Http2 => {
            nghttp.arg("--data").arg(file(field, cell, HELLO.as_bytes()));
            HELLO.into()
        }
        Protocol::Grpc => {
            nghttp.args(["--header=content-type: application/grpc", "--header=te: trailers"]);
            nghttp.arg("--data").arg(file(field, cell, &grpc_message()));
            grpc_message()
        }
        _ => EVENTS.into(),
    };
    let output = tool::run(nghttp.arg(format!("https://{at}{}", cell.protocol.path())), SHORT);
    assert_eq!(output.expect_success().stdout, answer);
}
