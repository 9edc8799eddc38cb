//! Every client with every protocol by every way in, through the real binary: what the client got,
//! and what was recorded of it. The table is [`cell`]'s: a cell either runs or is a gap that says
//! why. All run in network namespaces, so they need root: for CONNECT and SOCKS5 the client runs
//! beside the proxy, for the transparent way it is a phone behind the gateway.

mod cell;
mod chromium;
mod client;
mod openssl;
mod recorded;

use cell::{Cell, Client, WAYS};
use harness::field::Field;
use harness::landfall::Landfall;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

#[test]
fn curl() {
    check(Client::Curl);
}

#[test]
fn chromium() {
    check(Client::Chromium);
}

#[test]
fn nghttp() {
    check(Client::Nghttp);
}

#[test]
fn python() {
    check(Client::Python);
}

#[test]
fn openssl_s_client() {
    check(Client::Openssl);
}

/// Runs all cells of a client, then asks for the records of each.
fn check(client: Client) {
    let cells = cell::of(client);
    let names: Vec<String> = cells.iter().map(Cell::host).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut field = Field::new(&names, "redirect");
    for name in &names {
        field.case.name(name, &[], harness::network::V4.server);
    }
    field.serve_http1();
    field.serve_http2();
    field.serve_websocket();
    field.serve_streams();
    field.enforce(&[]);
    let landfall = field.start();
    let mut failed = Vec::new();
    if client == Client::Chromium {
        failed.extend(each(&WAYS, |&way| chromium::run(&field, &landfall, way)));
    } else {
        failed.extend(each(&cells, |cell| run(&field, &landfall, cell)));
    }
    let ended = landfall.stop();
    assert!(ended.status.success(), "{ended:?}");
    failed.extend(each(&cells, |cell| recorded::check(&field, cell)));
    assert!(failed.is_empty(), "{failed:#?}\nlandfall said:\n{}", ended.stderr);
}

fn run(field: &Field, landfall: &Landfall, cell: &Cell) {
    match cell.client {
        Client::Openssl => openssl::run(field, landfall, cell),
        _ => client::run(field, landfall, cell),
    }
}

/// Runs `work` on each, a few at a time, and returns those that failed.
fn each<T: Sync + std::fmt::Debug>(all: &[T], work: impl Fn(&T) + Sync) -> Vec<String> {
    let (left, failed) = (Mutex::new(all.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(one) = left.lock().unwrap().next() else { return };
                    // The others still say what they have to say.
                    if catch_unwind(AssertUnwindSafe(|| work(one))).is_err() {
                        failed.lock().unwrap().push(format!("{one:?}"));
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

const AT_ONCE: usize = 4;
