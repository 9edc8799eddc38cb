//! What handshakes with upstreams took: which are measured, from when to when, under whose roots.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::event::Event;
use flow::round_trip::{ChainRoots, RoundTripSample};
use proxy::{OnUnverified, Rules};
use rustls::ServerConfig;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use support::{ORIGIN, ORIGIN_ADDRESS, Options, Story, issuer, listen, origin_tls, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// How long the origins take before they answer a ClientHello.
const SLOW: Duration = Duration::from_millis(40);

/// One connection to an origin of this configuration, at its name or at its own address.
async fn story(tls: Arc<ServerConfig>, target: Target, change: impl FnOnce(&mut Options)) -> Story {
    let (listener, origin) = listen().await;
    let serving = tokio::spawn(serve(listener, tls));
    let mut options = Options::with_origin(origin);
    options.rules = Rules { allow_local: true, ..Rules::default() };
    change(&mut options);
    let proxy = start(options).await;
    let authority = match target {
        Target::Name => format!("{ORIGIN}:443"),
        Target::Address => origin.to_string(),
    };
    let tcp = proxy.tunnel(&authority).await;
    let mut client = proxy.tls_over(tcp, &proxy.authority, &[]).await.unwrap();
    client.shutdown().await.unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap();
    serving.await.unwrap();
    proxy.finish().await
}

enum Target {
    Name,
    Address,
}

async fn serve(listener: TcpListener, tls: Arc<ServerConfig>) {
    let (tcp, _) = listener.accept().await.unwrap();
    tcp.readable().await.unwrap();
    tokio::time::sleep(SLOW).await;
    let mut tls = TlsAcceptor::from(tls).accept(tcp).await.unwrap();
    tls.read_to_end(&mut Vec::new()).await.unwrap();
    tls.shutdown().await.unwrap();
}

fn samples(story: &Story) -> Vec<RoundTripSample> {
    let of = |event: &Event| match event {
        Event::RoundTrip(sample) => Some((**sample).clone()),
        _ => None,
    };
    story.0.iter().filter_map(of).collect()
}

fn only(story: &Story) -> RoundTripSample {
    let samples = samples(story);
    let [sample] = samples.as_slice() else { panic!("{samples:?}") };
    sample.clone()
}

#[tokio::test]
async fn a_handshake_is_measured_from_the_client_hello_to_the_signature() {
    for (public, chain) in [(true, ChainRoots::Public), (false, ChainRoots::Own)] {
        let issuer = issuer();
        let story = story(origin_tls(&issuer, &[]), Target::Address, |options| {
            options.origin_root = Some(issuer.der().clone());
            options.origin_is_public = public;
        });
        let story = story.await;
        let sample = only(&story);
        assert!(sample.signature >= SLOW, "{sample:?}");
        assert_eq!((sample.chain, sample.epoch), (chain, 1));
        assert!(sample.connect.is_some() && !sample.retried && !sample.simulated, "{sample:?}");
        assert!(sample.address.is_loopback());
        assert!(matches!(story.0.first(), Some(Event::Network(epoch)) if epoch.number == 1));
    }
}

#[tokio::test]
async fn an_origin_that_asks_for_another_client_hello_is_marked() {
    let issuer = issuer();
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::SECP384R1];
    let tls = support::origin_tls_with(provider, &issuer, &[]);
    let root = issuer.der().clone();
    let sample = only(&story(tls, Target::Address, |o| o.origin_root = Some(root)).await);
    assert!(sample.retried && sample.signature >= SLOW, "{sample:?}");
}

#[tokio::test]
async fn a_chain_that_does_not_verify_is_no_publicly_trusted_one() {
    let tls = origin_tls(&issuer(), &[]);
    let record = |options: &mut Options| options.on_unverified = OnUnverified::Record;
    let sample = only(&story(tls, Target::Address, record).await);
    assert_eq!(sample.chain, ChainRoots::Unverified);
}

#[tokio::test]
async fn a_socket_that_stands_for_an_address_says_nothing_of_it() {
    let issuer = issuer();
    let root = issuer.der().clone();
    let dialled = |options: &mut Options| options.origin_root = Some(root);
    let story = story(origin_tls(&issuer, &[]), Target::Name, dialled).await;
    assert_eq!(samples(&story), []);
}

#[tokio::test]
async fn a_simulated_time_stands_for_the_measured_one() {
    let issuer = issuer();
    let time = Duration::from_millis(4);
    let sample = only(
        &story(origin_tls(&issuer, &[]), Target::Name, |options| {
            options.origin_root = Some(issuer.der().clone());
            options.simulated_times = BTreeMap::from([(ORIGIN_ADDRESS, time)]);
        })
        .await,
    );
    assert_eq!((sample.signature, sample.address), (time, ORIGIN_ADDRESS));
    assert_eq!((sample.chain, sample.connect), (ChainRoots::Public, None));
    assert!(sample.simulated);
}

#[tokio::test]
async fn nothing_is_measured_through_an_upstream_proxy() {
    let issuer = issuer();
    let root = issuer.der().clone();
    let (hop, hop_address) = listen().await;
    let relaying = tokio::spawn(relay(hop));
    let story = story(origin_tls(&issuer, &[]), Target::Address, |options| {
        options.origin_root = Some(root);
        let proxy = format!("http://{hop_address}").parse().unwrap();
        options.outgoing = proxy::Outgoing { proxy: Some(proxy), mark: None };
    });
    let story = story.await;
    relaying.abort();
    assert_eq!(samples(&story), []);
    assert!(matches!(story.0.first(), Some(Event::Network(epoch)) if epoch.upstream_proxy));
}

/// A proxy for one CONNECT.
async fn relay(listener: TcpListener) {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target: SocketAddr = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut upstream = tokio::net::TcpStream::connect(target).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    drop(tokio::io::copy_bidirectional(&mut client, &mut upstream).await);
}
