//! Chromium: one page for each way, which speaks every protocol that a page can speak, each with a
//! server of its own, and writes what came of it into itself.

use crate::cell::{self, Protocol, Way, grpc_message};
use crate::client::entrance;
use harness::browser;
use harness::field::Field;
use harness::landfall::Landfall;
use harness::tool;
use std::time::Duration;

pub fn run(field: &Field, landfall: &Landfall, way: Way) {
    let page = format!("page-{}.html", way.word());
    std::fs::write(field.case.path(&page), html(way)).unwrap();
    let home = field.case.path(&format!("home-{}", way.word()));
    let chromium = field.network.command(way.place(), "chromium");
    let mut chromium = browser::headless(chromium, &home, &field.authority);
    let entrance = entrance(landfall, way);
    chromium.arg(match way {
        Way::Connect => format!("--proxy-server=http://{entrance}"),
        Way::Socks5 => format!("--proxy-server=socks5://{entrance}"),
        Way::Transparent => format!("--host-resolver-rules=MAP *.example {entrance}"),
    });
    chromium.arg(format!("{}/{page}", origin(Protocol::Http2, way)));
    let output = tool::run(&mut chromium, Duration::from_secs(120));
    let (text, said) = (output.text(), output.error_text());
    let trailers = "grpc-status:0\r\n";
    let mut grpc = grpc_message();
    grpc.extend([&[0x80, 0, 0, 0, trailers.len() as u8], trailers.as_bytes()].concat());
    let events = "event 1,event 2,event 3".to_owned();
    for (protocol, expected) in [
        (Protocol::Http1, cell::HELLO.to_owned()),
        (Protocol::Http2, cell::HELLO.to_owned()),
        (Protocol::WebSocket, "hello 1000".to_owned()),
        (Protocol::Grpc, grpc.iter().map(u8::to_string).collect::<Vec<_>>().join(",")),
        (Protocol::Sse, events.clone()),
        (Protocol::SseHttp2, events),
    ] {
        let line = format!("[{}: {expected}]", protocol.word());
        assert!(text.contains(&line), "no {line} in\n{text}\n{said}");
    }
}

fn origin(protocol: Protocol, way: Way) -> String {
    format!("https://{}:{}", cell::host(protocol, way), protocol.port())
}

fn html(way: Way) -> String {
    let url = |protocol: Protocol| format!("{}{}", origin(protocol, way), protocol.path());
    let socket = url(Protocol::WebSocket).replace("https:", "wss:");
    include_str!("page.html")
        .replace("H1_URL", &url(Protocol::Http1))
        .replace("SSE_H2_URL", &url(Protocol::SseHttp2))
        .replace("SSE_URL", &url(Protocol::Sse))
        .replace("GRPC_URL", &url(Protocol::Grpc))
        .replace("GRPC_MESSAGE", &format!("{:?}", grpc_message()))
        .replace("WEBSOCKET_URL", &socket)
        .replace("HELLO", cell::HELLO)
}
