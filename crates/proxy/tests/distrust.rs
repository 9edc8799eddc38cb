//! Devices that refuse our leaf: what is made of it, and what follows for the next connection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::distrust::DistrustClass;
use flow::event::Event;
use flow::limits::Limits;
use flow::treatment::{BlockedWhy, Cause, Failure, PassthroughWhy, Treatment};
use proxy::{OnDistrust, Rules};
use rustls_pki_types::CertificateDer;
use std::time::Duration;
use support::{Issuer, ORIGIN, Options, Running, SOON, Story, issuer, listen, origin_tls, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// An origin that answers every connection with the byte `!` for the first that it gets.
fn serve(listener: TcpListener, issuer: &Issuer) {
    let tls = TlsAcceptor::from(origin_tls(issuer, &[]));
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = tls.accept(tcp).await else { return };
                if stream.read_u8().await.is_ok() {
                    drop(stream.write_all(b"!").await);
                }
            });
        }
    });
}

async fn running(rules: Rules, limits: impl FnOnce(&mut Limits)) -> (Running, Issuer) {
    let issuer = issuer();
    let (listener, address) = listen().await;
    serve(listener, &issuer);
    let mut options = Options::with_origin(address);
    options.origin_root = Some(issuer.der().clone());
    options.rules = rules;
    limits(&mut options.limits);
    (start(options).await, issuer)
}

/// Whether a client that trusts `root` alone gets its answer.
async fn talks(proxy: &Running, root: &CertificateDer<'static>) -> bool {
    talks_as(proxy, root, &[]).await
}

/// The same of one that offers these protocols.
async fn talks_as(proxy: &Running, root: &CertificateDer<'static>, alpn: &[&[u8]]) -> bool {
    let Ok(mut client) = proxy.tls(root, alpn).await else { return false };
    let talk = async {
        client.write_all(b"?").await?;
        client.flush().await?;
        client.read_u8().await
    };
    tokio::time::timeout(SOON, talk).await.unwrap().is_ok()
}

/// The last treatment of each connection, in their order.
fn treatments(story: &Story) -> Vec<Treatment> {
    let mut last = std::collections::BTreeMap::new();
    for event in &story.0 {
        if let Event::Treated { connection, treatment, .. } = event {
            last.insert(*connection, treatment.clone());
        }
    }
    last.into_values().collect()
}

