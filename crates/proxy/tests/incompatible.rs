//! Upstreams whose TLS we cannot speak: the client's own bytes are sent on over a second connection.
//! The servers are openssl's, as old or as strict as the case needs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use flow::event::Event;
use flow::treatment::{PassthroughWhy, Treatment};
use proxy::{ClientIdentity, OnUnverified, Rules};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::{Issuer, ORIGIN, ORIGIN_ADDRESS, Options, Running, SOON, Story, issuer, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// `openssl s_server` on a free port of loopback; ends when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start(certificate: &str, key: &str, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert"])
            .arg(file("c.pem", certificate))
            .arg("-key")
            .arg(file("c.key", key))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It says `ACCEPT 127.0.0.1:PORT` once it listens.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let accept = lines.map_while(Result::ok).find(|line| line.starts_with("ACCEPT "));
        let address = accept.unwrap().trim_start_matches("ACCEPT ").parse().unwrap();
        Self { child, address, _directory: directory }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A certificate for the origin, and its key, as PEM.
fn issued(issuer: &Issuer, algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let params = CertificateParams::new(vec![ORIGIN.to_owned()]).unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

async fn proxy(server: &Server, issuer: &Issuer, change: impl FnOnce(&mut Options)) -> Running {
    let mut options = Options::with_origin(server.address);
    options.origin_root = Some(issuer.der().clone());
    change(&mut options);
    start(options).await
}

/// Sends a ClientHello and returns the first byte of the answer: 22 is a handshake, 21 an alert.
async fn first_answer(proxy: &Running) -> u8 {
    let mut tcp = proxy.tunnel(&format!("{ORIGIN}:443")).await;
    tcp.write_all(&support::client_hello()).await.unwrap();
    tokio::time::timeout(SOON, tcp.read_u8()).await.unwrap().unwrap()
}

fn dials(story: &Story) -> usize {
    story.0.iter().filter(|event| matches!(event, Event::Dialled(_))).count()
}

#[track_caller]
fn assert_incompatible(story: &Story, fact: &str) {
    let Treatment::Passthrough(PassthroughWhy::UpstreamIncompatible(said)) = story.treatment()
    else {
        panic!("{:?}", story.treatment())
    };
    assert!(said.contains(fact), "{said}");
}

/// The addresses that were dialled in order, with whether they answered.
fn dialled(story: &Story) -> Vec<(IpAddr, bool)> {
    let dials = story.0.iter().filter_map(|event| match event {
        Event::Dialled(dialled) => Some((dialled.upstream?.address.ip(), dialled.result.is_ok())),
        _ => None,
    });
    dials.collect()
}

fn look_ups(story: &Story) -> usize {
    story.0.iter().filter(|event| matches!(event, Event::Looked(_))).count()
}

/// A server that our ClientHello does not suit is dialled again for the client's own.
async fn check_spliced(options: &[&str], fact: &str) {
    let issuer = issuer();
    let (certificate, key) = issued(&issuer, &rcgen::PKCS_ECDSA_P256_SHA256);
    let server = Server::start(&certificate, &key, options);
    let proxy = proxy(&server, &issuer, |_| {}).await;
    // The tests' client cannot speak with it either; the answer is the server's own.
    first_answer(&proxy).await;
    let story = proxy.finish().await;
    assert_incompatible(&story, fact);
    assert_eq!(dialled(&story), [(ORIGIN_ADDRESS, true); 2], "both connections are told of");
    assert_eq!(look_ups(&story), 1, "what was found out is of this address, not of the name");
    let sent = story.stream(flow::stream::Leg::Relay, flow::stream::Direction::Up);
    assert_eq!(sent.first(), Some(&22), "the client's own ClientHello went on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_version_is_spliced() {
    check_spliced(&["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], "protocol_version").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suites_of_cbc_alone_are_spliced() {
    let options = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"];
    check_spliced(&options, "handshake_failure").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demanded_certificate_before_tls13_is_spliced() {
    check_spliced(&["-tls1_2", "-Verify", "1", "-verify_return_error"], "client certificate").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_connection_goes_to_another_address_only_when_the_same_is_gone() {
    let issuer = issuer();
    let (certificate, key) = issued(&issuer, &rcgen::PKCS_ECDSA_P256_SHA256);
    let old = ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"];
    // It serves one connection and is gone.
    let once = Server::start(&certificate, &key, &[&old[..], &["-naccept", "1"]].concat());
    let other = Server::start(&certificate, &key, &old);
    let [first, second] = [ORIGIN_ADDRESS, IpAddr::from([192, 0, 2, 11])];
    let places = vec![(first, once.address), (second, other.address)];
    let proxy = proxy(&once, &issuer, |options| options.places = places).await;
    first_answer(&proxy).await;
    let story = proxy.finish().await;
    assert_incompatible(&story, "protocol_version");
    let expected = [(first, true), (first, false), (second, true)];
    assert_eq!(dialled(&story), expected);
    assert_eq!(look_ups(&story), 2);
}

/// A server that lets a client without a certificate in, to tell it what is missing, as nginx does
/// with `ssl_verify_client`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_was_requested_and_not_sent_is_told_of_an_intercepted_connection() {
    let issuer = issuer();
    for version in ["-tls1_2", "-tls1_3"] {
        let (certificate, key) = issued(&issuer, &rcgen::PKCS_ECDSA_P256_SHA256);
        let server = Server::start(&certificate, &key, &[version, "-verify", "1"]);
        let proxy = proxy(&server, &issuer, |_| {}).await;
        let mut client = proxy.tls(&proxy.authority, &[]).await.unwrap();
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        drop(tokio::time::timeout(SOON, client.read_to_end(&mut Vec::new())).await.unwrap());
        drop(client);
        let story = proxy.finish().await;
        assert_eq!(story.treatment(), &Treatment::Intercepted);
        let told = story.0.iter().find_map(|event| match event {
            Event::UpstreamTls { tls, .. } => {
                Some((tls.asked_for_certificate, tls.client_certificate.clone()))
            }
            _ => None,
        });
        assert_eq!(told, Some((true, None)), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intercept_rule_fails_rather_than_splice() {
    let issuer = issuer();
    let (certificate, key) = issued(&issuer, &rcgen::PKCS_ECDSA_P256_SHA256);
    let server =
        Server::start(&certificate, &key, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]);
    let intercept = vec![ORIGIN.parse().unwrap()];
    let proxy = proxy(&server, &issuer, |options| {
        options.rules = Rules { intercept, ..Rules::default() };
    })
    .await;
    assert_eq!(first_answer(&proxy).await, 21);
    let story = proxy.finish().await;
    assert!(matches!(story.treatment(), Treatment::Failed(_)));
    assert_eq!(dials(&story), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_version_1_is_spliced_whatever_is_done_with_unverified_ones() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = version_1(directory.path());
    for on_unverified in [OnUnverified::Refuse, OnUnverified::Record] {
        let issuer = issuer();
        let server = Server::start(&certificate, &key, &[]);
        let proxy = proxy(&server, &issuer, |options| options.on_unverified = on_unverified).await;
        assert_eq!(first_answer(&proxy).await, 22);
        assert_incompatible(&proxy.finish().await, "version 3");
    }
}

/// A self-signed certificate without extensions, as `openssl x509` makes it from a request.
fn version_1(directory: &Path) -> (String, String) {
    let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (key, request, certificate) = (file("k"), file("r"), file("c"));
    let openssl = |arguments: &[&str]| {
        Command::new("openssl").args(arguments).stderr(Stdio::null()).status().unwrap().success()
    };
    let subject = format!("/CN={ORIGIN}");
    assert!(openssl(&[
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        &key,
        "-out",
        &request,
        "-subj",
        &subject,
    ]));
    let sign = ["x509", "-req", "-in", &request, "-key", &key, "-days", "2", "-out", &certificate];
    // Before OpenSSL 3.2 version 1 is what it makes, and there is no option for it.
    assert!(openssl(&[&sign[..], &["-x509v1"]].concat()) || openssl(&sign));
    (std::fs::read_to_string(certificate).unwrap(), std::fs::read_to_string(key).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_demanded_after_the_handshake_splices_the_next_connection() {
    let issuer = issuer();
    let (certificate, key) = issued(&issuer, &rcgen::PKCS_ECDSA_P256_SHA256);
    let server =
        Server::start(&certificate, &key, &["-tls1_3", "-Verify", "1", "-verify_return_error"]);
    let proxy = proxy(&server, &issuer, |_| {}).await;
    let mut client = proxy.tls(&proxy.authority, &[]).await.unwrap();
    drop(tokio::time::timeout(SOON, client.read_to_end(&mut Vec::new())).await.unwrap());
    drop(client);
    assert_eq!(first_answer(&proxy).await, 22);
    let story = proxy.finish().await;
    assert_incompatible(&story, "client certificate");
    let asked = story
        .0
        .iter()
        .any(|event| matches!(event, Event::UpstreamTls { tls, .. } if tls.asked_for_certificate));
    assert!(asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configured_certificate_is_presented_and_told_of() {
    let issuer = issuer();
    for version in ["-tls1_2", "-tls1_3"] {
        let (certificate, key) = issued(&issuer, &rcgen::PKCS_ECDSA_P256_SHA256);
        let authority = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(authority.path(), issuer.pem()).unwrap();
        let file = authority.path().to_str().unwrap();
        let options = [version, "-Verify", "1", "-verify_return_error", "-CAfile", file];
        let server = Server::start(&certificate, &key, &options);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["client".to_owned()]).unwrap();
        let own = own.signed_by(&key, &issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let identity =
            ClientIdentity::new("*.example".parse().unwrap(), vec![own.clone()], key).unwrap();
        let proxy = proxy(&server, &issuer, |options| options.identities = vec![identity]).await;
        let mut client = proxy.tls(&proxy.authority, &[]).await.unwrap();
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut page = Vec::new();
        drop(tokio::time::timeout(SOON, client.read_to_end(&mut page)).await.unwrap());
        assert!(page.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&page));
        drop(client);
        let story = proxy.finish().await;
        assert_eq!(story.treatment(), &Treatment::Intercepted);
        let presented = story.0.iter().find_map(|event| match event {
            Event::UpstreamTls { tls, .. } => tls.client_certificate.clone(),
            _ => None,
        });
        assert_eq!(presented.as_deref(), Some(own.as_ref()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_does_not_verify_is_not_spliced() {
    let (issuer, other) = (issuer(), issuer());
    let (certificate, key) = issued(&other, &rcgen::PKCS_ECDSA_P256_SHA256);
    let server = Server::start(&certificate, &key, &[]);
    let proxy = proxy(&server, &issuer, |_| {}).await;
    assert_eq!(first_answer(&proxy).await, 21);
    let story = proxy.finish().await;
    assert!(matches!(story.treatment(), Treatment::Failed(_)), "{:?}", story.treatment());
    let ours = story.0.iter().find_map(|event| match event {
        Event::UpstreamTls { tls, .. } => tls.ours.clone(),
        _ => None,
    });
    assert!(ours.unwrap().ja4.starts_with("t13d"));
}
