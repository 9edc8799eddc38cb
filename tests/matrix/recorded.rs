//! What the session tells of a cell.

use crate::cell::{Cell, Client, EVENTS, HELLO, Protocol, Way, grpc_message};
use harness::field::Field;
use harness::network::V4;
use serde_json::Value;

pub fn check(field: &Field, cell: &Cell) {
    let flow = field.case.flow(&filter(cell));
    let opened = &field.detail(&flow)["connection"]["open"];
    let (ingress, device) = match cell.way {
        Way::Connect => ("connect", "127.0.0.1:"),
        Way::Socks5 => ("socks5", "127.0.0.1:"),
        Way::Transparent => ("redirect", V4.phone),
    };
    assert_eq!(opened["ingress"], ingress, "{opened:#}");
    assert!(opened["device"].as_str().unwrap().starts_with(device), "{opened:#}");
    assert_eq!(flow["address"], V4.server, "{flow:#}");
    let plain = cell.protocol == Protocol::OpaquePlain;
    assert_eq!(flow["treatment"], if plain { "plaintext" } else { "intercepted" }, "{flow:#}");
    let (protocol, status) = match cell.protocol {
        Protocol::Http1 | Protocol::Sse => ("http/1.1", Some(200)),
        Protocol::Http2 | Protocol::Grpc | Protocol::SseHttp2 => ("h2", Some(200)),
        Protocol::WebSocket => ("http/1.1", Some(101)),
        Protocol::Opaque => ("tls", None),
        Protocol::OpaquePlain => ("tcp", None),
    };
    assert_eq!(flow["protocol"], protocol, "{flow:#}");
    assert_eq!(flow["status"].as_u64(), status, "{flow:#}");
    bytes(cell, &flow);
    messages(field, cell, &flow);
}

/// The cell's one flow.
fn filter(cell: &Cell) -> String {
    match (cell.protocol, cell.way) {
        // Without TLS and without HTTP nothing names the host.
        (Protocol::OpaquePlain, Way::Transparent) => {
            format!("device:{} port:{}", V4.phone, cell.protocol.port())
        }
        (Protocol::Opaque | Protocol::OpaquePlain, _) => format!("host:{}", cell.host()),
        // A browser asks first whether it may.
        (Protocol::Grpc, _) => format!("host:{} method:POST", cell.host()),
        (Protocol::Http1 | Protocol::Http2, _) => {
            format!("host:{} path:{} method:POST", cell.host(), cell.protocol.path())
        }
        _ => format!("host:{} method:GET", cell.host()),
    }
}

fn bytes(cell: &Cell, flow: &Value) {
    let trailers = if cell.client == Client::Chromium { 5 + "grpc-status:0\r\n".len() } else { 0 };
    let (request, response) = match cell.protocol {
        Protocol::Http1 | Protocol::Http2 => (HELLO.len(), HELLO.len()),
        Protocol::Grpc => (grpc_message().len(), grpc_message().len() + trailers),
        Protocol::Sse | Protocol::SseHttp2 => (0, EVENTS.len()),
        Protocol::WebSocket if cell.client == Client::Curl => (0, 7),
        // Chromium compresses.
        Protocol::WebSocket if cell.client == Client::Chromium => return,
        Protocol::WebSocket => (19, 11),
        // Curl says its own name.
        Protocol::Opaque | Protocol::OpaquePlain if cell.client == Client::Curl => return,
        Protocol::Opaque | Protocol::OpaquePlain => (12, 54),
    };
    let seen = (&flow["request_bytes"], &flow["response_bytes"]);
    assert_eq!(seen, (&request.into(), &response.into()), "{flow:#}");
}

fn messages(field: &Field, cell: &Cell, flow: &Value) {
    let expected: &[&str] = match (cell.protocol, cell.client) {
        (Protocol::WebSocket, Client::Curl) => &["down text 5 hello"],
        (Protocol::WebSocket, _) => {
            &["up text 5 hello", "down text 5 hello", "up close 2", "down close 2"]
        }
        (Protocol::Grpc, Client::Chromium) => &[
            "up message 12 hello matrix",
            "down message 12 hello matrix",
            "down trailers 15 grpc-status:0",
        ],
        (Protocol::Grpc, _) => &["up message 12 hello matrix", "down message 12 hello matrix"],
        (Protocol::Sse | Protocol::SseHttp2, _) => {
            &["down message 7 event 1", "down message 7 event 2", "down message 7 event 3"]
        }
        _ => return assert!(flow.get("messages").is_none(), "{flow:#}"),
    };
    let rows = field.case.rows(&["flow", "messages", flow["id"].as_str().unwrap()]);
    let lines: Vec<String> = rows.iter().map(line).collect();
    assert_eq!(lines, expected, "{rows:#?}");
}

fn line(message: &Value) -> String {
    assert!(message.get("defect").is_none(), "{message:#}");
    let word = |key: &str| message[key].as_str().unwrap_or_default();
    let line =
        format!("{} {} {} {}", word("direction"), word("type"), message["size"], word("text"));
    line.trim_end().to_owned()
}
