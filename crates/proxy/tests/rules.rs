//! The lists `intercept`, `passthrough` and `block`: what a rule does to a connection, at the moment
//! when what it is about becomes known.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::claim::{Asn, Country};
use flow::event::Event;
use flow::treatment::{BlockedWhy, PassthroughWhy, Treatment};
use proxy::{Origin, Rule, Rules};
use support::{ORIGIN, Options, issuer, listen, origin_tls, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

fn rules(list: &str) -> Vec<Rule> {
    list.split_whitespace().map(|rule| rule.parse().unwrap()).collect()
}

fn blocking(list: &str) -> Rules {
    Rules { block: rules(list), ..Rules::default() }
}

fn blocked_by(rule: &str) -> Treatment {
    Treatment::Blocked(BlockedWhy::Rule(rule.to_owned()))
}

/// A CONNECT that a rule refuses; whether the name was looked up and dialled before.
async fn check_block(rule: &str, looked_up: bool) {
    let (_listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.rules = blocking(rule);
    options.origin_of = Origin { asns: vec![Asn(64496)], countries: vec![Country::CN] };
    let proxy = start(options).await;
    let answer = proxy.raw(format!("CONNECT {ORIGIN}:443 HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains(rule), "{rule}: {answer}");
    let story = proxy.finish().await;
    assert_eq!(story.treatment(), &blocked_by(rule));
    let looked = story.0.iter().any(|event| matches!(event, Event::Looked(_)));
    let dialled = story.0.iter().any(|event| matches!(event, Event::Dialled(_)));
    assert_eq!((looked, dialled), (looked_up, false), "{rule}");
}

#[tokio::test]
async fn a_blocked_name_is_not_even_looked_up() {
    check_block(ORIGIN, false).await;
    check_block("*.example", false).await;
}

#[tokio::test]
async fn what_is_blocked_by_address_is_looked_up_and_not_dialled() {
    for rule in ["192.0.2.10", "192.0.2.0/24", "port:443", "AS64496", "country:CN", "*"] {
        check_block(rule, true).await;
    }
}

#[tokio::test]
async fn a_plain_request_is_blocked_too() {
    let (_listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.rules = blocking("port:80");
    let proxy = start(options).await;
    let answer = proxy.raw(format!("GET http://{ORIGIN}/ HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(proxy.finish().await.treatment(), &blocked_by("port:80"));
}

#[tokio::test]
async fn a_name_that_only_the_client_hello_tells_is_answered_with_an_alert() {
    let (listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.rules = blocking("*.example");
    options.rules.intercept = rules("192.0.2.10");
    let proxy = start(options).await;
    // Asked for by its address; the name comes with the ClientHello.
    let tcp = proxy.tunnel("192.0.2.10:443").await;
    let _upstream = listener.accept().await.unwrap();
    let error = proxy.tls_over(tcp, &proxy.authority, &[]).await.unwrap_err();
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    let story = proxy.finish().await;
    assert_eq!(story.treatment(), &blocked_by("*.example"));
    assert!(story.0.iter().any(|event| matches!(event, Event::ClientHello { .. })));
}

/// TLS through a tunnel under these lists; the origin's certificate is seen where it is left alone.
async fn check_tls(intercept: &str, passthrough: &str, expected: Treatment) {
    let issuer = issuer();
    let (listener, address) = listen().await;
    let mut options = Options::with_origin(address);
    options.origin_root = Some(issuer.der().clone());
    options.origin_of = Origin { asns: vec![Asn(64496)], countries: vec![Country::CN] };
    options.rules =
        Rules { intercept: rules(intercept), passthrough: rules(passthrough), ..Rules::default() };
    let tls = TlsAcceptor::from(origin_tls(&issuer, &[]));
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        tls.accept(tcp).await.unwrap().write_all(b"own").await.unwrap();
    });
    let proxy = start(options).await;
    let root = match expected {
        Treatment::Intercepted => proxy.authority.clone(),
        _ => issuer.der().clone(),
    };
    let mut client = proxy.tls(&root, &[]).await.unwrap();
    let mut own = [0; 3];
    client.read_exact(&mut own).await.unwrap();
    drop(client);
    assert_eq!(proxy.finish().await.treatment(), &expected, "{intercept} | {passthrough}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passthrough_by_every_kind_of_rule() {
    for rule in [
        ORIGIN,
        "*.example",
        "192.0.2.10",
        "192.0.2.0/24",
        "port:443",
        "AS64496",
        "country:CN",
        "*",
    ] {
        let why = PassthroughWhy::Rule(rule.to_owned());
        check_tls("", rule, Treatment::Passthrough(why)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closer_intercept_rule_is_an_exception() {
    check_tls(ORIGIN, "*.example", Treatment::Intercepted).await;
    check_tls("port:443", "* country:CN AS64496", Treatment::Intercepted).await;
    let why = PassthroughWhy::Rule(ORIGIN.to_owned());
    check_tls("*.example 192.0.2.10", ORIGIN, Treatment::Passthrough(why)).await;
}