#[track_caller]
fn assert_distrust(treatment: &Treatment, class: DistrustClass) {
    let Treatment::Failed(Failure { cause: Cause::Distrust(distrust), .. }) = treatment else {
        panic!("{treatment:?}")
    };
    assert_eq!(distrust.class, class);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_connection_of_an_app_that_distrusts_is_passed_through() {
    let (proxy, issuer) = running(Rules::default(), |_| {}).await;
    let own = issuer.der().clone();
    assert!(!talks(&proxy, &own).await);
    assert!(talks(&proxy, &own).await);
    assert!(talks(&proxy, &own).await);
    let story = proxy.finish().await;
    let treated = treatments(&story);
    assert_distrust(&treated[0], DistrustClass::AuthorityNotTrusted);
    let Treatment::Passthrough(PassthroughWhy::Distrusted { on, distrust, .. }) = &treated[1]
    else {
        panic!("{treated:?}")
    };
    assert_eq!((on.0, distrust.alert, treated.len()), (1, 48, 3));
    assert_eq!(treated[1].distrust(), Some(DistrustClass::AuthorityNotTrusted));
    let hellos = story.0.iter().filter(|event| matches!(event, Event::ClientHello { .. })).count();
    let dials = story.0.iter().filter(|event| matches!(event, Event::Dialled(_))).count();
    assert_eq!((hellos, dials), (3, 3), "what can be seen is told of each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keep_and_block_and_an_intercept_rule_do_not_pass_through() {
    let keep = Rules { on_distrust: OnDistrust::Keep, ..Rules::default() };
    let insist = Rules { intercept: vec![ORIGIN.parse().unwrap()], ..Rules::default() };
    for rules in [keep, insist] {
        let (proxy, issuer) = running(rules, |_| {}).await;
        let own = issuer.der().clone();
        assert!(!talks(&proxy, &own).await && !talks(&proxy, &own).await);
        for treatment in treatments(&proxy.finish().await) {
            assert_distrust(&treatment, DistrustClass::AuthorityNotTrusted);
        }
    }
    let block = Rules { on_distrust: OnDistrust::Block, ..Rules::default() };
    let (proxy, issuer) = running(block, |_| {}).await;
    let own = issuer.der().clone();
    assert!(!talks(&proxy, &own).await && !talks(&proxy, &own).await);
    let treated = treatments(&proxy.finish().await);
    assert!(
        matches!(&treated[1], Treatment::Blocked(BlockedWhy::Distrusted { on, .. }) if on.0 == 1),
        "{treated:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_trusts_us_elsewhere_pins() {
    let (proxy, issuer) = running(Rules::default(), |_| {}).await;
    assert!(talks(&proxy, &proxy.authority).await);
    assert!(!talks(&proxy, &issuer.der().clone()).await);
    let treated = treatments(&proxy.finish().await);
    assert_eq!(treated[0], Treatment::Intercepted);
    assert_distrust(&treated[1], DistrustClass::Pinned);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_through_outlived_the_device_s_trust_in_us() {
    let (proxy, issuer) = running(Rules::default(), |_| {}).await;
    assert!(!talks(&proxy, &issuer.der().clone()).await);
    assert!(talks(&proxy, &issuer.der().clone()).await);
    // Another app of the device, by its ClientHello.
    assert!(talks_as(&proxy, &proxy.authority, &[b"http/1.1"]).await);
    assert!(talks(&proxy, &proxy.authority).await);
    let treated = treatments(&proxy.finish().await);
    assert!(matches!(treated[1], Treatment::Passthrough(_)), "{treated:?}");
    assert_eq!(treated[2..], [Treatment::Intercepted, Treatment::Intercepted]);
    let why = treated[1].why();
    assert!(why.contains(" UTC, or until it accepts ours"), "{why}");
    assert!(treated[1].hint().unwrap().contains("--on-distrust keep"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_through_ends_with_its_time() {
    let (proxy, issuer) =
        running(Rules::default(), |limits| limits.fail_open_time = Duration::from_nanos(1)).await;
    let own = issuer.der().clone();
    assert!(!talks(&proxy, &own).await && !talks(&proxy, &own).await);
    for treatment in treatments(&proxy.finish().await) {
        assert_distrust(&treatment, DistrustClass::AuthorityNotTrusted);
    }
}

/// A connection that the client ends in the middle of the handshake, with these bytes first.
async fn check_end(last: &[u8], class: DistrustClass) {
    let (proxy, issuer) = running(Rules::default(), |_| {}).await;
    for _ in 0..2 {
        let mut tcp = proxy.tunnel(&format!("{ORIGIN}:443")).await;
        tcp.write_all(&support::client_hello()).await.unwrap();
        // Our flight is there: what follows is about it.
        tcp.read_u8().await.unwrap();
        tcp.write_all(last).await.unwrap();
        tcp.shutdown().await.unwrap();
        drop(tcp.read_to_end(&mut Vec::new()).await);
    }
    drop(issuer);
    let treated = treatments(&proxy.finish().await);
    let classes: Vec<_> = treated.iter().map(Treatment::distrust).collect();
    assert_eq!(classes, [Some(class); 2], "never acted upon: {treated:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_without_an_alert_is_probable_and_nothing_follows() {
    check_end(b"", DistrustClass::Probable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_about_something_else_is_no_distrust() {
    let ech_required = 121;
    let handshake_failure = 40;
    for alert in [ech_required, handshake_failure] {
        check_end(&[21, 3, 3, 0, 2, 2, alert], DistrustClass::Unknown).await;
    }
}
